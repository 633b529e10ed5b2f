/** Notifications sent to real servers, most of which do what they should not. */
import type { ServerResponse } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startBareEndpoint, startEndpoint, pour, type Arrived, type MadeEndpoint } from './made-endpoints.ts';
import { makeAuthority } from './made-certificates.ts';
import type { HookOrigin } from './hook-origins.ts';
import { openHookSender, type HookDelivery, type HookOutcome, type HookSender } from './hook-sender.ts';
import type { Resolve } from './look-up.ts';
import { signatureHeaders } from './signature.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-hooks-'));
const authority = makeAuthority();
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, authority.cert);
const certificate = authority.certificateFor('hook.example');

const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** Every name leads to this machine. */
const toHere: Resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

function senderFor(origins: readonly HookOrigin[] | undefined, resolve = toHere): HookSender {
  const sender = openHookSender({ origins, resolve });
  closing.push(() => sender.close());
  return sender;
}

async function at(endpoint: Promise<MadeEndpoint>): Promise<number> {
  const started = await endpoint;
  closing.push(() => started.close());
  return started.port;
}

const delivery = (endpoint: string, told: Partial<HookDelivery> = {}): HookDelivery => ({
  owner: 'clinic',
  endpoint,
  body: '{"resourceType":"Bundle"}',
  contentType: 'application/fhir+json',
  headers: {},
  signing: { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', messageId: 'one 1', timestamp: 1_614_265_330 },
  ...told,
});

const plain = (port: number): HookOrigin => ({ origin: `http://hook.example:${port}`, allowPrivate: true, allowHttp: true }); // prettier-ignore
const secure = (port: number, name = 'hook.example'): HookOrigin => ({ origin: `https://${name}:${port}`, allowPrivate: true, caFile }); // prettier-ignore

describe('a notification', () => {
  it('arrives over TLS with its body, the subscriber’s headers and a signature, and keeps its connection', async () => {
    const arrived: (Arrived & { readonly from: number | undefined })[] = [];
    const port = await at(
      startEndpoint((response, it) => {
        arrived.push({ ...it, from: it.request.socket.remotePort });
        response.writeHead(204).end();
      }, certificate),
    );
    const sender = senderFor([secure(port)]);
    const body = '{"resourceType":"Bundle","naïve":"🚑"}';
    const headers = { Authorization: 'Bearer mine', 'X-Key': '1', Host: 'evil.example', 'Content-Length': '1', 'webhook-id': 'forged', 'Transfer-Encoding': 'chunked' }; // prettier-ignore
    const sent = delivery(`https://hook.example:${port}/fhir?x=1`, { body, headers });
    for (let count = 0; count < 3; count += 1) expect(await sender.send(sent)).toEqual({ kind: 'taken' });
    expect(arrived[0]).toMatchObject({ body, request: { method: 'POST', url: '/fhir?x=1' } });
    expect(arrived[0]!.request.headers).toEqual({
      authorization: 'Bearer mine',
      'x-key': '1',
      'user-agent': 'Carelog',
      'content-type': 'application/fhir+json',
      'content-length': String(Buffer.byteLength(body)),
      host: `hook.example:${port}`,
      connection: 'keep-alive',
      ...signatureHeaders(sent.signing as never, Buffer.from(body)),
    });
    expect(new Set(arrived.map(({ from }) => from)).size).toBe(1);
  });

  it('is sent again over another connection where the one that was kept is closed', async () => {
    let requests = 0;
    const port = await at(
      startEndpoint((response, { request }) => {
        requests += 1;
        if (requests % 2 === 0) request.socket.destroy();
        else response.end('ok');
      }),
    );
    const sender = senderFor([plain(port)]);
    const send = () => sender.send(delivery(`http://hook.example:${port}/`));
    expect([await send(), await send(), await send()]).toEqual(Array(3).fill({ kind: 'taken' }));
    expect(requests).toBe(5);
  });

  it.each([
    [410, {}, { reason: 'The endpoint wants no more notifications (status 410).', gone: true }],
    [429, { 'retry-after': '7' }, { retryAfterMs: 7_000 }],
    [503, { 'retry-after': '999999' }, { retryAfterMs: 3_600_000 }],
    [503, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, { retryAfterMs: 0 }],
    [429, { 'retry-after': 'soon' }, {}],
    [500, { 'retry-after': '7' }, {}],
    [404, {}, {}],
  ])('that is answered with status %i %j has failed', async (status, headers, also) => {
    const port = await at(startEndpoint((response) => response.writeHead(status, headers as never).end()));
    const outcome = await senderFor([plain(port)]).send(delivery(`http://hook.example:${port}/`));
    expect(outcome).toEqual({ kind: 'failed', reason: `The endpoint answered with status ${status}.`, ...also }); // prettier-ignore
  });

  it('with a header that HTTP cannot carry fails, and nothing is thrown', async () => {
    const sender = senderFor([plain(1)]);
    for (const headers of [{ 'x-a': 'one\r\nx-b: two' }, { 'x a': 'one' }] as Record<string, string>[])
      expect(await sender.send(delivery('http://hook.example:1/', { headers }))).toMatchObject({ reason: 'A header of the subscription cannot be sent in HTTP.' }); // prettier-ignore
  });

  it('is made when its turn comes', async () => {
    const held: ServerResponse[] = [];
    const bodies: string[] = [];
    const port = await at(startEndpoint((response, { body }) => (bodies.push(body), held.push(response))));
    const sender = senderFor([plain(port)]);
    let now = 'before';
    const body = () => Promise.resolve(now);
    const all = Array.from({ length: 5 }, () => sender.send(delivery(`http://hook.example:${port}/`, { body }))); // prettier-ignore
    await expect.poll(() => held.length).toBe(4);
    now = 'after';
    held[0]!.end();
    await expect.poll(() => held.length).toBe(5);
    for (const response of held) response.end();
    expect(await Promise.all(all)).toEqual(Array(5).fill({ kind: 'taken' }));
    expect(bodies.sort()).toEqual(['after', 'before', 'before', 'before', 'before']);
    const broken = () => Promise.reject(new Error('ours'));
    await expect(sender.send(delivery(`http://hook.example:${port}/`, { body: broken }))).rejects.toThrow('ours'); // prettier-ignore
  });
});

describe('an address that nothing is sent to', () => {
  it('is seen behind a name, at each connection anew, whatever the name led to before', async () => {
    let requests = 0;
    const port = await at(startEndpoint((response) => (requests++, response.end())));
    // Of a part of the Internet that was given to nobody: no connection comes about, but it is public.
    const nowhere = { address: '2d00::1', family: 6 };
    const here = { address: '127.0.0.1', family: 4 };
    const answers = [[nowhere], [here], [nowhere, here], [{ address: '::ffff:127.0.0.1', family: 6 }], [{ address: '169.254.169.254', family: 4 }]]; // prettier-ignore
    const asked: string[] = [];
    const resolve: Resolve = (name) => Promise.resolve(answers[asked.push(name) - 1]!);
    const sender = senderFor([{ origin: `http://hook.example:${port}`, allowHttp: true }], resolve);
    const outcomes: HookOutcome[] = [];
    for (const _ of answers) outcomes.push(await sender.send(delivery(`http://hook.example:${port}/`)));
    expect(outcomes[0]).not.toMatchObject({ reason: expect.stringContaining('no address') as string });
    for (const outcome of outcomes.slice(1))
      expect(outcome).toEqual({ kind: 'failed', reason: expect.stringContaining('has no address that notifications are sent to') as string }); // prettier-ignore
    expect([requests, asked.length]).toEqual([0, 5]);
  });

  it('is said in the words for a name that nobody knows', async () => {
    const unknown: Resolve = () => Promise.reject(Object.assign(new Error('queryA'), { code: 'ENOTFOUND' }));
    const sent = delivery('https://hook.example/');
    const [one, other] = await Promise.all([senderFor(undefined, unknown).send(sent), senderFor(undefined).send(sent)]); // prettier-ignore
    expect(one).toEqual(other);
  });

  it('is one that the operator did not list', async () => {
    const sender = senderFor([]);
    expect(await sender.send(delivery('https://hook.example/'))).toMatchObject({ kind: 'failed' });
    expect(sender.refusalOf('https://hook.example/')).toContain('Ask who runs this server');
    expect(senderFor(undefined).refusalOf('https://hook.example/')).toBeUndefined();
  });
});

/** Far less than the ten seconds that one which hangs takes, and little more than those: a machine may be busy. */
const [SOON, AT_LAST] = [6_000, 16_000];

/** What each does with a request, how that ends, and in how many milliseconds at most. */
const BAD: readonly (readonly [
  what: string,
  start: () => Promise<MadeEndpoint>,
  outcome: string,
  within: number,
  scheme?: string,
])[] = [
  ['answers after two seconds', () => startEndpoint((response) => void setTimeout(() => response.end(), 2_000)), 'taken', SOON], // prettier-ignore
  ['never answers', () => startEndpoint(() => {}), 'did not answer within 10 seconds', AT_LAST],
  ['never takes up TLS', () => startBareEndpoint(() => {}), 'within 3 seconds', SOON, 'https'],
  ['stops within the body', () => startEndpoint((response) => void response.write('{')), 'taken', SOON],
  ['answers 500', () => startEndpoint((response) => response.writeHead(500).end('x'.repeat(100_000))), 'status 500', SOON], // prettier-ignore
  ['redirects to itself', () => startEndpoint((response) => response.writeHead(307, { location: '/' }).end()), 'redirects (status 307)', SOON], // prettier-ignore
  ['redirects to a private address', () => startEndpoint((response) => response.writeHead(301, { location: 'http://169.254.169.254/latest' }).end()), 'redirects (status 301)', SOON], // prettier-ignore
  ['streams back without end', () => startEndpoint((response) => void pour(response, Buffer.alloc(65_536))), 'taken', SOON], // prettier-ignore
  ['drips a body', () => startEndpoint((response) => void pour(response, Buffer.from('.'), 1_000)), 'taken', SOON], // prettier-ignore
  ['drips headers', () => startBareEndpoint((socket) => (socket.write('HTTP/1.1 200 OK\r\nx: '), void pour(socket, Buffer.from('.'), 1_000))), 'did not answer within 10 seconds', AT_LAST], // prettier-ignore
  ['sends headers without end', () => startBareEndpoint((socket) => (socket.write('HTTP/1.1 200 OK\r\n'), void pour(socket, Buffer.from(`x: ${'y'.repeat(99)}\r\n`)))), 'not answer in HTTP', SOON], // prettier-ignore
  ['says to go on, without end', () => startBareEndpoint((socket) => void pour(socket, Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'), 100)), 'did not answer within 10 seconds', AT_LAST], // prettier-ignore
  ['changes to another protocol', () => startBareEndpoint((socket) => void socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'))), 'not answer in HTTP', SOON], // prettier-ignore
  ['speaks no HTTP', () => startBareEndpoint((socket) => void socket.write('220 mail.example ESMTP\r\n')), 'not answer in HTTP', SOON], // prettier-ignore
  [
    'closes at once',
    () => startBareEndpoint((socket) => void socket.destroy()),
    'closed the connection',
    SOON,
  ],
  ['closes when it has the request', () => startEndpoint((_, { request }) => void request.socket.destroy()), 'closed the connection', SOON], // prettier-ignore
  ['is not the one of its name', () => startEndpoint((response) => response.end(), authority.certificateFor('other.example')), 'No trusted connection', SOON, 'https'], // prettier-ignore
  ['is vouched for by nobody', () => startEndpoint((response) => response.end(), makeAuthority().certificateFor('hook.example')), 'No trusted connection', SOON, 'https'], // prettier-ignore
  ['speaks HTTP where TLS is meant', () => startEndpoint((response) => response.end()), 'No trusted connection', SOON, 'https'], // prettier-ignore
];

describe('endpoints that are slow, broken or hostile', () => {
  it('end in time with a reason each, and another owner’s is sent everything promptly, also on their hosts', async () => {
    const bad = await Promise.all(
      BAD.map(async ([what, start, outcome, within, scheme = 'http']) => {
        const port = await at(start());
        const origin = scheme === 'http' ? plain(port) : secure(port);
        return { what, outcome, within, origin, endpoint: `${origin.origin}/` };
      }),
    );
    const taken = new Set<string>();
    // The same host as it is to somebody else: one path of it hangs.
    const shared = await at(
      startEndpoint((response, { request }) => {
        if (request.url === '/hangs') return;
        taken.add(String(request.headers['webhook-id']));
        response.end();
      }),
    );
    const sender = senderFor([...bad.map(({ origin }) => origin), plain(shared)]);
    const timed = async (sent: HookDelivery) => {
      const began = performance.now();
      return { outcome: await sender.send(sent), ms: performance.now() - began };
    };

    let isOver = false;
    const ending = Promise.all(
      bad.map(async ({ what, endpoint, outcome, within }) => {
        const got = await timed(delivery(endpoint, { owner: `owner of ${what}` }));
        const text = got.outcome.kind === 'failed' ? got.outcome.reason : 'taken';
        return {
          what,
          isAsItShould: text.includes(outcome) ? true : text,
          inTime: got.ms < within ? true : got.ms,
        };
      }),
    ).finally(() => (isOver = true));
    // Each of these owners sends as much as it can, all to what never works.
    const flood = bad.flatMap(({ endpoint, what }) =>
      Array.from({ length: 20 }, () => sender.send(delivery(endpoint, { owner: `flood of ${what}` }))),
    );
    const hangs = Array.from({ length: 50 }, () => sender.send(delivery(`http://hook.example:${shared}/hangs`, { owner: 'dead' }))); // prettier-ignore
    const slowest = { ms: 0 };
    let sent = 0;
    while (!isOver) {
      sent += 1;
      const signing = { secret: 'whsec_', messageId: `good ${sent}`, timestamp: 1 };
      const got = await timed(delivery(`http://hook.example:${shared}/good`, { owner: 'good', signing }));
      expect(got.outcome).toEqual({ kind: 'taken' });
      slowest.ms = Math.max(slowest.ms, got.ms);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await ending).toEqual(bad.map(({ what }) => ({ what, isAsItShould: true, inTime: true })));
    expect(taken.size).toBe(sent);
    expect(sent).toBeGreaterThan(20);
    expect(slowest.ms).toBeLessThan(SOON);
    expect(sender.load().sending).toBeLessThanOrEqual(64);
    void [flood, hangs];
  }, 60_000);

  it('that stream a gigabyte are left after the first of it', async () => {
    let poured = { bytes: 0 };
    let isClosed = false;
    const port = await at(
      startEndpoint((response) => {
        response.on('close', () => (isClosed = true));
        poured = pour(response, Buffer.alloc(65_536));
      }),
    );
    expect(await senderFor([plain(port)]).send(delivery(`http://hook.example:${port}/`))).toEqual({ kind: 'taken' }); // prettier-ignore
    await expect.poll(() => isClosed).toBe(true);
    // What the kernel held on its way is in it.
    expect(poured.bytes).toBeLessThan(32 * 1024 * 1024);
  });
});

it('nothing is sent where there is nothing to send any more when its turn has come', async () => {
  let requests = 0;
  const port = await at(
    startEndpoint((response) => {
      requests += 1;
      response.writeHead(500).end();
    }),
  );
  const sender = senderFor([plain(port)]);
  const send = (told: Partial<HookDelivery> = {}) => sender.send(delivery(`http://hook.example:${port}/`, told)); // prettier-ignore
  for (let count = 0; count < 5; count += 1) await send();
  expect(await send({ body: () => Promise.resolve(undefined) })).toEqual({ kind: 'unsent' });
  expect(requests).toBe(5);
  // It says nothing of the endpoint, which is in trouble as before.
  expect(sender.load().inTrouble).toBe(1);
});

it('nothing is sent by a sender that was closed, and what it was sending ends', async () => {
  let requests = 0;
  const port = await at(startEndpoint(() => void (requests += 1)));
  const sender = senderFor([plain(port)]);
  const all = Array.from({ length: 20 }, () => sender.send(delivery(`http://hook.example:${port}/`)));
  await expect.poll(() => requests).toBe(4);
  sender.close();
  // That is no failure of the endpoint.
  for (const outcome of await Promise.all(all)) expect(outcome).toEqual({ kind: 'unsent' });
  expect(requests).toBe(4);
});

describe('an endpoint that wants an access token', () => {
  async function scene(
    answer: (form: URLSearchParams, number: number) => { status?: number; body: unknown },
  ) {
    const asked: { readonly form: URLSearchParams; readonly authorization: string | undefined }[] = [];
    const tokenPort = await at(
      startEndpoint((response, { request, body }) => {
        const form = new URLSearchParams(body);
        asked.push({ form, authorization: request.headers.authorization });
        const { status = 200, body: given } = answer(form, asked.length);
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(given));
      }, certificate),
    );
    const good = new Set<string>();
    const seen: (string | undefined)[] = [];
    const port = await at(
      startEndpoint((response, { request }) => {
        const { authorization } = request.headers;
        seen.push(authorization);
        response.writeHead(good.has(authorization ?? '') ? 200 : 401).end();
      }, certificate),
    );
    const clientSecretFile = join(folder, `secret-${port}`);
    writeFileSync(clientSecretFile, 'pass:wörd\n');
    const oauth = { tokenUrl: `https://hook.example:${tokenPort}/token`, clientId: 'care log', clientSecretFile, scope: 'system/hook' }; // prettier-ignore
    const sender = senderFor([{ ...secure(port), oauth }]);
    const send = (headers = {}) => sender.send(delivery(`https://hook.example:${port}/`, { headers }));
    return { asked, good, seen, send, clientSecretFile, port, oauth };
  }

  it('is given one that was fetched once for all who need it at that time, and again when it is refused', async () => {
    const { asked, good, seen, send } = await scene((_, number) => ({ body: { access_token: `t${number}`, token_type: 'Bearer', expires_in: 3_600 } })); // prettier-ignore
    good.add('Bearer t1');
    const all = await Promise.all(Array.from({ length: 6 }, () => send({ authorization: 'Basic mine' })));
    expect(all).toEqual(Array(6).fill({ kind: 'taken' }));
    expect(asked).toHaveLength(1);
    expect([...asked[0]!.form]).toEqual([['grant_type', 'client_credentials'], ['scope', 'system/hook']]); // prettier-ignore
    const credentials = Buffer.from(asked[0]!.authorization!.slice('Basic '.length), 'base64').toString();
    expect(credentials).toBe('care+log:pass%3Aw%C3%B6rd');
    good.clear();
    good.add('Bearer t2');
    expect(await Promise.all([send(), send(), send()])).toEqual(Array(3).fill({ kind: 'taken' }));
    expect(asked).toHaveLength(2);
    good.clear();
    // A new one is not taken either: it is not asked for without end.
    expect(await send()).toMatchObject({ reason: 'The endpoint answered with status 401.' });
    expect(asked).toHaveLength(3);
    expect(seen.every((it) => it!.startsWith('Bearer t'))).toBe(true);
  });

  it('is given a new one before the old one ends', async () => {
    const { asked, good, send } = await scene((_, number) => ({ body: { access_token: `t${number}`, token_type: 'bearer', expires_in: 29 } })); // prettier-ignore
    good.add('Bearer t1').add('Bearer t2');
    expect([await send(), await send()]).toEqual([{ kind: 'taken' }, { kind: 'taken' }]);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['an error', { status: 400, body: { error: 'invalid_client' } }, 'answered with status 400'],
    ['nothing', { body: {} }, 'no bearer token'],
    ['null', { body: null }, 'no bearer token'],
    ['a token of another type', { body: { access_token: 'x', token_type: 'mac' } }, 'no bearer token'],
    ['a token that is two headers', { body: { access_token: 'x\r\ny: z', token_type: 'Bearer' } }, 'no bearer token'], // prettier-ignore
    ['more than anybody reads', { body: { access_token: 'x'.repeat(200_000), token_type: 'Bearer' } }, 'no bearer token'], // prettier-ignore
  ])('is sent nothing where the token endpoint gives %s', async (_, given, reason) => {
    const { send, seen } = await scene(() => given);
    expect(await send()).toEqual({ kind: 'failed', reason: expect.stringContaining(reason) as string });
    expect(seen).toEqual([]);
  });

  it('has a token endpoint under the same rules, and a secret that can be read', async () => {
    const { port, oauth, asked, send, clientSecretFile } = await scene(() => ({ body: {} }));
    const origin = { ...secure(port), allowPrivate: false, oauth };
    const outcome = await senderFor([origin]).send(delivery(`${origin.origin}/`));
    expect(outcome).toMatchObject({ reason: 'Its token endpoint did not answer.' });
    rmSync(clientSecretFile);
    expect(await send()).toMatchObject({ reason: expect.stringContaining('cannot be read') as string });
    expect(asked).toEqual([]);
  });
});
