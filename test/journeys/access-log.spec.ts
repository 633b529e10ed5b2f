/** Every answer has its record; auditors and patients see who looked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateResource } from '@carelog/fhir';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

const ALERT = 'https://fhir.carelog.example/CodeSystem/task|broken-glass-review';

const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';
let stack: Stack;
let own: string;
let other: string;

beforeAll(async () => {
  stack = await startEmptyStack();
  const person = (value: string, family: string) => ({ resourceType: 'Patient', identifier: [{ system: NHS_NUMBER, value }], name: [{ family }] }); // prettier-ignore
  own = (await stack.fhir('POST', '/Patient', { body: person(firstPersonNhsNumber(DEMO_SEED), 'Floor') }))
    .json.id;
  other = (await stack.fhir('POST', '/Patient', { body: person('9434765919', 'Grey') })).json.id;
  for (const id of [own, own, other]) {
    const body = { resourceType: 'Observation', status: 'final', code: { text: 'Pulse' }, subject: { reference: `Patient/${id}` } }; // prettier-ignore
    await stack.fhir('POST', '/Observation', { body });
  }
});
afterAll(() => stack.remove());

const audit = async (query: string, as = 'auditor') =>
  (await stack.fhir('GET', `/AuditEvent?${query}`, { as })).json;
const subtypes = (bundle: { entry?: { resource: { subtype: { code: string }[] } }[] }) =>
  (bundle.entry ?? []).map(({ resource }) => resource.subtype[0]!.code);

describe('an auditor', () => {
  it('sees each access of a patient once, newest first, with what was shown', async () => {
    const { json: read } = await stack.fhir('GET', `/Patient/${other}`);
    await stack.fhir('GET', `/Observation?patient=${other}`);
    const id = '11111111-2222-4333-8444-555555555555';
    await stack.fhir('GET', `/Patient/${other}/$everything`, { headers: { 'x-request-id': id } });
    const bundle = await audit(`patient=${other}`);
    expect(subtypes(bundle)).toEqual(['operation', 'search-type', 'read', 'create', 'create']);
    expect(bundle.total).toBe(5);
    const [everything] = bundle.entry;
    expect(validateResource(everything.resource)).toEqual([]);
    const entities = everything.resource.entity as { what?: { reference?: string; identifier?: { value: string } } }[]; // prettier-ignore
    const references = entities.flatMap(({ what }) => what?.reference ?? []);
    expect(references).toEqual([
      `Patient/${other}`,
      `Patient/${other}/_history/${read.meta.versionId}`,
      expect.stringMatching(/^Observation\/.*\/_history\/1$/),
    ]);
    expect(entities.flatMap(({ what }) => what?.identifier?.value ?? [])).toContain(id);
  });

  it('reads one of them, and pages through all', async () => {
    const first = await audit(`patient=${other}&_count=2`);
    expect(first.entry).toHaveLength(2);
    const [{ resource }] = first.entry;
    const { json } = await stack.fhir('GET', `/AuditEvent/${resource.id}`, { as: 'auditor' });
    expect({ ...json, text: '' }).toEqual({ ...resource, text: '' });
    const met: string[] = [];
    let page = first;
    for (;;) {
      met.push(...page.entry.map((entry: { resource: { id: string } }) => entry.resource.id));
      const next = page.link.find((link: { relation: string }) => link.relation === 'next');
      if (next === undefined) break;
      page = (await stack.fhir('GET', next.url, { as: 'auditor' })).json;
    }
    expect(met.length).toBeGreaterThanOrEqual(5);
    expect(new Set(met).size).toBe(met.length);
  });

  it('finds by time and by who asked', async () => {
    const before = new Date().toISOString();
    await stack.fhir('GET', `/Patient/${other}`, { as: 'publisher' });
    const by = `agent:identifier=${encodeURIComponent('https://fhir.nhs.uk/Id/ods-organization-code|QZZ')}`;
    expect(subtypes(await audit(`patient=${other}&date=ge${before}&${by}`))).toContain('read');
    expect((await audit(`patient=${other}&date=lt2020-01-01`)).entry).toBeUndefined();
    expect((await audit(`patient=${other}&agent:identifier=nobody`)).entry).toBeUndefined();
  });

  it('asks the same by a form, in a compartment, and for the number alone', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const ids = (answer: { entry?: { resource: { id: string } }[] }) => (answer.entry ?? []).map(({ resource }) => resource.id);
    const until = `date=le${new Date().toISOString()}`;
    const asked = await audit(`patient=${other}&${until}&_count=1000`);
    expect(ids(asked).length).toBeGreaterThan(3);
    const posted = (body: string, as = 'auditor') => stack.fhir('POST', '/AuditEvent/_search', { as, body, headers: form });
    expect(ids((await posted(`patient=${other}&${until}&_count=1000`)).json)).toEqual(ids(asked));
    const within = (await stack.fhir('GET', `/Patient/${other}/AuditEvent?${until}&_count=1000`, { as: 'auditor' })).json;
    expect(ids(within)).toEqual(ids(asked));
    const first = (await posted(`patient=${other}&${until}&_count=2`)).json;
    expect(ids(first)).toEqual(ids(asked).slice(0, 2));
    const next = first.link.find((link: { relation: string }) => link.relation === 'next').url as string;
    expect(ids((await stack.fhir('GET', next, { as: 'auditor' })).json)).toEqual(ids(asked).slice(2, 4));
    const agent = `agent:identifier=${encodeURIComponent('https://fhir.nhs.uk/Id/ods-organization-code|QZZ')}`;
    for (const query of [`patient=${other}&${until}`, until, `${agent}&${until}`, `patient=${other}&${agent}&${until}`, `patient=${other}&patient=${own}&${until}`]) {
      const all = (await audit(`${query}&_count=1000`)).entry?.length ?? 0;
      for (const counting of ['_summary=count', '_count=0']) {
        const { total, entry } = await audit(`${query}&${counting}`);
        expect([query, total, entry]).toEqual([query, all, undefined]);
      }
      expect((await audit(`${query}&_count=1&_total=accurate`)).total).toBe(all);
    }
  }); // prettier-ignore

  it('is told what cannot be searched by', async () => {
    const { status, text } = await stack.fhir('GET', '/AuditEvent?outcome=0', { as: 'auditor' });
    expect([status, text]).toEqual([400, expect.stringContaining('agent:identifier')]);
  });
});

describe('a patient', () => {
  it('sees who looked at their own record, in plain words, and nobody else’s', async () => {
    await stack.fhir('GET', `/Patient/${own}`);
    const bundle = await audit('', 'patient');
    const said = bundle.entry.map(
      ({ resource }: { resource: { text: { div: string } } }) => resource.text.div,
    );
    expect(said.some((div: string) => /a computer system of the organisation QZZ looked at your name/.test(div))).toBe(true); // prettier-ignore
    expect(JSON.stringify(bundle)).not.toContain(other);
    expect(JSON.stringify(bundle)).not.toContain('_history');
    expect((await audit(`patient=${other}`, 'patient')).entry).toBeUndefined();
    const foreign = (await audit(`patient=${other}`)).entry[0].resource.id;
    expect((await stack.fhir('GET', `/AuditEvent/${foreign}`, { as: 'patient' })).status).toBe(404);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const posted = await stack.fhir('POST', '/AuditEvent/_search', { as: 'patient', body: `patient=${own}`, headers: form }); // prettier-ignore
    expect(posted.json.total).toBeGreaterThan(0);
    for (const path of [`/AuditEvent?patient=${other}&patient=${own}`, `/Patient/${other}/AuditEvent`])
      expect((await stack.fhir('GET', path, { as: 'patient' })).json.total).toBe(0);
  });
});

it('records refusals, and names nobody in what was asked', async () => {
  const { status } = await stack.fhir('GET', `/Patient/${other}`, { as: 'operator' });
  expect(status).toBe(403);
  await stack.fhir('GET', '/Patient?family=Beckham&birthdate=1975-05-02&_count=3');
  const events = (await audit('_count=20')).entry.map((entry: { resource: unknown }) => entry.resource);
  const queries = events.map(
    ({ entity }: { entity: { query?: string }[] }) =>
      entity.flatMap(({ query }) => (query === undefined ? [] : Buffer.from(query, 'base64').toString()))[0],
  );
  expect(queries).toContainEqual(
    expect.stringMatching(/^Patient\?_count=3&birthdate=~[\w-]{16}&family=~[\w-]{16}$/),
  );
  const refused = events.find(({ outcome }: { outcome: string }) => outcome === '4');
  expect(refused.outcomeDesc).toMatch(/^refused: /);
});

describe('what is refused before anything is asked for', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const json = { 'content-type': 'application/fhir+json' };
  const cases: readonly [string, number, string, string, object?, (string | Uint8Array<ArrayBuffer>)?][] = [
    ['an answer in another format', 406, 'GET', '/Patient', { accept: 'application/fhir+xml' }],
    ['a body in another format', 415, 'POST', '/Observation', { 'content-type': 'application/fhir+xml' }, '<x/>'],
    ['a body in another character set', 415, 'POST', '/Observation', { 'content-type': 'application/json; charset=utf-16' }, '{}'],
    ['a body that is not UTF-8', 400, 'POST', '/Observation', json, Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['a body that is not JSON', 400, 'POST', '/Observation', json, '{"resourceType"'],
    ['a form where none is taken', 415, 'POST', '/Observation', form, 'a=b'],
    ['a form with too many fields', 413, 'POST', '/Patient/_search', form, 'a=b&'.repeat(300)],
    ['a body that is too large', 413, 'POST', '/Observation', json, ' '.repeat(33 * 1024 * 1024)],
    ['a method that there is not', 405, 'PATCH', '/Patient/x', json, '[]'],
    ['an address that there is not', 404, 'GET', '/Patient/x/$nothing'],
    ['a parameter that there is not', 400, 'GET', '/Patient?nothing=1'],
  ];

  it.each(cases)('%s has its record', async (_, status, method, path, headers = {}, body) => {
    const id = crypto.randomUUID();
    const authorization = `Bearer ${await stack.token('gp')}`;
    const answer = await fetch(stack.base + path, { method, headers: { authorization, 'x-request-id': id, ...headers }, ...(body !== undefined && { body }) });
    expect([answer.status, ((await answer.json()) as { resourceType: string }).resourceType]).toEqual([status, 'OperationOutcome']);
    const [{ resource }] = (await audit('_count=1')).entry;
    const recorded = JSON.stringify(resource);
    expect([recorded.includes(id), resource.outcome]).toEqual([true, '4']);
    expect(recorded).toContain('999000000001');
  });

  it('a token that is not good is counted, and nobody is said to have asked', async () => {
    const count = async () => {
      const { text } = await stack.fhir('GET', `${stack.url}/metrics`, { as: 'operator' });
      return Number(/carelog_requests_total\{interaction="unauthenticated",status="4xx"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const [before, last] = [await count(), (await audit('_count=1')).entry[0].resource.id];
    expect((await fetch(`${stack.base}/Patient`, { headers: { authorization: 'Bearer x' } })).status).toBe(401);
    expect(await count()).toBe(before + 1);
    const recorded = (await audit('_count=2')).entry.map(({ resource }: { resource: { id: string } }) => resource.id);
    // Only that the auditor looked.
    expect(recorded[1]).toBe(last);
  });
}); // prettier-ignore

describe('the end of a month of access records', () => {
  const erase = (month: string, as = 'operator') =>
    stack.fhir('POST', `${stack.url}/access-log/erase/${month}`, { as });

  it('comes when its time is over, to an operator, and is on record', async () => {
    const month = new Date().toISOString().slice(0, 7);
    const early = await erase(month);
    expect([early.status, early.json.issue[0].diagnostics]).toEqual([422, expect.stringContaining('CARELOG_ACCESS_LOG_MONTHS')]); // prettier-ignore
    expect((await erase('2001-01', 'auditor')).status).toBe(403);
    const before = (await audit('_count=0')).total;
    const { status, json } = await erase('2001-01');
    expect([status, json]).toEqual([200, { erased: '2001-01' }]);
    const [last] = (await audit('_count=1')).entry;
    const asked = last.resource.entity.flatMap(({ query }: { query?: string }) => (query === undefined ? [] : Buffer.from(query, 'base64').toString())); // prettier-ignore
    expect([last.resource.outcomeDesc, asked]).toEqual(['permitted: platform-operation', ['access-log/erase/2001-01']]); // prettier-ignore
    expect((await audit('_count=0')).total).toBeGreaterThan(before);
  });
});

describe('breaking the glass', () => {
  const parameters = (reason: string, text: string) => ({
    resourceType: 'Parameters',
    parameter: [
      { name: 'reason', valueCode: reason },
      { name: 'text', valueString: text },
    ],
  });
  const breakIt = (body: object, as: string, patient = other) =>
    stack.fhir('POST', `/Patient/${patient}/$break-glass`, { as, body });

  it('is recorded, and raises one task for the privacy officer, also after a restart', async () => {
    const { status, json } = await breakIt(parameters('emergency', 'Found collapsed'), 'ed-doctor');
    expect(status).toBe(200);
    expect(Date.parse(json.parameter[0].valueInstant)).toBeGreaterThan(Date.now());
    const [{ resource }] = (await audit(`patient=${other}&_count=1`)).entry;
    expect(resource.outcomeDesc).toBe('permitted: broken-glass');
    expect((await stack.fhir('GET', `/Patient/${other}`, { as: 'ed-doctor' })).status).toBe(200);
    const [after] = (await audit(`patient=${other}&_count=1`)).entry;
    expect(after.resource.outcomeDesc).toBe('permitted: broken-glass');
    stack = await stack.restart();
    const tasks = (
      await stack.fhir('GET', `/Task?code=${encodeURIComponent(ALERT)}`, { as: 'privacy-officer' })
    ).json;
    expect(tasks.total).toBe(1);
    expect(tasks.entry[0].resource).toMatchObject({
      for: { reference: `Patient/${other}` },
      reasonCode: { coding: [{ code: 'emergency' }], text: 'Found collapsed' },
      requester: { identifier: { value: '999000000002' } },
    });
  });

  it('raises a task each time, also where requests are named alike', async () => {
    const headers = { 'x-request-id': '3f0a5c1e-6f5b-4c43-9a55-0d6d3f2b1a77' };
    const tasks = async () => (await stack.fhir('GET', `/Task?code=${encodeURIComponent(ALERT)}&_summary=count`, { as: 'privacy-officer' })).json.total as number; // prettier-ignore
    const before = await tasks();
    for (const text of ['Found collapsed again', 'Found collapsed once more']) {
      const body = parameters('emergency', text);
      const { status } = await stack.fhir('POST', `/Patient/${other}/$break-glass`, { as: 'ed-doctor', body, headers }); // prettier-ignore
      expect(status).toBe(200);
    }
    expect(await tasks()).toBe(before + 2);
  });

  it('needs a reason that the policy knows, and words', async () => {
    const { status, json } = await breakIt(parameters('curiosity', 'x'.repeat(501)), 'ed-doctor');
    expect([status, json.issue.length]).toEqual([400, 2]);
  });

  it('is refused to whom the policy does not let, and the refusal is recorded', async () => {
    expect((await breakIt(parameters('emergency', 'why'), 'patient')).status).toBe(403);
    const [{ resource }] = (await audit('_count=1')).entry;
    expect(resource.outcomeDesc).toMatch(/^refused: /);
    expect(resource.entity.at(-1).query).toBe(
      Buffer.from(`Patient/${other}/$break-glass`).toString('base64'),
    );
  });

  it('knows nobody who is not registered', async () => {
    expect((await breakIt(parameters('emergency', 'why'), 'ed-doctor', 'nobody')).status).toBe(404);
  });
});
