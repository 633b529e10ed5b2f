/**
 * The identity provider that comes with the product: OpenID Connect under `/openid`, an OAuth client for each persona,
 * client credentials (RFC 6749 §4.4), access tokens as signed JWTs (RFC 9068) for the FHIR base (RFC 8707).
 */
import type { FastifyInstance } from 'fastify';
import { createLocalJWKSet } from 'jose';
import type { JWK } from 'jose';
import type * as OidcProvider from 'oidc-provider';
import type { Adapter, ClientMetadata, Configuration, Provider } from 'oidc-provider';
import type { TrustedIssuer } from '../authenticate.ts';
import type { Log } from '../log.ts';
import { describeFault } from '../problem-response.ts';
import { openIdentityFiles } from './identity-files.ts';
import type { IdentityFiles } from './identity-files.ts';
import { mountProvider } from './mount-provider.ts';
import type { Persona } from './personas.ts';

export interface IdentityOptions {
  readonly dataFolder: string;
  readonly personas: readonly Persona[];
  /** Whom the `patient` persona proved to be. */
  readonly patientNhsNumber: string;
  readonly log: Log;
}

export interface Identity {
  /** What an authenticator needs to accept its tokens, with the service at `url`. */
  issuer(url: string): TrustedIssuer;
  /** Serves `/openid/…`, open to all. */
  mount(fastify: FastifyInstance, url: () => string): void;
}

const tokenSeconds = 3600;

/** Opens or makes its keys and secrets in `<dataFolder>/identity`; tokens stay good over a restart. */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const names = options.personas.map(({ name }) => name);
  const files = await openIdentityFiles(options.dataFolder, names);
  return {
    issuer: (url) => ({
      ...addresses(url),
      keys: createLocalJWKSet({ keys: [publicPart(files.signingKey)] }),
    }),
    mount(fastify, url) {
      let provider: Promise<Provider> | undefined;
      const load = (): Promise<Provider> => (provider ??= createProvider(options, files, url()));
      mountProvider(fastify, load, url);
    },
  };
}

function addresses(url: string): { issuer: string; audience: string } {
  return { issuer: `${url}/openid`, audience: `${url}/fhir/R4` };
}

function publicPart({ kty, crv, x, y, kid, alg, use }: JWK): JWK {
  return { kty, crv, x, y, kid, alg, use } as JWK;
}

/** Loaded when the first token is asked for: half of the service's start would be spent on it. */
async function createProvider(
  options: IdentityOptions,
  files: IdentityFiles,
  url: string,
): Promise<Provider> {
  const { Provider, errors } = await importQuietly();
  const { issuer, audience } = addresses(url);
  const refuseTarget = (): never => {
    throw new errors.InvalidTarget(`tokens are issued for ${audience} only`);
  };
  const provider = new Provider(issuer, configuration(options, files, audience, refuseTarget));
  // Addresses in its answers come from the headers that `mountProvider` sets.
  provider.proxy = true;
  // Koa would print whole errors to stderr beside the log.
  provider.silent = true;
  provider.on('server_error', (_context, fault) => {
    options.log.error(describeFault(fault), 'identity provider fault');
  });
  return provider;
}

/** It warns of every Node release that is not marked LTS, the supported ones of npm's `node` package among them. */
async function importQuietly(): Promise<typeof OidcProvider> {
  const { warn } = console;
  console.warn = (...words: unknown[]) => {
    if (!String(words[0]).includes('Unsupported runtime')) warn(...words);
  };
  try {
    return await import('oidc-provider');
  } finally {
    console.warn = warn;
  }
}

function configuration(
  options: IdentityOptions,
  files: IdentityFiles,
  audience: string,
  refuseTarget: () => never,
): Configuration {
  const byName = new Map(options.personas.map((persona) => [persona.name, persona]));
  return {
    adapter: KeepsNothing,
    clients: options.personas.map(({ name }) => clientOf(name, files.secrets.get(name) as string)),
    jwks: { keys: [files.signingKey] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    clientAuthMethods: ['client_secret_basic'],
    responseTypes: ['none'],
    scopes: [],
    cookies: { keys: [...files.secrets.values()] },
    ttl: { ClientCredentials: tokenSeconds },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo(_context, resource) {
          if (resource !== audience) refuseTarget();
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

/** Clients are configuration and tokens carry their own proof, so there is nothing to store and nothing to lose. */
class KeepsNothing implements Adapter {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
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
