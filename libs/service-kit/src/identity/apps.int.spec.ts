import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { startService } from '../start-service.ts';
import type { Service } from '../start-service.ts';
import { readApps } from './apps.ts';
import { openIdentity } from './identity-provider.ts';
import type { Identity } from './identity-provider.ts';
import { personas } from './personas.ts';

let folder: string;
let keyServer: Server;
let identity: Identity;
let service: Service;
let pair: Awaited<ReturnType<typeof generateKeyPair>>;

const actsFor = { organisation: 'RZZ', careSetting: 'acute' };
const system = { clientId: 'bed-board', title: 'Bed board', mayAsk: 'system/Encounter.rs', actsFor };
const app = {
  clientId: 'growth-charts',
  title: 'Growth charts',
  mayAsk: 'patient/Observation.rs',
  redirectUris: ['https://charts.example/back'],
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-apps-'));
  pair = await generateKeyPair('ES384', { extractable: true });
  const key: JWK = { ...(await exportJWK(pair.publicKey)), kid: 'theirs', alg: 'ES384', use: 'sig' };
  keyServer = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: [key] }));
  }).listen(0, '127.0.0.1');
  await once(keyServer, 'listening');
  const keysUrl = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`;
  const file = write({
    apps: [{ ...system, keys: [key] }, { ...system, clientId: 'ward-clock', keysUrl }, app],
  });
  const outcome = readApps(file);
  if (outcome.kind === 'invalid') throw new Error(outcome.problems.join('\n'));
  const log = createLog('silent');
  identity = await openIdentity({
    dataFolder: folder,
    personas,
    patientNhsNumber: '9990000018',
    apps: outcome.settings,
    log,
  });
  service = await startService({
    config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
    log,
    issuers: (url) => [identity.issuer(url)],
    routes(fastify, { url }) {
      identity.mount(fastify, url);
      fastify.get('/fhir/R4/who', ({ caller }) => caller);
    },
  });
});
afterAll(async () => {
  await service.close();
  identity.close();
  keyServer.close();
  rmSync(folder, { recursive: true });
});

function write(content: unknown): string {
  const file = join(folder, 'apps.json');
  writeFileSync(file, JSON.stringify(content));
  return file;
}

async function askFor(scope: string, clientId: string): Promise<Response> {
  const assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES384', kid: 'theirs' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(`${service.url()}/openid/token`)
    .setExpirationTime('4m')
    .sign(pair.privateKey);
  return fetch(`${service.url()}/openid/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
      scope,
    }),
  });
}

describe('a system that is registered', () => {
  it.each(['bed-board', 'ward-clock'])(
    'by its key or by where its keys are, acts for its organisation: %s',
    async (clientId) => {
      const { access_token: token } = (await (await askFor('system/Encounter.rs', clientId)).json()) as {
        access_token: string;
      };
      const headers = { authorization: `Bearer ${token}` };
      const caller: unknown = await (await fetch(`${service.url()}/fhir/R4/who`, { headers })).json();
      expect(caller).toEqual({
        subject: clientId,
        kind: 'system',
        organisation: 'RZZ',
        system: clientId,
        careSetting: 'acute',
        scopes: [{ level: 'system', type: 'Encounter', actions: 'rs', where: [] }],
      });
    },
  );

  it('gets no more than it may ask for', async () => {
    const response = await askFor('system/Patient.rs', 'bed-board');
    expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_scope' }]);
  });
});

describe('an app that is registered', () => {
  const visit = (redirectUri: string): Promise<Response> => {
    const query = new URLSearchParams({
      client_id: 'growth-charts',
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'patient/Observation.rs',
      aud: `${service.url()}/fhir/R4`,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    return fetch(`${service.url()}/openid/auth?${query}`, {
      redirect: 'manual',
      headers: { accept: 'text/html' },
    });
  };

  it('has its users sign in, and return to where it registered', async () => {
    const sent = await visit('https://charts.example/back');
    expect([sent.status, sent.headers.get('location')]).toEqual([
      303,
      expect.stringMatching(/^\/openid\/sign-in\//),
    ]);
    const cookie = sent.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const page = await fetch(service.url() + sent.headers.get('location'), { headers: { cookie } });
    expect(await page.text()).toContain('Growth charts asks you to sign in');
    expect(page.headers.get('content-security-policy')).toContain(
      "form-action 'self' https://charts.example;",
    );
    expect((await visit('https://charts.example/elsewhere')).status).toBe(400);
  });
});

describe('a file of apps', () => {
  const key = { kty: 'EC', kid: '1', crv: 'P-384', x: 'x', y: 'y' };
  it.each<[string, object, RegExp]>([
    ['in the name of a persona', { ...app, clientId: 'gp' }, /clientId is taken/],
    ['in the name of the demonstration', { ...app, clientId: 'resource-server' }, /clientId is taken/],
    ['that is neither app nor system', { ...app, redirectUris: undefined }, /redirectUris is for apps/],
    ['that is both', { ...system, redirectUris: app.redirectUris, keys: [key] }, /redirectUris is for apps/],
    ['of a system without keys', system, /keysUrl or keys is needed/],
    ['with a private key', { ...system, keys: [{ ...key, d: 'secret' }] }, /is private/],
    [
      'over plain http',
      { ...app, redirectUris: ['http://charts.example/back'] },
      /redirectUris\.0 must be https/,
    ],
    [
      'with a script for an address',
      { ...app, redirectUris: ['javascript:alert(1)'] },
      /redirectUris\.0 must be/,
    ],
    [
      'on the web and on a telephone',
      { ...app, redirectUris: [...app.redirectUris, 'uk.example.app:/b'] },
      /must all be/,
    ],
    ['with scopes that are none', { ...app, mayAsk: 'everything' }, /mayAsk must be SMART scopes/],
    ['of an app with scopes of systems', { ...app, mayAsk: 'system/*.rs' }, /mayAsk must be of/],
    [
      'of a system with scopes of users',
      { ...system, keys: [key], mayAsk: 'user/*.rs' },
      /mayAsk must be of/,
    ],
  ])('%s is refused', (_, entry, problem) => {
    const outcome = readApps(write({ apps: [entry] }));
    expect(outcome).toEqual({ kind: 'invalid', problems: [expect.stringMatching(problem)] });
  });

  it('with an app twice is refused', () => {
    expect(readApps(write({ apps: [app, app] }))).toMatchObject({
      problems: [expect.stringContaining('twice')],
    });
  });
});
