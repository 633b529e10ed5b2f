/** Bundles that answer a question, put together from bytes that are never parsed. https://hl7.org/fhir/R4/bundle.html */
import type { AccessBasis } from '@carelog/access';
import { operationOutcome, type Problem } from '@carelog/fhir';
import type { SearchPage } from '@carelog/read-models';
import { nextLink } from '../cursor.ts';
import type { FhirAnswer, FhirRequest, Gateway } from '../gateway.ts';

export interface BundlePage {
  readonly type: 'searchset' | 'history';
  readonly page: SearchPage;
  /** The link to the next page, where it was made before. */
  readonly next?: string | undefined;
  /** Shown in the self link instead of what was sent, where something of it was not used. */
  readonly used?: URLSearchParams;
  readonly notes: readonly Problem[];
  readonly basis: AccessBasis;
}

export function bundleAnswer(
  gateway: Gateway,
  request: FhirRequest,
  { type, page, next, used, notes, basis }: BundlePage,
): FhirAnswer {
  const links = [{ relation: 'self', url: selfUrl(request, used ?? request.query) }];
  if (page.next !== undefined)
    links.push({ relation: 'next', url: next ?? nextLink(gateway, request, page.next) });
  const total = page.total === undefined ? '' : `"total":${page.total},`;
  const said = [...notes, ...(page.incomplete.length > 0 ? [INCOMPLETE] : [])];
  const outcome = said.length === 0 ? '' : outcomeEntry(type, said);
  const head = `{"resourceType":"Bundle","type":"${type}",${total}"link":${JSON.stringify(links)}`;
  const headers: Record<string, string> = {};
  const account = { status: 200, shown: page.shown, basis } as const;
  if (page.incomplete.length > 0) headers['carelog-incomplete'] = String(page.incomplete[0]!.position);
  if (page.count === 0 && outcome === '') return { ...account, headers, body: `${head}}` };
  const join = page.count > 0 && outcome !== '' ? ',' : '';
  return {
    ...account,
    headers,
    // Not joined: copying half a megabyte costs more than everything else that is done here.
    body: [Buffer.from(`${head},"entry":[`), ...page.entries, Buffer.from(`${join}${outcome}]}`)],
  };
}

const INCOMPLETE: Problem = {
  category: 'unavailable',
  code: 'incomplete',
  severity: 'warning',
  message:
    'Events of a person in this answer were set aside because one could not be projected. The answer may lack what came after it.',
};

function outcomeEntry(type: BundlePage['type'], problems: readonly Problem[]): string {
  const search = type === 'searchset' ? ',"search":{"mode":"outcome"}' : '';
  return `{"resource":${JSON.stringify(operationOutcome(problems))}${search}}`;
}

function selfUrl(request: FhirRequest, query: URLSearchParams): string {
  const path = request.path.filter((step) => step !== '_search').join('/');
  return `${request.base}/${path}${query.size > 0 ? `?${query}` : ''}`;
}
