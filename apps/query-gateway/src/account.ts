/** What an access record says of an answer: made when the answer is about to leave, and kept before it does. */
import type { Answered } from '@carelog/access-log';
import { isResourceType, looksLikeNhsNumber, searchParametersOf } from '@carelog/fhir';
import { CURSOR_PARAMETER } from './cursor.ts';
import { Refusal, type FhirAnswer, type FhirRequest, type Gateway, type Withheld } from './gateway.ts';

/** `digest`: what stands for a value that identifies somebody; the same for the same value. */
export type Digest = (value: string) => string;

/** `interaction`: what the request is counted as. */
export function answeredOf(
  gateway: Pick<Gateway, 'projected' | 'digest'>,
  request: FhirRequest,
  result: FhirAnswer | Refusal,
  sent: { readonly interaction: string; readonly status: number },
): Answered {
  const { correlation } = request;
  const position = gateway.projected.position();
  const facts = { ...sent, correlation, query: askedOf(request, gateway.digest), position };
  if (result instanceof Refusal) {
    const { withheld = forbiddenBy(result) } = result;
    const decision = withheld === undefined ? 'undecided' : 'refused';
    return {
      ...facts,
      decision,
      basis: withheld?.reason ?? '',
      patients: withheld?.patients ?? [],
      shown: '',
    };
  }
  const { shown = NOTHING, basis = '', isRedacted } = result;
  const decision = isRedacted === true ? 'redacted' : basis === '' ? 'undecided' : 'permitted';
  return { ...facts, decision, basis, patients: shown.patients, shown: shown.versions };
}

// The writer decides by itself, and says only what kind of problem it is.
function forbiddenBy({ problems }: Refusal): Withheld | undefined {
  return problems.some(({ category }) => category === 'forbidden') ? { reason: 'forbidden' } : undefined;
}

const NOTHING = { versions: '', patients: [] };

/**
 * What was asked, in one spelling: path, then parameters by name. Values that identify a person, or may (names, addresses,
 * identifiers, dates of birth, free text), are digests; references, codes, other dates and numbers are as they were asked.
 */
export function askedOf({ path, query }: Pick<FhirRequest, 'path' | 'query'>, digest: Digest): string {
  const steps = path.filter((step) => step !== '_search').map((step) => (isPlain(step) ? step : `~${digest(step)}`)); // prettier-ignore
  const target = steps.join('/');
  if (query.size === 0) return target;
  const type = isResourceType(path[2]) ? path[2] : path[0];
  const asked = new URLSearchParams();
  for (const [name, value] of query) {
    if (name === CURSOR_PARAMETER) asked.append(name, '');
    else asked.append(name, isHarmless(type, name, value) ? value : `~${digest(value)}`);
  }
  asked.sort();
  return `${target}?${asked}`;
}

// An id, a type or an operation; somebody may have put a name or an NHS number in its place.
function isPlain(step: string): boolean {
  return /^[$_]?[A-Za-z0-9\-.]{1,64}$/.test(step) && !looksLikeNhsNumber(step);
}

/** About a person rather than about their care, whatever the resource. */
const IDENTIFYING = new Set(['identifier', 'telecom', 'phone', 'email', 'birthdate', 'death-date', 'gender']);
const RESULT_PARAMETERS = /^_(count|sort|include|revinclude|elements|summary|total|type|since|format|lastUpdated|pretty)$/; // prettier-ignore

function isHarmless(type: string | undefined, written: string, value: string): boolean {
  if (looksLikeNhsNumber(value)) return false;
  const [name = '', modifier = ''] = written.split(':');
  if (RESULT_PARAMETERS.test(name) || modifier === 'missing') return true;
  if (name === '_id') return isPlain(value);
  if (type === undefined || !isResourceType(type) || IDENTIFYING.has(name)) return false;
  switch (searchParametersOf(type).find((it) => it.code === name)?.type) {
    case 'reference':
      return modifier !== 'identifier' && !modifier.includes('.') && REFERENCE.test(value);
    case 'token':
      return modifier !== 'text' && !name.startsWith('address');
    case 'date':
    case 'number':
    case 'quantity':
      return true;
    default:
      return false;
  }
}

const REFERENCE = /^(https?:\/\/[^\s?#]+\/)?([A-Za-z]+\/)?[A-Za-z0-9\-.]{1,64}(,([A-Za-z]+\/)?[A-Za-z0-9\-.]{1,64})*$/; // prettier-ignore
