/**
 * Where tokens come from, for whoever knows only the FHIR base: SMART
 * (https://hl7.org/fhir/smart-app-launch/conformance.html) and protected resource metadata (RFC 9728).
 */
import type { FastifyInstance } from 'fastify';
import { IssuerUnavailable } from '../authenticate.ts';
import { sendProblems } from '../problem-response.ts';
import { discover } from './issuers.ts';

export interface AuthorisationServers {
  /** Addresses of the embedded provider; absent where it does not run. */
  readonly embedded?: (url: string) => EndpointAddresses;
  /** `iss` of all others that are trusted, the one that apps are sent to first. */
  readonly issuers: readonly string[];
}

export interface EndpointAddresses {
  readonly issuer: string;
  readonly authorize: string;
  readonly token: string;
  readonly introspect: string;
  readonly revoke: string;
  readonly keys: string;
}

/** Path of the metadata of the FHIR base as a protected resource. */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource/fhir/R4';

const scopes = [
  ...['openid', 'profile', 'fhirUser', 'offline_access', 'launch/patient'],
  ...['patient/*.rs', 'user/*.cruds', 'system/*.cruds'],
];

/** Serves both documents, open to all. */
export function smartConfigurationRoutes(
  fastify: FastifyInstance,
  { embedded, issuers }: AuthorisationServers,
  url: () => string,
): void {
  const open = { config: { open: true as const } };
  fastify.get(resourceMetadataPath, open, () => ({
    resource: `${url()}/fhir/R4`,
    authorization_servers: [...(embedded === undefined ? [] : [embedded(url()).issuer]), ...issuers],
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
    resource_name: 'Carelog',
    resource_documentation: `${url()}/docs/reference/identity.md`,
  }));
  fastify.get('/fhir/R4/.well-known/smart-configuration', open, async (_request, reply) => {
    if (embedded !== undefined) return reply.send(ownConfiguration(embedded(url())));
    try {
      return reply.send(await foreignConfiguration(issuers[0] as string));
    } catch (error) {
      if (!(error instanceof IssuerUnavailable)) throw error;
      return sendProblems(reply, [outOfReach]);
    }
  });
}

function ownConfiguration({ issuer, authorize, token, introspect, revoke, keys }: EndpointAddresses) {
  return {
    issuer,
    jwks_uri: keys,
    authorization_endpoint: authorize,
    token_endpoint: token,
    introspection_endpoint: introspect,
    revocation_endpoint: revoke,
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic'],
    token_endpoint_auth_signing_alg_values_supported: ['ES384', 'RS384', 'ES256'],
    grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: scopes,
    capabilities: [
      'launch-standalone',
      'client-public',
      'client-confidential-asymmetric',
      'sso-openid-connect',
      'context-standalone-patient',
      'permission-offline',
      'permission-patient',
      'permission-user',
      'permission-v1',
      'permission-v2',
    ],
  };
}

/** What can be said for an issuer that is not ours: where it is, and what this server makes of its tokens. */
async function foreignConfiguration(issuer: string) {
  const metadata = await discover(issuer);
  return {
    issuer,
    jwks_uri: metadata.jwks_uri,
    authorization_endpoint: metadata.authorization_endpoint,
    token_endpoint: metadata.token_endpoint,
    introspection_endpoint: metadata.introspection_endpoint,
    revocation_endpoint: metadata.revocation_endpoint,
    grant_types_supported: ['authorization_code', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: scopes,
    capabilities: ['permission-patient', 'permission-user', 'permission-v1', 'permission-v2'],
  };
}

const outOfReach = {
  category: 'unavailable',
  code: 'transient',
  message: 'The issuer whose tokens are accepted here does not answer just now. Try again soon.',
} as const;
