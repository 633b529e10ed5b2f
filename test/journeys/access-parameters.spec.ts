/**
 * Every search parameter of the CapabilityStatement, with every modifier and as a sort key, asked about a record that holds
 * what is searched for: it finds nothing of a stranger's for a doctor or a patient, in no total either.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { areAllTaken, isTaken } from '../support/cases.ts';
import { madeFor, PEOPLE } from '../support/made-resources.ts';
import { valueFor } from '../support/made-values.ts';
import { parametersOf, type Parameter, type Resource } from '../support/search-oracle-definitions.ts';
import { startStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  const people = PEOPLE.map((id) => ({ resourceType: 'Patient', id }));
  const entry = people.map((resource) => ({
    resource,
    request: { method: 'PUT', url: `Patient/${resource.id}` },
  }));
  await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } });
});
afterAll(() => stack.remove());

const STRANGERS = ['gp', 'patient'];
const AT_ONCE = 6;

const MODIFIERS: Readonly<Record<Parameter['type'], readonly string[]>> = {
  token: ['', ':not', ':text'],
  string: ['', ':exact', ':contains'],
  reference: ['', ':identifier'],
  uri: ['', ':above', ':below'],
  date: [''],
  number: [''],
  quantity: [''],
};

it('tells no stranger what a record holds', { timeout: 600_000 }, async () => {
  const { rest } = (await stack.fhir('GET', '/metadata')).json;
  // A Subscription is in no record.
  const kept = (rest[0].resource as { type: string; searchParam: { name: string }[] }[]).filter(
    ({ type }) => type !== 'Subscription',
  );
  const all = kept.flatMap(({ type, searchParam }) =>
    searchParam.flatMap(({ name }) => {
      const parameter = parametersOf(type).get(name)!;
      // One value is enough: what it is found by is another test's business.
      return madeFor(type, parameter).slice(0, 1).map(({ pair }) => ({ type, parameter, made: pair[0] }));
    }),
  ); // prettier-ignore
  const cases = all.filter((_, number) => isTaken(number));
  const stored = await store(cases.map(({ made }) => made));
  const wrong: string[] = [];
  const found = new Set<string>();
  const listed = new Set(cases.map(({ type, parameter }) => `${type}.${parameter.code}`));
  const hidden = new Set<string>();
  const waiting = cases.entries();
  const work = async (): Promise<void> => {
    for (const [index, { type, parameter }] of waiting) {
      const resource = stored[index]!;
      const name = `${type}.${parameter.code}`;
      const asked = questions(parameter, resource);
      const { json } = await batch('publisher', type, resource, asked);
      if (totals(json).some((total) => total === 1)) found.add(name);
      for (const stranger of STRANGERS) {
        const [opened, ...told] = totals((await batch(stranger, type, resource, asked)).json);
        // What is about nobody in particular is open to all.
        if (opened === 1) continue;
        hidden.add(name);
        const leaking = told.flatMap((total, i) => (total === 0 || total === undefined ? [] : [asked[i]]));
        if (opened !== 0 && opened !== undefined) wrong.push(`${name} as ${stranger}: ${opened}`);
        if (leaking.length > 0) wrong.push(`${name} as ${stranger}: ${leaking.join(' ')}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  expect(wrong).toEqual([]);
  expect([...listed].filter((name) => !found.has(name))).toEqual([]);
  expect(hidden.size).toBeGreaterThan(areAllTaken ? 800 : cases.length / 3);
});

/** Parameters that hold of the resource, or may. */
function questions(parameter: Parameter, resource: Resource): string[] {
  const { code, type } = parameter;
  const value = valueFor(parameter, [resource, { resourceType: resource.resourceType, id: 'x' }], stack.base);
  const valued = value === undefined ? [] : MODIFIERS[type].map((modifier) => `${code}${modifier}=${encodeURIComponent(value)}`);
  return [...valued, `${code}:missing=false`, `${code}:missing=true`, `_sort=${code}`, `_sort=-${code}`];
} // prettier-ignore

/** The first entry asks for the resource by its id alone. */
function batch(as: string, type: string, { id }: Resource, asked: readonly string[]): Promise<Answer> {
  const of = `${type}?_id=${id}&_total=accurate&_count=1`;
  const entry = [of, ...asked.map((question) => `${of}&${question}`)].map((url) => ({ request: { method: 'GET', url } })); // prettier-ignore
  return stack.fhir('POST', '', { as, body: { resourceType: 'Bundle', type: 'batch', entry } });
}

/** Of each entry; undefined where it was refused. */
function totals(answer: {
  entry: { resource?: { total: number; entry?: unknown[] } }[];
}): (number | undefined)[] {
  return answer.entry.map(({ resource }) => (resource === undefined ? undefined : Math.max(resource.total, resource.entry?.length ?? 0))); // prettier-ignore
}

async function store(resources: readonly Record<string, unknown>[]): Promise<Resource[]> {
  const stored: Resource[] = [];
  for (let from = 0; from < resources.length; from += 200) {
    const entry = resources.slice(from, from + 200).map((resource) => ({ resource, request: { method: 'POST', url: String(resource['resourceType']) } })); // prettier-ignore
    const { json } = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'batch', entry } });
    for (const { resource } of json.entry as { resource: Resource }[]) stored.push(resource);
  }
  return stored;
}
