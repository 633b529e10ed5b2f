/**
 * The identity provider that comes with the product: OpenID Connect under `/openid`, an OAuth client for each persona,
 * client credentials (RFC 6749 §4.4), access tokens as signed JWTs (RFC 9068) for the FHIR base (RFC 8707).
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createLocalJWKSet } from 'jose';
import type { JWK } from 'jose';
import { errors, Provider } from 'oidc-provider';
import type { ClientMetadata, Configuration } from 'oidc-provider';
import type { TrustedIssuer } from '../authenticate.ts';
import { sendProblems } from '../problem-response.ts';
import { openIdentityFiles } from './identity-files.ts';
import type { IdentityFiles } from './identity-files.ts';
import type { Persona } from './personas.ts';
import { FailureLimit } from './failure-limit.ts';

export interface IdentityOptions {
  readonly dataFolder: string;
  readonly personas: readonly Persona[];
  /** Whom the `patient` persona proved to be. */
  readonly patientNhsNumber: string;
}

export interface Identity {
  /** What an authenticator needs to accept its tokens, with the service at `url`. */
  issuer(url: string): TrustedIssuer;
  /** Serves `/openid/…`, open to all. */
  mount(fastify: FastifyInstance, url: () => string): void;
}

export const tokenPath = '/openid/token';
const tokenSeconds = 3600;

/** Opens or makes its keys and secrets in `<dataFolder>/identity`; tokens stay good over a restart. */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const names = options.personas.map(({ name }) => name);
  const files = await openIdentityFiles(options.dataFolder, names);
  const { kty, crv, x, y, kid, alg, use } = files.signingKey;
  const publicKey = { kty, crv, x, y, kid, alg, use } as JWK;
  const issuerName = (url: string): string => `${url}/openid`;
  const audience = (url: string): string => `${url}/fhir/R4`;
  return {
    issuer: (url) => ({
      issuer: issuerName(url),
      audience: audience(url),
      keys: createLocalJWKSet({ keys: [publicKey] }),
    }),
    mount(fastify, url) {
      let provider: Provider | undefined;
      const callback = () =>
        (provider ??= new Provider(
          issuerName(url()),
          providerConfiguration(options, files, audience(url())),
        )).callback();
      fastify.register((scope) => mountProvider(scope, callback), { prefix: '/openid' });
    },
  };
}

function providerConfiguration(
  options: IdentityOptions,
  files: IdentityFiles,
  audience: string,
): Configuration {
  const byName = new Map(options.personas.map((persona) => [persona.name, persona]));
  return {
    clients: options.personas.map(({ name }) => clientOf(name, files.secrets.get(name) as string)),
    jwks: { keys: [files.signingKey as never] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    responseTypes: ['none'],
    scopes: [],
    cookies: { keys: [...files.secrets.values()] },
    ttl: { ClientCredentials: tokenSeconds },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo(_context, resource) {
          if (resource !== audience) throw new errors.InvalidTarget(`tokens are issued for ${audience} only`);
          return {
            scope: '',
            audience,
            accessTokenFormat: 'jwt',
            accessTokenTTL: tokenSeconds,
            jwt: { sign: { alg: 'ES256' } },
          };
        },
      },
    },
    extraTokenClaims: (_context, token) =>
      claimsOf(byName.get(token.clientId as string), options.patientNhsNumber),
  };
}

function clientOf(name: string, secret: string): ClientMetadata {
  return {
    client_id: name,
    client_secret: secret,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
  };
}

function claimsOf(
  persona: Persona | undefined,
  patientNhsNumber: string,
): Record<string, string> | undefined {
  if (persona === undefined) return undefined;
  const { kind, organisation, careSetting, userId, roleProfile } = persona;
  return {
    kind,
    organisation,
    care_setting: careSetting,
    ...(userId === undefined ? {} : { nhsid_useruid: userId }),
    ...(roleProfile === undefined ? {} : { selected_roleid: roleProfile }),
    ...(kind === 'patient' ? { nhs_number: patientNhsNumber } : {}),
  };
}

type NodeCallback = ReturnType<Provider['callback']>;

function mountProvider(scope: FastifyInstance, callback: () => NodeCallback): void {
  // The provider reads the body itself.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const failures = new FailureLimit();
  const serve = (request: FastifyRequest, reply: FastifyReply): void => {
    const from = request.ip;
    if (failures.exceeded(from)) {
      sendProblems(reply, [tooManyFailures]);
      return;
    }
    const raw: IncomingMessage & { originalUrl?: string } = request.raw;
    raw.originalUrl = raw.url ?? '/';
    raw.url = raw.originalUrl.slice(scope.prefix.length) || '/';
    reply.hijack();
    reply.raw.once('finish', () => {
      if (reply.raw.statusCode === 401 || reply.raw.statusCode === 400) failures.count(from);
    });
    void callback()(raw, reply.raw);
  };
  for (const path of ['/', '/*']) scope.all(path, { config: { open: true } }, serve);
}

const tooManyFailures = {
  category: 'busy',
  code: 'throttled',
  message: 'Too many requests for tokens were refused. Wait a minute, then check the client id and secret.',
} as const;
