/**
 * Access tokens are JWTs, which carry their own proof and which oidc-provider therefore forgets. Here they are remembered by
 * `jti`, so that they can be asked about (RFC 7662) and taken back (RFC 7009) like any other token.
 */
import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import type { Provider } from 'oidc-provider';
import { claimsOf } from './accounts.ts';
import type { Account } from './accounts.ts';
import { publicPart } from './identity-files.ts';
import { identityScopes, launchOf } from './provider-configuration.ts';
import type { ProviderParts } from './provider-configuration.ts';

const signInSeconds = 60;

/** Remembers what `provider` issues, and tells an app with its token which patient it was launched for. */
export function recordTokens(provider: Provider, { storage }: ProviderParts): void {
  const remember = (token: object): void => {
    // `format` would tell the provider that it is a JWT, which it does not look for.
    const { jti, kind, expiration, format: _, extra, ...rest } = token as Issued;
    const { nhs_number: __, ...claims } = extra ?? {};
    const iat = Math.floor(Date.now() / 1000);
    storage.keep(kind, jti, { ...rest, extra: claims, jti, kind, iat, exp: iat + expiration }, expiration);
  };
  for (const kind of ['access_token', 'client_credentials'] as const) {
    provider.on(`${kind}.issued` as 'access_token.issued', remember);
  }
  provider.use(async (context, next) => {
    // SMART apps ask for offline access without the `prompt` that OpenID Connect wants; users are always asked here.
    const prompt = [context.query['prompt'] ?? ''].flat().join(' ');
    if (context.path === '/auth' && !/\b(none|consent)\b/.test(prompt)) {
      context.query = { ...context.query, prompt: `${prompt} consent`.trim() };
      // The provider finds out where it is mounted by comparing the two.
      Object.assign(context.req, { originalUrl: `${new URL(provider.issuer).pathname}${context.url}` });
    }
    // `response_mode=form_post` is a page with a script; the provider adds its digest where it finds the directive.
    if (context.path.startsWith('/auth'))
      context.set('content-security-policy', "default-src 'none'; script-src; frame-ancestors 'none'");
    await next();
    const { oidc, status } = context;
    const token = oidc?.entities.AccessToken;
    if (oidc?.route !== 'token' || status !== 200 || token === undefined) return;
    const { patient } = launchOf(storage, token.grantId);
    const { AuthorizationCode: code, RefreshToken: refresh } = oidc.entities;
    // SMART: an app is told all that was granted, not only what is in the access token.
    const granted =
      (code ?? refresh)?.scope?.split(' ').filter((scope: string) => identityScopes.includes(scope)) ?? [];
    Object.assign(context.body as object, {
      scope: [...granted, token.scope].join(' '),
      ...(patient === undefined ? {} : { patient }),
    });
  });
}

interface Issued {
  readonly jti: string;
  readonly kind: string;
  /** Seconds. */
  readonly expiration: number;
  readonly format?: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * The form of a request to introspect or revoke, with a JWT of ours replaced by the name it is remembered under; any other
 * token as it is, for the provider to know or not.
 */
export async function withNameOfToken(
  body: string,
  { files, audience }: Pick<ProviderParts, 'files' | 'audience'>,
  issuer: string,
): Promise<string> {
  const form = new URLSearchParams(body);
  const token = form.get('token');
  if (token === null || token.split('.').length !== 3) return body;
  const keys = createLocalJWKSet({ keys: files.signingKeys.all().map(publicPart) });
  const jti = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] }).then(
    ({ payload }) => payload.jti,
    () => undefined,
  );
  form.set('token', jti ?? 'unknown');
  return form.toString();
}

/** A token for somebody who is signing in, so that the sign-in pages see what they may see and nothing else. */
export async function tokenForSignIn(
  { files, storage, audience, patientNhsNumber }: ProviderParts,
  issuer: string,
  { id, persona, role }: Account,
): Promise<string> {
  const jti = randomUUID();
  const [key] = files.signingKeys.all();
  storage.keep('AccessToken', jti, { jti, accountId: id }, signInSeconds);
  return new SignJWT({ ...claimsOf(persona, patientNhsNumber, role?.id), client_id: 'sign-in', jti })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid as string })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(id)
    .setIssuedAt()
    .setExpirationTime(`${signInSeconds}s`)
    .sign(await importJWK(key, 'ES256'));
}
