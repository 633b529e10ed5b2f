/** FHIR Subscriptions as those see them who are told: rest-hooks and websockets. */
import { request as ask, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { consent } from '../support/access-table.ts';
import { readEvents } from '../support/event-reader.ts';
import { isSigned, read, startHookEndpoint, type HookEndpoint, type TakenNotification } from '../support/hook-endpoint.ts'; // prettier-ignore
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
let endpoint: HookEndpoint;
beforeAll(async () => {
  endpoint = await startHookEndpoint();
  stack = await startEmptyStack(undefined, [endpoint.origin]);
  await put({ resourceType: 'Patient', id: 'p' });
});
afterAll(async () => {
  await stack.remove();
  await endpoint.close();
});

type Json = Readonly<Record<string, unknown>>;
const BACKPORT = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-';
const payload = (content: string) => ({ payload: 'application/fhir+json', _payload: { extension: [{ url: `${BACKPORT}payload-content`, valueCode: content }] } }); // prettier-ignore
const subscription = (channel: Json, content = 'id-only', more: Json = {}): Json => ({
  resourceType: 'Subscription',
  status: 'requested',
  reason: 'test',
  criteria: 'https://fhir.carelog.example/SubscriptionTopic/flag',
  channel: { ...payload(content), ...channel },
  ...more,
});
let paths = 0;
/** Each at a path of its own, by which what came is told apart. */
const hook = (more: Json = {}) => ({ type: 'rest-hook', endpoint: `${endpoint.origin}/${(paths += 1)}`, ...more }); // prettier-ignore

async function put(resource: Json): Promise<void> {
  const { status, text } = await stack.fhir('PUT', `/${String(resource['resourceType'])}/${String(resource['id'])}`, { body: resource }); // prettier-ignore
  if (status >= 300) throw new Error(text);
}
let flags = 0;
async function raise(more: Json = {}): Promise<string> {
  const id = `flag-${(flags += 1)}`;
  await put({ resourceType: 'Flag', id, status: 'active', code: { text: 'x' }, subject: { reference: 'Patient/p' }, ...more }); // prettier-ignore
  return `Flag/${id}`;
}
async function made(body: Json, as = 'publisher'): Promise<string> {
  const { status, text, json } = await stack.fhir('POST', '/Subscription', { body, as });
  if (status !== 201) throw new Error(text);
  return json.id as string;
}
const statusOf = async (id: string, as?: string) => (await stack.fhir('GET', `/Subscription/${id}`, { ...(as !== undefined && { as }) })).json; // prettier-ignore
const of = (all: readonly TakenNotification[], id: string) => all.filter(({ body }) => body.includes(`Subscription/${id}"`)); // prettier-ignore
const numbersOf = (all: readonly TakenNotification[]) => all.flatMap(({ numbers }) => numbers);
const activated = (id: string, as?: string) =>
  expect.poll(async () => (await statusOf(id, as)).status, { timeout: 20_000 }).toBe('active');
const ended = (id: string) => stack.fhir('DELETE', `/Subscription/${id}`);

describe('a rest-hook', () => {
  it('is active once its endpoint took the handshake, and is sent what it asked for, signed', async () => {
    const id = await made(subscription(hook({ header: ['X-Let-Me: in'] }), 'full-resource'));
    await activated(id);
    const { json } = await stack.fhir('POST', `/Subscription/${id}/$hook-secret`);
    const secret = json.parameter[0].valueString as string;
    const told = [await raise(), await raise()];
    await expect.poll(() => numbersOf(of(endpoint.taken, id)), { timeout: 20_000 }).toEqual([1, 2]);
    const [handshake, ...notifications] = of(endpoint.taken, id);
    expect(handshake).toMatchObject({ type: 'handshake', numbers: [] });
    expect(notifications.flatMap(({ focuses }) => focuses)).toEqual(told);
    for (const it of of(endpoint.taken, id)) {
      expect(isSigned(it, secret)).toBe(true);
      expect(it.headers).toMatchObject({ 'content-type': 'application/fhir+json', 'x-let-me': 'in' });
    }
    const entries = notifications.flatMap(({ body }) => (JSON.parse(body) as { entry: { resource: Json }[] }).entry.slice(1)); // prettier-ignore
    expect(entries.map(({ resource }) => `Flag/${String(resource['id'])}`)).toEqual(told);
    await ended(id);
  });

  it('is sent again what it did not take, in order and without a gap, under the same name', async () => {
    let refusals = 2;
    const id = await made(subscription(hook()));
    await activated(id);
    endpoint.answer = (_, response) => {
      response.statusCode = (refusals -= 1) >= 0 ? 500 : 204;
      response.end();
    };
    await raise();
    await expect.poll(() => of(endpoint.came, id).length, { timeout: 20_000 }).toBeGreaterThan(2);
    await raise();
    await expect.poll(() => numbersOf(of(endpoint.taken, id)), { timeout: 30_000 }).toEqual([1, 2]);
    const tries = of(endpoint.came, id).filter(({ numbers }) => numbers[0] === 1 && numbers.length === 1);
    expect(tries.length).toBeGreaterThan(1);
    expect(new Set(tries.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await ended(id);
  });

  it('has at most as many events in one notification as it asked for', async () => {
    const extension = [{ url: `${BACKPORT}max-count`, valuePositiveInt: 2 }];
    let isOpen = false;
    const id = await made(subscription(hook({ extension })));
    await activated(id);
    endpoint.answer = (_, response) => {
      response.statusCode = isOpen ? 200 : 503;
      response.end();
    };
    for (let at = 0; at < 5; at += 1) await raise();
    await expect.poll(() => of(endpoint.came, id).length).toBeGreaterThan(1);
    isOpen = true;
    await expect.poll(() => numbersOf(of(endpoint.taken, id)), { timeout: 30_000 }).toEqual([1, 2, 3, 4, 5]);
    const sizes = of(endpoint.taken, id).map(({ numbers }) => numbers.length);
    expect(Math.max(...sizes)).toBe(2);
    await ended(id);
  });

  it('is off when its endpoint says that it is gone, and tells why', async () => {
    endpoint.answer = (_, response) => {
      response.statusCode = 410;
      response.end();
    };
    const id = await made(subscription(hook()));
    await expect.poll(async () => (await statusOf(id)).status, { timeout: 20_000 }).toBe('off');
    endpoint.answer = (_, response) => void response.end();
    expect((await stack.fhir('PUT', `/Subscription/${id}`, { body: { ...subscription(hook()), id } })).status).toBe(200); // prettier-ignore
    await activated(id);
    await ended(id);
  });

  it('is sent nothing any more once it is deleted, and signs of life while it is silent', async () => {
    const extension = [{ url: `${BACKPORT}heartbeat-period`, valueUnsignedInt: 10 }];
    const id = await made(subscription(hook({ extension })));
    await activated(id);
    await expect.poll(() => of(endpoint.taken, id).at(-1)?.type, { timeout: 30_000, interval: 200 }).toBe('heartbeat'); // prettier-ignore
    await ended(id);
    const before = of(endpoint.came, id).length;
    const other = await made(subscription(hook()));
    await activated(other);
    await raise();
    await expect.poll(() => numbersOf(of(endpoint.taken, other)), { timeout: 20_000 }).toEqual([1]);
    expect(of(endpoint.came, id)).toHaveLength(before);
    await ended(other);
  });

  it.each([
    ['an origin that nobody allowed', 'https://10.0.0.1/'],
    ['plain http', 'http://elsewhere.example/'],
    ['a private address in other words', 'https://0x7f000001/'],
  ])('is not made for %s', async (_, address) => {
    const answer = await stack.fhir('POST', '/Subscription', { body: subscription({ type: 'rest-hook', endpoint: address }) }); // prettier-ignore
    expect([answer.status, answer.json.issue[0].expression]).toEqual([422, ['Subscription.channel.endpoint']]); // prettier-ignore
  });
});

const opened: WebSocket[] = [];
afterAll(() => opened.forEach((socket) => socket.terminate()));

async function tokenFor(id: string, as = 'publisher'): Promise<{ token: string; url: string }> {
  const { json } = await stack.fhir('GET', `/Subscription/${id}/$get-ws-binding-token`, { as });
  const valueOf = (name: string) => json.parameter.find((it: { name: string }) => it.name === name);
  return { token: valueOf('token').valueString as string, url: valueOf('websocket-url').valueUrl as string }; // prettier-ignore
}
async function open(url: string, first?: string) {
  const socket = new WebSocket(url);
  opened.push(socket);
  const came: TakenNotification[] = [];
  const state = { socket, came, closed: undefined as number | undefined };
  socket.on('message', (data) => came.push(read(String(data))));
  socket.on('close', (code) => (state.closed = code));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  if (first !== undefined) socket.send(first);
  return state;
}

describe('a websocket', () => {
  it('is bound by a token, greets, and tells of what comes; what was missed is had by $events', async () => {
    const id = await made(subscription({ type: 'websocket' }));
    const { token, url } = await tokenFor(id);
    const first = await open(url, `bind-with-token ${token}`);
    await expect.poll(() => first.came.map(({ type }) => type), { timeout: 20_000 }).toEqual(['handshake']);
    const one = await raise();
    await expect.poll(() => first.came.at(-1)?.focuses, { timeout: 20_000 }).toEqual([one]);
    first.socket.terminate();
    await raise();
    await expect.poll(async () => (await stack.fhir('GET', `/Subscription/${id}/$events`)).text.match(/"event-number"/g)?.length, { timeout: 20_000 }).toBe(2); // prettier-ignore
    const again = await tokenFor(id);
    const second = await open(again.url, `bind-with-token ${again.token}`);
    await expect.poll(() => second.came.length, { timeout: 20_000 }).toBe(1);
    expect(second.came[0]!.body).toContain('"events-since-subscription-start","valueString":"2"');
    await raise();
    await expect.poll(() => numbersOf(second.came), { timeout: 20_000 }).toEqual([3]);
    await ended(id);
    await expect.poll(() => second.closed, { timeout: 20_000 }).toBe(1008);
  });

  it.each([
    ['nothing of the kind', 'hello'],
    ['a token that was made up', 'bind-with-token AAAA'],
    ['no token', 'bind-with-token '],
    ['a very long one', `bind-with-token ${'A'.repeat(15_000)}`],
  ])('is closed when it is bound by %s', async (_, text) => {
    const { url } = await tokenFor(await made(subscription({ type: 'websocket' })));
    const connection = await open(url, text);
    await expect.poll(() => connection.closed).toBe(1008);
    expect(connection.came).toEqual([]);
  });

  it('is closed by a message that is larger than any token', async () => {
    const { url } = await tokenFor(await made(subscription({ type: 'websocket' })));
    const connection = await open(url, 'x'.repeat(20_000));
    await expect.poll(() => connection.closed).toBe(1009);
  });

  it('is opened nowhere else: other requests that would become something else are answered as they are', async () => {
    const statuses = ['/fhir/R4/metadata', '/fhir/R4/Patient/p', '/events'].map(
      (path) =>
        new Promise((resolve, reject) => {
          const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-version': '13' }; // prettier-ignore
          const sent = ask(`${stack.url}${path}`, { headers }, (answer) => resolve(answer.resume().statusCode)); // prettier-ignore
          sent
            .once('upgrade', () => resolve('upgraded'))
            .once('error', reject)
            .end();
        }),
    );
    expect(await Promise.all(statuses)).toEqual([200, 401, 401]);
    const { url } = await tokenFor(await made(subscription({ type: 'websocket' })));
    expect((await fetch(url.replace('ws:', 'http:'))).status).not.toBe(200);
  });
});

describe('a subscriber whose access is withdrawn', () => {
  const generalPractitioner = [{ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } }]; // prettier-ignore
  const about = (id: string): Json => ({ subject: { reference: `Patient/${id}` } });
  const decidesAgainst = (id: string): Json =>
    consent('against', id, {
      type: 'deny',
      actor: [{ role: { coding: [{ code: 'PRCP' }] }, reference: generalPractitioner[0] }],
    });

  it('is sent nothing more of the person by any channel, what was in flight and is sent again included', async () => {
    for (const id of ['withdrawn', 'kept']) await put({ resourceType: 'Patient', id, generalPractitioner });
    const hooked = await made(subscription(hook(), 'full-resource'), 'gp');
    const bound = await made(subscription({ type: 'websocket' }, 'full-resource'), 'gp');
    await activated(hooked, 'gp');
    const { token, url } = await tokenFor(bound, 'gp');
    const socket = await open(url, `bind-with-token ${token}`);
    const authorization = `Bearer ${await stack.token('gp')}`;
    const stream = await readEvents(`${stack.url}/events?topic=flag`, { authorization });
    await expect.poll(() => [socket.came.length, stream.lastId !== undefined]).toEqual([1, true]);

    let held: ServerResponse | undefined;
    endpoint.answer = (_, response) => (held = response);
    const inFlight = await raise(about('withdrawn'));
    await expect.poll(() => held !== undefined, { timeout: 20_000 }).toBe(true);
    expect(of(endpoint.came, hooked).at(-1)!.focuses).toEqual([inFlight]);
    const waiting = await raise(about('withdrawn'));
    await expect.poll(() => [socket.came.at(-1)?.focuses.at(-1), stream.events.at(-1)?.data['resource']], { timeout: 20_000 }).toEqual([waiting, waiting]); // prettier-ignore
    await put(decidesAgainst('withdrawn'));

    const [hookBefore, socketBefore, streamBefore] = [of(endpoint.came, hooked).length, socket.came.length, stream.events.length]; // prettier-ignore
    endpoint.answer = (_, response) => void response.end();
    held!.writeHead(500).end();
    const unseen = await raise(about('withdrawn'));
    const last = await raise(about('kept'));
    await expect.poll(() => of(endpoint.taken, hooked).at(-1)?.focuses, { timeout: 30_000 }).toEqual([last]);
    await expect.poll(() => [socket.came.at(-1)?.focuses, stream.events.at(-1)?.data['resource']], { timeout: 20_000 }).toEqual([[last], last]); // prettier-ignore

    const caughtUp = await Promise.all([hooked, bound].map((id) => stack.fhir('GET', `/Subscription/${id}/$events`, { as: 'gp' }))); // prettier-ignore
    const sent = [
      ...[...of(endpoint.came, hooked).slice(hookBefore), ...socket.came.slice(socketBefore)].map(
        ({ body }) => body,
      ),
      ...stream.events.slice(streamBefore).map((event) => JSON.stringify(event)),
      ...caughtUp.map(({ text }) => text),
    ];
    expect(sent.length).toBeGreaterThan(4);
    for (const text of sent) {
      expect(text).toContain(last);
      for (const hidden of ['Patient/withdrawn', inFlight, waiting, unseen]) expect(text).not.toContain(`${hidden}"`); // prettier-ignore
    }
    // Numbers that it was given stay: it can tell that it has missed nothing that is for it.
    expect(numbersOf(of(endpoint.taken, hooked))).toEqual([1, 2, 3]);
    expect(caughtUp.map(({ json }) => read(JSON.stringify(json)).numbers)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    stream.break();
    for (const id of [hooked, bound]) await stack.fhir('DELETE', `/Subscription/${id}`, { as: 'gp' });
  });
});
