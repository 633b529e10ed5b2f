/** FHIR search over one type. https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#search */
import { decideAccess } from '@carelog/access';
import { parseSearch, type Problem } from '@carelog/fhir';
import type { PageRequest } from '@carelog/read-models';
import { ownPatient, permitted } from '../access.ts';
import { caughtUp } from '../consistency.ts';
import { CURSOR_PARAMETER, cursorOf } from '../cursor.ts';
import { preference, refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { bundleAnswer } from './bundles.ts';

export const COUNT_DEFAULT = 50;
export const COUNT_MAX = 1_000;

/** Belong to the request rather than to the question. */
const NOT_ASKED = new Set(['_format', CURSOR_PARAMETER]);

export async function search(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
): Promise<FhirAnswer | Refusal> {
  const asked = [...request.query].filter(([name]) => !NOT_ASKED.has(name));
  const parsed = parseSearch(type, asked, { base: request.base });
  const lenient = preference(request, 'handling') === 'lenient';
  const wrong = lenient ? parsed.problems : [...parsed.problems, ...parsed.unknown];
  if (wrong.length > 0) return new Refusal(wrong);
  const cursor = cursorOf(gateway, request);
  if (cursor instanceof Refusal) return cursor;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const own = await ownPatient(gateway, request);
  const allowed = permitted(decideAccess(request.caller, 'search', { type, ...own }));
  if (allowed instanceof Refusal) return allowed;
  const used = new URLSearchParams(parsed.used.map(([name, value]) => [name, value]));
  const answered = { type: 'searchset', used, notes: parsed.unknown.map(asWarning) } as const;
  if (parsed.countOnly) {
    const page = await gateway.record.count(parsed.query, allowed.restrictTo);
    if ('refused' in page) return new Refusal([page.problem]);
    return bundleAnswer(gateway, request, { ...answered, page });
  }
  const page = {
    count: parsed.count ?? COUNT_DEFAULT,
    base: request.base,
    ...(cursor !== undefined && { cursor }),
  };
  const found = await gateway.record.search(parsed.query, page, allowed.restrictTo);
  if ('refused' in found) return new Refusal([found.problem]);
  return bundleAnswer(gateway, request, { ...answered, page: found });
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
