/** Apps and backend services, by the book: SMART App Launch and SMART Backend Services with clients that know nothing of us. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'fhir-kit-client';
import { decodeJwt, importJWK, SignJWT, type JWK } from 'jose';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';
import { visitPages, type PageVisitor, type Visit } from '../support/page-visitor.ts';

const redirectUri = 'http://127.0.0.1:4713/callback';
let stack: Stack;
let app: openid.Configuration;
let practice: { family: string; id: string };

beforeAll(async () => {
  stack = await startEmptyStack();
  app = await openid.discovery(
    new URL(`${stack.url}/openid`),
    'demo-app',
    undefined,
    openid.None(),
    insecure,
  );
  practice = { family: 'Launchworth', id: await registerPatient('Launchworth') };
});
afterAll(() => stack.remove());

// Only because the test server speaks http.
const insecure = { execute: [openid.allowInsecureRequests] };

async function registerPatient(family: string, nhsNumber?: string): Promise<string> {
  const answer = await stack.fhir('POST', '/Patient', {
    body: {
      resourceType: 'Patient',
      name: [{ family, given: ['Ada'] }],
      birthDate: '1980-02-03',
      ...(nhsNumber && { identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: nhsNumber }] }),
      generalPractitioner: [
        { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } },
      ],
    },
  });
  expect(answer.status).toBe(201);
  const { id } = answer.json as { id: string };
  const weight = await stack.fhir('POST', '/Observation', { body: weightOf(id) });
  expect(weight.status).toBe(201);
  return id;
}

const weightOf = (patient: string) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }] },
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: '2025-01-01',
});

interface Started {
  readonly page: Visit;
  readonly browser: PageVisitor;
  readonly checks: openid.AuthorizationCodeGrantChecks;
}

/** Sends a browser to the server as an app does. */
async function startLaunch(
  scope: string,
  more: Record<string, string> = {},
  browser = visitPages(stack.url),
): Promise<Started> {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const checks = {
    pkceCodeVerifier,
    expectedState: openid.randomState(),
    expectedNonce: openid.randomNonce(),
  };
  const address = openid.buildAuthorizationUrl(app, {
    redirect_uri: redirectUri,
    scope,
    aud: stack.base,
    state: checks.expectedState,
    ...(scope.includes('openid') ? { nonce: checks.expectedNonce } : {}),
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  });
  return { browser, checks, page: await browser.open(address.href) };
}

async function signInAs({ browser, page }: Started, persona: string): Promise<Visit> {
  expect([page.status, page.html]).toEqual([200, expect.stringContaining('Who are you?')]);
  return browser.submit(page, 'persona', { persona });
}

/** The whole way of the practice's doctor, with one patient. */
async function launch(scope: string) {
  const started = await startLaunch(scope);
  const { browser, checks } = started;
  let page = await signInAs(started, 'gp');
  if (page.html.includes('Choose a patient')) {
    page = await browser.submit(page, 'find', { name: practice.family });
    page = await browser.submit(page, 'patient', { patient: practice.id });
  }
  expect(page.html).toContain('Allow access?');
  const back = (await browser.submit(page, 'allow')).left;
  expect(back?.href).toMatch(/^http:\/\/127\.0\.0\.1:4713\/callback\?code=/);
  const { expectedNonce, ...rest } = checks;
  const openId = scope.includes('openid');
  const tokens = await openid.authorizationCodeGrant(app, back as URL, {
    ...rest,
    ...(openId ? { expectedNonce: expectedNonce as string, idTokenExpected: true } : {}),
  });
  return { tokens, back: back as URL, checks };
}

const fhirClient = (bearerToken: string): Client => new Client({ baseUrl: stack.base, bearerToken });

describe('an app finds out', () => {
  it('where to get tokens, from the FHIR base', async () => {
    const client = new Client({ baseUrl: stack.base });
    const endpoints = await client.smartAuthMetadata();
    expect(String(endpoints.authorizeUrl)).toBe(`${stack.url}/openid/auth`);
    expect(String(endpoints.tokenUrl)).toBe(`${stack.url}/openid/token`);
    const configuration = await (await fetch(`${stack.base}/.well-known/smart-configuration`)).json();
    const server = app.serverMetadata();
    expect(configuration).toMatchObject({
      issuer: server.issuer,
      authorization_endpoint: server.authorization_endpoint,
      token_endpoint: server.token_endpoint,
      introspection_endpoint: server.introspection_endpoint,
      revocation_endpoint: server.revocation_endpoint,
      code_challenge_methods_supported: ['S256'],
      capabilities: expect.arrayContaining([
        'launch-standalone',
        'permission-v2',
        'context-standalone-patient',
      ]),
    });
  });

  it('the same from a refusal', async () => {
    const response = await fetch(`${stack.base}/Patient`);
    const metadata = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1];
    expect(await (await fetch(metadata as string)).json()).toMatchObject({
      resource: stack.base,
      authorization_servers: [`${stack.url}/openid`],
    });
  });
});

describe('an app that is launched for a patient', () => {
  it('signs its user in, learns which patient, and reads what it was allowed', async () => {
    const scope = 'openid fhirUser launch/patient offline_access patient/Patient.r patient/Observation.rs';
    const { tokens } = await launch(scope);
    expect(tokens['patient']).toBe(practice.id);
    expect(tokens.scope?.split(' ').sort()).toEqual(scope.split(' ').sort());
    expect(tokens.claims()).toMatchObject({ iss: `${stack.url}/openid`, sub: expect.stringMatching(/^gp/) });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ patient: practice.id, client_id: 'demo-app' });
    const client = fhirClient(tokens.access_token);
    expect(await client.read({ resourceType: 'Patient', id: practice.id })).toMatchObject({
      id: practice.id,
    });
    const found = (await client.search({
      resourceType: 'Observation',
      searchParams: { patient: practice.id },
    })) as unknown as { entry: unknown[] };
    expect(found.entry).toHaveLength(1);

    const renewed = await openid.refreshTokenGrant(app, tokens.refresh_token as string);
    expect(renewed['patient']).toBe(practice.id);
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
    expect(
      await fhirClient(renewed.access_token).read({ resourceType: 'Patient', id: practice.id }),
    ).toBeDefined();

    // Whoever uses a refresh token that was replaced is not the app, or the app was robbed: both lose everything.
    await expect(openid.refreshTokenGrant(app, tokens.refresh_token as string)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(openid.refreshTokenGrant(app, renewed.refresh_token as string)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(
      fhirClient(renewed.access_token).read({ resourceType: 'Patient', id: practice.id }),
    ).rejects.toMatchObject({ response: { status: 401 } });
  });

  it('may use its code once: the second time takes back what the first gave', async () => {
    const { tokens, back, checks } = await launch('launch/patient patient/Patient.r');
    const { expectedNonce: _, ...rest } = checks;
    await expect(openid.authorizationCodeGrant(app, back, rest)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    const read = fhirClient(tokens.access_token).read({ resourceType: 'Patient', id: practice.id });
    await expect(read).rejects.toMatchObject({ response: { status: 401 } });
  });

  it('takes its token back when it is done with it', async () => {
    const { tokens } = await launch('launch/patient patient/Patient.r');
    const client = fhirClient(tokens.access_token);
    expect(await client.read({ resourceType: 'Patient', id: practice.id })).toBeDefined();
    await openid.tokenRevocation(app, tokens.access_token);
    await expect(client.read({ resourceType: 'Patient', id: practice.id })).rejects.toMatchObject({
      response: { status: 401 },
    });
  });

  it.each<[string, string, Record<string, string>, string]>([
    ['without PKCE', 'patient/*.rs', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['with PKCE that proves nothing', 'patient/*.rs', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['meant for another server', 'patient/*.rs', { aud: 'https://evil.example/fhir' }, 'invalid_request'],
    ['for no scope on resources', 'openid', {}, 'invalid_scope'],
    ['for what only systems may', 'system/*.rs', {}, 'invalid_scope'],
    ['for more than it is registered for', 'patient/*.cruds', {}, 'invalid_scope'],
    ['without the user, who must be asked', 'patient/*.rs', { prompt: 'none' }, 'login_required'],
  ])('is sent back when it asks %s', async (_, scope, more, error) => {
    const { page } = await startLaunch(scope, more);
    expect(page.left?.searchParams.get('error')).toBe(error);
  });

  it('is never sent a code at an address that it did not register', async () => {
    const { page } = await startLaunch('patient/*.rs', { redirect_uri: 'https://evil.example/callback' });
    expect([page.status, page.left]).toEqual([400, undefined]);
    expect(page.html).toContain('You cannot sign in this way');
  });

  it('is told when the user does not allow it', async () => {
    const started = await startLaunch('user/Patient.rs');
    const page = await signInAs(started, 'gp');
    const { left } = await started.browser.submit(page, 'refuse');
    expect(left?.searchParams.get('error')).toBe('access_denied');
  });

  it('is not launched for a patient whom its user may not see', async () => {
    const { json } = await stack.fhir('POST', '/Patient', {
      body: { resourceType: 'Patient', name: [{ family: 'Elsewhere' }] },
    });
    const { id } = json as { id: string };
    const started = await startLaunch('launch/patient patient/*.rs');
    const page = await signInAs(started, 'gp');
    const found = await started.browser.submit(page, 'find', { name: 'Elsewhere' });
    expect(found.html).toContain('Nobody was found whose record you may see');
    const forged = await started.browser.submit(page, 'patient', { patient: id });
    expect(forged.html).toMatch(/There is a problem[\s\S]+Choose a patient/);
  });

  it('is launched for the patient who signs in, and for nobody else', async () => {
    const ownId = await registerPatient('Ownworth', firstPersonNhsNumber(DEMO_SEED));
    const started = await startLaunch('openid fhirUser launch/patient patient/*.rs');
    const page = await signInAs(started, 'patient');
    expect(page.html).toContain('Ownworth');
    const forged = await started.browser.submit(page, 'allow', { patient: practice.id });
    expect([forged.left, forged.html]).toEqual([undefined, expect.not.stringContaining(practice.family)]);
    const { left } = await started.browser.submit(page, 'allow');
    const tokens = await openid.authorizationCodeGrant(app, left as URL, {
      ...started.checks,
      idTokenExpected: true,
    });
    expect(tokens['patient']).toBe(ownId);
    expect(tokens.claims()).toMatchObject({ fhirUser: `${stack.base}/Patient/${ownId}` });
    const claims = decodeJwt(tokens.access_token);
    expect(claims).toMatchObject({ identity_proofing_level: 'P9', sub: 'patient' });
    const client = fhirClient(tokens.access_token);
    expect(await client.read({ resourceType: 'Patient', id: ownId })).toMatchObject({ id: ownId });
    await expect(client.read({ resourceType: 'Patient', id: practice.id })).rejects.toMatchObject({
      response: { status: 404 },
    });
  });

  it.each([
    ['launch/patient patient/Patient.rs', 403],
    ['launch/patient patient/AuditEvent.rs', 200],
    ['launch/patient patient/*.rs', 200],
  ])('shows who looked to an app of theirs with %s: %i', async (scope, status) => {
    const started = await startLaunch(`openid ${scope}`);
    const page = await signInAs(started, 'patient');
    const { left } = await started.browser.submit(page, 'allow');
    const tokens = await openid.authorizationCodeGrant(app, left as URL, {
      ...started.checks,
      idTokenExpected: true,
    });
    const answer = await fetch(`${stack.base}/AuditEvent?_count=1`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.headers.get('www-authenticate')).toContain('patient/AuditEvent.s');
  });
});

describe('the sign-in', () => {
  it('asks for the role of somebody who has several, and acts in it', async () => {
    const started = await startLaunch('user/Patient.rs');
    let page = await signInAs(started, 'locum');
    expect(page.html).toContain('In which role do you act?');
    page = await started.browser.submit(page, 'role');
    expect(page.html).toContain('There is a problem');
    page = await started.browser.submit(page, 'role', { role: '999101000008' });
    const { left } = await started.browser.submit(page, 'allow');
    const { expectedNonce: _, ...checks } = started.checks;
    const tokens = await openid.authorizationCodeGrant(app, left as URL, checks);
    expect(decodeJwt(tokens.access_token)).toMatchObject({ selected_roleid: '999101000008' });
  });

  it('remembers who is in the browser, asks again what the app may, and forgets when the app says so', async () => {
    const scope = 'user/Patient.rs offline_access';
    const first = await startLaunch(scope);
    await first.browser.submit(await signInAs(first, 'gp'), 'allow');
    const second = await startLaunch(scope, {}, first.browser);
    expect(second.page.html).toMatch(/Allow access\?[\s\S]+General practitioner/);
    const third = await startLaunch(scope, { prompt: 'login' }, first.browser);
    const page = await signInAs(third, 'pharmacist');
    expect(page.html).toMatch(/Allow access\?[\s\S]+Community pharmacist[\s\S]+for up to 14 days/);
    const silent = await startLaunch(scope, { prompt: 'none' }, first.browser);
    expect(silent.page.left?.searchParams.get('error')).toBe('interaction_required');
  });

  it('hands the code over by a form where the app wants that, with the one script that it takes', async () => {
    const { browser, ...started } = await startLaunch('user/Patient.rs', { response_mode: 'form_post' });
    const { html, headers } = await browser.submit(await signInAs({ browser, ...started }, 'gp'), 'allow');
    expect(html).toMatch(/action="http:\/\/127\.0\.0\.1:4713\/callback"[\s\S]+name="code"/);
    expect(headers.get('content-security-policy')).toMatch(/script-src 'sha256-[^']+';/);
  });

  it('lets nobody look over its shoulder, and nobody else send its forms', async () => {
    const started = await startLaunch('user/Patient.rs');
    const { headers, url } = started.page;
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self' http://127.0.0.1:4713;");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('cache-control')).toBe('no-store');
    const cookies = headers.getSetCookie().join('\n');
    expect(cookies).not.toMatch(/samesite=none/i);
    const forged = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ step: 'persona', persona: 'gp' }),
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(forged.status).toBe(403);
    const withoutCookies = await fetch(url);
    expect(withoutCookies.status).toBe(400);
  });
});

describe('a backend service', () => {
  const keyFile = (): JWK =>
    JSON.parse(readFileSync(join(stack.folder, 'identity/demo-backend-key.json'), 'utf8')) as JWK;

  async function backend(): Promise<openid.Configuration> {
    const key = (await importJWK(keyFile(), 'ES384')) as CryptoKey;
    const authentication = openid.PrivateKeyJwt({ key, kid: keyFile().kid as string });
    return openid.discovery(
      new URL(`${stack.url}/openid`),
      'demo-backend',
      undefined,
      authentication,
      insecure,
    );
  }

  it('gets a token for its signature, and reads with it', async () => {
    const tokens = await openid.clientCredentialsGrant(await backend(), { scope: 'system/Patient.rs' });
    expect(tokens).toMatchObject({ scope: 'system/Patient.rs', expires_in: 300 });
    const found = await fhirClient(tokens.access_token).search({ resourceType: 'Patient', searchParams: {} });
    expect(found).toMatchObject({ resourceType: 'Bundle' });
  });

  async function assertion(claims: Record<string, unknown> = {}, alg = 'ES384'): Promise<string> {
    const { kid } = keyFile();
    return new SignJWT({ jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg, kid: kid as string, typ: 'JWT' })
      .setIssuer('demo-backend')
      .setSubject('demo-backend')
      .setAudience((claims['aud'] as string | undefined) ?? `${stack.url}/openid/token`)
      .setExpirationTime((claims['exp'] as number | undefined) ?? '4m')
      .sign(alg === 'HS256' ? Buffer.from(JSON.stringify(keyFile().x)) : await importJWK(keyFile(), alg));
  }

  const ask = (signed: string, scope = 'system/Patient.rs'): Promise<Response> =>
    fetch(`${stack.url}/openid/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: signed,
        scope,
      }),
    });

  it('may use an assertion once, also when both come at the same time', async () => {
    const once = await assertion();
    expect((await ask(once)).status).toBe(200);
    const again = await ask(once);
    expect([again.status, await again.json()]).toMatchObject([401, { error: 'invalid_client' }]);
    const twice = await assertion();
    const statuses = await Promise.all([ask(twice), ask(twice)]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  it.each<[string, () => Promise<Response>, number, string]>([
    [
      'for another server',
      async () => ask(await assertion({ aud: 'https://evil.example' })),
      401,
      'invalid_client',
    ],
    ['past its end', async () => ask(await assertion({ exp: 1_000_000_000 })), 401, 'invalid_client'],
    ['with a symmetric algorithm', async () => ask(await assertion({}, 'HS256')), 401, 'invalid_client'],
    ['without scopes', async () => ask(await assertion(), ''), 400, 'invalid_scope'],
    ['for scopes of persons', async () => ask(await assertion(), 'user/Patient.rs'), 400, 'invalid_scope'],
    ['for more than it may', async () => ask(await assertion(), 'system/Patient.cud'), 400, 'invalid_scope'],
  ])('is refused %s', async (_, request, status, error) => {
    const response = await request();
    expect([response.status, await response.json()]).toMatchObject([status, { error }]);
  });
});

describe('a resource server', () => {
  const secrets = (): Record<string, string> =>
    JSON.parse(readFileSync(join(stack.folder, 'identity/client-secrets.json'), 'utf8')) as Record<
      string,
      string
    >;

  const introspect = async (token: string, user: string): Promise<unknown> => {
    const response = await fetch(`${stack.url}/openid/token/introspection`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${user}:${secrets()[user]}`)}` },
      body: new URLSearchParams({ token }),
    });
    return response.json();
  };

  it('may ask what a token is good for', async () => {
    const { tokens } = await launch('launch/patient offline_access patient/Patient.r');
    expect(await introspect(tokens.access_token, 'resource-server')).toMatchObject({
      active: true,
      client_id: 'demo-app',
      scope: 'patient/Patient.r',
      patient: practice.id,
      nhsid_useruid: '999000000001',
    });
    expect(await introspect(tokens.refresh_token as string, 'resource-server')).toMatchObject({
      active: true,
    });
    await openid.tokenRevocation(app, tokens.refresh_token as string);
    expect(await introspect(tokens.access_token, 'resource-server')).toEqual({ active: false });
  });

  it.each([
    ['a token of somebody else, to another client', 'pharmacist', () => stack.token('gp')],
    ['a token that was changed', 'resource-server', async () => `${await stack.token('gp')}x`],
    ['no token at all', 'resource-server', async () => 'garbage'],
    ['a token of three parts', 'resource-server', async () => 'a.b.c'],
  ])('is told nothing of %s', async (_, user, token) => {
    expect(await introspect(await token(), user)).toEqual({ active: false });
  });
});

// Last: nobody signs in for the rest of the minute.
describe('whoever hurries', () => {
  it('is slowed down', async () => {
    const statuses = new Set<number>();
    for (let i = 0; i < 121; i++)
      statuses.add((await fetch(`${stack.url}/openid/sign-in/guess-${i}`)).status);
    expect([...statuses]).toEqual([400, 429]);
  });
});
