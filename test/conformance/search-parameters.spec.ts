/**
 * Every search parameter that `/metadata` lists finds a resource made for it, and not one that differs from it in what the
 * parameter reads.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { madeFor, PEOPLE, type Made } from '../support/made-resources.ts';
import { valueFor } from '../support/made-values.ts';
import { parametersOf, type Parameter, type Resource } from '../support/search-oracle-definitions.ts';
import { startSearchedServer, type SearchedServer } from '../support/searched-server.ts';

const AT_ONCE = 8;

interface Case extends Made {
  readonly type: string;
  readonly parameter: Parameter;
}

let searched: SearchedServer;
beforeAll(async () => {
  searched = await startSearchedServer(
    [],
    PEOPLE.map((id) => ({ resourceType: 'Patient', id })),
  );
});
afterAll(() => searched.remove());

describe('every search parameter of /metadata', () => {
  it('is one of R4, and every one of R4 is there but those of Subscription', () => {
    expect(searched.searchable.size).toBe(145);
    for (const [type, names] of searched.searchable)
      expect(names.toSorted(), type).toEqual([...parametersOf(type).keys()].sort());
  });

  it('finds the resource made for it, and not its neighbour', { timeout: 300_000 }, async () => {
    const cases = [...searched.searchable].flatMap(([type, names]) =>
      names.flatMap((name): Case[] => {
        const parameter = parametersOf(type).get(name)!;
        return madeFor(type, parameter).map((made) => ({ type, parameter, ...made }));
      }),
    );
    const first = await store(cases.map(({ pair }) => pair[0]));
    const second = await store(cases.map(({ pair }) => pair[1]));
    const found = new Set<string>();
    const unsearchable: string[] = [];
    const wrong: string[] = [];
    const waiting = cases.entries();
    const work = async () => {
      for (const [i, { type, parameter, path }] of waiting) {
        const name = `${type}.${parameter.code}`;
        const [made, neighbour] = [first[i], second[i]];
        if (typeof made === 'string' || typeof neighbour === 'string') {
          wrong.push(`${name} by ${path} was refused: ${String(made)} ${String(neighbour)}`);
          continue;
        }
        const value = valueFor(parameter, [made!, neighbour!], searched.base);
        if (value === undefined) {
          unsearchable.push(`${name} by ${path}`);
          continue;
        }
        const ids = await idsOf(type, parameter.code, value);
        if (!ids.includes(made!.id)) wrong.push(`${name}=${value} does not find ${path}`);
        else if (ids.includes(neighbour!.id))
          wrong.push(`${name}=${value} finds the neighbour too, by ${path}`);
        else found.add(name);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect(wrong.sort()).toEqual([]);
    expect(unsearchable.sort()).toEqual(UNSEARCHABLE);
    const listed = [...searched.searchable].flatMap(([type, names]) =>
      names.map((name) => `${type}.${name}`),
    );
    expect([...found].sort()).toEqual(listed.sort());
  });
});

// R4 has no way to search such an element by such a parameter: https://hl7.org/fhir/R4/search.html#table
const UNSEARCHABLE: readonly string[] = [
  'CarePlan.activity-date by CarePlan.activity.detail.scheduled: string',
  'Consent.source-reference by Consent.source: Attachment',
  'Immunization.date by Immunization.occurrence: string',
  'Observation.combo-value-quantity by Observation.component.value: SampledData',
  'Observation.combo-value-quantity by Observation.value: SampledData',
  'Observation.component-value-quantity by Observation.component.value: SampledData',
  'Observation.value-quantity by Observation.value: SampledData',
  'Procedure.date by Procedure.performed: Age',
  'Procedure.date by Procedure.performed: Range',
  'Procedure.date by Procedure.performed: string',
  'RiskAssessment.probability by RiskAssessment.prediction.probability: Range',
];

/** As it is stored, or why it is not. */
async function store(resources: readonly Record<string, unknown>[]): Promise<(Resource | string)[]> {
  const stored: (Resource | string)[] = [];
  for (let from = 0; from < resources.length; from += 200) {
    const entry = resources.slice(from, from + 200).map((resource) => ({
      resource,
      request: { method: 'POST', url: String(resource['resourceType']) },
    }));
    const created = (await searched.send('POST', '', { resourceType: 'Bundle', type: 'batch', entry })).json
      .entry as {
      response: { status: string; location: string; outcome?: object };
    }[];
    const gets = created.map(({ response: { location } }) => ({
      request: { method: 'GET', url: location?.replace(/\/_history.*/, '') ?? 'Patient/made-0' },
    }));
    const read = await searched.send('POST', '', { resourceType: 'Bundle', type: 'batch', entry: gets });
    for (const [i, { response }] of created.entries())
      stored.push(
        response.status.startsWith('2')
          ? (read.json.entry[i].resource as Resource)
          : JSON.stringify(response.outcome),
      );
  }
  return stored;
}

async function idsOf(type: string, name: string, value: string): Promise<string[]> {
  const answer = await searched.get(`/${type}?${new URLSearchParams({ [name]: value, _count: '1000' })}`);
  if (answer.status !== 200) return [`answered ${answer.status}`];
  const { entry = [] } = answer.json as { entry?: { resource: Resource }[] };
  return entry.map(({ resource }) => resource.id);
}
