import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openIdentity } from './identity/identity-provider.ts';
import { issueToken } from './identity/issue-token.ts';
import { personas } from './identity/personas.ts';
import { createLog } from './log.ts';
import { startService } from './start-service.ts';
import type { Service, ServiceOptions } from './start-service.ts';

const canary = 'CANARY-9990000018';
let dataFolder: string;
let service: Service;
let logged = '';

/** A gate that a handler waits at until the test opens it. */
let entered: PromiseWithResolvers<void>;
let gate: PromiseWithResolvers<void>;
const order: string[] = [];

async function start(overrides: Partial<ServiceOptions> = {}, port = 0): Promise<Service> {
  const stream = new PassThrough().on('data', (chunk: Buffer) => (logged += chunk.toString()));
  const log = createLog('debug', stream);
  const identity = await openIdentity({ dataFolder, personas, patientNhsNumber: '9990000018', log });
  return startService({
    config: { port, host: '127.0.0.1', bodyLimit: 1024 },
    log,
    providers: [{ provide: 'greeting', useFactory: () => Promise.resolve('hello') }],
    issuers: (url) => [identity.issuer(url)],
    routes(fastify, { get, url }) {
      identity.mount(fastify, url);
      fastify.get('/fhir/R4/who', ({ caller }) => caller);
      fastify.get('/fhir/R4/greeting', () => get<string>('greeting'));
      fastify.get('/fhir/R4/fault', () => {
        throw new Error(canary);
      });
      fastify.get('/fhir/R4/refusal', () => {
        throw Object.assign(new Error('It was deleted.'), { category: 'gone', code: 'deleted' });
      });
      fastify.get('/fhir/R4/slow', async (_request, reply) => {
        reply.raw.on('finish', () => order.push('answered'));
        entered.resolve();
        await gate.promise;
        return 'done';
      });
      fastify.get('/fhir/R4/:id/one', () => 'one');
      fastify.post('/fhir/R4/bytes', ({ body }) => ({ bytes: Buffer.isBuffer(body) ? body.length : -1 }));
    },
    ...overrides,
  });
}

async function tokenFor(persona: string, of: Service = service, limits: object = {}): Promise<string> {
  const role = personas.find(({ name }) => name === persona)?.roles?.[0]?.id;
  const asked = { dataFolder, personas, persona, url: of.url(), ...(role && { role }), ...limits };
  const outcome = await issueToken(asked);
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return outcome.token;
}

async function authorised(path: string, init: RequestInit = {}, persona = 'gp'): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${await tokenFor(persona)}`);
  return fetch(`${service.url()}${path}`, { ...init, headers });
}

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'carelog-service-'));
  entered = Promise.withResolvers();
  gate = Promise.withResolvers();
  service = await start();
});
afterAll(async () => {
  await service.close();
  await rm(dataFolder, { recursive: true });
});

describe('a persona', () => {
  it.each(personas.map((persona) => [persona.name, persona] as const))(
    '%s gets a token and is known by it',
    async (_, persona) => {
      const caller: unknown = await (await authorised('/fhir/R4/who', {}, persona.name)).json();
      const [role] = persona.roles ?? [];
      expect(caller).toEqual({
        subject: persona.userId ?? persona.name,
        kind: persona.kind,
        organisation: persona.organisation,
        system: persona.name,
        careSetting: persona.careSetting,
        ...(role === undefined
          ? {}
          : { roleProfile: role.id, roleCode: role.code, activityCodes: role.activityCodes }),
        ...(persona.kind === 'patient' ? { nhsNumber: '9990000018' } : {}),
      });
    },
  );

  const whoIs = async (persona: string, limits: object): Promise<unknown> => {
    const authorization = `Bearer ${await tokenFor(persona, service, limits)}`;
    return (await fetch(`${service.url()}/fhir/R4/who`, { headers: { authorization } })).json();
  };

  it('acts in the role that is chosen, and has to choose where there are several', async () => {
    const [, hospital] = personas.find(({ name }) => name === 'locum')?.roles ?? [];
    expect(await whoIs('locum', { role: hospital?.id })).toMatchObject({
      organisation: 'RZZ',
      careSetting: 'urgent-care',
      roleProfile: hospital?.id,
    });
    expect(await whoIs('locum', { role: undefined })).toMatchObject({
      issue: [{ diagnostics: expect.stringMatching(/several roles.+--role/) }],
    });
    await expect(tokenFor('locum', service, { role: '1' })).rejects.toThrow(/999100000008 \(Locum/);
  });

  it('limits itself to scopes and to a purpose', async () => {
    const caller = await whoIs('gp', { scope: 'user/Observation.rs user/Patient.r', purpose: 'planning' });
    expect(caller).toMatchObject({
      scopes: [
        { type: 'Observation', actions: 'rs' },
        { type: 'Patient', actions: 'r' },
      ],
      purpose: 'planning',
    });
    await expect(tokenFor('gp', service, { scope: 'everything' })).rejects.toThrow(/SMART scope/);
    await expect(tokenFor('gp', service, { purpose: 'curiosity' })).rejects.toThrow(/direct-care/);
  });

  it('that does not exist: all that do are listed', async () => {
    const outcome = await issueToken({ dataFolder, personas, persona: 'wizard', url: service.url() });
    expect(outcome).toMatchObject({ kind: 'refused' });
    for (const { name } of personas) expect(outcome).toHaveProperty('message', expect.stringContaining(name));
  });

  it('gets no token where no server runs, and is told what to do', async () => {
    const url = 'http://127.0.0.1:1';
    const outcome = await issueToken({ dataFolder, personas, persona: 'gp', url });
    expect(outcome).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/No Carelog server answers.+npm start/),
    });
  });

  it('gets no token from a folder without secrets, or with those of another server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'carelog-empty-'));
    const request = { dataFolder: folder, personas, persona: 'gp', url: service.url() };
    expect(await issueToken(request)).toMatchObject({ message: expect.stringContaining('CARELOG_DATA') });
    const log = createLog('silent');
    await openIdentity({ dataFolder: folder, personas, patientNhsNumber: '9990000018', log });
    expect(await issueToken(request)).toMatchObject({
      message: expect.stringContaining('does not know this secret'),
    });
    await rm(folder, { recursive: true });
  });
});

describe('keys and secrets', () => {
  it('are for their owner only, also after somebody opened the folder up', async () => {
    await chmod(join(dataFolder, 'identity'), 0o755);
    await openIdentity({ dataFolder, personas, patientNhsNumber: '9990000018', log: createLog('silent') });
    const modeOf = async (path: string): Promise<number> => (await stat(join(dataFolder, path))).mode & 0o777;
    expect(await modeOf('identity')).toBe(0o700);
    expect(await modeOf('identity/signing-keys.json')).toBe(0o600);
    expect(await modeOf('identity/client-secrets.json')).toBe(0o600);
  });

  it('outlive a restart: a token from before is good after', async () => {
    const first = await start();
    const port = Number(new URL(first.url()).port);
    const authorization = `Bearer ${await tokenFor('gp', first)}`;
    await first.close();
    const second = await start({}, port);
    const response = await fetch(`${second.url()}/fhir/R4/who`, { headers: { authorization } });
    expect(response.status).toBe(200);
    await second.close();
  });

  it('are given to nobody: the key set is public', async () => {
    const { keys } = (await (await fetch(`${service.url()}/openid/jwks`)).json()) as { keys: object[] };
    const [{ key }] = JSON.parse(await readFile(join(dataFolder, 'identity/signing-keys.json'), 'utf8')) as [
      { key: { d: string } },
    ];
    expect(keys).toHaveLength(1);
    expect(JSON.stringify(keys)).not.toContain(key.d);
  });
});

describe('the token endpoint', () => {
  const ask = (of: Service, user: string, body: string): Promise<Response> =>
    fetch(`${of.url()}/openid/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(user).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body,
    });

  it('gives nothing for another server', async () => {
    const secrets = JSON.parse(await readFile(join(dataFolder, 'identity/client-secrets.json'), 'utf8')) as {
      gp: string;
    };
    const resource = encodeURIComponent('https://elsewhere.example/fhir');
    const response = await ask(
      service,
      `gp:${secrets.gp}`,
      `grant_type=client_credentials&resource=${resource}`,
    );
    expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_target' }]);
  });

  it('slows down whoever guesses, and nobody else', async () => {
    const guessed = await start();
    for (let i = 0; i < 20; i++) {
      expect((await ask(guessed, `gp:guess-${i}`, 'grant_type=client_credentials')).status).toBe(401);
    }
    const next = await ask(guessed, 'gp:guess', 'grant_type=client_credentials');
    expect([next.status, next.headers.get('retry-after')]).toEqual([429, expect.any(String)]);
    expect(await tokenFor('pharmacist', guessed)).toMatch(/^ey/);
    await guessed.close();
  });

  it('names its own address, whatever the Host header says', async () => {
    const { port } = new URL(service.url());
    const answer = await exchange(
      Number(port),
      'GET /openid/.well-known/openid-configuration HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toContain(`"token_endpoint":"${service.url()}/openid/token"`);
    expect(answer).not.toContain('evil.example');
  });
});

describe('without a token', () => {
  it('only what is listed here is served', () => {
    const open = service.routes.filter((route) => route.open).map(({ path }) => path);
    expect([...new Set(open)].sort()).toEqual([
      '/health/live',
      '/health/ready',
      '/openid',
      '/openid/*',
      '/openid/sign-in/:uid',
    ]);
  });

  it('everything else answers 401 and says how to get one', async () => {
    const closed = service.routes.filter(({ open, method }) => !open && method !== 'HEAD');
    expect(closed.length).toBeGreaterThan(5);
    for (const { method, path } of closed) {
      const response = await fetch(service.url() + path, { method });
      expect([method, path, response.status]).toEqual([method, path, 401]);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(await response.json()).toMatchObject({
        resourceType: 'OperationOutcome',
        issue: [{ code: 'login', diagnostics: expect.stringContaining('npx carelog token') }],
      });
    }
  });
});

describe('a request that cannot be served', () => {
  const bytes = (body: string, type: string) => ({ method: 'POST', body, headers: { 'content-type': type } });

  it.each<[string, number, string, string, RequestInit?]>([
    ['at no address', 404, 'not-found', '/nowhere'],
    ['with a method that is not served', 404, 'not-found', '/fhir/R4/who', { method: 'PUT' }],
    ['with bad percent-encoding', 400, 'structure', '/fhir/R4/%E0%A4%A'],
    ['with a part of the address too long', 400, 'value', `/fhir/R4/${'x'.repeat(300)}/one`],
    [
      'with a body too large',
      413,
      'too-long',
      '/fhir/R4/bytes',
      bytes('x'.repeat(1025), 'application/fhir+json'),
    ],
    [
      'with another media type',
      415,
      'not-supported',
      '/fhir/R4/bytes',
      bytes('<a/>', 'application/fhir+xml'),
    ],
    [
      'in another character set',
      415,
      'not-supported',
      '/fhir/R4/bytes',
      bytes('{}', 'application/json; charset=latin1'),
    ],
    ['because its handler refuses', 410, 'deleted', '/fhir/R4/refusal'],
    ['because of a defect', 500, 'exception', '/fhir/R4/fault'],
  ])('%s: %i %s', async (_, status, code, path, init = {}) => {
    const response = await authorised(path, init);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      'application/fhir+json; charset=utf-8',
    ]);
    const outcome: unknown = await response.json();
    expect(outcome).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code }] });
  });

  it.each([
    ['no HTTP at all', 'nonsense\r\n\r\n', 400],
    ['headers over 16 kB', `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s is answered on the socket', async (_, text, status) => {
    const answer = await exchange(Number(new URL(service.url()).port), text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('OperationOutcome');
  });

  it('because its body is too large hears so while it sends, and the connection is good for the next', async () => {
    const socket = connect(Number(new URL(service.url()).port), '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    const head = `Host: x\r\nAuthorization: Bearer ${await tokenFor('publisher')}\r\n`;
    const half = 'x'.repeat(1 << 20);
    socket.write(`POST /fhir/R4/bytes HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${2 * half.length}\r\n\r\n${half}`); // prettier-ignore
    await expect.poll(() => heard).toMatch(/^HTTP\/1.1 413 [^]+too-long/);
    socket.write(`${half}GET /fhir/R4/greeting HTTP/1.1\r\n${head}\r\n`);
    await expect.poll(() => heard).toMatch(/HTTP\/1.1 200 [^]+hello/);
    socket.destroy();
  });

  it('because of a defect names an id, under which the stack is logged without the message', async () => {
    const text = await (await authorised('/fhir/R4/fault')).text();
    const id = /fault ([\da-f-]{36})/.exec(text)?.[1];
    expect(text).not.toContain(canary);
    expect(logged).toContain(`"id":"${id}"`);
    expect(logged).toContain('start-service.int.spec.ts');
  });
});

describe('what reaches a handler', () => {
  it('is the bytes that were sent, of JSON in any of its names', async () => {
    for (const type of [
      'application/fhir+json',
      'application/json',
      'application/fhir+json; charset=UTF-8',
    ]) {
      const response = await authorised('/fhir/R4/bytes', {
        method: 'POST',
        body: '{"é":1}',
        headers: { 'content-type': type },
      });
      expect(await response.json()).toEqual({ bytes: 8 });
    }
  });
  it('can use what the service is wired with', async () => {
    expect(await (await authorised('/fhir/R4/greeting')).text()).toBe('hello');
  });
});

describe('the log', () => {
  it('knows routes, not addresses, tokens, bodies or ids of a client’s own making', async () => {
    const token = await tokenFor('patient');
    await fetch(`${service.url()}/fhir/R4/who?identifier=${canary}&name=${canary}`, {
      headers: { authorization: `Bearer ${token}`, 'x-request-id': canary, 'user-agent': canary },
    });
    await authorised('/fhir/R4/bytes', {
      method: 'POST',
      body: `{"family":"${canary}"`,
      headers: { 'content-type': 'application/json' },
    });
    await fetch(`${service.url()}/fhir/R4/${canary}/one`);
    expect(logged).toContain('/fhir/R4/who');
    expect(logged).not.toContain(canary);
    expect(logged).not.toContain('9990000018');
    expect(logged).not.toContain(token);
    expect(logged).not.toContain(token.split('.')[2]);
  });

  it('shares the request id with the client, when that is a UUID', async () => {
    const id = '0198c5a1-7a3e-7cc1-9d8e-0a1b2c3d4e5f';
    const response = await fetch(`${service.url()}/health/live`, { headers: { 'x-request-id': id } });
    expect(response.headers.get('x-request-id')).toBe(id);
    expect(logged).toContain(id);
  });
});

describe('health', () => {
  it('is live and ready', async () => {
    expect((await fetch(`${service.url()}/health/live`)).status).toBe(200);
    expect((await fetch(`${service.url()}/health/ready`)).status).toBe(200);
  });
  it('is live but not ready while something is missing, and says what', async () => {
    const behind = { category: 'unavailable', code: 'transient', message: 'A view is behind.' } as const;
    const waiting = await start({ readiness: () => [behind] });
    const response = await fetch(`${waiting.url()}/health/ready`);
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'not ready', problems: ['A view is behind.'] },
    ]);
    expect((await fetch(`${waiting.url()}/health/live`)).status).toBe(200);
    await waiting.close();
  });
});

describe('closing', () => {
  it('says first that it is not ready, and still answers, on connections that end then', async () => {
    const draining = await start({
      config: { port: 0, host: '127.0.0.1', bodyLimit: 1024, drainSeconds: 1 },
    });
    const ask = (path: string) => fetch(`${draining.url()}${path}`);
    expect((await ask('/health/ready')).status).toBe(200);
    const closed = draining.close();
    const ready = await ask('/health/ready');
    expect(ready.status).toBe(503);
    expect(ready.headers.get('connection')).toBe('close');
    expect((await ask('/health/live')).status).toBe(200);
    await closed;
    await expect(ask('/health/live')).rejects.toThrow();
  });

  it('answers what was accepted, then releases, then is gone', async () => {
    const closing = await start({ release: async () => void order.push('released') });
    const headers = { authorization: `Bearer ${await tokenFor('gp', closing)}` };
    const answer = fetch(`${closing.url()}/fhir/R4/slow`, { headers });
    await entered.promise;
    const closed = closing.close();
    expect(closing.close()).toBe(closed);
    gate.resolve();
    expect(await (await answer).text()).toBe('done');
    await closed;
    expect(order).toEqual(['answered', 'released']);
    await expect(fetch(`${closing.url()}/health/live`)).rejects.toThrow();
  });
});

describe('SIGTERM', () => {
  it('ends the process well, after what was accepted is answered', async () => {
    const script = `
      import { closeOnSignal, createLog, startService } from '${new URL('index.ts', import.meta.url).href}';
      const log = createLog('silent');
      const service = await startService({
        config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
        log,
        issuers: () => [],
        routes: (server) => void server.get('/slow', { config: { open: true } }, async () => {
          process.kill(process.pid, 'SIGTERM');
          await new Promise((resolve) => process.once('SIGTERM', () => setImmediate(resolve)));
          return 'done';
        }),
        release: async () => void process.stdout.write('released'),
      });
      closeOnSignal(service, log);
      process.stdout.write(service.url() + '\\n');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let said = '';
    const url = new Promise<string>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('\n')) resolve(said.trim());
      });
    });
    expect(await (await fetch(`${await url}/slow`)).text()).toBe('done');
    expect(await ended).toEqual([0, null]);
    expect(said).toContain('released');
  });
});

describe('a port that is taken', () => {
  it('is an error, and what was opened is left to who opened it', async () => {
    let released = false;
    const release = async (): Promise<void> => void (released = true);
    const taken = Number(new URL(service.url()).port);
    await expect(start({ release }, taken)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(released).toBe(false);
    expect((await fetch(`${service.url()}/health/live`)).status).toBe(200);
  });
});

/** Sends text as it is and gives everything that came back. */
function exchange(port: number, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('close', () => resolve(answer));
  socket.on('error', reject);
  return promise;
}
