/** What an access record says of an answer: made when the answer is about to leave, and kept before it does. */
import type { Answered } from '@carelog/access-log';
import { isResourceType, looksLikeNhsNumber, resourceTypes, searchParametersOf } from '@carelog/fhir';
import { CURSOR_PARAMETER } from './cursor.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from './gateway.ts';
import { interactionOf } from './interaction-of.ts';
import { statusOfProblems } from './status.ts';

/** `digest`: what stands for a value that identifies somebody; the same for the same value. */
export type Digest = (value: string) => string;

/** `interaction`: what the request is counted as. On the hot path: each line here is paid for by every read. */
export function answeredOf(
  gateway: Pick<Gateway, 'projected' | 'digest' | 'brokenGlass'>,
  request: FhirRequest,
  result: FhirAnswer | Refusal,
  { interaction, status }: { readonly interaction: string; readonly status: number },
): Answered {
  const { correlation } = request;
  const query = askedOf(request, gateway.digest);
  const position = gateway.projected.position();
  if (result instanceof Refusal) {
    const { withheld } = result;
    const decision = withheld === undefined ? 'undecided' : 'refused';
    const { reason: basis = '', patients = NOBODY } = withheld ?? {};
    return { interaction, status, correlation, query, position, decision, basis, patients, shown: '' };
  }
  const { patients = NOBODY, versions: shown = '' } = result.shown ?? {};
  const basis = basisOf(gateway, request, result.basis ?? '', patients);
  const decision = result.shown?.isConcealed === true ? 'redacted' : basis === '' ? 'undecided' : 'permitted';
  return { interaction, status, correlation, query, position, decision, basis, patients, shown };
}

const NOBODY: readonly string[] = [];

// As long as the glass is broken whatever the caller is shown of that person rests on it.
function basisOf(
  { brokenGlass }: Pick<Gateway, 'brokenGlass'>,
  { caller }: FhirRequest,
  basis: string,
  patients: readonly string[],
): string {
  if (basis !== 'direct-care') return basis;
  const opened = brokenGlass.patientsOf(caller);
  return opened.length > 0 && patients.some((id) => opened.includes(id)) ? 'broken-glass' : basis;
}

/** Instead of an answer that no account can be kept of. */
export const UNACCOUNTED = refuse({
  category: 'unavailable',
  code: 'transient',
  message:
    'No account can be kept just now of who is shown what, so nothing is shown. Try again in a moment; operators see why in the log.',
});

/** Keeps the record of a part of an answer that was refused, as of an answer by itself. False where it cannot be kept. */
export function recordRefusal(
  gateway: Pick<Gateway, 'projected' | 'digest' | 'accessLog' | 'brokenGlass'>,
  request: FhirRequest,
  refusal: Refusal,
): Promise<boolean> {
  const sent = { interaction: interactionOf(request), status: statusOfProblems(refusal.problems) };
  const answered = answeredOf(gateway, request, refusal, sent);
  return new Promise((resolve) => gateway.accessLog.record(request.caller, answered, true, resolve));
}

/**
 * What was asked, in one spelling: path, then parameters by name. Values that identify a person, or may (names, addresses,
 * identifiers, dates of birth, free text), are digests; references, codes, other dates and numbers are as they were asked.
 */
export function askedOf({ path, query }: Pick<FhirRequest, 'path' | 'query'>, digest: Digest): string {
  let target = '';
  for (const step of path) {
    if (step === '_search') continue;
    const said = isPlain(step) ? step : `~${digest(step)}`;
    target = target === '' ? said : `${target}/${said}`;
  }
  if (query.size === 0) return target;
  const type = path.length > 2 && isResourceType(path[2]) ? path[2] : path[0];
  const asked: string[] = [];
  for (const [name, value] of query) {
    const said = name === CURSOR_PARAMETER ? '' : isHarmless(type, name, value) ? value : `~${digest(value)}`;
    asked.push(`${isName(name) ? written(name) : `~${digest(name)}`}=${written(said)}`);
  }
  return `${target}?${asked.length > 1 ? asked.sort().join('&') : asked[0]}`;
}

// Most of what is asked has nothing in it that has to be encoded, and looking costs less than encoding.
const written = (text: string): string => (/^[\w.~:/|,-]*$/.test(text) ? text : encodeURIComponent(text));

/** An id of ours is longer; up to here a number with separators fits. */
const NHS_NUMBER_LENGTH_MAX = 20;

// An id, a type or an operation; somebody may have put a name or an NHS number in its place.
function isPlain(step: string): boolean {
  if (!/^[$_]?[A-Za-z0-9\-.]{1,64}$/.test(step)) return false;
  return step.length > NHS_NUMBER_LENGTH_MAX || !/\d{3}/.test(step) || !looksLikeNhsNumber(step);
}

/** About a person rather than about their care, whatever the resource. */
const IDENTIFYING = new Set(['identifier', 'telecom', 'phone', 'email', 'birthdate', 'death-date', 'gender']);
const RESULT_PARAMETERS = /^_(count|sort|include|revinclude|elements|summary|total|type|since|format|lastUpdated|pretty)$/; // prettier-ignore

/** Of operations; their values are dates, codes, numbers, ids and organisations. */
const OPERATION_PARAMETERS = /^(periodStart|periodEnd|reportType|reporter|eventsSinceNumber|eventsUntilNumber|content|renew|id)$/; // prettier-ignore

// Of chains too; in the place of a name of ours could stand somebody's.
function isName(asked: string): boolean {
  return (
    asked.startsWith('_') ||
    asked.includes('.') ||
    OPERATION_PARAMETERS.test(asked) ||
    parameterNames().has(asked.split(':', 1)[0]!)
  );
}
let names: ReadonlySet<string> | undefined;
// Not at once: commands that load this file search nothing.
const parameterNames = (): ReadonlySet<string> =>
  (names ??= new Set(resourceTypes().flatMap((type) => searchParametersOf(type).map(({ code }) => code))));

function isHarmless(type: string | undefined, asked: string, value: string): boolean {
  const colon = asked.indexOf(':');
  const name = colon < 0 ? asked : asked.slice(0, colon);
  const modifier = colon < 0 ? '' : asked.slice(colon + 1);
  if (RESULT_PARAMETERS.test(name) || modifier === 'missing') return true;
  if (OPERATION_PARAMETERS.test(asked)) return isReference(value);
  if (name === '_id') return isPlain(value);
  if (type === undefined || !isResourceType(type) || IDENTIFYING.has(name)) return false;
  switch (searchParametersOf(type).find((it) => it.code === name)?.type) {
    case 'reference':
      return isOfReference(modifier) && isReference(value);
    case 'token':
      return modifier !== 'text' && !holdsNhsNumber(value);
    case 'date':
    case 'number':
    case 'quantity':
      return true;
    default:
      return false;
  }
}

// Of a chain the value is that of another parameter.
const isOfReference = (modifier: string): boolean => modifier !== 'identifier' && !modifier.includes('.');

function isReference(value: string): boolean {
  if (!REFERENCE.test(value)) return false;
  return value.split(',').every((one) => isPlain(one.slice(one.lastIndexOf('/') + 1)));
}
const REFERENCE = /^(https?:\/\/[^\s?#]+\/)?([A-Za-z]+\/)?[A-Za-z0-9\-.]{1,64}(,([A-Za-z]+\/)?[A-Za-z0-9\-.]{1,64})*$/; // prettier-ignore

function holdsNhsNumber(value: string): boolean {
  return (value.match(/\d(?:[ .-]?\d){9}/g) ?? []).some(looksLikeNhsNumber);
}
