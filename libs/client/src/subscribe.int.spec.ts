/** Against a server that breaks its streams at random: the handler is given each event once, in order. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createClient } from './client.ts';
import { CarelogError } from './problems.ts';
import type { CarelogEvent, Cursor, SubscribeOptions } from './subscribe.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server | undefined;
afterEach(() => {
  vi.useRealTimers();
  server?.closeAllConnections();
  server?.close();
});

async function serve(answer: Answer) {
  const requests: IncomingMessage[] = [];
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, requests, client: createClient({ url, token: () => 'good' }) };
}

/** Keeps what it is given in memory, as an application does in its database. */
function memory(start?: string): Cursor & { readonly saved: string[] } {
  const saved = start === undefined ? [] : [start];
  return { saved, load: () => saved.at(-1), save: (id) => void saved.push(id) };
}

const stream = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }); // prettier-ignore
const told = (epoch: string, position: number): string =>
  `id: ${epoch}-${position}\ndata: ${JSON.stringify({ specversion: '1.0', id: `${epoch}${position}`, source: 's', type: 't', position })}\n\n`;
/** Of a request: where the client says that it goes on. */
const placeIn = (request: IncomingMessage): number => {
  const id = request.headers['last-event-id'];
  return id === undefined ? 0 : Number(String(id).split('-').at(-1));
};

/** Subscribes until so many events were handled; gives their positions. */
async function take(
  client: ReturnType<typeof createClient>,
  count: number,
  options: Partial<SubscribeOptions> = {},
): Promise<number[]> {
  const controller = new AbortController();
  const handled: number[] = [];
  await client.subscribe({ cursor: memory(), signal: controller.signal, ...options }, (event) => {
    handled.push(event['position'] as number);
    if (handled.length === count) controller.abort();
  });
  return handled;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('each event is handled once and in order', () => {
  it('whatever breaks: heads, streams in the middle of an event, and what is told again', async () => {
    const all = 2_000;
    let random = 12_345;
    const chance = (): number => (random = (random * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
    const { client, requests } = await serve((request, response) => {
      const fate = chance();
      if (fate < 0.1) return void response.destroy();
      if (fate < 0.2) return void response.writeHead(503, { 'retry-after': '0' }).end();
      stream(response).write('retry: 1\n\n');
      // A server may tell again what it does not know to have arrived.
      let at = Math.max(0, placeIn(request) - Math.floor(chance() * 5));
      const texts: string[] = [];
      while (at < all && chance() < 0.98)
        texts.push(told('e', (at += 1)), chance() < 0.1 ? `:\nid: e-${at}\n\n` : ': beat\n\n');
      const text = texts.join('');
      const whole = at === all ? text.length : Math.floor(text.length * chance());
      response.write(text.slice(0, whole), () => (at === all ? undefined : response.destroy()));
    });
    expect(await take(client, all)).toEqual(upTo(all));
    expect(requests.length).toBeGreaterThan(20);
  }, 60_000);

  it('also by a process that begins anew where the last one ended', async () => {
    const { client, requests } = await serve((request, response) => {
      const from = placeIn(request);
      stream(response).write(upTo(30).slice(from).map((it) => told('e', it)).join(''));
    }); // prettier-ignore
    const cursor = memory();
    const parts = [await take(client, 10, { cursor }), await take(client, 10, { cursor }), await take(client, 10, { cursor })];
    expect(parts.flat()).toEqual(upTo(30));
    expect(requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'e-10', 'e-20']);
    expect(cursor.saved).toEqual(upTo(30).map((it) => `e-${it}`));
  }); // prettier-ignore

  it('also when the log was restored, and positions begin anew', async () => {
    const { client } = await serve((_, response) => {
      stream(response).write([told('a', 1), told('a', 2), told('b', 2), told('b', 3), told('b', 2)].join(''));
      response.write(told('b', 4));
    });
    expect(await take(client, 5)).toEqual([1, 2, 2, 3, 4]);
  });

  it('also where the handler takes long: it is waited for, and its place is saved after it', async () => {
    const { client } = await serve((_, response) => void stream(response).write(upTo(3).map((it) => told('e', it)).join(''))); // prettier-ignore
    const controller = new AbortController();
    const steps: string[] = [];
    const cursor: Cursor = { load: () => undefined, save: (id) => void steps.push(`saved ${id}`) };
    await client.subscribe({ cursor, signal: controller.signal }, async (_, place) => {
      steps.push(`begun ${place}`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`done ${place}`);
      if (place === 'e-3') controller.abort();
    });
    expect(steps).toEqual(upTo(3).flatMap((it) => [`begun e-${it}`, `done e-${it}`, `saved e-${it}`]));
  });
});

it('asks for what was asked for, and remembers where it is when nothing was for it', async () => {
  const { client, requests } = await serve((_, response) => void stream(response).write(`:\nid: e-41\n\n${told('e', 42)}`)); // prettier-ignore
  const cursor = memory('e-40');
  await take(client, 1, { cursor, topic: ['encounter', 'flag'], patient: 'a b', setting: [] });
  expect(requests[0]!.url).toBe('/events?topic=encounter&topic=flag&patient=a+b');
  expect(requests[0]!.headers).toMatchObject({ accept: 'text/event-stream', authorization: 'Bearer good', 'last-event-id': 'e-40' }); // prettier-ignore
  expect(cursor.saved).toEqual(['e-40', 'e-41', 'e-42']);
});

it('passes by events of other names', async () => {
  const { client } = await serve((_, response) => void stream(response).write(`event: reset\ndata: no JSON\n\n${told('e', 1)}`)); // prettier-ignore
  expect(await take(client, 1)).toEqual([1]);
});

it('connects again to a server that fell silent, and not to one that speaks', async () => {
  const connected: (() => void)[] = [];
  const opened = upTo(2).map(() => new Promise<void>((resolve) => connected.push(resolve)));
  const responses: ServerResponse[] = [];
  const { client, requests } = await serve((_, response) => {
    responses.push(stream(response));
    response.write(': here\n\n', () => connected[responses.length - 1]?.());
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const controller = new AbortController();
  const handled: CarelogEvent[] = [];
  const broken: unknown[] = [];
  const subscribing = client.subscribe(
    { cursor: memory(), signal: controller.signal, onBreak: (reason) => broken.push(reason) },
    (event) => void handled.push(event),
  );
  await opened[0];
  // It hears the server before each of these ends.
  for (let beat = 0; beat < 4; beat += 1) {
    const before = handled.length;
    responses[0]!.write(told('e', beat + 1));
    while (handled.length === before) await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(40_000);
  }
  expect([requests.length, broken]).toEqual([1, []]);
  vi.advanceTimersByTime(6_000);
  while (broken.length === 0) await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(2_000);
  await opened[1];
  expect(requests[1]!.headers['last-event-id']).toBe('e-4');
  controller.abort();
  await subscribing;
});

describe('it ends', () => {
  const refused =
    (status: number): Answer =>
    (_, response) => {
      const issue = [{ code: 'value', diagnostics: 'no topic' }];
      response.writeHead(status, { 'content-type': 'application/fhir+json' }).end(JSON.stringify({ issue }));
    };

  it.each([400, 403, 404, 406])('with the problems of a %i', async (status) => {
    const { client, requests } = await serve(refused(status));
    const fault = await take(client, 1).catch((it: unknown) => it);
    expect(fault).toBeInstanceOf(CarelogError);
    expect(fault).toMatchObject({ status, problems: [{ code: 'value', message: 'no topic' }] });
    expect(requests).toHaveLength(1);
  });

  it('where a new token is not good either, and not where it is', async () => {
    const { url, requests } = await serve((request, response) => {
      if (request.headers.authorization !== 'Bearer 2') return refused(401)(request, response);
      stream(response).write(told('e', 1));
    });
    let asked = 0;
    expect(await take(createClient({ url, token: () => `${(asked += 1)}` }), 1)).toEqual([1]);
    expect(requests).toHaveLength(2);
    await expect(take(createClient({ url, token: () => 'bad' }), 1)).rejects.toMatchObject({ status: 401 });
  });

  it('with what the handler throws, and goes on with the same event afterwards', async () => {
    const { client } = await serve((request, response) => void stream(response).write(upTo(3).slice(placeIn(request)).map((it) => told('e', it)).join(''))); // prettier-ignore
    const cursor = memory();
    const failing = client.subscribe({ cursor }, (event) => {
      if (event['position'] === 2) throw new Error('the database is gone');
    });
    await expect(failing).rejects.toThrow('the database is gone');
    expect(await take(client, 2, { cursor })).toEqual([2, 3]);
  });

  it.each<[string, Answer]>([
    ['what is no stream of events', (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['a line that never ends', (_, response) => void stream(response).write('x'.repeat(2 * 1024 * 1024))],
    ['what is no event', (_, response) => void stream(response).write('id: e-1\ndata: {\n\n')],
  ])('with %s', async (_, answer) => {
    const { client } = await serve(answer);
    await expect(take(client, 1)).rejects.toBeInstanceOf(CarelogError);
  }); // prettier-ignore

  it('at once when the signal aborts: before it begins, while it connects, while it waits', async () => {
    const { client, requests } = await serve(() => {});
    await client.subscribe({ cursor: memory(), signal: AbortSignal.abort() }, () => {});
    expect(requests).toHaveLength(0);
    const controller = new AbortController();
    const subscribing = client.subscribe({ cursor: memory(), signal: controller.signal }, () => {});
    await vi.waitUntil(() => requests.length === 1);
    controller.abort();
    await subscribing;
  });
});
