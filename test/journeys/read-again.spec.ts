// Reads are answered from memory while the view stands still. Nobody may notice, but by the clock.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.remove());

async function person(): Promise<string> {
  const { status, json } = await stack.fhir('POST', '/Patient', { body: { resourceType: 'Patient', gender: 'female' } }); // prettier-ignore
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
  const headers = ({ headers }: typeof first) => [...headers].filter(([name]) => name !== 'date');
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

it('a rebuild of the view leaves nothing behind', async () => {
  const id = await person();
  const before = await stack.fhir('GET', `/Patient/${id}`);
  const token = await stack.token('operator');
  const rebuilt = await fetch(`${stack.url}/rebuild/record`, { method: 'POST', headers: { authorization: `Bearer ${token}` } }); // prettier-ignore
  expect(rebuilt.status).toBe(200);
  expect((await stack.fhir('GET', `/Patient/${id}`)).text).toBe(before.text);
});
