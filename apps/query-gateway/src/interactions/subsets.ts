/** A page of which the client asked for part of each resource: the one answer that is put together from parsed resources. */
import { parseJson, stringify, subsetOf, type Subset } from '@carelog/fhir';
import type { SearchPage } from '@carelog/read-models';

interface Entry {
  readonly resource: Record<string, unknown>;
  readonly search?: { readonly mode: string };
}

// A recorded resource may be as deep as parseJson takes by default; in the page it lies deeper.
const LIMITS = { depthMax: 200, lengthMax: 1024 * 1024 * 1024 };

/** `_elements` names elements of the type that was searched, so included resources stay whole. */
export function withSubsets(page: SearchPage, wanted: Subset): SearchPage {
  const parsed = parseJson(`[${Buffer.concat(page.entries).toString()}]`, LIMITS);
  if (parsed.kind === 'malformed') throw new Error('A page of the record is no JSON');
  const { value, exact } = parsed;
  const entries = (value as readonly Entry[]).map((entry) => {
    if (wanted.kind === 'elements' && entry.search?.mode !== 'match') return entry;
    return { ...entry, resource: subsetOf(entry.resource, wanted, exact) };
  });
  return { ...page, entries: [Buffer.from(stringify(entries, exact).slice(1, -1))] };
}
