/**
 * Who is calling: bearer tokens (RFC 6750) that are signed JWTs (RFC 9068) of an issuer we trust. A verified token is
 * remembered until it expires, so that a caller's next request costs one look-up.
 */
import { errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';

export interface TrustedIssuer {
  /** As in the `iss` claim. */
  readonly issuer: string;
  /** As in the `aud` claim: the FHIR base that its tokens are for. */
  readonly audience: string;
  /** Where its public keys come from: `createLocalJWKSet` in process, `createRemoteJWKSet` elsewhere. */
  readonly keys: JWTVerifyGetKey;
}

export interface Authenticator {
  /** The caller of a request whose very same `Authorization` header was verified before and is still good. */
  recall(authorization: string | undefined): Caller | undefined;
  /** The caller, or why there is none. Throws only when an issuer's keys cannot be fetched. */
  verify(authorization: string | undefined): Promise<AuthenticationOutcome>;
}
export type AuthenticationOutcome =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** Asymmetric only: with `none` or HS256 a public key would be enough to forge a token. */
const algorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256', 'RS512'];
const clockSkewSeconds = 30;
const tokenLengthMax = 8192;

/** Trusts these issuers and no others; remembers up to `capacity` tokens. */
export function createAuthenticator(issuers: readonly TrustedIssuer[], capacity = 10_000): Authenticator {
  const remembered = new RecentTokens(capacity);
  const byIssuer = new Map(issuers.map((trusted) => [trusted.issuer, trusted]));

  async function verify(authorization: string | undefined): Promise<AuthenticationOutcome> {
    if (authorization === undefined) return refuse('No access token was sent.');
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1];
    if (token === undefined) return refuse('The Authorization header is not of the form "Bearer <token>".');
    if (token.length > tokenLengthMax) return refuse('The access token is longer than this server accepts.');
    const trusted = byIssuer.get(unverifiedIssuer(token) ?? '');
    if (trusted === undefined)
      return refuse('The access token is not from an issuer that this server trusts.');
    let claims: JWTPayload;
    try {
      const { issuer, audience, keys } = trusted;
      const options = {
        issuer,
        audience,
        algorithms,
        clockTolerance: clockSkewSeconds,
        typ: 'at+jwt',
        requiredClaims: ['exp', 'sub'],
      };
      claims = (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout))
        return refuse(reasonOf(error));
      throw error;
    }
    const parsed = callerClaims.safeParse(claims);
    if (!parsed.success)
      return refuse('The access token does not say who is calling in claims that this server knows.');
    const caller = callerOf(parsed.data);
    remembered.set(authorization, { caller, expiresAt: (claims.exp as number) * 1000 });
    return { kind: 'caller', caller };
  }

  return {
    verify,
    recall: (authorization) => (authorization === undefined ? undefined : remembered.get(authorization)),
  };
}

/** Who calls, in the claims of an access token. Staff names follow NHS CIS2. */
const callerClaims = z.object({
  sub: z.string().min(1),
  client_id: z.string().min(1),
  kind: z.enum(['system', 'staff', 'patient', 'auditor', 'operator']),
  organisation: z.string().min(1),
  care_setting: z.string().min(1),
  nhsid_useruid: z.string().min(1).optional(),
  selected_roleid: z.string().min(1).optional(),
  nhs_number: z
    .string()
    .regex(/^\d{10}$/)
    .optional(),
});

function callerOf(claims: z.infer<typeof callerClaims>): Caller {
  const { sub, client_id, kind, organisation, care_setting, nhsid_useruid, selected_roleid, nhs_number } =
    claims;
  return {
    subject: nhsid_useruid ?? sub,
    kind,
    organisation,
    system: client_id,
    careSetting: care_setting,
    ...(selected_roleid === undefined ? {} : { roleProfile: selected_roleid }),
    ...(kind === 'patient' && nhs_number !== undefined ? { nhsNumber: nhs_number } : {}),
  };
}

/** Only to choose whose keys to verify with; nothing else is believed before the signature is checked. */
function unverifiedIssuer(token: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const issuer = (payload as { iss?: unknown } | null)?.iss;
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The access token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'aud'
      ? 'The access token is for another server.'
      : `The access token was not accepted: its claim "${error.claim}" is missing or wrong.`;
  }
  return 'The signature of the access token could not be verified with a key of its issuer.';
}

function refuse(reason: string): AuthenticationOutcome {
  const message = `${reason} Get a token with "npx carelog token <persona>", or from the token endpoint named in /openid/.well-known/openid-configuration, and send it as "Authorization: Bearer <token>".`;
  return { kind: 'refused', problem: { category: 'unauthenticated', code: 'login', message } };
}

interface RememberedToken {
  readonly caller: Caller;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Two generations of a map: nearly least-recently-used, without a write on every hit. */
class RecentTokens {
  readonly #perGeneration: number;
  #young = new Map<string, RememberedToken>();
  #old = new Map<string, RememberedToken>();

  constructor(capacity: number) {
    this.#perGeneration = Math.max(1, Math.floor(capacity / 2));
  }

  get(key: string): Caller | undefined {
    let token = this.#young.get(key);
    if (token === undefined) {
      token = this.#old.get(key);
      if (token === undefined) return undefined;
      this.set(key, token);
    }
    return token.expiresAt > Date.now() ? token.caller : undefined;
  }

  set(key: string, token: RememberedToken): void {
    if (this.#young.size >= this.#perGeneration) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, token);
  }
}
