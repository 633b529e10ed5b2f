/** FHIR search over one type, or over one type within a compartment. https://hl7.org/fhir/R4/search.html */
import {
  compartmentCondition,
  parseSearch,
  type ParsedSearch,
  type Problem,
  type SearchCondition,
  type Subset,
} from '@carelog/fhir';
import type { PageRequest } from '@carelog/read-models';
import { allow, decide, standingOf, unknownTo } from '../access.ts';
import { caughtUp, isCaughtUp } from '../consistency.ts';
import { CURSOR_PARAMETER, cursorOf } from '../cursor.ts';
import { preference, refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway, type Outcome } from '../gateway.ts'; // prettier-ignore
import { bundleAnswer } from './bundles.ts';
import { answerAgain, keeperOf, keyOf } from './search-again.ts';
import { withSubsets } from './subsets.ts';

export const COUNT_DEFAULT = 50;
export const COUNT_MAX = 1_000;

/** Belong to the request rather than to the question. */
const NOT_ASKED = new Set(['_format', '_pretty', CURSOR_PARAMETER]);

/** An answer at once where the same was asked before and nobody whom it is about has moved since. */
export function search(gateway: Gateway, request: FhirRequest, type: string, within?: Compartment): Outcome {
  const pages = gateway.recent?.pages;
  if (pages !== undefined && isCaughtUp(gateway)) {
    const found = pages.get(keyOf(request));
    const decision = found && decide(gateway, request.caller, 'search', type);
    if (found !== undefined && decision?.permit === true && decision.seesAll) {
      return answerAgain(gateway, request, found, decision.basis);
    }
  }
  return searchAnew(gateway, request, type, within);
}

async function searchAnew(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  within: Compartment | undefined,
): Promise<FhirAnswer | Refusal> {
  const parsed = parseSearch(type, askedIn(request), { base: request.base });
  const lenient = preference(request, 'handling') === 'lenient';
  const wrong = lenient ? parsed.problems : [...parsed.problems, ...parsed.unknown];
  if (wrong.length > 0) return new Refusal(wrong);
  const cursor = cursorOf(gateway, request);
  if (cursor instanceof Refusal) return cursor;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const facts = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'search', type, facts);
  if (allowed instanceof Refusal) return allowed;
  // Who may look for Practitioners may not see through them whom they treat: what is included is of any type.
  const included = parsed.includes.length === 0 ? allowed : allow(gateway, request.caller, 'read', undefined, facts); // prettier-ignore
  if (included instanceof Refusal) return included;

  const conditions = [...(within === undefined ? [] : [within.condition]), ...parsed.query.conditions];
  const query = { ...parsed.query, conditions };
  const keep = allowed.seesAll ? keeperOf(gateway, request, parsed, query) : undefined;
  const page = parsed.countOnly
    ? await gateway.record.count(query, allowed.viewer)
    : await gateway.record.search(
        query,
        {
          count: parsed.count ?? COUNT_DEFAULT,
          base: request.base,
          includes: parsed.includes,
          includesFor: included.viewer,
          ...(parsed.total !== undefined && { total: parsed.total }),
          ...(cursor !== undefined && { cursor }),
        },
        allowed.viewer,
      );
  if ('refused' in page) return new Refusal([page.problem]);
  if (within !== undefined && page.count === 0 && (page.total ?? 0) === 0) {
    // Of whom something is shown it is no secret that there is such a person.
    const owner = decide(gateway, request.caller, 'read', within.type, facts);
    const isShown =
      owner.permit && (await gateway.record.read(within.type, within.id, owner.viewer)).kind !== 'unknown';
    if (!isShown) return unknownTo(gateway, request.caller, 'read', within.type, within.id);
  }
  const used = new URLSearchParams(parsed.used.map(([name, value]) => [name, value]));
  if (keep !== undefined && page.incomplete.length === 0) {
    const found = { page, used, links: new Map<string, string>() };
    keep(found);
    return answerAgain(gateway, request, found, allowed.basis);
  }
  const subset = subsetAsked(parsed);
  return bundleAnswer(gateway, request, {
    basis: allowed.basis,
    type: 'searchset',
    used,
    notes: [...parsed.unknown.map(asWarning), ...(page.includesCut === true ? [INCLUDES_CUT] : [])],
    page: subset === undefined ? page : withSubsets(page, subset),
  });
}

/** `/Patient/1/Observation`: refused where R4 has no such compartment, or where nobody of that id was ever recorded. */
export async function searchCompartment(
  gateway: Gateway,
  request: FhirRequest,
  { type: owner, id }: { readonly type: string; readonly id: string },
  type: string,
): Promise<FhirAnswer | Refusal> {
  const condition = compartmentCondition(owner, id, type);
  if (condition === undefined) {
    const message = `R4 puts no ${type} into the compartment of a ${owner}. Search ${type} by one of its parameters instead.`;
    return refuse({ category: 'not-found', code: 'not-supported', message });
  }
  return search(gateway, request, type, { type: owner, id, condition });
}

const INCLUDES_CUT: Problem = {
  category: 'incorrect',
  code: 'incomplete',
  severity: 'warning',
  message:
    'More resources belong to this page by _include or _revinclude than a page takes. Ask for a smaller _count, or for those resources by a search of their own.',
};

interface Compartment {
  readonly type: string;
  readonly id: string;
  readonly condition: SearchCondition;
}

/** What was asked, without what belongs to the request. */
export function askedIn(request: FhirRequest): readonly (readonly [string, string])[] {
  return [...request.query].filter(([name]) => !NOT_ASKED.has(name));
}

function subsetAsked({ elements, summary }: ParsedSearch): Subset | undefined {
  if (elements !== undefined) return { kind: 'elements', elements };
  return summary === undefined || summary === 'count' ? undefined : { kind: 'summary', of: summary };
}

/** `_count` and the cursor. */
export function pageOf(gateway: Gateway, request: FhirRequest): PageRequest | Refusal {
  const text = request.query.get('_count') ?? String(COUNT_DEFAULT);
  if (!/^\d{1,9}$/.test(text)) {
    const message = `_count is not a whole number. Send one from 0 to ${COUNT_MAX}.`;
    return refuse({ category: 'incorrect', code: 'value', message, expression: '_count' });
  }
  const cursor = cursorOf(gateway, request);
  if (cursor instanceof Refusal) return cursor;
  const count = Math.min(Number(text), COUNT_MAX);
  return { count, base: request.base, ...(cursor !== undefined && { cursor }) };
}

export interface Leniency {
  readonly notes: readonly Problem[];
  /** What was sent, less what was not used. */
  readonly used: URLSearchParams;
}

/** Refuses every parameter but those named and `_count`; a lenient client is told what was ignored instead. */
export function refuseUnknown(request: FhirRequest, supported: readonly string[]): Leniency | Refusal {
  const known = [...supported, '_count'];
  const names = new Set(request.query.keys().filter((name) => !NOT_ASKED.has(name) && !known.includes(name)));
  const problems = [...names].map((name): Problem => ({
    category: 'incorrect',
    code: 'not-supported',
    message: `This parameter is not supported here. Supported are ${known.join(', ')}. Leave it out, or send Prefer: handling=lenient to have it ignored.`,
    expression: name,
  }));
  if (problems.length > 0 && preference(request, 'handling') !== 'lenient') return new Refusal(problems);
  const used = new URLSearchParams(request.query);
  for (const name of names) used.delete(name);
  return { notes: problems.map(asWarning), used };
}

function asWarning(problem: Problem): Problem {
  return { ...problem, severity: 'warning' };
}
