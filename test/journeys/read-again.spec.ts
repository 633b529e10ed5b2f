// Reads and searches are answered from memory while whom they are about stands still. Nobody may notice, but by the clock.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isCluster, startStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.remove());

// Of the practice where the personas work.
const generalPractitioner = [
  { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } },
];

async function person(): Promise<string> {
  const body = { resourceType: 'Patient', gender: 'female', generalPractitioner };
  const { status, json } = await stack.fhir('POST', '/Patient', { body });
  expect(status).toBe(201);
  return json.id as string;
}

it('a reader sees the version that was acknowledged before it asked, however often it asked before', async () => {
  const id = await person();
  for (let version = 2; version <= 30; version += 1) {
    const body = { resourceType: 'Patient', id, gender: 'female', birthDate: `19${version + 20}-01-01` };
    await Promise.all([1, 2, 3].map(() => stack.fhir('GET', `/Patient/${id}`)));
    expect((await stack.fhir('PUT', `/Patient/${id}`, { body })).status).toBe(200);
    const read = await stack.fhir('GET', `/Patient/${id}`);
    expect(read.json).toMatchObject({ birthDate: body.birthDate, meta: { versionId: String(version) } });
    expect(read.headers.get('etag')).toBe(`W/"${version}"`);
  }
  await stack.fhir('DELETE', `/Patient/${id}`);
  expect((await stack.fhir('GET', `/Patient/${id}`)).status).toBe(410);
});

it('readers beside a writer never see an older version than one that was acknowledged', async () => {
  const id = await person();
  let acknowledged = 1;
  let writing = true;
  const writer = (async () => {
    for (let version = 2; version <= 40; version += 1) {
      const body = { resourceType: 'Patient', id, gender: 'female', birthDate: `19${version + 20}-01-01` };
      await stack.fhir('PUT', `/Patient/${id}`, { body });
      acknowledged = version;
    }
    writing = false;
  })();
  const reader = async (): Promise<void> => {
    while (writing) {
      const atLeast = acknowledged;
      const { json } = await stack.fhir('GET', `/Patient/${id}`);
      expect(Number(json.meta.versionId)).toBeGreaterThanOrEqual(atLeast);
    }
  };
  await Promise.all([writer, reader(), reader(), reader()]);
});

it('the second answer is the first one, in its headers too', async () => {
  const id = await person();
  const [first, second] = [
    await stack.fhir('GET', `/Patient/${id}`),
    await stack.fhir('GET', `/Patient/${id}`),
  ];
  expect(second.text).toBe(first.text);
  // Who else writes to a cluster moves its position on between the two.
  const differing = isCluster ? ['date', 'carelog-position'] : ['date'];
  const headers = ({ headers }: typeof first) => [...headers].filter(([name]) => !differing.includes(name));
  expect(headers(second)).toEqual(headers(first));
  expect(second.headers.get('cache-control')).toBe('no-store');
  const etag = first.headers.get('etag')!;
  const known = await stack.fhir('GET', `/Patient/${id}`, { headers: { 'if-none-match': etag } });
  expect([known.status, known.text]).toEqual([304, '']);
  const head = await stack.fhir('HEAD', `/Patient/${id}`);
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(Buffer.byteLength(first.text))]); // prettier-ignore
});

it('what one caller has read is decided anew for the next', async () => {
  const id = await person();
  expect((await stack.fhir('GET', `/Patient/${id}`)).status).toBe(200);
  expect((await stack.fhir('GET', `/Patient/${id}`, { as: 'operator' })).status).toBe(403);
  expect([403, 404]).toContain((await stack.fhir('GET', `/Patient/${id}`, { as: 'patient' })).status);
  expect((await stack.fhir('GET', `/Patient/${id}`, { as: 'gp' })).status).toBe(200);
});

const observation = (subject: string, value: number, more = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject: { reference: `Patient/${subject}` },
  valueQuantity: { value },
  ...more,
});

async function search(text: string, as?: string) {
  const { status, json, headers } = await stack.fhir('GET', text, as === undefined ? {} : { as });
  const entries = (json.entry ?? []) as { resource: { id: string; valueQuantity?: { value: number } } }[];
  return { status, json, headers, values: entries.map((it) => it.resource.valueQuantity?.value) };
}

it('a search that was asked before shows each write that was acknowledged since, and nothing that has gone', async () => {
  const [ada, ben] = [await person(), await person()];
  const asked = (id: string) => `/Observation?subject=Patient/${id}&code=http://loinc.org|8867-4`;
  const expected: number[] = [];
  const ids: string[] = [];
  for (let value = 60; value < 70; value += 1) {
    for (let again = 0; again < 3; again += 1) {
      expect(await search(asked(ada))).toMatchObject({ values: expected, json: { total: expected.length } });
      expect((await search(asked(ben))).values).toEqual([]);
    }
    ids.push((await stack.fhir('POST', '/Observation', { body: observation(ada, value) })).json.id);
    expected.push(value);
  }
  // What is about somebody else from now on leaves one answer and comes into the other.
  const moved = { ...observation(ben, 60), id: ids[0] };
  expect((await stack.fhir('PUT', `/Observation/${ids[0]}`, { body: moved })).status).toBe(200);
  expect((await search(asked(ada))).values).toEqual(expected.slice(1));
  expect((await search(asked(ben))).values).toEqual([60]);
  for (let again = 0; again < 3; again += 1) await search(asked(ben));
  await stack.fhir('DELETE', `/Observation/${ids[0]}`);
  expect((await search(asked(ben))).values).toEqual([]);
});

it('a search that was asked before is answered alike: to the letter, and with a link of its own for each caller', async () => {
  const id = await person();
  for (let value = 0; value < 4; value += 1) await stack.fhir('POST', '/Observation', { body: observation(id, value) }); // prettier-ignore
  const asked = `/Observation?subject=Patient/${id}&_count=3&_format=json`;
  const answers = [await search(asked), await search(asked), await search(asked), await search(asked)];
  const withoutNext = ({ json }: (typeof answers)[0]) => ({ ...json, link: json.link.filter((it: { relation: string }) => it.relation !== 'next') }); // prettier-ignore
  for (const answer of answers) expect(withoutNext(answer)).toEqual(withoutNext(answers[0]!));
  const next = (json: { link: { relation: string; url: string }[] }) =>
    new URL(json.link.find((it) => it.relation === 'next')!.url).search;
  const [ours, theirs] = [next(answers[3]!.json), next((await search(asked, 'gp')).json)];
  expect((await search(`/Observation${ours}`)).values).toEqual([3]);
  expect((await search(`/Observation${theirs}`)).status).toBe(400);
  expect((await search(`/Observation${theirs}`, 'gp')).values).toEqual([3]);
  expect((await search(asked, 'operator')).status).toBe(403);
  expect((await search(asked, 'patient')).values).toEqual([]);
});
