/** What an operation is asked, by a query or by a Parameters resource alike. https://hl7.org/fhir/R4/operations.html#executing */
import { parseJson, validateResource, type Problem } from '@carelog/fhir';
import { refuse, Refusal, type FhirRequest } from '../gateway.ts';
import { refuseUnknown } from '../interactions/search.ts';

const VALUES_MAX = 1_000;

/** By name, the values as text; commas part several. */
export function parametersOf(
  request: FhirRequest,
  names: readonly string[],
): ReadonlyMap<string, readonly string[]> | Refusal {
  const lenient = refuseUnknown(request, names);
  if (lenient instanceof Refusal) return lenient;
  const sent = request.body.trim() === '' ? [] : valuesIn(request.body, names);
  if (sent instanceof Refusal) return sent;
  const asked: [string, string][] = [...lenient.used].filter(([name]) => names.includes(name));
  const values = new Map<string, string[]>();
  for (const [name, text] of [...asked, ...sent]) {
    const known = values.get(name) ?? [];
    values.set(name, known);
    known.push(...text.split(',').filter((it) => it !== ''));
    if (known.length > VALUES_MAX) {
      const message = `A parameter may have ${VALUES_MAX} values. Ask for fewer at a time.`;
      return refuse({ category: 'too-large', code: 'too-costly', message, expression: name });
    }
  }
  return values;
}

function valuesIn(body: string, names: readonly string[]): [string, string][] | Refusal {
  const parsed = parseJson(body);
  if (parsed.kind === 'malformed') return new Refusal(parsed.problems);
  const invalid = validateResource(parsed.value).filter(({ severity = 'error' }) => severity === 'error');
  if (invalid.length > 0) return new Refusal(invalid);
  const { resourceType, parameter = [] } = parsed.value as { resourceType: string; parameter?: readonly Record<string, unknown>[] }; // prettier-ignore
  if (resourceType !== 'Parameters') return NO_PARAMETERS;
  const problems: Problem[] = [];
  const values = parameter.flatMap((it, at): [string, string][] => {
    const name = it['name'] as string;
    const key = Object.keys(it).find((element) => element.startsWith('value'));
    const value = key === undefined ? undefined : it[key];
    if (names.includes(name) && ['string', 'number', 'boolean'].includes(typeof value))
      return [[name, String(value)]];
    const message = `The operation takes ${names.length === 0 ? 'no parameters' : `${names.join(', ')}, each with a plain value`}. Leave anything else out.`;
    problems.push({ category: 'incorrect', code: 'not-supported', message, expression: `Parameters.parameter[${at}]` }); // prettier-ignore
    return [];
  });
  return problems.length > 0 ? new Refusal(problems) : values;
}

const NO_PARAMETERS = refuse({
  category: 'incorrect',
  code: 'invalid',
  message: 'An operation takes a Parameters resource, or no body. Send its parameters in one.',
  expression: 'Parameters',
});
