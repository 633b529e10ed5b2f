import { createHmac } from 'node:crypto';
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticator } from './authenticate.ts';
import type { TrustedIssuer } from './authenticate.ts';

const issuer = 'https://identity.example/openid';
const audience = 'https://record.example/fhir/R4';
const gp = {
  client_id: 'gp',
  kind: 'staff',
  organisation: 'Y90001',
  care_setting: 'general-practice',
  nhsid_useruid: '999000000001',
  selected_roleid: '999100000001',
};

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
  };
});

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
    const patient = { ...gp, kind: 'patient', nhs_number: '9990000018' };
    const asPatient = await authenticator.verify(`Bearer ${await token({ claims: patient })}`);
    expect(asPatient).toMatchObject({ caller: { kind: 'patient', nhsNumber: '9990000018' } });
    const asStaff = await authenticator.verify(
      `Bearer ${await token({ claims: { ...patient, kind: 'staff' } })}`,
    );
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
    };
    const authenticator = createAuthenticator([trusted, other]);
    const good = await token({ issuer: other.issuer, key: theirs });
    const crossed = await token({ issuer: other.issuer, key: ours });
    expect(await authenticator.verify(`Bearer ${good}`)).toMatchObject({ kind: 'caller' });
    expect(await authenticator.verify(`Bearer ${crossed}`)).toMatchObject({ kind: 'refused' });
  });
});

describe('what is refused', () => {
  it.each<[string, RegExp, () => string | undefined | Promise<string | undefined>]>([
    ['no header', /No access token/, () => undefined],
    ['an empty header', /not of the form/, () => ''],
    ['another scheme', /not of the form/, () => 'Basic Z3A6c2VjcmV0'],
    ['no token', /not of the form/, () => 'Bearer '],
    ['two tokens', /not of the form/, async () => `Bearer ${await token()} ${await token()}`],
    ['garbage', /not from an issuer/, () => 'Bearer garbage'],
    ['three dots of garbage', /not from an issuer/, () => 'Bearer a.b.c'],
    [
      'a payload that is no object',
      /not from an issuer/,
      () => `Bearer a.${Buffer.from('null').toString('base64url')}.c`,
    ],
    ['a token of 10 kB', /longer/, () => `Bearer ${'a'.repeat(10_000)}`],
    ['expired', /expired/, async () => `Bearer ${await token({ expires: secondsFromNow(-60) })}`],
    [
      'for another server',
      /another server/,
      async () => `Bearer ${await token({ audience: 'https://x/fhir/R4' })}`,
    ],
    [
      'of another issuer',
      /not from an issuer/,
      async () => `Bearer ${await token({ issuer: 'https://evil.example' })}`,
    ],
    ['signed with a key of somebody else', /signature/, async () => `Bearer ${await token({ key: theirs })}`],
    [
      'of another type, e.g. an id token',
      /claim "typ"/,
      async () => `Bearer ${await token({ type: 'JWT' })}`,
    ],
    [
      'without a kind of caller',
      /claims/,
      async () => `Bearer ${await token({ claims: { ...gp, kind: undefined } })}`,
    ],
    [
      'with an unknown kind',
      /claims/,
      async () => `Bearer ${await token({ claims: { ...gp, kind: 'superuser' } })}`,
    ],
    ['with no end', /claim "exp"/, withoutEnd],
    [
      'unsigned (alg none)',
      /signature/,
      () => `Bearer ${base64url({ alg: 'none', typ: 'at+jwt' })}.${base64url(ourClaims())}.`,
    ],
    ['alg HS256 with the public key as secret', /signature/, withPublicKeyAsSecret],
    ['claims changed after signing', /signature/, tampered],
    ['the signature cut off', /signature/, async () => `Bearer ${(await token()).replace(/[^.]*$/, '')}`],
  ])('%s', async (_, reason, authorization) => {
    const authenticator = createAuthenticator([trusted]);
    const header = await authorization();
    const outcome = await authenticator.verify(header);
    expect(outcome).toEqual({
      kind: 'refused',
      problem: { category: 'unauthenticated', code: 'login', message: expect.stringMatching(reason) },
    });
    expect(outcome).toHaveProperty('problem.message', expect.stringContaining('npx carelog token'));
    expect(authenticator.recall(header)).toBeUndefined();
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
    const authenticator = createAuthenticator([trusted], 4);
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
