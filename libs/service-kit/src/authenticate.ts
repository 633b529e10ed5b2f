/**
 * Who is calling: bearer tokens (RFC 6750) that are signed JWTs (RFC 9068) of an issuer we trust. A verified token is
 * remembered until it expires, so that a caller's next request costs one look-up.
 */
import { errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import { callerFrom } from './identity/caller-claims.ts';
import type { ClaimRules, TokenRefusal } from './identity/caller-claims.ts';

export interface TrustedIssuer {
  /** As in the `iss` claim. */
  readonly issuer: string;
  /** As in the `aud` claim: the FHIR base that its tokens are for. */
  readonly audience: string;
  /** Where its public keys come from: `createLocalJWKSet` in process, `keysOfIssuer` elsewhere. Throws `IssuerUnavailable` where they cannot be had. */
  readonly keys: JWTVerifyGetKey;
  readonly claims: ClaimRules;
  /** The header `typ`; `at+jwt` (RFC 9068) unless told. */
  readonly tokenType?: string;
  /** How far clocks may differ; 30 unless told. */
  readonly clockSkewSeconds?: number;
  /** How long a verified token is believed before it is verified again; until it ends unless told. */
  readonly recheckSeconds?: number;
  /** Whether a token with these claims was taken back before its end. */
  readonly revoked?: (claims: JWTPayload) => boolean;
  /** Asks the issuer whether this token, which is its own, is still good. */
  readonly isActive?: (token: string) => Promise<boolean>;
  /** Calls back whenever tokens that were good may not be any more: keys were replaced, tokens revoked. */
  readonly onChange?: (listener: () => void) => void;
}

/** Thrown where an issuer's keys are out of reach just now; its tokens cannot be judged. */
export class IssuerUnavailable extends Error {
  override readonly name = 'IssuerUnavailable';
}

export interface Authenticator {
  /** The caller of a request whose very same `Authorization` header was verified before and is still good. */
  recall(authorization: string | undefined): Caller | undefined;
  /** The caller, or why there is none. */
  verify(authorization: string | undefined): Promise<AuthenticationOutcome>;
}
export type AuthenticationOutcome =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | {
      readonly kind: 'refused';
      readonly problem: Problem;
      /** Value of `WWW-Authenticate`; absent where no other token would help. */
      readonly challenge?: string;
    };

export interface AuthenticatorOptions {
  /** How many tokens are remembered; 10,000 unless told. */
  readonly capacity?: number;
  /** Address of the metadata of the protected resource (RFC 9728), named in every challenge. */
  readonly resourceMetadata?: string;
}

/** Asymmetric only: with `none` or HS256 a public key would be enough to forge a token. */
const algorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'RS256', 'RS384', 'RS512'];
const tokenLengthMax = 8192;

/** Trusts these issuers and no others. */
export function createAuthenticator(
  issuers: readonly TrustedIssuer[],
  { capacity = 10_000, resourceMetadata }: AuthenticatorOptions = {},
): Authenticator {
  const remembered = new RecentTokens(capacity);
  const byIssuer = new Map(issuers.map((trusted) => [trusted.issuer, trusted]));
  for (const { onChange } of issuers) onChange?.(() => remembered.clear());

  async function verify(authorization: string | undefined): Promise<AuthenticationOutcome> {
    try {
      return { kind: 'caller', caller: await callerOf(authorization) };
    } catch (error) {
      if (error instanceof Refused) return answerTo(error.refusal, resourceMetadata);
      if (error instanceof IssuerUnavailable) return { kind: 'refused', problem: keysOutOfReach };
      throw error;
    }
  }

  async function callerOf(authorization: string | undefined): Promise<Caller> {
    if (authorization === undefined || !/^Bearer\b/i.test(authorization)) throw new Refused(noToken);
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1];
    if (token === undefined) throw new Refused(malformed);
    if (token.length > tokenLengthMax) throw new Refused(oversize);
    const trusted = byIssuer.get(unverifiedIssuer(token) ?? '');
    if (trusted === undefined) throw new Refused(foreignIssuer);
    const claims = await verified(token, trusted);
    if (trusted.isActive !== undefined && !(await trusted.isActive(token))) throw new Refused(revoked);
    if (trusted.revoked?.(claims) === true) throw new Refused(revoked);
    const outcome = callerFrom(claims, trusted.claims);
    if (outcome.kind === 'refused') throw new Refused(outcome.refusal);
    const { recheckSeconds = Infinity } = trusted;
    // In the same turn as the last check, so that a revocation cannot come between.
    const expiresAt = Math.min((claims.exp as number) * 1000, Date.now() + recheckSeconds * 1000);
    remembered.set(authorization, { caller: outcome.caller, expiresAt });
    return outcome.caller;
  }

  return {
    verify,
    recall: (authorization) => (authorization === undefined ? undefined : remembered.get(authorization)),
  };
}

async function verified(token: string, trusted: TrustedIssuer): Promise<JWTPayload> {
  const { issuer, audience, keys, tokenType = 'at+jwt', clockSkewSeconds = 30 } = trusted;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms,
      clockTolerance: clockSkewSeconds,
      typ: tokenType,
      requiredClaims: ['exp', 'sub'],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError)
      throw new Refused({ error: 'invalid_token', reason: reasonOf(error) });
    throw error;
  }
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

/** Carries a refusal out of the middle of a verification; never leaves this file. */
class Refused extends Error {
  readonly refusal: TokenRefusal | typeof noToken;
  constructor(refusal: TokenRefusal | typeof noToken) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/** RFC 6750 §3.1: a request that has no token at all learns how to get one, and no error. */
const noToken = { error: undefined, reason: 'No access token was sent.' } as const;
const malformed: TokenRefusal = {
  error: 'invalid_request',
  reason: 'The Authorization header is not of the form "Bearer <token>".',
};
const oversize: TokenRefusal = {
  error: 'invalid_request',
  reason: `The access token is longer than the ${tokenLengthMax} characters that this server accepts.`,
};
const foreignIssuer: TokenRefusal = {
  error: 'invalid_token',
  reason: 'The access token is not from an issuer that this server trusts.',
};
const revoked: TokenRefusal = { error: 'invalid_token', reason: 'The access token was revoked.' };
const keysOutOfReach: Problem = {
  category: 'unavailable',
  code: 'transient',
  message:
    'The keys of the issuer of this access token cannot be fetched just now, so it cannot be checked. Try again soon.',
};

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The access token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'aud'
      ? 'The access token is for another server.'
      : `The access token was not accepted: its claim "${error.claim}" is missing or wrong.`;
  }
  return 'The signature of the access token could not be verified with a key of its issuer.';
}

const howToGetOne =
  'Get a token with "npx carelog token <persona>", or from the token endpoint named in /fhir/R4/.well-known/smart-configuration, and send it as "Authorization: Bearer <token>".';

const problemKinds = {
  invalid_request: { category: 'incorrect', code: 'login' },
  invalid_token: { category: 'unauthenticated', code: 'login' },
  insufficient_user_authentication: { category: 'unauthenticated', code: 'login' },
  insufficient_scope: { category: 'forbidden', code: 'forbidden' },
} as const;

function answerTo(
  refusal: TokenRefusal | typeof noToken,
  resourceMetadata: string | undefined,
): AuthenticationOutcome {
  const { error = undefined, reason, remedy = howToGetOne, acrValues } = refusal as Partial<TokenRefusal>;
  const parameters = {
    realm: 'carelog',
    ...(error === undefined ? {} : { error, error_description: reason }),
    ...(acrValues === undefined ? {} : { acr_values: acrValues }),
    ...(resourceMetadata === undefined ? {} : { resource_metadata: resourceMetadata }),
  };
  const challenge = Object.entries(parameters).map(([name, value]) => `${name}="${quotable(value)}"`);
  return {
    kind: 'refused',
    problem: { ...problemKinds[error ?? 'invalid_token'], message: `${reason} ${remedy}` },
    challenge: `Bearer ${challenge.join(', ')}`,
  };
}

/** RFC 6750 §3: what is between the quotes has neither quotes nor backslashes. */
const quotable = (value = ''): string => value.replaceAll(/["\\]/g, "'");

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

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
