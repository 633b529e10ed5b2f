/** What a request is counted as. The names are those of https://hl7.org/fhir/R4/valueset-restful-interaction.html where it has one. */
import { isResourceType } from '@carelog/fhir';
import type { FhirRequest } from './gateway.ts';

/** One of a few words, whatever the path holds. */
export function interactionOf({ method, path }: Pick<FhirRequest, 'method' | 'path'>): string {
  const [first, second, third] = path;
  if (first === undefined) return method === 'POST' ? 'bundle' : 'other';
  if (first === 'metadata') return 'metadata';
  if (path.at(-1) === '_search' || (path.length === 3 && isResourceType(third))) return 'search';
  if (third === '$everything') return 'everything';
  if (third === '$summary') return 'summary';
  if (first === 'Subscription' && third === '$events') return NOTIFICATION;
  if (third === '$evaluate-measure') return 'evaluate-measure';
  if (third === '$break-glass') return 'break-glass';
  if (third === '_history') return path.length > 3 ? 'vread' : 'history';
  const known = second === undefined ? ON_TYPE[method] : ON_RESOURCE[method];
  return (path.length <= 2 && known) || 'other';
}

/** What is told of events, whether it is sent or fetched. */
export const NOTIFICATION = 'notification';

const ON_TYPE: Readonly<Record<string, string>> = { GET: 'search', POST: 'create' };
const ON_RESOURCE: Readonly<Record<string, string>> = { GET: 'read', PUT: 'update', DELETE: 'delete' };
