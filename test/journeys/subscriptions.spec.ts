/** FHIR Subscriptions over HTTP, all but what is sent: whose they are, what they say, and what there was to tell. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateResource } from '@carelog/fhir';
import { openSqliteSubscriptionStore } from '@carelog/subscriptions';
import { restHook, websocket, type Wanted } from '../support/some-subscriptions.ts';
import { untilTold } from '../support/told-events.ts';
import { startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
const ods = (value: string) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value } }); // prettier-ignore
const person = (id: string, practice: string) => ({ resourceType: 'Patient', id, generalPractitioner: [ods(practice)] }); // prettier-ignore
const pulse = (id: string, of: string, more = {}) => ({ resourceType: 'Observation', id, status: 'final', code: { text: 'Heart rate' }, subject: { reference: `Patient/${of}` }, ...more }); // prettier-ignore

beforeAll(async () => {
  stack = await startEmptyStack();
  await put(person('ada', 'Y90001'), person('carl', 'Y90099'));
});
afterAll(() => stack.remove());

async function put(...resources: readonly { resourceType: string; id: string }[]): Promise<void> {
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const { status, text } = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }); // prettier-ignore
  if (status !== 200) throw new Error(text);
}

async function made(body: object, as = 'publisher'): Promise<string> {
  const { status, json, text } = await stack.fhir('POST', '/Subscription', { as, body });
  if (status !== 201) throw new Error(text);
  return json.id as string;
}

async function removeAllOf(as: string): Promise<void> {
  const { json } = await stack.fhir('GET', '/Subscription?_count=100', { as });
  for (const { resource } of json.entry ?? [])
    await stack.fhir('DELETE', `/Subscription/${resource.id}`, { as });
}

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const issueOf = ({ json }: Answer): string => json.issue[0].diagnostics as string;

describe('a Subscription', () => {
  it('is made, read, changed and ended by whoever it belongs to', async () => {
    const first = await stack.fhir('POST', '/Subscription', { body: restHook({ id: 'chosen' }) });
    const { id } = first.json;
    expect([first.status, first.headers.get('etag'), first.json.status]).toEqual([201, 'W/"1"', 'requested']);
    expect(first.headers.get('location')).toBe(`${stack.base}/Subscription/${id}`);
    expect(validateResource(first.json)).toEqual([]);
    const path = `/Subscription/${id}`;
    const read = await stack.fhir('GET', path);
    expect([read.status, read.text]).toEqual([200, first.text]);
    const change = (headers = {}) => stack.fhir('PUT', path, { body: websocket({ id }), headers });
    expect((await change({ 'if-match': 'W/"2"' })).status).toBe(412);
    expect((await change({ 'if-none-match': '*' })).status).toBe(412);
    const second = await change({ 'if-match': 'W/"1"' });
    expect([second.status, second.headers.get('etag'), second.json.status]).toEqual([200, 'W/"2"', 'active']);
    expect((await change()).headers.get('etag')).toBe('W/"3"');
    const other = await stack.fhir('PUT', path, { body: websocket({ id: UNKNOWN }) });
    expect([other.status, other.json.issue[0].expression]).toEqual([422, ['Subscription.id']]);
    expect((await stack.fhir('DELETE', path, { headers: { 'if-match': 'W/"1"' } })).status).toBe(412);
    expect((await stack.fhir('DELETE', path)).status).toBe(204);
    for (const method of ['GET', 'DELETE']) expect((await stack.fhir(method, path)).status).toBe(404);
    // Nobody begins again under an id that was.
    expect((await stack.fhir('PUT', path, { body: websocket({ id }) })).status).toBe(404);
    expect((await stack.fhir('PUT', `/Subscription/${UNKNOWN}`, { body: websocket({ id: UNKNOWN }) })).status).toBe(404); // prettier-ignore
  });

  it('is changed by one of those who change it at once, and no change is lost', async () => {
    const id = await made(websocket());
    const change = () => stack.fhir('PUT', `/Subscription/${id}`, { body: websocket({ id }), headers: { 'if-match': 'W/"1"' } }); // prettier-ignore
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await change()).status));
    expect(statuses.toSorted()).toEqual([200, ...Array<number>(7).fill(412)]);
  });

  it.each<[string, string, object, number]>([
    [
      'a condition',
      '/Subscription',
      { body: websocket(), headers: { 'if-none-exist': 'status=active' } },
      400,
    ],
    [
      'a key to send it again by',
      '/Subscription',
      { body: websocket(), headers: { 'idempotency-key': 'one' } },
      400,
    ],
    ['no JSON', '/Subscription', { body: '{"resourceType":' }, 400],
    ['another resource', '/Subscription', { body: { resourceType: 'Patient' } }, 400],
    ['a topic that there is not', '/Subscription', { body: websocket({ topic: 'weather' }) }, 422],
    ['nobody’s record', '/Subscription', { body: websocket({ topic: 'patient-record' }) }, 422],
  ])('is not made of %s', async (_, path, options, status) => {
    const answer = await stack.fhir('POST', path, options);
    expect([answer.status, answer.json.resourceType]).toEqual([status, 'OperationOutcome']);
  });

  it('has no history, and takes no patch', async () => {
    const path = `/Subscription/${await made(websocket())}`;
    expect((await stack.fhir('GET', `${path}/_history`)).status).toBe(404);
    expect((await stack.fhir('GET', `${path}/_history/1`)).status).toBe(404);
    const patch = { body: '[]', headers: { 'content-type': 'application/json-patch+json' } };
    expect((await stack.fhir('PATCH', path, patch)).status).toBe(405);
    expect((await stack.fhir('PUT', '/Subscription', { body: websocket() })).headers.get('allow')).toBe('GET, POST'); // prettier-ignore
  });

  it('is in no transaction and no batch, where reads are', async () => {
    const id = await made(websocket());
    const entry = [
      { resource: websocket(), request: { method: 'POST', url: 'Subscription' } },
      { resource: websocket({ id }), request: { method: 'PUT', url: `Subscription/${id}` } },
      { request: { method: 'DELETE', url: `Subscription/${id}` } },
      { request: { method: 'GET', url: `Subscription/${id}` } },
    ];
    const batch = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'batch', entry } });
    const statuses = batch.json.entry.map(({ response }: { response: { status: string } }) => response.status.slice(0, 3)); // prettier-ignore
    expect(statuses).toEqual(['422', '422', '422', '200']);
    expect(batch.json.entry[0].response.outcome.issue[0].diagnostics).toContain('POST [base]/Subscription');
    const whole = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry: entry.slice(0, 1) } }); // prettier-ignore
    expect([whole.status, whole.json.issue[0].expression]).toEqual([422, ['Bundle.entry[0].resource']]);
  });
});

describe('whose it is', () => {
  const paths: readonly [string, string, object?][] = [
    ['GET', ''],
    ['PUT', '', websocket()],
    ['DELETE', ''],
    ['GET', '/$status'],
    ['POST', '/$status'],
    ['GET', '/$events'],
    ['POST', '/$events'],
    ['GET', '/$get-ws-binding-token'],
    ['POST', '/$hook-secret'],
  ];

  it('is known to nobody else: it is answered like one that there is not', async () => {
    const id = await made(websocket(), 'gp');
    for (const as of ['ed-doctor', 'publisher'])
      for (const [method, path, body] of paths) {
        const said = async (of: string) => {
          const sent = body === undefined ? {} : { body: { ...body, id: of } };
          const { status, text } = await stack.fhir(method, `/Subscription/${of}${path}`, { as, ...sent });
          return `${status} ${text.replaceAll(of, '[id]')}`;
        };
        const answer = await said(id);
        expect([method, path, answer]).toEqual([method, path, await said(UNKNOWN)]);
        expect(answer).toMatch(/^404/);
      }
    const found = await stack.fhir('GET', `/Subscription?_id=${id}`, { as: 'ed-doctor' });
    const status = await stack.fhir('GET', `/Subscription/$status?id=${id}`, { as: 'ed-doctor' });
    expect([found.json.total, status.json.total]).toEqual([0, 0]);
    expect((await stack.fhir('GET', `/Subscription/${id}`, { as: 'gp' })).status).toBe(200);
  });

  it('is ended by operators, who see nothing of it', async () => {
    const id = await made(websocket(), 'gp');
    const as = 'operator';
    expect((await stack.fhir('GET', `/Subscription/${id}`, { as })).status).toBe(403);
    expect((await stack.fhir('GET', `/Subscription/${id}/$events`, { as })).status).toBe(403);
    expect((await stack.fhir('DELETE', `/Subscription/${UNKNOWN}`, { as })).status).toBe(404);
    expect((await stack.fhir('DELETE', `/Subscription/${id}`, { as })).status).toBe(204);
    expect((await stack.fhir('GET', `/Subscription/${id}`, { as: 'gp' })).status).toBe(404);
  });

  it.each(['patient', 'auditor', 'operator'])('is nothing for a caller like %s, who is told of GET /events', async (as) => {
    const answer = await stack.fhir('POST', '/Subscription', { as, body: websocket() });
    expect([answer.status, issueOf(answer).includes('GET /events')]).toEqual([403, true]);
  }); // prettier-ignore

  it('needs a scope without conditions', async () => {
    const ask = (scope: string) => stack.fhir('POST', '/Subscription', { as: 'gp', limits: { scope }, body: websocket() }); // prettier-ignore
    const without = await ask('user/Observation.cruds');
    const conditional = await ask('user/Subscription.c?status=active');
    for (const { status, headers } of [without, conditional])
      expect([status, headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('scope="user/Subscription.c"')]); // prettier-ignore
    expect((await ask('user/Subscription.cruds user/Observation.rs')).status).toBe(201);
  });

  it('is decided by the token that its owner came with last', async () => {
    const id = await made(websocket(), 'gp');
    const scope = 'user/Subscription.r user/Observation.rs';
    await stack.fhir('GET', `/Subscription/${id}`, { as: 'gp', limits: { scope } });
    const store = openSqliteSubscriptionStore({ path: join(stack.folder, 'subscriptions.sqlite') });
    const stored = await store.read(id);
    await store.close();
    expect(stored?.owner.scopes?.map(({ type }) => type)).toEqual(['Subscription', 'Observation']);
  });

  it('lasts 12 hours for staff and 90 days for systems, or as long as was asked', async () => {
    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    const lasts = async (as: string, wanted: Wanted = {}) => {
      const { status, json } = await stack.fhir('POST', '/Subscription', { as, body: websocket(wanted) });
      return status === 201 ? Math.round((Date.parse(json.end) - Date.now()) / 3_600_000) : status;
    };
    expect([await lasts('gp'), await lasts('publisher')]).toEqual([12, 90 * 24]);
    expect([await lasts('gp', { end: inHours(2) }), await lasts('publisher', { end: inHours(2) })]).toEqual([2, 2]); // prettier-ignore
    expect([await lasts('gp', { end: inHours(13) }), await lasts('publisher', { end: inHours(91 * 24) })]).toEqual([422, 422]); // prettier-ignore
    expect(await lasts('publisher', { end: inHours(-1) })).toBe(422);
  });

  it('is one of twenty at most for a member of staff, also when they are made at once', async () => {
    const as = 'community-nurse';
    const answers = await Promise.all(Array.from({ length: 25 }, () => stack.fhir('POST', '/Subscription', { as, body: websocket() }))); // prettier-ignore
    const refused = answers.filter(({ status }) => status !== 201);
    expect([answers.length - refused.length, refused.map(({ status }) => status)]).toEqual([20, Array(5).fill(422)]); // prettier-ignore
    expect(issueOf(refused[0]!)).toContain('Delete one');
    const [first] = answers.filter(({ status }) => status === 201);
    await stack.fhir('DELETE', `/Subscription/${first!.json.id}`, { as });
    expect((await stack.fhir('POST', '/Subscription', { as, body: websocket() })).status).toBe(201);
  });
});

describe('what is secret', () => {
  const SECRET = 'Bearer x7Kq-never-shown';

  it('headers are shown to nobody, and lie nowhere in the clear', async () => {
    const answer = await stack.fhir('POST', '/Subscription', { body: restHook({ channel: { header: [`Authorization: ${SECRET}`] } }) }); // prettier-ignore
    const { id } = answer.json;
    const told = [
      answer,
      await stack.fhir('GET', `/Subscription/${id}`),
      await stack.fhir('GET', `/Subscription?_id=${id}`),
      await stack.fhir('GET', `/Subscription/${id}/$status`),
      await stack.fhir('GET', `/Subscription/${id}/$events`),
      await stack.fhir('PUT', `/Subscription/${id}`, { body: restHook({ id, channel: { header: [`Authorization: ${SECRET}`] } }) }), // prettier-ignore
    ];
    expect(told.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200]);
    for (const { text } of told)
      expect([text.includes(SECRET), text.includes('header')]).toEqual([false, false]);
    for (const file of readdirSync(stack.folder).filter((name) => name.startsWith('subscriptions')))
      expect([file, readFileSync(join(stack.folder, file)).includes(SECRET)]).toEqual([file, false]);
  });

  it('notifications are signed with a secret that its owner sees, and can make another of', async () => {
    const id = await made(restHook());
    const secret = async (query = '', body?: object) => {
      const { status, json } = await stack.fhir('POST', `/Subscription/${id}/$hook-secret${query}`, { body });
      expect([status, validateResource(json)]).toEqual([200, []]);
      return json.parameter[0].valueString as string;
    };
    const first = await secret();
    expect(first).toMatch(/^whsec_/);
    expect(await secret()).toBe(first);
    const second = await secret('?renew=true');
    expect([second === first, await secret()]).toEqual([false, second]);
    const parameter = [{ name: 'renew', valueBoolean: true }];
    expect(await secret('', { resourceType: 'Parameters', parameter })).not.toBe(second);
    const { text } = await stack.fhir('GET', `/Subscription/${id}`);
    expect(text).not.toContain('whsec_');
    expect((await stack.fhir('POST', `/Subscription/${id}/$hook-secret?renew=perhaps`)).status).toBe(400);
    expect((await stack.fhir('GET', `/Subscription/${id}/$hook-secret`)).status).toBe(405);
    expect((await stack.fhir('POST', `/Subscription/${await made(websocket())}/$hook-secret`)).status).toBe(422); // prettier-ignore
  });

  it('a websocket is bound by a token for those that its owner names', async () => {
    const [one, two, hook] = [await made(websocket(), 'gp'), await made(websocket(), 'gp'), await made(restHook(), 'gp')]; // prettier-ignore
    const ask = (path: string, method = 'GET', body?: object) => stack.fhir(method, `/Subscription${path}`, { as: 'gp', body }); // prettier-ignore
    const bound = ({ json }: Answer) => json.parameter.flatMap(({ name, valueString }: { name: string; valueString: string }) => (name === 'subscription' ? [valueString] : [])); // prettier-ignore
    const alone = await ask(`/${one}/$get-ws-binding-token`);
    expect([alone.status, validateResource(alone.json), bound(alone)]).toEqual([200, [], [one]]);
    const named = new Map<string, { valueUrl: string; valueDateTime: string }>(alone.json.parameter.map((it: { name: string }) => [it.name, it])); // prettier-ignore
    expect(named.get('websocket-url')?.valueUrl).toBe(
      `${stack.url.replace('http', 'ws')}/subscriptions/websocket`,
    );
    expect(Date.parse(named.get('expiration')!.valueDateTime)).toBeGreaterThan(Date.now());
    const parameter = [one, two].map((valueId) => ({ name: 'id', valueId }));
    const both = await ask('/$get-ws-binding-token', 'POST', { resourceType: 'Parameters', parameter });
    expect(bound(both).toSorted()).toEqual([one, two].toSorted());
    expect((await ask(`/${hook}/$get-ws-binding-token`)).status).toBe(422);
    expect((await ask(`/$get-ws-binding-token?id=${one},${hook}`)).status).toBe(422);
    expect((await ask(`/$get-ws-binding-token?id=${one},${UNKNOWN}`)).status).toBe(404);
  });
});

describe('a search', () => {
  it('finds the caller’s own in the order of their ids, page by page', async () => {
    const as = 'ed-doctor';
    await removeAllOf(as);
    const ids: string[] = [];
    for (let at = 0; at < 5; at += 1) ids.push(await made(at === 0 ? restHook() : websocket(), as));
    const found: string[] = [];
    let path: string | undefined = '/Subscription?_count=2';
    while (path !== undefined) {
      const page: Answer = await stack.fhir('GET', path, { as });
      expect([page.status, page.json.total, validateResource(page.json)]).toEqual([200, 5, []]);
      found.push(...page.json.entry.map(({ resource }: { resource: { id: string } }) => resource.id));
      path = page.json.link.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined; // prettier-ignore
      if (path !== undefined) expect((await stack.fhir('GET', path, { as: 'gp' })).status).toBe(400);
    }
    expect(found).toEqual(ids.toSorted());
    const total = async (query: string) => (await stack.fhir('GET', `/Subscription?${query}`, { as })).json.total as number; // prettier-ignore
    expect(await total(`_id=${ids[0]},${ids[1]}`)).toBe(2);
    expect([await total('status=active'), await total('status=requested'), await total('status=off')]).toEqual([4, 1, 0]); // prettier-ignore
    expect(await total('url=https://hook.invalid/carelog')).toBe(1);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const posted = await stack.fhir('POST', '/Subscription/_search', { as, body: 'status=active&_count=0', headers }); // prettier-ignore
    expect([posted.json.total, posted.json.entry]).toEqual([4, undefined]);
    expect((await stack.fhir('GET', '/Subscription?payload=x', { as })).status).toBe(400);
  });
});

describe('$status', () => {
  it('says how one stands, or several, or all, asked either way', async () => {
    const as = 'crisis-worker';
    const [one, two] = [await made(websocket(), as), await made(websocket({ status: 'off' }), as)];
    const statuses = ({ status, json }: Answer) => {
      expect([status, json.type, validateResource(json)]).toEqual([200, 'searchset', []]);
      return (json.entry ?? []).map(({ resource }: { resource: { parameter: { name: string; valueCode?: string }[] } }) => resource.parameter.find(({ name }) => name === 'status')?.valueCode).toSorted(); // prettier-ignore
    };
    const ask = (path: string, method = 'GET', body?: object) => stack.fhir(method, `/Subscription${path}`, { as, body }); // prettier-ignore
    expect(statuses(await ask(`/${one}/$status`))).toEqual(['active']);
    expect(statuses(await ask(`/${two}/$status`, 'POST'))).toEqual(['off']);
    expect(statuses(await ask('/$status'))).toEqual(['active', 'off']);
    expect(statuses(await ask('/$status?status=off'))).toEqual(['off']);
    expect(statuses(await ask(`/$status?id=${one}`))).toEqual(['active']);
    const parameter = [one, two].map((valueId) => ({ name: 'id', valueId }));
    expect(statuses(await ask('/$status', 'POST', { resourceType: 'Parameters', parameter }))).toEqual(['active', 'off']); // prettier-ignore
    expect((await ask('/$status?colour=red')).status).toBe(400);
    expect((await ask('/$status', 'POST', { resourceType: 'Patient' })).status).toBe(400);
    expect((await ask('/$status', 'POST', { resourceType: 'Parameters', parameter: [{ name: 'colour', valueCode: 'red' }] })).status).toBe(400); // prettier-ignore
  });
});

interface Event {
  readonly number: number;
  readonly parts: readonly string[];
  readonly focus?: string;
}

function eventsIn({ status, json }: Answer): readonly Event[] {
  expect([status, json.type, validateResource(json)]).toEqual([200, 'history', []]);
  const parameters = json.entry[0].resource.parameter as { name: string; part: { name: string; valueString?: string; valueReference?: { reference: string } }[] }[]; // prettier-ignore
  return parameters
    .filter(({ name }) => name === 'notification-event')
    .map(({ part }) => ({
      number: Number(part.find(({ name }) => name === 'event-number')?.valueString),
      parts: part.map(({ name }) => name),
      focus: part
        .find(({ name }) => name === 'focus')
        ?.valueReference?.reference.replace(`${stack.base}/`, ''),
    })) as readonly Event[];
}

describe('$events', () => {
  it('tells what there was by number, page by page, and as much of it as is asked for', async () => {
    const id = await made(websocket({ topic: 'observation', content: 'full-resource' }));
    const ids = Array.from({ length: 450 }, (_, at) => `pulse-${String(at).padStart(3, '0')}`);
    await put(...ids.map((it) => pulse(it, 'ada')));
    await untilTold(stack, id, 450);
    const path = `/Subscription/${id}/$events`;
    const told: Event[] = [];
    const pages: number[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const page: Answer = await stack.fhir('GET', next);
      told.push(...eventsIn(page));
      pages.push(page.json.entry.length);
      next = page.json.link?.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined; // prettier-ignore
    }
    expect(told.map(({ number }) => number)).toEqual(ids.map((_, at) => at + 1));
    expect(told.map(({ focus }) => focus)).toEqual(ids.map((it) => `Observation/${it}`));
    expect(pages).toEqual([201, 201, 51]);
    const some = async (query: string) => eventsIn(await stack.fhir('GET', `${path}?${query}`));
    const numbers = async (query: string) => (await some(query)).map(({ number }) => number);
    expect(await numbers('eventsSinceNumber=449')).toEqual([449, 450]);
    expect(await numbers('eventsSinceNumber=3&eventsUntilNumber=5')).toEqual([3, 4, 5]);
    expect(await numbers('eventsSinceNumber=451')).toEqual([]);
    expect(await numbers('eventsUntilNumber=0')).toEqual([]);
    const [event] = await some('eventsUntilNumber=1&content=id-only');
    expect(event).toEqual({ number: 1, parts: ['event-number', 'timestamp', 'focus', 'additional-context'], focus: 'Observation/pulse-000' }); // prettier-ignore
    expect((await some('eventsUntilNumber=1&content=empty'))[0]!.parts).toEqual(['event-number', 'timestamp']); // prettier-ignore
    const shown = await stack.fhir('GET', `${path}?eventsUntilNumber=1&content=full-resource`);
    expect(shown.json.entry[1].resource).toEqual((await stack.fhir('GET', '/Observation/pulse-000')).json);
    const asked = {
      resourceType: 'Parameters',
      parameter: [{ name: 'eventsSinceNumber', valueString: '450' }],
    };
    expect(eventsIn(await stack.fhir('POST', path, { body: asked }))).toHaveLength(1);
    for (const wrong of ['eventsSinceNumber=-1', 'eventsUntilNumber=last', 'content=everything', 'since=1'])
      expect([wrong, (await stack.fhir('GET', `${path}?${wrong}`)).status]).toEqual([wrong, 400]);
  });

  it('tells of every version by itself, and of the end', async () => {
    const id = await made(websocket({ topic: 'observation', content: 'full-resource', filters: ['?patient=Patient/ada'] })); // prettier-ignore
    for (const status of ['preliminary', 'final', 'amended']) await put(pulse('changed', 'ada', { status }));
    await put(pulse('of-carl', 'carl'));
    await stack.fhir('DELETE', '/Observation/changed');
    await untilTold(stack, id, 4);
    const { json } = await stack.fhir('GET', `/Subscription/${id}/$events`);
    const entries = json.entry.slice(1) as { resource?: { status: string }; request: { method: string; url: string } }[]; // prettier-ignore
    expect(
      entries.map(({ request, resource }) => `${request.method} ${request.url} ${resource?.status}`),
    ).toEqual([
      'POST Observation preliminary',
      'PUT Observation/changed final',
      'PUT Observation/changed amended',
      'DELETE Observation/changed undefined',
    ]);
  });

  it('tells nothing of whoever the subscriber may not know, nor that there is such a person', async () => {
    const filters = (id: string) => ({ topic: 'observation', filters: [`?patient=Patient/${id},Patient/ada`], content: 'full-resource' } as const); // prettier-ignore
    const [kept, never] = [await made(websocket(filters('carl')), 'gp'), await made(websocket(filters('nobody')), 'gp')]; // prettier-ignore
    const look = async (id: string) => (await stack.fhir('GET', `/Subscription/${id}`, { as: 'gp' })).json;
    const alike = ({ status, end }: { status: string; end: string }) => [status, end.slice(0, 13)];
    expect(alike(await look(kept))).toEqual(alike(await look(never)));
    await put(pulse('secret-of-carl', 'carl'));
    // What is recorded after it was told: so was everything before.
    await put(pulse('not-of-carl', 'ada'));
    for (const id of [kept, never]) await untilTold(stack, id, 1, 'gp');
    const { text } = await stack.fhir('GET', `/Subscription/${kept}/$events`, { as: 'gp' });
    expect(text).not.toContain('secret-of-carl');
    expect(text).not.toContain('Patient/carl');
    expect(text).toContain('not-of-carl');
  });

  it('tells nothing of what was withdrawn since it happened', async () => {
    await put(person('dora', 'Y90001'));
    const id = await made(websocket({ topic: 'observation', filters: ['?patient=Patient/dora'], content: 'full-resource' }), 'gp'); // prettier-ignore
    await put(pulse('of-dora', 'dora'));
    await stack.fhir('DELETE', '/Observation/of-dora');
    await put(pulse('also-of-dora', 'dora'));
    await untilTold(stack, id, 3, 'gp');
    const ask = async () => stack.fhir('GET', `/Subscription/${id}/$events`, { as: 'gp' });
    const before = await ask();
    expect(eventsIn(before).map(({ focus }) => focus)).toEqual(['Observation/of-dora', 'Observation/of-dora', 'Observation/also-of-dora']); // prettier-ignore
    // The practice is not hers any more.
    await put(person('dora', 'Y90099'));
    const after = await ask();
    expect(eventsIn(after).map(({ parts }) => parts)).toEqual(Array(3).fill(['event-number', 'timestamp']));
    for (const word of ['dora', 'Heart rate', 'observation.recorded']) expect([word, after.text.includes(word)]).toEqual([word, false]); // prettier-ignore
  });

  it('tells of a worklist whoever sees the person on it, and only as long', async () => {
    await put(person('fay', 'Y90001'));
    const id = await made(websocket({ topic: 'worklist-appointments-missed' }), 'gp');
    const missed = (at: string, of: string) => ({ resourceType: 'Appointment', id: at, status: 'noshow', start: '2026-05-30T09:00:00Z', end: '2026-05-30T09:10:00Z', participant: [{ actor: { reference: `Patient/${of}` }, status: 'accepted' }] }); // prettier-ignore
    await put(missed('of-carl-missed', 'carl'));
    await put(missed('of-fay-missed', 'fay'));
    await untilTold(stack, id, 1, 'gp');
    const ask = () => stack.fhir('GET', `/Subscription/${id}/$events`, { as: 'gp' });
    expect(eventsIn(await ask()).map(({ focus }) => focus)).toEqual(['Appointment/of-fay-missed']);
    await put(person('fay', 'Y90099'));
    expect(eventsIn(await ask()).map(({ parts }) => parts)).toEqual([['event-number', 'timestamp']]);
  });

  it('is on record as an access, of whom and what was told', async () => {
    await put(person('emil', 'Y90001'));
    const id = await made(websocket({ topic: 'observation', filters: ['?patient=Patient/emil'] }), 'gp');
    await put(pulse('of-emil', 'emil'));
    await untilTold(stack, id, 1, 'gp');
    await stack.fhir('GET', `/Subscription/${id}/$events`, { as: 'gp' });
    const { json } = await stack.fhir('GET', '/AuditEvent?patient=emil&_count=1', { as: 'auditor' });
    expect(JSON.stringify(json.entry[0].resource)).toContain('notification');
    expect(JSON.stringify(json.entry[0].resource)).toContain('Observation/of-emil');
  });
});

describe('what can be subscribed to', () => {
  it('is listed, each topic at its own address', async () => {
    const { status, json } = await stack.fhir('GET', '/SubscriptionTopic', { as: 'gp' });
    const urls = json.entry.map(({ resource }: { resource: { url: string } }) => resource.url) as string[];
    expect([status, json.total, urls.length > 20]).toEqual([200, urls.length, true]);
    for (const name of [
      'everything',
      'patient-record',
      'encounter',
      'setting-acute',
      'worklist-appointments-missed',
    ]) {
      const topic = await stack.fhir('GET', `/SubscriptionTopic/${name}`, { as: 'gp' });
      expect([topic.status, topic.json.id, urls.includes(topic.json.url)]).toEqual([200, name, true]);
      const found = await stack.fhir('GET', `/SubscriptionTopic?url=${topic.json.url}`, { as: 'gp' });
      expect([found.json.total, found.json.entry[0].resource.id]).toEqual([1, name]);
    }
    expect((await stack.fhir('GET', '/SubscriptionTopic/weather')).status).toBe(404);
    expect((await stack.fhir('POST', '/SubscriptionTopic', { body: {} })).status).toBe(405);
    const { rest } = (await stack.fhir('GET', '/metadata')).json;
    const told = rest[0].resource.find(({ type }: { type: string }) => type === 'Subscription');
    expect(told.extension.map(({ valueCanonical }: { valueCanonical: string }) => valueCanonical)).toEqual(
      urls,
    );
  });
});
