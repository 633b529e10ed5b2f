/** A provider publishes events: three ways to send them, once each whatever happens, and each refused by itself. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange } from '../support/raw-http.ts';
import { startStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.remove());

const STRUCTURED = 'application/cloudevents+json';
const BATCHED = 'application/cloudevents-batch+json';
const SOURCE = 'urn:example:journey:activities';

interface Sent {
  readonly type?: string;
  readonly as?: string;
  readonly scope?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Which gateway of a cluster is asked is left to turns. */
  readonly anyGateway?: boolean;
}

async function post(
  body: unknown,
  { type = STRUCTURED, as = 'publisher', scope, headers, anyGateway }: Sent = {},
) {
  const response = await fetch(`${stack.urlOf(anyGateway === true ? 'GET' : 'POST')}/activities`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await stack.token(as, scope === undefined ? {} : { scope })}`,
      'content-type': type,
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();

  return { status: response.status, headers: response.headers, text, json: (text === '' ? undefined : JSON.parse(text)) }; // prettier-ignore
}

const event = (data: Record<string, unknown>, type: string, more = {}) => ({
  specversion: '1.0',
  id: randomUUID(),
  source: SOURCE,
  type,
  ...more,
  data,
});
const registered = (more = {}, id: string = randomUUID()) =>
  event({ resourceType: 'Patient', id, name: [{ family: 'Grey' }], ...more }, 'patient.registered');
const measured = (patient: string, more: Record<string, unknown> = {}) =>
  event(
    { resourceType: 'Observation', status: 'final', code: { text: 'Heart rate' }, subject: { reference: `Patient/${patient}` }, ...more },
    'observation.recorded',
  ); // prettier-ignore
const person = async (): Promise<string> => {
  const sent = registered();
  expect((await post(sent)).status).toBe(201);
  return sent.data['id'] as string;
};
const read = async (location: string) => {
  const path = location.slice(location.indexOf('/fhir/R4') + '/fhir/R4'.length);
  return (await stack.fhir('GET', path)).json;
};
const countOf = async (patient: string): Promise<number> =>
  (await stack.fhir('GET', `/Observation?patient=${patient}&_summary=count`)).json.total as number;

describe('an event is recorded', () => {
  it('in structured mode, and says where, and how far the log is', async () => {
    const sent = registered();
    const answer = await post(sent, { type: `${STRUCTURED}; charset=UTF-8` });
    const location = `${stack.base}/Patient/${sent.data['id']}/_history/1`;
    expect([answer.status, answer.headers.get('location')]).toEqual([201, location]);
    expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThan(0);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.json).toEqual({ id: sent.id, source: SOURCE, status: 201, location });
    expect(await read(location)).toMatchObject({ ...sent.data, meta: { versionId: '1' } });
  });

  it('in binary mode, with attributes that are encoded', async () => {
    const patient = await person();
    const { data, ...attributes } = measured(patient, { valueQuantity: { value: 61.5 } });
    const id = `${attributes.id} Ω`;
    const headers = { 'ce-specversion': '1.0', 'ce-id': encodeURIComponent(id), 'ce-source': SOURCE, 'ce-type': attributes.type }; // prettier-ignore
    const answer = await post(data, { type: 'application/fhir+json', headers });
    expect([answer.status, answer.json.id]).toEqual([201, id]);
    expect(await read(answer.json.location as string)).toMatchObject(data);
    const again = await post({ ...attributes, id, data });
    expect([again.status, again.json.location]).toEqual([200, answer.json.location]);
  });

  it('in batched mode, each with its own answer, in order', async () => {
    const patient = await person();
    const sent = [measured(patient), measured(patient, { id: randomUUID() }), measured(patient)];
    const answer = await post(sent, { type: BATCHED });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'application/json; charset=utf-8',
    ]);
    expect(answer.json.results.map(({ index, id, status }: Record<string, unknown>) => [index, id, status])).toEqual(
      sent.map(({ id }, index) => [index, id, 201]),
    ); // prettier-ignore
    for (const [index, { location }] of answer.json.results.entries()) expect(await read(location)).toMatchObject(sent[index]!.data); // prettier-ignore
    expect((await post([], { type: BATCHED })).json).toEqual({ results: [] });
  });

  it('under its national name, and as a new version of what there is', async () => {
    const patient = await person();
    const died = event({ resourceType: 'Patient', id: patient, deceasedBoolean: true }, 'pds-death-notification-2'); // prettier-ignore
    const answer = await post(died);
    expect([answer.status, answer.json.location]).toEqual([
      201,
      `${stack.base}/Patient/${patient}/_history/2`,
    ]);
  });

  it('as entered in error', async () => {
    const patient = await person();
    const sent = measured(patient, { id: randomUUID() });
    await post(sent);
    const answer = await post(event({ ...sent.data, status: 'entered-in-error' }, 'observation.recorded'));
    expect(answer.status).toBe(201);
    expect(answer.json.location).toMatch(/\/_history\/2$/);
    expect(await read(answer.json.location as string)).toMatchObject({ status: 'entered-in-error' });
  });
});

describe('the same event', () => {
  it('is recorded once, whatever way it is sent again, and says so', async () => {
    const patient = await person();
    const sent = measured(patient);
    const { data, ...attributes } = sent;
    const first = await post(sent);
    const inOtherOrder = { data: Object.fromEntries(Object.entries(data).reverse()), ...attributes, time: '2026-01-31T10:00:00Z' }; // prettier-ignore
    const inBase64 = { ...attributes, data_base64: Buffer.from(JSON.stringify(data, null, 2)).toString('base64') }; // prettier-ignore
    for (const again of [sent, inOtherOrder, inBase64]) {
      const answer = await post(again, { anyGateway: true });
      expect([answer.status, answer.json.location]).toEqual([200, first.json.location]);
    }
    const batch = await post([sent, inBase64, inOtherOrder], { type: BATCHED });
    expect(batch.json.results.map(({ status }: { status: number }) => status)).toEqual([200, 200, 200]);
    expect(await countOf(patient)).toBe(1);
  });

  it('is recorded once, also at the same time, by any gateway, and twice in one batch', async () => {
    const patient = await person();
    const sent = [measured(patient), measured(patient, { id: randomUUID() })];
    const tries = [...Array.from({ length: 10 }, () => sent), [...sent, ...sent]];
    const answers = await Promise.all(tries.map((it) => post(it, { type: BATCHED, anyGateway: true })));
    const results = answers.flatMap(({ json }) => json.results as { id: string; status: number; location: string }[]); // prettier-ignore
    for (const { id } of sent) {
      const own = results.filter((it) => it.id === id);
      expect(own.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(own.filter(({ status }) => status === 200)).toHaveLength(11);
      expect(new Set(own.map(({ location }) => location)).size).toBe(1);
    }
    expect(await countOf(patient)).toBe(2);
  });

  it('stays what it was when the resource has changed since', async () => {
    const patient = await person();
    const first = measured(patient, { id: randomUUID() });
    const second = event({ ...first.data, status: 'amended' }, 'observation.recorded');
    const [one, two] = [await post(first), await post(second)];
    expect([one.status, two.status]).toEqual([201, 201]);
    const again = await post(first);
    expect([again.status, again.json.location]).toEqual([200, one.json.location]);
    expect((await stack.fhir('GET', `/Observation/${first.data['id']}`)).json.status).toBe('amended');
  });

  it('with other content is a conflict, of that event alone; of another source or publisher it is another', async () => {
    const patient = await person();
    const sent = measured(patient);
    await post(sent);
    const other = { ...sent, data: { ...sent.data, status: 'amended' } };
    const elsewhere = { ...sent, data: { ...sent.data, id: randomUUID() } };
    const alone = await post(other);
    expect([alone.status, alone.json.issue[0].diagnostics]).toEqual([409, expect.stringContaining('source and id')]); // prettier-ignore
    const batch = await post([measured(patient), other, { ...other, source: `${SOURCE}:other` }], {
      type: BATCHED,
    });
    expect(batch.json.results).toMatchObject([
      { status: 201 },
      { status: 409, id: sent.id, outcome: { resourceType: 'OperationOutcome', issue: [{ expression: ['[1].data'] }] } }, // prettier-ignore
      { status: 201 },
    ]);
    await post({ ...elsewhere, id: `${sent.id}-2` });
    const moved = { ...elsewhere, id: `${sent.id}-2`, data: { ...sent.data, id: randomUUID() } };
    expect((await post(moved)).status).toBe(409);
  });
});

describe('events of one batch', () => {
  it('about the same resource are recorded in their order', async () => {
    const patient = await person();
    const id = randomUUID();
    const values = Array.from({ length: 25 }, (_, value) => value + 1);
    const sent = values.map((value) => measured(patient, { id, valueInteger: value }));
    const { results } = (await post(sent, { type: BATCHED })).json;
    expect(results.map(({ location }: { location: string }) => location.split('/').at(-1))).toEqual(
      values.map(String),
    );
    expect((await stack.fhir('GET', `/Observation/${id}`)).json.valueInteger).toBe(25);
  });

  it('may refer to what another of them brings, before or after it', async () => {
    const [mother, child] = [randomUUID(), randomUUID()];
    const sent = [
      measured(child),
      registered({}, mother),
      measured(mother),
      registered({ link: [{ type: 'seealso', other: { reference: `Patient/${mother}` } }] }, child),
    ];
    const { results } = (await post(sent, { type: BATCHED })).json;
    expect(results.map(({ status }: { status: number }) => status)).toEqual([201, 201, 201, 201]);
  });

  it('are refused by themselves, with their index', async () => {
    const patient = await person();
    const good = measured(patient);
    const bad = [
      7,
      { ...measured(patient), id: undefined },
      measured(randomUUID()),
      event({ resourceType: 'Observation', subject: { reference: `Patient/${patient}` } }, 'observation.recorded'), // prettier-ignore
      event({ resourceType: 'Patient', id: '9434765919' }, 'patient.registered'),
      event({ resourceType: 'Observation', id: {} }, 'observation.recorded'),
      { ...measured(patient), type: 'flag.raised' },
    ];
    const { json } = await post([good, ...bad, measured(patient)], { type: BATCHED });
    const statuses = json.results.map(({ status }: { status: number }) => status);
    expect(statuses).toEqual([201, 400, 400, 422, 400, 422, 400, 422, 201]);
    for (const { index, outcome } of json.results.slice(1, -1)) {
      for (const { expression, diagnostics } of outcome.issue) {
        expect(expression[0]).toMatch(new RegExp(`^\\[${index}\\]`));
        expect(diagnostics).not.toContain('9434765919');
      }
    }
    expect(await countOf(patient)).toBe(2);
    const twice = `[${JSON.stringify(measured(patient))},{"id":"1","id":"1"}]`;
    const other = (await post(twice, { type: BATCHED })).json.results;
    expect(other).toMatchObject([{ status: 201 }, { index: 1, status: 400 }]);
  });

  it('are a thousand at most', async () => {
    const patient = await person();
    const sent = Array.from({ length: 1_000 }, () => measured(patient));
    const refused = await post([...sent, measured(patient)], { type: BATCHED });
    expect([refused.status, refused.json.issue[0].diagnostics]).toEqual([
      413,
      expect.stringContaining('1000'),
    ]);
    expect(await countOf(patient)).toBe(0);
    const taken = await post(sent, { type: BATCHED });
    expect(taken.json.results.every(({ status }: { status: number }) => status === 201)).toBe(true);
    expect(await countOf(patient)).toBe(1_000);
  });
});

describe('a request is refused', () => {
  it.each<[string, unknown, Sent, number, RegExp]>([
    ['that is not JSON', '{"specversion":', {}, 400, /not JSON/],
    ['that is empty', '', {}, 400, /empty/],
    ['of which the batch is no array', event({}, 'x'), { type: BATCHED }, 400, /array/],
    ['that is no event', { resourceType: 'Patient' }, { type: 'application/fhir+json' }, 400, /ce-specversion/],
    ['in another format of events', '', { type: 'application/cloudevents+avro' }, 415, /application\/cloudevents\+json/],
    ['in another format of batches', '[]', { type: 'application/cloudevents-batch+xml' }, 415, /cloudevents-batch\+json/],
    ['as a form', 'a=1', { type: 'application/x-www-form-urlencoded' }, 415, /cloudevents\+json/],
    ['as text', 'a', { type: 'text/plain' }, 415, /cloudevents\+json/],
    ['in another character set', '{}', { type: `${STRUCTURED}; charset=utf-16` }, 415, /UTF-8/],
    ['with data in another format', '<Patient/>', { type: 'application/fhir+xml', headers: { 'ce-specversion': '1.0' } }, 415, /cloudevents\+json/],
    ['with a Subscription', event({ resourceType: 'Subscription' }, 'subscription.recorded'), {}, 422, /\/fhir\/R4\/Subscription/],
  ])('%s', async (_, body, sent, status, message) => {
    const answer = await post(body, sent);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/fhir+json; charset=utf-8']);
    expect(answer.json.issue[0].diagnostics).toMatch(message);
  }); // prettier-ignore

  it('that is not UTF-8', async () => {
    const head = ['POST /activities HTTP/1.1', `content-type: ${STRUCTURED}`, `authorization: Bearer ${await stack.token('publisher')}`]; // prettier-ignore
    const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    const { status, body: text } = await exchange(stack.urlOf('POST'), { head, body }, 10_000);
    expect([status, JSON.parse(text).issue[0].diagnostics]).toEqual([400, expect.stringContaining('UTF-8')]);
  });

  it('without a token, and by any method but POST', async () => {
    const url = `${stack.urlOf('POST')}/activities`;
    const headers = { 'content-type': STRUCTURED };
    const anonymous = await fetch(url, { method: 'POST', headers, body: '{}' });
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^Bearer/)]); // prettier-ignore
    const authorization = `Bearer ${await stack.token('publisher')}`;
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await fetch(url, { method, headers: { authorization } });
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'POST']);
    }
  });

  it('of who may not record, as a whole or of that event', async () => {
    const patient = await person();
    for (const as of ['patient', 'auditor', 'operator']) {
      expect([as, (await post(measured(patient), { as })).status]).toEqual([as, 403]);
      expect([as, (await post([measured(patient)], { as, type: BATCHED })).status]).toEqual([as, 403]);
    }
    const alone = await post(measured(patient), { as: 'privacy-officer' });
    expect([alone.status, alone.json.issue[0].code]).toEqual([403, 'forbidden']);
    const { json } = await post([measured(patient)], { as: 'privacy-officer', type: BATCHED });
    expect(json.results).toMatchObject([{ index: 0, status: 403 }]);
    expect(await countOf(patient)).toBe(0);
  });

  it('for want of a scope, which it names', async () => {
    const patient = await person();
    const alone = await post(measured(patient), { scope: 'system/Encounter.c' });
    expect([alone.status, alone.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('system/Observation.c')]); // prettier-ignore
    const sent = [measured(patient), measured(patient, { id: randomUUID() })];
    const { json } = await post(sent, { scope: 'system/Observation.c system/Patient.r', type: BATCHED });
    expect(json.results).toMatchObject([{ status: 201 }, { status: 403 }]);
    const reading = await post(sent, { scope: 'system/*.rs', type: BATCHED });
    expect(reading.status).toBe(403);
  });
});

it('is in the access log, with the patients it is about', async () => {
  const patient = await person();
  const { headers } = await post([measured(patient), measured(patient)], { type: BATCHED });
  const position = headers.get('carelog-position');
  const path = `/AuditEvent?patient=${patient}`;
  await expect
    .poll(async () => {
      const { entry = [] } = (await stack.fhir('GET', path, { as: 'auditor' })).json;
      const found = entry.map(({ resource }: { resource: { action: string; entity: { detail?: { valueString: string }[] }[] } }) => [resource.action, resource.entity.flatMap(({ detail = [] }) => detail.map(({ valueString }) => valueString)).includes('activities')]); // prettier-ignore
      return found as [string, boolean][];
    }, { timeout: 20_000 })
    .toEqual(expect.arrayContaining([['C', true]])); // prettier-ignore
  expect(Number(position)).toBeGreaterThan(0);
});
