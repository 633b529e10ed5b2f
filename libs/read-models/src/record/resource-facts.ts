/** What decisions about access rest on, told of a resource by its text rather than by its rows. */
import type { Policy, ResourceFacts, Scope } from '@carelog/access';
import { parseSearch } from '@carelog/fhir';
import { bodyMeetsAll } from './body-look.ts';
import { indexOf } from './record-projection.ts';
import { loadUnits } from './units.ts';

/**
 * Facts of a resource, from its JSON text, as they will be once it is recorded. `scopes`: those of the caller, whose
 * conditions are looked for in it. Throws where the text is no JSON object.
 */
export async function resourceFactsOf(
  type: string,
  text: string,
  scopes: readonly Scope[],
  policy: Policy,
): Promise<ResourceFacts> {
  const { patients, access } = indexOf(type, text, policy);
  const ids = [...patients.keys()].map((name) => name.slice(PATIENT.length));
  return { type, patients: ids, labels: access.labels, meets: await conditionsMet(type, text, scopes) };
}

/** The conditions of these scopes that the resource meets, as `name=value`; what cannot be searched for is met by nothing. */
export async function conditionsMet(
  type: string,
  text: string,
  scopes: readonly Scope[],
): Promise<readonly string[]> {
  const asked = scopes.filter((scope) => scope.type === '*' || scope.type === type).flatMap((it) => it.where);
  if (asked.length === 0) return [];
  await loadUnits();
  const met = asked.filter(([name, value]) => {
    const { query, problems, unknown } = parseSearch(type, [[name, value]], { base: '' });
    const isWhole = problems.length + unknown.length === 0 && query.conditions.length === 1;
    return isWhole && bodyMeetsAll(type, query.conditions, text);
  });
  return [...new Set(met.map(([name, value]) => `${name}=${value}`))];
}

const PATIENT = 'Patient/';
