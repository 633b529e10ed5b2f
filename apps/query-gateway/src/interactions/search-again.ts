/** Searches that were asked before: their first pages, given again while whom they are about stands still. */
import type { AccessBasis } from '@carelog/access';
import type { ParsedSearch, SearchQuery } from '@carelog/fhir';
import { namedBy, type Cursor, type SearchPage } from '@carelog/read-models';
import { CURSOR_PARAMETER, nextLink, ownerOf } from '../cursor.ts';
import type { FhirAnswer, FhirRequest, Gateway } from '../gateway.ts';
import { bundleAnswer } from './bundles.ts';

/** A first page, whole, what was used of what was asked, and the links to the next page by who follows them. */
export interface FoundPage {
  readonly page: SearchPage;
  readonly used: URLSearchParams;
  readonly links: Map<string, string>;
}

export function answerAgain(
  gateway: Gateway,
  request: FhirRequest,
  found: FoundPage,
  basis: AccessBasis,
): FhirAnswer {
  const { page, used } = found;
  const next = page.next && linkFor(gateway, request, found.links, page.next);
  return {
    ...bundleAnswer(gateway, request, { type: 'searchset', used, notes: [], page, next, basis }),
    isKept: true,
  };
}

const LINKS_MAX = 50;

function linkFor(gateway: Gateway, request: FhirRequest, links: Map<string, string>, next: Cursor): string {
  const owner = ownerOf(request);
  const known = links.get(owner);
  if (known !== undefined) return known;
  if (links.size >= LINKS_MAX) links.clear();
  const link = nextLink(gateway, request, next);
  links.set(owner, link);
  return link;
}

/** Of a question: whoever asks the same in other words asks anew. */
export const keyOf = ({ path, query }: FhirRequest): string => `${path.join('/')}?${query}`;

/** Whether the answer is a page as the record gives it, without anything that depends on others than those asked about. */
function isPlain({ unknown, includes, elements, summary }: ParsedSearch): boolean {
  return unknown.length === 0 && includes.length === 0 && elements === undefined && summary === undefined; // prettier-ignore
}

const ABOUT_MAX = 8;

/** What takes the page when it is there; undefined where it is not worth keeping, or rests on more than a few streams. */
export function keeperOf(
  { recent }: Gateway,
  request: FhirRequest,
  parsed: ParsedSearch,
  query: SearchQuery,
) {
  if (recent === undefined || !isPlain(parsed) || request.query.has(CURSOR_PARAMETER)) return undefined;
  const about = namedBy(query);
  if (about === undefined || about.length > ABOUT_MAX) return undefined;
  const key = keyOf(request);
  if (!recent.pages.isRepeated(key)) return undefined;
  const keep = recent.pages.keeper(key, about);
  return (found: FoundPage) => keep(found, bytesOf(found.page));
}

const bytesOf = ({ entries }: SearchPage): number => entries.reduce((sum, part) => sum + part.byteLength, 0);
