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

/** Parameters of the answer rather than of the question; every bundle of pages takes them. */
const RESULT_PARAMETERS = new Set(['_count', '_summary', '_format', CURSOR_PARAMETER]);

export async function search(gateway: Gateway, request: FhirRequest, type: string): Promise<FhirAnswer | Refusal> {
  const asked = [...request.query].filter(([name]) => !RESULT_PARAMETERS.has(name));
  const parsed = parseSearch(type, asked, { base: request.base });
  if (parsed.problems.length > 0) return new Refusal(parsed.problems);
  const unknown = lenient(request, parsed.unknown);
  if (unknown instanceof Refusal) return unknown;
  const page = pageOf(gateway, request);
  if (page instanceof Refusal) return page;
  const summary = summaryOf(request);
  if (summary instanceof Refusal) return summary;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const own = await ownPatient(gateway, request);
  const allowed = permitted(decideAccess(request.caller, 'search', { type, ...own }));
  if (allowed instanceof Refusal) return allowed;
  const { notes, used } = unknown;
  if (summary === 'count' || page.count === 0) {
    const total = await gateway.record.count(parsed.query, allowed.restrictTo);
    const counted = { entries: new Uint8Array(), count: 0, total, incomplete: [] };
    return bundleAnswer(gateway, request, { type: 'searchset', page: counted, used, notes });
  }
  const found = await gateway.record.search(parsed.query, page, allowed.restrictTo);
  return bundleAnswer(gateway, request, { type: 'searchset', page: found, used, notes });
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

/** Refuses every parameter but those named, and those that all bundles of pages take. */
export function refuseUnknown(request: FhirRequest, supported: readonly string[]): Leniency | Refusal {
  const names = [...new Set(request.query.keys())].filter((name) => !RESULT_PARAMETERS.has(name) && !supported.includes(name));
  const known = [...supported, '_count'].join(', ');
  return lenient(
    request,
    names.map((name) => ({
      category: 'incorrect',
      code: 'not-supported',
      message: `This parameter is not supported here. Supported are ${known}. Leave it out, or send Prefer: handling=lenient to have it ignored.`,
      expression: name,
    })),
  );
}

/** Unknown parameters are errors unless the client asked to be lenient; then it is told what was not used. */
function lenient(request: FhirRequest, unknown: readonly Problem[]): Leniency | Refusal {
  const used = new URLSearchParams(request.query);
  if (unknown.length === 0) return { notes: [], used };
  if (preference(request, 'handling') !== 'lenient') return new Refusal(unknown);
  for (const { expression } of unknown) if (expression !== undefined) used.delete(expression);
  return { notes: unknown.map((problem) => ({ ...problem, severity: 'warning' })), used };
}

function summaryOf(request: FhirRequest): 'count' | 'false' | Refusal {
  const value = request.query.get('_summary') ?? 'false';
  if (value === 'count' || value === 'false') return value;
  const message = 'Only _summary=count and _summary=false are supported. Leave _summary out to get whole resources.';
  return refuse({ category: 'incorrect', code: 'not-supported', message, expression: '_summary' });
}
