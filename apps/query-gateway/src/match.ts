/** Finds what a condition names, for conditional creates and conditional references. https://hl7.org/fhir/R4/http.html#ccreate */
import type { Caller } from '@carelog/access';
import { parseSearch, type Problem } from '@carelog/fhir';
import { allow, standingOf, type Standing } from './access.ts';
import { Refusal, type Gateway } from './gateway.ts';
import { caughtUp } from './consistency.ts';

export type Matched =
  | { readonly kind: 'matched'; readonly ids: readonly string[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/**
 * Ids that match, of those that a search shows the caller, in a view which has reached the head of the log; two at most, since
 * nobody needs to know of more.
 */
export function matchFrom(gateway: Standing & Pick<Gateway, 'head' | 'projected'>) {
  return async (type: string, criteria: string, caller: Caller): Promise<Matched> => {
    const parsed = parseSearch(type, [...new URLSearchParams(criteria)], { base: '' });
    const problems = [...parsed.problems, ...parsed.unknown];
    if (problems.length > 0) return { kind: 'refused', problems };
    if (parsed.query.conditions.length === 0) return { kind: 'refused', problems: [NO_CRITERIA] };
    const behind = await caughtUp(gateway);
    if (behind !== undefined) return { kind: 'refused', problems: behind.problems };
    const allowed = allow(gateway, caller, 'search', type, await standingOf(gateway, caller));
    if (allowed instanceof Refusal) return { kind: 'refused', problems: allowed.problems };
    const page = await gateway.record.search(parsed.query, { count: 2, base: '' }, allowed.viewer);
    if ('refused' in page) return { kind: 'refused', problems: [page.problem] };
    const entries = JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as {
      resource: { id: string };
    }[];
    return { kind: 'matched', ids: entries.map((entry) => entry.resource.id) };
  };
}

const NO_CRITERIA: Problem = {
  category: 'incorrect',
  code: 'required',
  message:
    'The condition has no search parameters. Give at least one, for example identifier=<system>|<value>.',
};
