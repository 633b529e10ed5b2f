import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { startService } from '../start-service.ts';
import type { Service } from '../start-service.ts';
import { readIssuers, trustedIssuer } from './issuers.ts';

const audience = 'https://record.example/fhir/R4';
const role = {
  person_roleid: '555000000001',
  role_code: 'S8000:G8000:R8000',
  org_code: 'RZZ',
  activity_codes: ['B0380'],
};
const doctor = {
  azp: 'ward-system',
  nhsid_useruid: '555000000000',
  nhsid_nrbac_roles: [role],
  authentication_assurance_level: '3',
};
const person = { azp: 'patient-app', nhs_number: '9990000018', identity_proofing_level: 'P9' };

type Key = { readonly pair: Awaited<ReturnType<typeof generateKeyPair>>; readonly kid: string };

/** An identity service of somebody else, with discovery, whose keys can be replaced. */
class ForeignIssuer {
  #server: Server | undefined;
  #keys: Key[] = [];
  url = '';
  up = true;
  /** Of every token, as it answers who asks. */
  active = true;
  keyFetches = 0;

  async start(): Promise<void> {
    await this.rotate('first');
    this.#server = createServer(
      (request, response) =>
        void this.#answer(request.url ?? '', request.headers.authorization).then((answer) => {
          response.writeHead(answer === undefined ? 503 : 200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(answer ?? {}));
        }),
    );
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(path: string, authorization?: string): Promise<unknown> {
    if (!this.up) return undefined;
    if (path === '/introspect') {
      const isUs = authorization === `Basic ${btoa('carelog:a%20secret')}`;
      return isUs ? { active: this.active } : undefined;
    }
    if (path.endsWith('/openid-configuration')) return { issuer: this.url, jwks_uri: `${this.url}/keys` };
    this.keyFetches++;
    return {
      keys: await Promise.all(
        this.#keys.map(async ({ pair, kid }) => ({ ...(await exportJWK(pair.publicKey)), kid })),
      ),
    };
  }

  /** From now on it has one key only, another one. */
  async rotate(kid: string): Promise<void> {
    this.#keys = [{ pair: await generateKeyPair('RS256', { extractable: true }), kid }];
  }

  get key(): Key {
    return this.#keys[0] as Key;
  }

  sign(claims: object, { header = {}, ...changed }: Changes = {}): Promise<string> {
    const { pair, kid } = changed.key ?? this.key;
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid, ...header })
      .setIssuer(changed.issuer ?? this.url)
      .setAudience(changed.audience ?? audience)
      .setSubject('0b9c1c1e-7a33-4f51-8d2e-8a1f0d4c2b11')
      .setExpirationTime(changed.expires ?? '5m')
      .sign(pair.privateKey);
  }

  stop(): void {
    this.#server?.close();
  }
}

interface Changes {
  readonly header?: object;
  readonly issuer?: string;
  readonly audience?: string;
  readonly expires?: string | number;
  readonly key?: Key;
}

let folder: string;
const cis2 = new ForeignIssuer();
const nhsLogin = new ForeignIssuer();
const systems = new ForeignIssuer();
const asked = new ForeignIssuer();
let service: Service;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-issuers-'));
  for (const issuer of [cis2, nhsLogin, systems, asked]) await issuer.start();
  const common = { audience, tokenType: 'JWT', keysCooldownSeconds: 0, keysMaxAgeSeconds: 3600 };
  const introspection = {
    url: `${asked.url}/introspect`,
    clientId: 'carelog',
    secretFile: write('secret', 'a secret\n'),
    recheckSeconds: 1,
  };
  const file = write('issuers.json', {
    issuers: [
      { issuer: cis2.url, shapes: ['cis2'], careSettings: { RZZ: 'acute' }, ...common },
      { issuer: nhsLogin.url, shapes: ['nhs-login'], ...common },
      { issuer: asked.url, shapes: ['nhs-login'], introspection, ...common },
      {
        issuer: systems.url,
        shapes: ['smart'],
        clients: { 'bed-board': { organisation: 'RZZ', careSetting: 'acute' } },
        ...common,
      },
    ],
  });
  const outcome = readIssuers(file);
  if (outcome.kind === 'invalid') throw new Error(outcome.problems.join('\n'));
  service = await startService({
    config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
    log: createLog('silent'),
    issuers: (url) =>
      outcome.settings.map((settings) => trustedIssuer(settings, `${url}/fhir/R4`, createLog('silent'))),
    routes: (fastify) => void fastify.get('/fhir/R4/who', ({ caller }) => caller),
  });
});
afterAll(async () => {
  await service.close();
  for (const issuer of [cis2, nhsLogin, systems, asked]) issuer.stop();
  rmSync(folder, { recursive: true });
});

function write(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

async function whoIs(
  token: string,
): Promise<{ status: number; challenge: string; body: Record<string, unknown> }> {
  const response = await fetch(`${service.url()}/fhir/R4/who`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, challenge: response.headers.get('www-authenticate') ?? '', body };
}

describe('an issuer that is asked about its tokens', () => {
  it('has what it took back refused soon, also where it was believed before', async () => {
    const token = await asked.sign(person);
    expect((await whoIs(token)).status).toBe(200);
    asked.active = false;
    await expect.poll(async () => (await whoIs(token)).challenge, { timeout: 20_000 }).toContain('revoked');
    expect((await whoIs(await asked.sign(person))).status).toBe(401);
    asked.active = true;
    expect((await whoIs(token)).status).toBe(200);
  });

  it('keeps nobody out while it does not answer', async () => {
    asked.active = false;
    expect((await whoIs(await asked.sign(person))).status).toBe(401);
    asked.up = false;
    expect((await whoIs(await asked.sign(person))).status).toBe(200);
  });
});

describe('a caller', () => {
  it('of CIS2 acts in the role that was selected, in the care setting of its organisation', async () => {
    const roles = [{ ...role, person_roleid: '555000000002', org_code: 'QZZ' }, role];
    const claims = { ...doctor, nhsid_nrbac_roles: roles, selected_roleid: role.person_roleid };
    expect((await whoIs(await cis2.sign(claims))).body).toEqual({
      subject: '555000000000',
      kind: 'staff',
      organisation: 'RZZ',
      system: 'ward-system',
      careSetting: 'acute',
      roleProfile: role.person_roleid,
      roleCode: role.role_code,
      activityCodes: role.activity_codes,
    });
  });

  it('of NHS login is a patient whose identity is proved', async () => {
    const claims = { ...person, gp_registration_details: { gp_ods_code: 'Y90001' } };
    expect((await whoIs(await nhsLogin.sign(claims))).body).toMatchObject({
      kind: 'patient',
      organisation: 'Y90001',
      nhsNumber: person.nhs_number,
    });
  });

  it('of an authorisation server is a system that is registered here, within its scopes', async () => {
    const token = await systems.sign({
      client_id: 'bed-board',
      scope: 'system/Encounter.rs?status=in-progress',
    });
    expect((await whoIs(token)).body).toMatchObject({
      kind: 'system',
      organisation: 'RZZ',
      system: 'bed-board',
      scopes: [{ level: 'system', type: 'Encounter', actions: 'rs', where: [['status', 'in-progress']] }],
    });
  });
});

describe('a token is refused', () => {
  const in5Minutes = (): number => Math.floor(Date.now() / 1000) + 300;
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claimsOf = (claims: object) => ({
    ...claims,
    iss: cis2.url,
    aud: audience,
    sub: 'x',
    exp: in5Minutes(),
  });

  async function signedWithPublicKey(): Promise<string> {
    const { pair, kid } = cis2.key;
    const text = `${encoded({ alg: 'HS256', typ: 'JWT', kid })}.${encoded(claimsOf(doctor))}`;
    return `${text}.${createHmac('sha256', await exportSPKI(pair.publicKey))
      .update(text)
      .digest('base64url')}`;
  }

  type Row = [string, number, string, RegExp, () => string | Promise<string>];
  it.each<Row>([
    [
      'when it has expired',
      401,
      'invalid_token',
      /expired/,
      () => cis2.sign(doctor, { expires: 1_000_000_000 }),
    ],
    [
      'for another audience',
      401,
      'invalid_token',
      /another server/,
      () => cis2.sign(doctor, { audience: 'https://x' }),
    ],
    [
      'from an issuer not listed',
      401,
      'invalid_token',
      /issuer/,
      () => cis2.sign(doctor, { issuer: 'https://x.example' }),
    ],
    [
      'in the name of another issuer',
      401,
      'invalid_token',
      /signature/,
      () => cis2.sign(doctor, { issuer: nhsLogin.url }),
    ],
    [
      'unsigned',
      401,
      'invalid_token',
      /signature/,
      () => `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claimsOf(doctor))}.`,
    ],
    ['with the algorithm swapped', 401, 'invalid_token', /signature/, signedWithPublicKey],
    [
      'signed with an unknown key',
      401,
      'invalid_token',
      /signature/,
      () => cis2.sign(doctor, { header: { kid: 'unknown' } }),
    ],
    [
      'when it is too long',
      400,
      'invalid_request',
      /longer/,
      () => cis2.sign({ ...doctor, padding: 'x'.repeat(8000) }),
    ],
    [
      'of a shape its issuer is not trusted with',
      401,
      'invalid_token',
      /who is calling/,
      () => nhsLogin.sign(doctor),
    ],
    ['as a patient from an issuer of staff', 401, 'invalid_token', /who is calling/, () => cis2.sign(person)],
    [
      'as anything else from an issuer of staff',
      401,
      'invalid_token',
      /who is calling/,
      () => cis2.sign({ client_id: 'x', kind: 'system', organisation: 'RZZ', care_setting: 'any' }),
    ],
    [
      'without a role',
      403,
      'insufficient_scope',
      /no role/,
      () => cis2.sign({ ...doctor, nhsid_nrbac_roles: [] }),
    ],
    [
      'without a choice among several roles',
      401,
      'insufficient_user_authentication',
      /several roles/,
      () => cis2.sign({ ...doctor, nhsid_nrbac_roles: [role, { ...role, person_roleid: '2' }] }),
    ],
    [
      'in a role that is not held',
      401,
      'insufficient_user_authentication',
      /not among/,
      () => cis2.sign({ ...doctor, selected_roleid: '1' }),
    ],
    [
      'in an organisation that takes no part',
      403,
      'insufficient_scope',
      /organisation/,
      () => cis2.sign({ ...doctor, nhsid_nrbac_roles: [{ ...role, org_code: 'A99' }] }),
    ],
    [
      'after a weak sign-in',
      401,
      'insufficient_user_authentication',
      /less surely/,
      () => cis2.sign({ ...doctor, authentication_assurance_level: '2' }),
    ],
    [
      'after a sign-in of unknown strength',
      401,
      'insufficient_user_authentication',
      /less surely/,
      () => cis2.sign({ ...doctor, authentication_assurance_level: undefined, acr: 'AAL2_OR_AAL3_ANY' }),
    ],
    [
      'for an identity that is not proved',
      401,
      'insufficient_user_authentication',
      /not proved/,
      () => nhsLogin.sign({ ...person, identity_proofing_level: 'P5' }),
    ],
    [
      'of a system that is not registered',
      401,
      'invalid_token',
      /not registered/,
      () => systems.sign({ client_id: 'constructor', scope: 'system/*.rs' }),
    ],
    [
      'of a system without scopes',
      403,
      'insufficient_scope',
      /no SMART scope/,
      () => systems.sign({ client_id: 'bed-board', scope: 'openid' }),
    ],
  ])('%s: %i %s', async (_, status, error, reason, token) => {
    const answer = await whoIs(await token());
    expect([answer.status, answer.body]).toMatchObject([
      status,
      {
        resourceType: 'OperationOutcome',
        issue: [{ severity: 'error', diagnostics: expect.stringMatching(reason) }],
      },
    ]);
    expect(answer.challenge).toMatch(
      new RegExp(`^Bearer realm="carelog", error="${error}", error_description="`),
    );
    expect(answer.challenge).toContain(
      `resource_metadata="${service.url()}/.well-known/oauth-protected-resource/`,
    );
    expect(answer.challenge.includes('acr_values="')).toBe(/surely|proved/.test(reason.source));
    // The same again is judged again: no refusal is taken for a sign-in.
    expect((await whoIs(await token())).status).toBe(status);
  });
});

describe('keys', () => {
  it('are fetched once for many tokens', async () => {
    const before = cis2.keyFetches;
    for (let i = 0; i < 5; i++)
      expect((await whoIs(await cis2.sign({ ...doctor, jti: String(i) }))).status).toBe(200);
    expect(cis2.keyFetches - before).toBeLessThanOrEqual(1);
  });

  it('that are new are accepted without a restart, and what was signed with those they replace is refused', async () => {
    const old = cis2.key;
    const oldToken = await cis2.sign(doctor);
    expect((await whoIs(oldToken)).status).toBe(200);
    await cis2.rotate('second');
    expect((await whoIs(await cis2.sign(doctor))).status).toBe(200);
    // Also the very token that was good before.
    expect((await whoIs(oldToken)).status).toBe(401);
    expect((await whoIs(await cis2.sign({ ...doctor, jti: 'x' }, { key: old }))).status).toBe(401);
  });

  it('that cannot be had for now are not the fault of who calls', async () => {
    const away = new ForeignIssuer();
    await away.start();
    const file = write('away.json', {
      issuers: [{ issuer: away.url, shapes: ['nhs-login'], audience, tokenType: 'JWT' }],
    });
    const outcome = readIssuers(file);
    if (outcome.kind === 'invalid') throw new Error(outcome.problems.join('\n'));
    const second = await startService({
      config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
      log: createLog('silent'),
      issuers: (url) => outcome.settings.map((settings) => trustedIssuer(settings, url, createLog('silent'))),
      routes: (fastify) => void fastify.get('/fhir/R4/who', ({ caller }) => caller),
    });
    const headers = { authorization: `Bearer ${await away.sign(person)}` };
    away.up = false;
    const refused = await fetch(`${second.url()}/fhir/R4/who`, { headers });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toMatchObject({ resourceType: 'OperationOutcome' });
    away.up = true;
    expect((await fetch(`${second.url()}/fhir/R4/who`, { headers })).status).toBe(200);
    await second.close();
    away.stop();
  });
});

describe('a file of issuers', () => {
  const sound = { issuer: 'https://id.example', shapes: ['nhs-login'] };
  it.each<[string, unknown, RegExp[]]>([
    ['that is not JSON', '{', [/is not JSON/]],
    ['without issuers', {}, [/issuers must be a list/]],
    ['with none', { issuers: [] }, [/at least one/]],
    ['with one twice', { issuers: [sound, sound] }, [/twice/]],
    [
      'over plain http',
      { issuers: [{ ...sound, issuer: 'http://id.example' }] },
      [/issuers\.0\.issuer must be an https/],
    ],
    ['with a word misspelt', { issuers: [{ ...sound, audiense: 'x' }] }, [/audiense/]],
    [
      'of staff without care settings',
      { issuers: [{ ...sound, shapes: ['cis2'] }] },
      [/careSettings must say/],
    ],
    ['of systems without clients', { issuers: [{ ...sound, shapes: ['smart'] }] }, [/clients must say/]],
    [
      'with several mistakes, all at once',
      {
        issuers: [
          { ...sound, clockSkewSeconds: 9999, assuranceMin: 4 },
          { issuer: 'x', shapes: [] },
        ],
      },
      [/0\.clockSkewSeconds/, /0\.assuranceMin/, /1\.issuer/, /1\.shapes/],
    ],
  ])('%s is refused', (_, content, expected) => {
    const outcome = readIssuers(write('wrong.json', content));
    const problems = outcome.kind === 'invalid' ? outcome.problems : [];
    expect(problems).toHaveLength(expected.length);
    expected.forEach((pattern, index) => expect(problems[index]).toMatch(pattern));
  });

  it('that is not there is refused', () => {
    expect(readIssuers(join(folder, 'nowhere.json'))).toEqual({
      kind: 'invalid',
      problems: [expect.stringMatching(/CARELOG_ISSUERS names .+, which cannot be read/)],
    });
  });
});
