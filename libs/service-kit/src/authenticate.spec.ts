import { createHmac } from 'node:crypto';
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticator, IssuerUnavailable } from './authenticate.ts';
import type { TrustedIssuer } from './authenticate.ts';
import type { ClaimRules } from './identity/caller-claims.ts';

const issuer = 'https://identity.example/openid';
const audience = 'https://record.example/fhir/R4';
const role = {
  person_roleid: '999100000001',
  role_code: 'S8000:G8000:R8000',
  org_code: 'Y90001',
  activity_codes: ['B0380'],
};
const gp = {
  client_id: 'gp',
  nhsid_useruid: '999000000001',
  nhsid_nrbac_roles: [role],
  authentication_assurance_level: '3',
};
const twoRoles = { ...gp, nhsid_nrbac_roles: [role, { ...role, person_roleid: '999100000002' }] };

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
let ours: KeyPair;
let theirs: KeyPair;
let trusted: TrustedIssuer;

beforeAll(async () => {
  ours = await generateKeyPair('ES256', { extractable: true });
  theirs = await generateKeyPair('ES256', { extractable: true });
  trusted = {
    issuer,
    audience,
    keys: createLocalJWKSet({ keys: [{ ...(await exportJWK(ours.publicKey)), kid: 'ours' }] }),
    claims,
  };
});

const claims: ClaimRules = {
  shapes: ['cis2', 'nhs-login', 'carelog'],
  assuranceMin: 3,
  careSettings: { Y90001: 'general-practice' },
  clients: {},
  scopesRequired: false,
};

interface Variation {
  readonly claims?: object;
  readonly issuer?: string;
  readonly audience?: string;
  readonly expires?: string | number;
  readonly type?: string;
  readonly key?: KeyPair;
}

function token({
  claims = gp,
  key = ours,
  type = 'at+jwt',
  expires = '1h',
  ...names
}: Variation = {}): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: type, kid: 'ours' })
    .setIssuer(names.issuer ?? issuer)
    .setAudience(names.audience ?? audience)
    .setSubject('gp')
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key.privateKey);
}

const bearer = async (variation: Variation = {}): Promise<string> => `Bearer ${await token(variation)}`;
const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const ourClaims = () => ({ ...gp, iss: issuer, aud: audience, sub: 'gp', exp: secondsFromNow(3600) });

describe('a good token', () => {
  it('tells who is calling', async () => {
    const outcome = await createAuthenticator([trusted]).verify(`Bearer ${await token()}`);
    expect(outcome).toEqual({
      kind: 'caller',
      caller: {
        subject: '999000000001',
        kind: 'staff',
        organisation: 'Y90001',
        system: 'gp',
        careSetting: 'general-practice',
        roleProfile: '999100000001',
        roleCode: 'S8000:G8000:R8000',
        activityCodes: ['B0380'],
      },
    });
  });

  it('is taken whatever the case of "Bearer"', async () => {
    expect(await createAuthenticator([trusted]).verify(`bearer ${await token()}`)).toMatchObject({
      kind: 'caller',
    });
  });

  it('gives an NHS number to a patient only', async () => {
    const authenticator = createAuthenticator([trusted]);
    const proved = { nhs_number: '9990000018', identity_proofing_level: 'P9' };
    const asPatient = await authenticator.verify(await bearer({ claims: { client_id: 'app', ...proved } }));
    expect(asPatient).toMatchObject({ caller: { kind: 'patient', nhsNumber: '9990000018' } });
    const asStaff = await authenticator.verify(await bearer({ claims: { ...gp, ...proved } }));
    expect(asStaff).not.toHaveProperty('caller.nhsNumber');
  });

  it('may be a little past its end, for clocks that differ', async () => {
    const late = `Bearer ${await token({ expires: secondsFromNow(-10) })}`;
    expect(await createAuthenticator([trusted]).verify(late)).toMatchObject({ kind: 'caller' });
  });

  it('may come from any issuer that is trusted', async () => {
    const other: TrustedIssuer = {
      issuer: 'https://other.example',
      audience,
      keys: createLocalJWKSet({ keys: [{ ...(await exportJWK(theirs.publicKey)), kid: 'ours' }] }),
      claims,
    };
    const authenticator = createAuthenticator([trusted, other]);
    const good = await token({ issuer: other.issuer, key: theirs });
    const crossed = await token({ issuer: other.issuer, key: ours });
    expect(await authenticator.verify(`Bearer ${good}`)).toMatchObject({ kind: 'caller' });
    expect(await authenticator.verify(`Bearer ${crossed}`)).toMatchObject({ kind: 'refused' });
  });
});

describe('what is refused', () => {
  type Row = [string, string | undefined, RegExp, () => string | undefined | Promise<string | undefined>];
  it.each<Row>([
    ['no header', undefined, /No access token/, () => undefined],
    ['an empty header', undefined, /No access token/, () => ''],
    ['another scheme', undefined, /No access token/, () => 'Basic Z3A6c2VjcmV0'],
    ['no token', 'invalid_request', /not of the form/, () => 'Bearer '],
    [
      'two tokens',
      'invalid_request',
      /not of the form/,
      async () => `Bearer ${await token()} ${await token()}`,
    ],
    ['a token of 10 kB', 'invalid_request', /longer/, () => `Bearer ${'a'.repeat(10_000)}`],
    ['garbage', 'invalid_token', /not from an issuer/, () => 'Bearer garbage'],
    ['three dots of garbage', 'invalid_token', /not from an issuer/, () => 'Bearer a.b.c'],
    [
      'a payload that is no object',
      'invalid_token',
      /not from an issuer/,
      () => `Bearer a.${Buffer.from('null').toString('base64url')}.c`,
    ],
    ['expired', 'invalid_token', /expired/, () => bearer({ expires: secondsFromNow(-60) })],
    [
      'for another server',
      'invalid_token',
      /another server/,
      () => bearer({ audience: 'https://x/fhir/R4' }),
    ],
    [
      'of another issuer',
      'invalid_token',
      /not from an issuer/,
      () => bearer({ issuer: 'https://evil.example' }),
    ],
    ['signed with a key of somebody else', 'invalid_token', /signature/, () => bearer({ key: theirs })],
    ['of another type, e.g. an id token', 'invalid_token', /claim "typ"/, () => bearer({ type: 'JWT' })],
    [
      'without a kind of caller',
      'invalid_token',
      /who is calling/,
      () => bearer({ claims: { ...gp, nhsid_useruid: undefined } }),
    ],
    [
      'with an unknown kind',
      'invalid_token',
      /who is calling/,
      () => bearer({ claims: { ...gp, kind: 'superuser' } }),
    ],
    ['with no end', 'invalid_token', /claim "exp"/, withoutEnd],
    [
      'unsigned (alg none)',
      'invalid_token',
      /signature/,
      () => `Bearer ${base64url({ alg: 'none', typ: 'at+jwt' })}.${base64url(ourClaims())}.`,
    ],
    ['alg HS256 with the public key as secret', 'invalid_token', /signature/, withPublicKeyAsSecret],
    ['claims changed after signing', 'invalid_token', /signature/, tampered],
    [
      'the signature cut off',
      'invalid_token',
      /signature/,
      async () => (await bearer()).replace(/[^.]*$/, ''),
    ],
    [
      'no role selected',
      'insufficient_user_authentication',
      /several roles/,
      () => bearer({ claims: twoRoles }),
    ],
    [
      'no role at all',
      'insufficient_scope',
      /no role/,
      () => bearer({ claims: { ...gp, nhsid_nrbac_roles: [] } }),
    ],
  ])('%s', async (_, error, reason, authorization) => {
    const resourceMetadata = 'https://record.example/.well-known/oauth-protected-resource/fhir/R4';
    const authenticator = createAuthenticator([trusted], { resourceMetadata });
    const header = await authorization();
    const outcome = await authenticator.verify(header);
    expect(outcome).toMatchObject({ kind: 'refused', problem: { message: expect.stringMatching(reason) } });
    const category =
      error === 'invalid_request'
        ? 'incorrect'
        : error === 'insufficient_scope'
          ? 'forbidden'
          : 'unauthenticated';
    expect(outcome).toHaveProperty('problem.category', category);
    const { challenge } = outcome as { challenge: string };
    expect(challenge).toMatch(/^Bearer realm="carelog"(, [a-z_]+="[^"\\]+")+$/);
    expect(challenge).toContain(`resource_metadata="${resourceMetadata}"`);
    expect(/ error="(\w+)"/.exec(challenge)?.[1]).toBe(error);
    expect(challenge.includes('error_description=')).toBe(error !== undefined);
    expect(authenticator.recall(header)).toBeUndefined();
  });

  it('a token that was taken back, and whatever was remembered of it', async () => {
    const revoked = new Set<unknown>();
    let changed = (): void => {};
    const authenticator = createAuthenticator([
      { ...trusted, revoked: ({ jti }) => revoked.has(jti), onChange: (listener) => (changed = listener) },
    ]);
    const header = await bearer({ claims: { ...gp, jti: 'one' } });
    expect(await authenticator.verify(header)).toMatchObject({ kind: 'caller' });
    revoked.add('one');
    changed();
    expect(authenticator.recall(header)).toBeUndefined();
    expect(await authenticator.verify(header)).toMatchObject({
      kind: 'refused',
      problem: { message: expect.stringContaining('revoked') },
    });
  });

  it('everything of an issuer whose keys are out of reach, for now', async () => {
    const keys = async (): Promise<never> => {
      throw new IssuerUnavailable('no route to host');
    };
    const outcome = await createAuthenticator([{ ...trusted, keys }]).verify(await bearer());
    expect(outcome).toMatchObject({ kind: 'refused', problem: { category: 'unavailable' } });
    expect(outcome).not.toHaveProperty('challenge');
  });

  async function withoutEnd(): Promise<string> {
    const jwt = new SignJWT(gp).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' });
    return `Bearer ${await jwt.setIssuer(issuer).setAudience(audience).setSubject('gp').sign(ours.privateKey)}`;
  }
  async function withPublicKeyAsSecret(): Promise<string> {
    const signed = `${base64url({ alg: 'HS256', typ: 'at+jwt', kid: 'ours' })}.${base64url(ourClaims())}`;
    const secret = await exportSPKI(ours.publicKey);
    return `Bearer ${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }
  async function tampered(): Promise<string> {
    const [head, , signature] = (await token()).split('.');
    return `Bearer ${head}.${base64url({ ...ourClaims(), kind: 'system' })}.${signature}`;
  }
});

describe('what is remembered', () => {
  it('is a caller whose token was verified', async () => {
    const authenticator = createAuthenticator([trusted]);
    const header = `Bearer ${await token()}`;
    expect(authenticator.recall(header)).toBeUndefined();
    const outcome = await authenticator.verify(header);
    expect(outcome).toHaveProperty('caller', authenticator.recall(header));
  });

  it('ends with the token', async () => {
    const authenticator = createAuthenticator([trusted]);
    const header = `Bearer ${await token({ expires: secondsFromNow(-5) })}`;
    expect(await authenticator.verify(header)).toMatchObject({ kind: 'caller' });
    expect(authenticator.recall(header)).toBeUndefined();
  });

  it('is bounded, and keeps what is used', async () => {
    const authenticator = createAuthenticator([trusted], { capacity: 4 });
    const used = `Bearer ${await token({ claims: { ...gp, jti: 'used' } })}`;
    const unused = `Bearer ${await token({ claims: { ...gp, jti: 'unused' } })}`;
    await authenticator.verify(used);
    await authenticator.verify(unused);
    for (let i = 0; i < 10; i++) {
      await authenticator.verify(`Bearer ${await token({ claims: { ...gp, jti: String(i) } })}`);
      expect(authenticator.recall(used)).toBeDefined();
    }
    expect(authenticator.recall(unused)).toBeUndefined();
  });
});
