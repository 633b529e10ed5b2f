/** What the requests are about: twenty people with some five hundred resources each, and what is written to another. */
import type { ServerProcess } from '../support/server-process.ts';

export interface Targets {
  readonly base: string;
  readonly token: string;
  /** Paths below the base, one for each person. */
  readonly read: readonly string[];
  readonly history: readonly string[];
  readonly search: readonly string[];
  readonly everything: readonly string[];
  /** JSON of one Observation, and of a transaction of fifty, about a twenty-first person. */
  readonly observation: string;
  readonly transaction: string;
}

const PEOPLE = 20;
const OBSERVATIONS = 500;
const VERSIONS = 20;
export const TRANSACTION = 50;

const CODES = [
  ['8867-4', 'Heart rate'],
  ['9279-1', 'Respiratory rate'],
  ['8310-5', 'Body temperature'],
  ['2708-6', 'Oxygen saturation'],
  ['8480-6', 'Systolic blood pressure'],
] as const;

/** Records the people, and checks that the answers have as many entries as the rows of the report say. */
export async function loadTargets(server: ServerProcess): Promise<Targets> {
  const base = `${server.url}/fhir/R4`;
  const token = await server.token('publisher');
  const call = async (method: string, path: string, body?: unknown) =>
    (await send(base, token, method, path, body)) as { id: string; entry?: unknown[] };
  const people: string[] = [];
  const changed: string[] = [];
  for (let index = 0; index <= PEOPLE; index += 1)
    people.push((await call('POST', '/Patient', person(index))).id);
  for (const id of people.slice(0, PEOPLE)) {
    for (let from = 0; from < OBSERVATIONS; from += TRANSACTION)
      await call('POST', '', transaction(id, from));
    const { id: observationId } = await call('POST', '/Observation', observation(id, 1));
    for (let version = 1; version < VERSIONS; version += 1)
      await call('PUT', `/Observation/${observationId}`, {
        ...observation(id, 1 + version),
        id: observationId,
      });
    changed.push(observationId);
  }
  const [code] = CODES[0];
  const targets = {
    base,
    token,
    read: people.slice(0, PEOPLE).map((id) => `/Patient/${id}`),
    history: changed.map((id) => `/Observation/${id}/_history?_count=50`),
    search: people.slice(0, PEOPLE).map((id) => `/Observation?subject=Patient/${id}&code=http://loinc.org%7C${code}&_count=50`), // prettier-ignore
    everything: people.slice(0, PEOPLE).map((id) => `/Patient/${id}/$everything?_count=1000`),
    observation: JSON.stringify(observation(people[PEOPLE]!, 3)),
    transaction: JSON.stringify(transaction(people[PEOPLE]!, 0)),
  };
  const sizes = { history: VERSIONS, search: 50, everything: OBSERVATIONS + 2 };
  for (const [name, expected] of Object.entries(sizes)) {
    const answer = await call('GET', targets[name as keyof typeof sizes][0]!);
    const found = answer.entry?.length ?? 0;
    if (found !== expected) throw new Error(`${name} answers ${found} entries instead of ${expected}.`);
  }
  return targets;
}

/** JSON of the answer, which must be 2xx. */
export async function send(
  base: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
  return JSON.parse(text);
}

export function person(index: number) {
  const name = [{ family: 'Floor', given: [`Ada${index}`] }];
  return { resourceType: 'Patient', name, birthDate: '1950-01-01', gender: 'female' };
}

export function transaction(patient: string, from: number, size = TRANSACTION) {
  const entry = Array.from({ length: size }, (_, index) => ({
    resource: observation(patient, from + index),
    request: { method: 'POST', url: 'Observation' },
  }));
  return { resourceType: 'Bundle', type: 'transaction', entry };
}

const USUAL = [76, 16, 36.8, 97, 124];

/** A round of somebody who is well: each of the five measured every twenty minutes, until now. */
export function round(patient: string, size = TRANSACTION) {
  const entry = Array.from({ length: size }, (_, index) => {
    const minutes = 20 * Math.floor(index / CODES.length);
    const effectiveDateTime = new Date(Date.now() - 60_000 * minutes).toISOString();
    const { valueQuantity, ...others } = observation(patient, index);
    const resource = { ...others, effectiveDateTime, valueQuantity: { ...valueQuantity, value: USUAL[index % CODES.length]! } }; // prettier-ignore
    return { resource, request: { method: 'POST', url: 'Observation' } };
  });
  return { resourceType: 'Bundle', type: 'transaction', entry };
}

export function observation(patient: string, index: number) {
  const [code, display] = CODES[index % CODES.length]!;
  const twoDigits = (number: number) => String(number).padStart(2, '0');
  const category = {
    system: 'http://terminology.hl7.org/CodeSystem/observation-category',
    code: 'vital-signs',
  };
  return {
    resourceType: 'Observation',
    status: 'final',
    category: [{ coding: [category] }],
    code: { coding: [{ system: 'http://loinc.org', code, display }] },
    subject: { reference: `Patient/${patient}` },
    effectiveDateTime: `2024-01-${twoDigits((index % 28) + 1)}T10:${twoDigits(index % 60)}:00Z`,
    valueQuantity: {
      value: 60 + (index % 40),
      unit: '1/min',
      system: 'http://unitsofmeasure.org',
      code: '/min',
    },
  };
}
