/** Worklists page by page over HTTP: each item once for whoever may see it, whenever it is of and however small the pages are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

const LIST = 'https://fhir.carelog.example/CodeSystem/worklist|appointments-missed';
const ods = (value: string) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value } }); // prettier-ignore
/** Who is registered with the practice that `gp` works for, and who is not. */
const [OWN, OTHERS] = [
  ['anna', 'bert'],
  ['carl', 'dora', 'emil'],
];
const START = ['1931-05-01T09:00:00Z', '1969-12-31T23:59:00Z', '2026-05-30T09:00:00Z'];

const person = (id: string, practice: string) => ({ resourceType: 'Patient', id, generalPractitioner: [ods(practice)] }); // prettier-ignore
/** One appointment for all of these people, to which nobody came. */
const missed = (id: string, start: string, people: readonly string[]) => ({ resourceType: 'Appointment', id, status: 'noshow', serviceType: [{ coding: [{ system: 'https://trust.example/clinics', code: id }] }], start, end: start, participant: people.map((it) => ({ actor: { reference: `Patient/${it}` }, status: 'accepted' })) }); // prettier-ignore

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
  const people = [...OWN.map((it) => person(it, 'Y90001')), ...OTHERS.map((it) => person(it, 'Y90099'))];
  const appointments = START.flatMap((start, at) => [
    missed(`group-${at}`, start, [...OWN, ...OTHERS]),
    missed(`pair-${at}`, start, OWN),
    ...[...OWN, ...OTHERS].map((it) => missed(`alone-${at}-${it}`, start, [it])),
  ]);
  const entry = [...people, ...appointments].map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const { status, text } = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }); // prettier-ignore
  expect([status, text.slice(0, 2_000)]).toEqual([200, expect.anything()]);
});
afterAll(() => stack.remove());

interface Entry {
  readonly item: { readonly reference: string };
  readonly extension: readonly { readonly valueReference?: { readonly reference: string } }[];
}

/** What all pages have, following the links from the first to the last. */
async function pagesOf(as: string, count: number): Promise<string[]> {
  const told: string[] = [];
  for (let path: string | undefined = `/List?code=${encodeURIComponent(LIST)}&_count=${count}`; path;) {
    const { status, json } = await stack.fhir('GET', path, { as });
    expect(status).toBe(200);
    const { entry = [] } = json.entry[0].resource as { entry?: readonly Entry[] };
    expect(entry.length).toBeLessThanOrEqual(count);
    told.push(...entry.map(({ item, extension }) => `${item.reference} ${extension[0]!.valueReference!.reference}`)); // prettier-ignore
    const next = json.link.find(({ relation }: { relation: string }) => relation === 'next') as { url: string } | undefined; // prettier-ignore
    path = next && next.url.slice(next.url.indexOf('/List?'));
  }
  return told;
}

/** In their order: by time, then by appointment, then by person. */
const expected = (alone: readonly string[], group: readonly string[]) =>
  START.flatMap((_, at) => [
    ...alone.map((it) => `Appointment/alone-${at}-${it} Patient/${it}`),
    ...group.map((it) => `Appointment/group-${at} Patient/${it}`),
    ...OWN.map((it) => `Appointment/pair-${at} Patient/${it}`),
  ]);

describe('all pages of a worklist', () => {
  it.each([1, 4, 100])('of %i have each item once, those of long ago first', async (count) => {
    expect(await pagesOf('publisher', count)).toEqual(expected([...OWN, ...OTHERS], [...OWN, ...OTHERS]));
  });

  it.each([1, 3])('of %i have for a practice those of its own people alone', async (count) => {
    expect(await pagesOf('gp', count)).toEqual(expected(OWN, []));
  });
});
