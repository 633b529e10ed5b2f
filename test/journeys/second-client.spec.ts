/** What a developer at a provider does first, with a FHIR client that knows nothing of us. */
import { Client } from 'fhir-kit-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
let client: Client;

beforeAll(async () => {
  stack = await startStack();
  client = new Client({ baseUrl: stack.base, bearerToken: await stack.token('publisher') });
});
afterAll(() => stack.remove());

type Resource = Record<string, unknown> & { resourceType: string; id: string };
const create = async (body: Record<string, unknown> & { resourceType: string }): Promise<Resource> =>
  (await client.create({ resourceType: body.resourceType, body })) as Resource;

it('creates, reads, updates, searches in pages, reads history, runs a transaction and deletes', async () => {
  const person = await create({
    resourceType: 'Patient',
    name: [{ family: 'Grey' }],
    birthDate: '1970-01-01',
  });
  expect(await client.read({ resourceType: 'Patient', id: person.id })).toEqual(person);

  const changed = (await client.update({
    resourceType: 'Patient',
    id: person.id,
    body: { ...person, gender: 'female' },
  })) as Resource;
  expect(changed).toMatchObject({ gender: 'female', meta: { versionId: '2' } });

  const entry = Array.from({ length: 25 }, (_, index) => ({
    fullUrl: `urn:uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    resource: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
      subject: { reference: `Patient/${person.id}` },
      effectiveDateTime: `2024-01-${String(index + 1).padStart(2, '0')}T10:00:00Z`,
    },
    request: { method: 'POST', url: 'Observation' },
  }));
  const answered = (await client.transaction({
    body: { resourceType: 'Bundle', type: 'transaction', entry },
  })) as unknown as { entry: { response: { status: string } }[] };
  expect(answered.entry.map((it) => it.response.status)).toEqual(
    Array.from({ length: 25 }, () => '201 Created'),
  );

  type Page = { entry?: { resource: Resource }[]; link: { relation: string; url: string }[] };
  const searchParams = {
    patient: person.id,
    code: 'http://loinc.org|8867-4',
    date: 'ge2024-01-06',
    _count: 8,
  };
  let page = (await client.search({ resourceType: 'Observation', searchParams })) as unknown as
    Page | undefined;
  const found: string[] = [];
  while (page !== undefined) {
    found.push(...(page.entry ?? []).map((it) => it.resource.id));
    page = (await client.nextPage({ bundle: page } as never)) as unknown as Page | undefined;
  }
  expect(found).toHaveLength(20);
  expect(new Set(found).size).toBe(20);

  const history = (await client.history({ resourceType: 'Patient', id: person.id })) as unknown as {
    total: number;
    entry: { resource: Resource }[];
  };
  expect(history.total).toBe(2);
  expect(history.entry.map((it) => (it.resource['meta'] as { versionId: string }).versionId)).toEqual([
    '2',
    '1',
  ]);
  expect(await client.vread({ resourceType: 'Patient', id: person.id, version: '1' })).toEqual(person);

  await client.delete({ resourceType: 'Patient', id: person.id });
  await expect(client.read({ resourceType: 'Patient', id: person.id })).rejects.toMatchObject({
    response: { status: 410 },
  });
});
