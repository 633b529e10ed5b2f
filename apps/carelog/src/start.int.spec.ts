import { defaultPolicy } from '@carelog/access';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, defaultAllowances, issueToken, personas, readConfig } from '@carelog/service-kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCarelog } from './start.ts';
import type { Carelog } from './start.ts';

let dataFolder: string;
let carelog: Carelog;

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'carelog-start-'));
  const config = {
    port: 0,
    host: '127.0.0.1',
    dataFolder,
    demo: false,
    logLevel: 'silent',
    bodyLimit: 1024,
    accessLog: 'written',
    embeddedIdentity: true,
    issuers: [],
    policy: defaultPolicy(),
    allowances: defaultAllowances,
    corsOrigins: [],
    trustedProxies: [],
  } as const;
  carelog = await startCarelog(config, createLog('silent'));
});
afterAll(async () => {
  await carelog.close();
  await rm(dataFolder, { recursive: true });
});

describe('without a token', () => {
  const open = [
    /^\/$/,
    /^\/assets\/(favicon\.svg|nhsuk-frontend\.min\.css|start-page\.css)$/,
    /^\/docs\/([\w/-]+\.md)?$/,
    /^\/fhir\/R4\/metadata$/,
    /^\/health\/(live|ready)$/,
    /^\/openid(\/\*|\/sign-in\/:uid)?$/,
    /^\/fhir\/R4\/\.well-known\/smart-configuration$/,
    /^\/\.well-known\/oauth-protected-resource\/fhir\/R4$/,
  ];
  const concrete = (path: string): string => path.replace('*', 'Patient/1').replaceAll(/:\w+/g, 'record');

  it('a route is open only when it is on this list, and only for reading but for the identity provider', () => {
    const served = carelog.routes.filter((route) => route.open);
    const unlisted = served.filter(({ path }) => !open.some((pattern) => pattern.test(path)));
    expect(unlisted).toEqual([]);
    const writing = served.filter(
      ({ method, path }) => !['GET', 'HEAD'].includes(method) && !path.startsWith('/openid'),
    );
    expect(writing).toEqual([]);
    for (const pattern of open) expect(served.some(({ path }) => pattern.test(path))).toBe(true);
  });

  it('every other route answers 401 with an OperationOutcome', async () => {
    const closed = carelog.routes.filter((route) => !route.open);
    expect(closed.length).toBeGreaterThan(10);
    for (const { method, path } of closed) {
      const response = await fetch(carelog.url() + concrete(path), { method });
      expect([method, path, response.status]).toEqual([method, path, 401]);
      if (method !== 'HEAD')
        expect(await response.json()).toMatchObject({ resourceType: 'OperationOutcome' });
    }
  });
});

describe('where others say who people are', () => {
  it('no persona gets a token, and clients are sent there', async () => {
    const issuer = createServer((_request, response) => {
      const { port } = issuer.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}`;
      response.end(
        JSON.stringify({ issuer: url, jwks_uri: `${url}/keys`, authorization_endpoint: `${url}/authorize` }),
      );
    }).listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    const { port } = issuer.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const folder = await mkdtemp(join(tmpdir(), 'carelog-issuers-'));
    const file = join(folder, 'issuers.json');
    await writeFile(file, JSON.stringify({ issuers: [{ issuer: url, shapes: ['nhs-login'] }] }));
    const env = { PORT: '0', CARELOG_DATA: folder, CARELOG_ISSUERS: file, NODE_ENV: 'production' };
    const outcome = readConfig(env);
    if (outcome.kind === 'invalid') throw new Error(outcome.problems.join(' '));
    const site = await startCarelog(outcome.config, createLog('silent'));
    const at = async (path: string) => fetch(site.url() + path, { headers: { accept: 'application/json' } });
    expect((await at('/openid/.well-known/openid-configuration')).status).toBe(404);
    expect(await (await at('/fhir/R4/.well-known/smart-configuration')).json()).toMatchObject({
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
    });
    expect(await (await at('/fhir/R4/metadata')).text()).not.toContain('oauth-uris');
    expect(await (await at('/.well-known/oauth-protected-resource/fhir/R4')).json()).toMatchObject({
      authorization_servers: [url],
    });
    issuer.close();
    issuer.closeAllConnections();
    expect((await at('/fhir/R4/.well-known/smart-configuration')).status).toBe(503);
    await site.close();
    await rm(folder, { recursive: true });
  });
});

describe("a site's own access policy", () => {
  it('decides, also about what was recorded before it was there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'carelog-policy-'));
    const file = join(folder, 'policy.json');
    const shipped = defaultPolicy();
    const told = async (policy: unknown) => {
      await writeFile(file, JSON.stringify(policy));
      const outcome = readConfig({ PORT: '0', CARELOG_DATA: folder, CARELOG_DEMO: 'off', CARELOG_ACCESS_POLICY: file }); // prettier-ignore
      if (outcome.kind === 'invalid') throw new Error(outcome.problems.join(' '));
      const site = await startCarelog(outcome.config, createLog('silent'));
      const fhir = async (persona: string, method: string, path: string, body?: object) => {
        const token = await issueToken({ dataFolder: folder, personas, persona, url: site.url() });
        if (token.kind === 'refused') throw new Error(token.message);
        const headers = { authorization: `Bearer ${token.token}`, 'content-type': 'application/fhir+json' };
        const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) };
        return fetch(`${site.url()}/fhir/R4${path}`, sent);
      };
      return { site, fhir };
    };

    const first = await told(shipped);
    const person = {
      resourceType: 'Patient',
      id: 'somebody',
      generalPractitioner: [{ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } }],
      meta: { security: [{ system: 'https://site.example/labels', code: 'staff-record' }] },
    }; // prettier-ignore
    expect((await first.fhir('publisher', 'PUT', '/Patient/somebody', person)).status).toBe(201);
    expect((await first.fhir('gp', 'GET', '/Patient/somebody')).status).toBe(200);
    await first.site.close();

    const { labelling } = shipped;
    const restricted = [{ system: 'https://site.example/labels', codes: ['staff-record'] }];
    const own = { ...shipped, version: 'site-1', labelling: { ...labelling, security: { ...labelling.security, 'very-restricted': restricted } } }; // prettier-ignore
    const second = await told(own);
    expect((await second.fhir('gp', 'GET', '/Patient/somebody')).status).toBe(404);
    expect((await second.fhir('publisher', 'GET', '/Patient/somebody')).status).toBe(200);
    await second.site.close();
    await rm(folder, { recursive: true });
  });
});

describe('what personas may do to the platform', () => {
  it.each([
    ['operator', 'GET', '/status', 200],
    ['auditor', 'GET', '/status', 200],
    ['gp', 'GET', '/status', 403],
    ['patient', 'GET', '/status', 403],
    ['operator', 'GET', '/metrics', 200],
    ['auditor', 'GET', '/metrics', 200],
    ['gp', 'GET', '/metrics', 403],
    ['patient', 'GET', '/metrics', 403],
    ['gp', 'POST', '/rebuild/record', 403],
    ['publisher', 'POST', '/rebuild/record', 403],
    ['operator', 'GET', '/fhir/R4/Patient', 403],
    ['operator', 'GET', '/fhir/R4/Patient/1', 403],
    ['operator', 'GET', '/fhir/R4/Patient/1/_history', 403],
    ['operator', 'GET', '/fhir/R4/Patient/1/$everything', 403],
    ['auditor', 'DELETE', '/fhir/R4/Patient/1', 403],
    ['patient', 'DELETE', '/fhir/R4/Patient/1', 403],
  ])('%s %s %s: %i', async (persona, method, path, status) => {
    expect((await ask(persona, method, path)).status).toBe(status);
  });
});

describe('metrics', () => {
  it('say how far log and view are, what was asked and how it ended, and nothing of what was asked for', async () => {
    await ask('gp', 'GET', '/fhir/R4/Patient/9990000018');
    await ask('gp', 'GET', '/fhir/R4/Patient?name=Canary');
    await ask('operator', 'GET', '/fhir/R4/Patient?name=Canary');
    const response = await ask('operator', 'GET', '/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).not.toMatch(/9990000018|Canary/);
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) (carelog|process)_\w+ .+|(carelog|process)_\w+(\{(\w+="[\w+.-]+",?)+\})? [\d.e+-]+)$/,
      );
    }
    const exported = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!);
    const page = await readFile(join(import.meta.dirname, '../../../docs/reference/metrics.md'), 'utf8');
    const documented = [...page.matchAll(/^\| `(\w+)` .*\bembedded\b.*\|$/gm)].map(([, name]) => name!);
    expect(exported.sort()).toEqual(documented.sort());
    expect(valueOf(text, 'carelog_log_position')).toBe(0);
    expect(valueOf(text, 'carelog_projection_lag_events{projection="record"}')).toBe(0);
    expect(valueOf(text, 'carelog_projection_lag_events{projection="population"}')).toBe(0);
    expect(valueOf(text, 'carelog_projection_parked{projection="population"}')).toBe(0);
    expect(valueOf(text, 'carelog_writers_waiting')).toBe(0);
    expect(valueOf(text, 'carelog_writers_turned_away_total')).toBe(0);
    expect(valueOf(text, 'carelog_requests_total{interaction="read",status="4xx"}')).toBeGreaterThan(0);
    expect(valueOf(text, 'carelog_requests_total{interaction="search",status="2xx"}')).toBe(1);
    const searches = valueOf(text, 'carelog_request_seconds_count{interaction="search"}');
    expect(valueOf(text, 'carelog_request_seconds_bucket{interaction="search",le="+Inf"}')).toBe(searches);
  });

  function valueOf(text: string, name: string): number {
    return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length + 1)); // prettier-ignore
  }
});

async function ask(persona: string, method: string, path: string): Promise<Response> {
  const outcome = await issueToken({ dataFolder, personas, persona, url: carelog.url() });
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return fetch(carelog.url() + path, { method, headers: { authorization: `Bearer ${outcome.token}` } });
}
