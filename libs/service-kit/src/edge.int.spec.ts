// What stands between the network and a handler: limits of each caller, headers of each answer, pages of other origins.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyContextConfig } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openIdentity } from './identity/identity-provider.ts';
import { issueToken } from './identity/issue-token.ts';
import { personas } from './identity/personas.ts';
import { createLog } from './log.ts';
import { metricsText } from './metrics.ts';
import { sendBytes } from './request-hooks.ts';
import { defaultAllowances } from './request-limits.ts';
import type { Allowances } from './request-limits.ts';
import { startService } from './start-service.ts';
import type { Service, ServiceOptions } from './start-service.ts';

let dataFolder: string;
let entered: () => void;
let gate: PromiseWithResolvers<void>;
const large = Buffer.alloc(32 * 1024 * 1024, 'x');
const running: Service[] = [];
let told: [subject: string, message: string][];
const account: NonNullable<FastifyContextConfig['account']> = ({ caller }, problems, send) => {
  told.push([caller.subject, problems[0]!.message]);
  send(problems.map((problem) => ({ ...problem, code: 'exception' })));
};

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'carelog-edge-'));
});
beforeEach(() => {
  gate = Promise.withResolvers();
  told = [];
});
afterAll(async () => {
  await Promise.all(running.map((service) => service.close()));
  await rm(dataFolder, { recursive: true });
});

async function start(config: Partial<ServiceOptions['config']> = {}): Promise<Service> {
  const log = createLog('silent');
  const identity = await openIdentity({ dataFolder, personas, patientNhsNumber: '9990000018', log });
  const service = await startService({
    config: { port: 0, host: '127.0.0.1', bodyLimit: 1024, ...config },
    log,
    issuers: (url) => [identity.issuer(url)],
    routes(fastify, { url, requestMetrics }) {
      identity.mount(fastify, url);
      fastify.get('/at-once', (_request, reply) => void sendBytes(reply, 200, [], '{}'));
      fastify.get('/large', (_request, reply) => void sendBytes(reply, 200, [], large));
      fastify.get('/fault', () => {
        throw new Error('a fault');
      });
      fastify.get('/gated', async () => {
        entered();
        await gate.promise;
        return {};
      });
      fastify.get('/counted', () => metricsText(requestMetrics()));
      fastify.post('/body', () => ({}));
      fastify.post('/accounted', { config: { account } }, () => {
        throw new Error('a fault');
      });
      fastify.get('/open', { config: { open: true } }, () => ({}));
    },
  });
  running.push(service);
  return service;
}

const limitedTo = (one: Partial<Allowances>) => start({ allowances: { ...defaultAllowances, ...one } });

async function tokenFor(persona: string, { url }: Service): Promise<string> {
  const role = personas.find(({ name }) => name === persona)?.roles?.[0]?.id;
  const outcome = await issueToken({ dataFolder, personas, persona, url: url(), ...(role && { role }) });
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return outcome.token;
}

async function askerOf(service: Service, persona: string) {
  const authorization = `Bearer ${await tokenFor(persona, service)}`;
  return (path: string) => fetch(service.url() + path, { headers: { authorization } });
}

const statusesOf = async (answers: Iterable<Promise<Response>>): Promise<number[]> =>
  (await Promise.all(answers)).map(({ status }) => status).sort();

describe('the rate of a caller', () => {
  it('over its limit is refused with when to come again, whatever token it holds, and keeps nobody else', async () => {
    const service = await limitedTo({ patients: { perSecond: 0.01, burst: 5, atOnce: 9 } });
    const asPatient = await askerOf(service, 'patient');
    for (let i = 0; i < 5; i++) expect((await asPatient('/at-once')).status).toBe(200);
    const refused = await asPatient('/at-once');
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60);
    expect(await refused.json()).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code: 'throttled', diagnostics: expect.stringContaining('Retry-After') }],
    });
    expect((await (await askerOf(service, 'patient'))('/at-once')).status).toBe(429);
    const asDoctor = await askerOf(service, 'gp');
    expect((await asDoctor('/at-once')).status).toBe(200);
    const counted = await (await asDoctor('/counted')).text();
    expect(counted).toContain('carelog_requests_total{interaction="limited",status="4xx"} 2\n');
  });
});

describe('what a caller is told before a handler is asked', () => {
  it('or when one fails, is what the account of it leaves; of strangers there is none', async () => {
    const service = await limitedTo({ patients: { perSecond: 0.01, burst: 2, atOnce: 9 } });
    const url = `${service.url()}/accounted`;
    expect((await fetch(url, { method: 'POST' })).status).toBe(401);
    const authorization = `Bearer ${await tokenFor('patient', service)}`;
    const post = async (body: string) => {
      const headers = { authorization, 'content-type': 'application/json' };
      const answer = await fetch(url, { method: 'POST', headers, body });
      const { issue } = (await answer.json()) as { issue: { code: string }[] };
      return [answer.status, issue[0]!.code];
    };
    expect([await post('x'.repeat(2_000)), await post('{}'), await post('{}')]).toEqual(
      [413, 500, 429].map((status) => [status, 'exception']),
    );
    const subjects = new Set(told.map(([subject]) => subject));
    expect([told.length, subjects.size, subjects.has('')]).toEqual([3, 1, false]);
  });
});

describe('requests of a caller at the same time', () => {
  const patients = { perSecond: 1000, burst: 1000, atOnce: 2 };

  it('are so many; when one is answered, the next may come', async () => {
    const service = await limitedTo({ patients });
    const ask = await askerOf(service, 'patient');
    const twoEntered = times(2);
    const waiting = [ask('/gated'), ask('/gated')];
    await twoEntered;
    expect((await ask('/at-once')).status).toBe(429);
    expect((await (await askerOf(service, 'gp'))('/at-once')).status).toBe(200);
    gate.resolve();
    expect(await statusesOf(waiting)).toEqual([200, 200]);
    expect((await ask('/at-once')).status).toBe(200);
  });

  it.each(['/at-once', '/fault', '/nowhere', '/gated'])('do not add up over answers of %s', async (path) => {
    const ask = await askerOf(await limitedTo({ patients }), 'patient');
    gate.resolve();
    entered = () => {};
    for (let i = 0; i < 10; i++) expect((await ask(path)).status).not.toBe(429);
  });

  it('count while a body is on its way, and no longer when its sender goes', async () => {
    const service = await limitedTo({ patients });
    const token = await tokenFor('patient', service);
    const ask = await askerOf(service, 'patient');
    const half = `POST /body HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
    const senders = [await sending(service, half), await sending(service, half)];
    await until(async () => (await ask('/at-once')).status === 429);
    senders.forEach((socket) => socket.destroy());
    await until(async () => (await ask('/at-once')).status === 200);
  });

  it('count until an answer is taken, and no longer when its reader goes', async () => {
    const service = await limitedTo({ patients });
    const token = await tokenFor('patient', service);
    const ask = await askerOf(service, 'patient');
    const request = `GET /large HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    const readers = [await sending(service, request), await sending(service, request)];
    readers.forEach((socket) => socket.pause());
    await until(async () => (await ask('/at-once')).status === 429);
    readers[0]!.destroy();
    await until(async () => (await ask('/at-once')).status === 200);
    const whole = await ask('/large');
    expect((await whole.bytes()).length).toBe(large.length);
    expect((await ask('/at-once')).status).toBe(200);
    readers[1]!.destroy();
  });
});

describe('strangers', () => {
  const strangers = { perSecond: 0.01, burst: 10, atOnce: 9 };
  const alone = (service: Service, path: string, headers: Record<string, string> = {}) =>
    fetch(service.url() + path, { headers }).then(({ status }) => status);

  it('are limited by address, on open routes too; whoever watches the service is not', async () => {
    const service = await limitedTo({ strangers });
    const ask = await askerOf(service, 'gp');
    expect((await ask('/at-once')).status).toBe(200);
    let last = 0;
    for (let i = 0; i < 20 && last !== 429; i++) last = await alone(service, '/at-once');
    expect(last).toBe(429);
    expect(await alone(service, '/open')).toBe(429);
    expect(await alone(service, '/openid/jwks')).toBe(429);
    expect(await alone(service, '/at-once', { authorization: 'Bearer forged' })).toBe(429);
    expect(await alone(service, '/health/live')).toBe(200);
    expect((await ask('/at-once')).status).toBe(200);
  });

  it('are none once their token is verified', async () => {
    const service = await limitedTo({ strangers });
    const token = await tokenFor('gp', service);
    for (let spaces = 1; spaces <= 20; spaces++) {
      // Another header each time, so that it is verified each time.
      const authorization = `Bearer${' '.repeat(spaces)}${token}`;
      expect(await alone(service, '/at-once', { authorization })).toBe(200);
    }
    expect(await alone(service, '/open')).toBe(200);
  });

  it('behind a proxy that is trusted are told apart; behind any other they are not', async () => {
    const allowances = { ...defaultAllowances, strangers: { ...strangers, burst: 1 } };
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const trusting = await start({ allowances, trustedProxies: ['127.0.0.1'] });
    const other = await start({ allowances });
    const ask = async (service: Service) => [
      await alone(service, '/open', from('192.0.2.1')),
      await alone(service, '/open', from('192.0.2.1')),
      await alone(service, '/open', from('192.0.2.2')),
    ];
    expect(await ask(trusting)).toEqual([200, 429, 200]);
    expect(await ask(other)).toEqual([200, 429, 429]);
  });

  it('that ask the identity provider do not add up', async () => {
    const service = await limitedTo({ strangers: { perSecond: 1000, burst: 1000, atOnce: 2 } });
    for (let i = 0; i < 6; i++) expect(await alone(service, '/openid/jwks')).toBe(200);
  });
});

describe('every answer', () => {
  const paths = [
    ['/at-once', 200],
    ['/gated', 200],
    ['/fault', 500],
    ['/nowhere', 404],
    ['/openid/jwks', 200],
    ['/openid/nowhere', 404],
  ] as const;

  it.each(paths)('%s %i tells browsers to make nothing of it', async (path, status) => {
    const service = await start();
    gate.resolve();
    entered = () => {};
    const { headers, status: answered } = await (await askerOf(service, 'gp'))(path);
    expect(answered).toBe(status);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'/);
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('strict-transport-security')).toBeNull();
    for (const name of ['server', 'x-powered-by']) expect([name, headers.get(name)]).toEqual([name, null]);
  });

  it('to a caller is kept by nobody on the way, a refusal neither', async () => {
    const service = await start();
    const ask = await askerOf(service, 'gp');
    expect((await ask('/at-once')).headers.get('cache-control')).toBe('no-store');
    expect((await fetch(`${service.url()}/at-once`)).headers.get('cache-control')).toBe('no-store');
  });

  it('of a service that is reached by https says to come by no other way', async () => {
    const port = portOf(await closed(await start()));
    await start({ port, publicUrl: 'https://record.example.nhs.uk' });
    const response = await fetch(`http://127.0.0.1:${port}/open`);
    expect(response.headers.get('strict-transport-security')).toMatch(/^max-age=31536000/);
  });
});

describe('a page of another origin', () => {
  const listed = 'https://app.example.nhs.uk';
  const asking = (service: Service, origin: string, path = '/at-once', method = 'GET') =>
    fetch(service.url() + path, {
      method,
      headers: {
        origin,
        ...(method === 'OPTIONS' && {
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'if-match',
        }),
      },
    });

  it('that is listed may read answers, refusals too, and finds the headers that FHIR clients need', async () => {
    const service = await start({ corsOrigins: [listed] });
    const authorization = `Bearer ${await tokenFor('gp', service)}`;
    const answer = await fetch(`${service.url()}/at-once`, { headers: { origin: listed, authorization } });
    for (const { status, headers } of [answer, await asking(service, listed)]) {
      expect([200, 401]).toContain(status);
      expect(headers.get('access-control-allow-origin')).toBe(listed);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('vary')).toBe('Origin');
      const exposed = headers.get('access-control-expose-headers')?.split(', ');
      expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Location', 'Content-Location']));
    }
  });

  it('that is listed is told beforehand what it may send', async () => {
    const service = await start({ corsOrigins: ['http://localhost:3000', listed] });
    const { status, headers } = await asking(service, listed, '/fhir/R4/Patient/1', 'OPTIONS');
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, listed]);
    expect(headers.get('access-control-allow-methods')?.split(', ')).toContain('PUT');
    expect(headers.get('access-control-allow-headers')?.split(', ')).toEqual(
      expect.arrayContaining(['Authorization', 'Content-Type', 'If-Match', 'If-None-Exist', 'Prefer']),
    );
  });

  it.each([
    'https://evil.example',
    'null',
    'http://app.example.nhs.uk',
    `${listed}.evil.example`,
    `${listed}:8443`,
  ])('%s is not listed: its browser shows it nothing', async (origin) => {
    const service = await start({ corsOrigins: [listed] });
    const answer = await asking(service, origin);
    const beforehand = await asking(service, origin, '/at-once', 'OPTIONS');
    expect(beforehand.status).toBe(403);
    for (const { headers } of [answer, beforehand]) {
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('vary')).toBe('Origin');
    }
  });

  it('where none is listed, is answered like anybody', async () => {
    const service = await start();
    expect((await asking(service, listed)).headers.get('access-control-allow-origin')).toBeNull();
    expect((await asking(service, listed, '/at-once', 'OPTIONS')).status).toBe(404);
  });
});

describe('what comes over the network', () => {
  it('is refused when its address is too long', async () => {
    const service = await start();
    const socket = await sending(service, `GET /open?name=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(await heard(socket)).toMatch(/^HTTP\/1\.1 431 [\s\S]+OperationOutcome/);
  });

  it('is cut off when its head trickles in', { timeout: 60_000 }, async () => {
    const socket = await sending(await start(), 'GET /open HTTP/1.1\r\nHost: x\r\n');
    const trickle = setInterval(() => socket.write('X-A: a\r\n'), 1_000);
    expect(await heard(socket)).toMatch(/^HTTP\/1\.1 408 [\s\S]+Send it again/);
    clearInterval(trickle);
  });
});

/** Resolves when the gated handler was entered so many times. */
function times(count: number): Promise<void> {
  return new Promise((resolve) => {
    entered = () => void ((count -= 1) === 0 && resolve());
  });
}

async function sending(service: Service, text: string): Promise<Socket> {
  const socket = connect(portOf(service), '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  socket.write(text);
  return socket;
}

async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

async function closed(service: Service): Promise<Service> {
  await service.close();
  return service;
}

function portOf(service: Service): number {
  return Number(new URL(service.url()).port);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
