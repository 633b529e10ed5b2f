/**
 * The identity provider that comes with the product: OpenID Connect under `/openid` with personas for users. Loaded when
 * the first token is asked for: half of the service's start would be spent on it.
 */
import type { FastifyInstance } from 'fastify';
import { createLocalJWKSet } from 'jose';
import type * as OidcProvider from 'oidc-provider';
import type { Provider } from 'oidc-provider';
import type { TrustedIssuer } from '../authenticate.ts';
import type { Log } from '../log.ts';
import { describeFault } from '../problem-response.ts';
import { openIdentityFiles, publicPart } from './identity-files.ts';
import { mountProvider } from './mount-provider.ts';
import { careSettings } from './personas.ts';
import type { Persona } from './personas.ts';
import type { ProviderParts } from './provider-configuration.ts';
import { openProviderStorage } from './provider-storage.ts';
import { demoBackend, registrationsOf, resourceServer } from './registrations.ts';
import type { Registration } from './registrations.ts';
import type { SignInParts } from './sign-in/steps.ts';
import type { EndpointAddresses } from './smart-configuration.ts';

export interface IdentityOptions {
  readonly dataFolder: string;
  readonly personas: readonly Persona[];
  /** Whom the `patient` persona proved to be. */
  readonly patientNhsNumber: string;
  /** Registered besides the demonstration's. */
  readonly apps?: readonly Registration[];
  readonly log: Log;
}

export interface Identity {
  /** What an authenticator needs to accept its tokens, with the service at `url`. */
  issuer(url: string): TrustedIssuer;
  /** Where clients find what it serves. */
  addresses(url: string): EndpointAddresses;
  /** Serves `/openid/…`, open to all. */
  mount(fastify: FastifyInstance, url: () => string): void;
  /** Signs with a new key from here on, as happens by itself every thirty days; tokens of before stay good until they end. */
  rotateKeys(): Promise<void>;
  close(): void;
}

/** What is served of the provider: itself, and what its sign-in pages need. */
export type LoadedProvider = Pick<ProviderParts, 'audience' | 'files' | 'storage'> & {
  readonly provider: Provider;
  readonly signIn: SignInParts;
};

/** Opens or makes its keys, secrets and storage in `<dataFolder>/identity`; tokens stay good over a restart. */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const files = await openIdentityFiles(options.dataFolder, {
    secrets: [...options.personas.map(({ name }) => name), resourceServer],
    clientKeys: [demoBackend],
  });
  const storage = openProviderStorage(files.folder);
  const parts = {
    ...options,
    files,
    storage,
    registrations: registrationsOf(options.personas, files, options.apps),
  };
  const { signingKeys } = files;
  const verifying = () => createLocalJWKSet({ keys: signingKeys.all().map(publicPart) });
  let verify = verifying();
  signingKeys.onChange(() => (verify = verifying()));
  const tend = (): void => {
    signingKeys.rotateWhenDue().catch((fault: unknown) => options.log.error(describeFault(fault), 'a signing key could not be made')); // prettier-ignore
  };
  // Gateways of one cluster share the folder: each follows what another takes back, and with which key it signs.
  const heed = (): void => {
    storage.heed();
    signingKeys.heed().catch((fault: unknown) => options.log.error(describeFault(fault), 'the signing keys could not be read')); // prettier-ignore
  };
  const timers = [setInterval(tend, TENDED_MS).unref(), setInterval(heed, HEEDED_MS).unref()];
  tend();
  return {
    addresses: endpointsAt,
    rotateKeys: () => signingKeys.rotate(),
    issuer: (url) => ({
      issuer: endpointsAt(url).issuer,
      audience: audienceAt(url),
      keys: (header, token) => verify(header, token),
      claims: {
        shapes: ['cis2', 'nhs-login', 'carelog'],
        assuranceMin: 3,
        careSettings,
        clients: {},
        scopesRequired: false,
      },
      revoked: ({ jti = '' }) =>
        (['AccessToken', 'ClientCredentials'] as const).every(
          (kind) => storage.find(kind, jti) === undefined,
        ),
      onChange: storage.onRevoked,
    }),
    mount(fastify, url) {
      let loaded: Promise<LoadedProvider> | undefined;
      // What it remembers lies in its storage: one with the new keys goes on where this one was.
      signingKeys.onChange(() => (loaded = undefined));
      mountProvider(fastify, () => (loaded ??= load(fastify, options.log, parts, url())), url);
    },
    close() {
      timers.forEach(clearInterval);
      storage.close();
    },
  };
}

const TENDED_MS = 60 * 60 * 1_000;
const HEEDED_MS = 1_000;

const audienceAt = (url: string): string => `${url}/fhir/R4`;

function endpointsAt(url: string): EndpointAddresses {
  const issuer = `${url}/openid`;
  return {
    issuer,
    authorize: `${issuer}/auth`,
    token: `${issuer}/token`,
    introspect: `${issuer}/token/introspection`,
    revoke: `${issuer}/token/revocation`,
    keys: `${issuer}/jwks`,
  };
}

async function load(
  fastify: FastifyInstance,
  log: Log,
  options: Omit<ProviderParts, 'audience' | 'errors'>,
  url: string,
): Promise<LoadedProvider> {
  const { Provider, errors } = await importQuietly();
  const { providerConfiguration } = await import('./provider-configuration.ts');
  const { findPeopleThrough } = await import('./sign-in/find-people.ts');
  const { recordTokens, tokenForSignIn } = await import('./issued-tokens.ts');
  const { issuer } = endpointsAt(url);
  const parts = { ...options, audience: audienceAt(url), errors };
  const provider = new Provider(issuer, providerConfiguration(parts));
  // Addresses in its answers come from the headers that `mountProvider` sets.
  provider.proxy = true;
  // Koa would print whole errors to stderr beside the log.
  provider.silent = true;
  provider.on('server_error', (_context, fault) => {
    log.error(describeFault(fault), 'identity provider fault');
  });
  recordTokens(provider, parts);
  const people = findPeopleThrough(fastify, (account) => tokenForSignIn(parts, issuer, account));
  return { ...parts, provider, signIn: { ...parts, provider, people } };
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
