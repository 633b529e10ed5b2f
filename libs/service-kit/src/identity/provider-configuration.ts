/**
 * What the embedded identity provider does, in the terms of oidc-provider: client credentials for personas, SMART App Launch
 * (https://hl7.org/fhir/smart-app-launch/app-launch.html) for apps, SMART Backend Services for systems; access tokens are
 * signed JWTs (RFC 9068) for the FHIR base (RFC 8707).
 */
import type * as OidcProvider from 'oidc-provider';
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { parseScopes, purposes } from '@carelog/access';
import { accountWith, claimsOf } from './accounts.ts';
import type { Claims } from './accounts.ts';
import type { IdentityFiles } from './identity-files.ts';
import type { Persona } from './personas.ts';
import type { ProviderStorage } from './provider-storage.ts';
import { grantable, lifetimes, resourceServer } from './registrations.ts';
import type { Registration } from './registrations.ts';
import { renderRefusal } from './sign-in/pages.ts';

export interface ProviderParts {
  readonly personas: readonly Persona[];
  readonly patientNhsNumber: string;
  readonly files: IdentityFiles;
  readonly registrations: ReadonlyMap<string, Registration>;
  readonly storage: ProviderStorage;
  /** The FHIR base, which all tokens are for. */
  readonly audience: string;
  readonly errors: typeof OidcProvider.errors;
}

/** What was settled at sign-in about one grant, kept under its id. */
export interface Launch {
  /** Id of the Patient that the app is launched for. */
  readonly patient?: string;
  /** The resource that stands for the user, e.g. `Patient/123`. */
  readonly fhirUser?: string;
}
export const launchKind = 'Launch';
export const grantSeconds = 14 * 24 * 3600;

/** Scopes besides those on resources. */
export const identityScopes = ['openid', 'profile', 'fhirUser', 'offline_access', 'launch/patient'];

export function providerConfiguration(parts: ProviderParts): Configuration {
  const { files, registrations, storage, errors } = parts;
  const consumedTwice = (): Error => new errors.InvalidGrant('already used');
  return {
    adapter: (kind: string) => storage.adapter(kind, consumedTwice),
    clients: [...registrations.values()].map(({ metadata }) => ({
      ...metadata,
      id_token_signed_response_alg: 'ES256',
    })),
    jwks: { keys: [...files.signingKeys.all()] },
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      clientAuthSigningAlgValues: ['ES384', 'RS384', 'ES256'],
    },
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt', 'none'],
    responseTypes: ['code'],
    scopes: identityScopes,
    claims: { openid: ['sub'], profile: ['name'], fhirUser: ['fhirUser'] },
    conformIdTokenClaims: false,
    cookies: {
      keys: [...files.secrets.values()],
      names: { session: 'carelog_session', interaction: 'carelog_sign_in', resume: 'carelog_resume' },
      long: { httpOnly: true, sameSite: 'lax', path: '/openid' },
      short: { httpOnly: true, sameSite: 'lax' },
    },
    pkce: { required: () => true },
    extraParams: {
      // SMART: an app names the server it means, so that a forged one cannot have it send tokens elsewhere.
      aud(_context: unknown, value: string | undefined) {
        if (value?.replace(/\/$/, '') === parts.audience) return;
        throw new errors.InvalidRequest(`the parameter aud must be ${parts.audience}`);
      },
    },
    // Access tokens are checked by their signature and not by a session.
    expiresWithSession: () => false,
    interactions: { url: (_context, { uid }) => `/openid/sign-in/${uid}` },
    // Each launch asks again: which patient it is for was agreed to for that launch only.
    async loadExistingGrant({ oidc }) {
      const grantId = oidc.result?.consent?.grantId;
      return grantId === undefined ? undefined : oidc.provider.Grant.find(grantId);
    },
    async findAccount(_context, id, token) {
      const account = accountWith(id, parts.personas);
      if (account === undefined) return undefined;
      const { fhirUser } = launchOf(storage, (token as { grantId?: string } | undefined)?.grantId);
      const claims = {
        sub: id,
        name: account.persona.title,
        ...(fhirUser === undefined ? {} : { fhirUser: `${parts.audience}/${fhirUser}` }),
      };
      return { accountId: id, claims: () => claims };
    },
    extraTokenClaims: (context, token) => tokenClaims(parts, context, token),
    clientBasedCORS: (_context, origin, client) =>
      client.tokenEndpointAuthMethod === 'none' &&
      (client.redirectUris ?? []).some((uri) => isAppAt(uri, origin)),
    // The only addresses that are fetched are keys of systems, from who runs this server, and often in its own network.
    fetch: (address, { dispatcher: _, ...options }: RequestInit & { dispatcher?: unknown } = {}) =>
      globalThis.fetch(address, { ...options, redirect: 'error' }),
    renderError(context, out) {
      const { html, headers } = renderRefusal(out.error_description ?? out.error);
      context.set(headers);
      context.type = 'html';
      context.body = html;
    },
    ttl: {
      AccessToken: (_context, token) => token.resourceServer?.accessTokenTTL ?? lifetimes.app,
      ClientCredentials: (_context, token) => token.resourceServer?.accessTokenTTL ?? lifetimes.backend,
      AuthorizationCode: 60,
      IdToken: lifetimes.app,
      RefreshToken: grantSeconds,
      Grant: grantSeconds,
      Session: 8 * 3600,
      Interaction: 600,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_context, client, token) =>
          client.clientId === resourceServer ||
          (client.tokenEndpointAuthMethod !== 'none' && client.clientId === token.clientId),
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_context, client, token) => client.clientId === token.clientId,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => parts.audience,
        getResourceServerInfo: (context, resource, client) =>
          resourceServerFor(parts, context, resource, client.clientId),
      },
    },
  };
}

/** An app on the user's own machine may be at any port. */
function isAppAt(redirectUri: string, origin: string): boolean {
  const [app, page] = [URL.parse(redirectUri), URL.parse(origin)];
  if (app === null || page === null || app.protocol !== page.protocol) return false;
  const local = app.port === '' && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(app.hostname);
  return local ? app.hostname === page.hostname : app.origin === page.origin;
}

/** What was settled at sign-in about the grant; nothing where there was no sign-in. */
export function launchOf(storage: ProviderStorage, grantId: string | undefined): Launch {
  return grantId === undefined ? {} : ((storage.find(launchKind, grantId) as Launch | undefined) ?? {});
}

function resourceServerFor(
  { registrations, personas, audience, errors }: ProviderParts,
  { oidc }: KoaContextWithOIDC,
  resource: string,
  clientId: string,
) {
  if (resource !== audience) throw new errors.InvalidTarget(`tokens are issued for ${audience} only`);
  const registration = registrations.get(clientId);
  const { AuthorizationCode: code, RefreshToken: refresh } = oidc.entities;
  const asked = [oidc.params?.['scope'], code?.scope, refresh?.scope]
    .filter((scope) => typeof scope === 'string')
    .join(' ');
  const isPersona = personas.some(({ name }) => name === clientId);
  const grant = isPersona || registration?.actsFor !== undefined ? 'system' : 'person';
  const scopes = registration === undefined ? [] : grantable(registration, asked, grant);
  // Without scopes a token is limited by nothing, which is for personas that asked for none only.
  if (scopes.length === 0 && (!isPersona || asked.trim() !== '')) {
    throw new errors.InvalidScope(
      'ask for a SMART scope that this client may have, e.g. patient/*.rs',
      asked,
    );
  }
  const lifetime = isPersona ? lifetimes.persona : grant === 'system' ? lifetimes.backend : lifetimes.app;
  return {
    scope: scopes.join(' '),
    audience,
    accessTokenFormat: 'jwt',
    accessTokenTTL: lifetime,
    jwt: { sign: { alg: 'ES256' } },
  } as const;
}

type TokenKinds = Parameters<NonNullable<Configuration['extraTokenClaims']>>[1];

function tokenClaims(parts: ProviderParts, { oidc }: KoaContextWithOIDC, token: TokenKinds): Claims {
  const { personas, patientNhsNumber, registrations, storage, errors } = parts;
  if (token.kind === 'ClientCredentials') {
    const persona = personas.find(({ name }) => name === token.clientId);
    if (persona !== undefined) return { ...ofPersona(persona), ...purposeOf() };
    const actsFor = registrations.get(token.clientId as string)?.actsFor;
    if (actsFor === undefined) throw new errors.InvalidClient('this client gets no tokens');
    return { kind: 'system', organisation: actsFor.organisation, care_setting: actsFor.careSetting };
  }
  const { accountId, grantId } = token as { accountId?: string; grantId?: string };
  const account = accountWith(accountId ?? '', personas);
  // A token without scopes would be limited by nothing.
  if (account === undefined || parseScopes(token.scope ?? '') === undefined)
    throw new errors.InvalidScope('no scope on resources was granted', token.scope ?? '');
  const { patient } = launchOf(storage, grantId);
  return {
    ...claimsOf(account.persona, patientNhsNumber, account.role?.id),
    ...(patient === undefined ? {} : { patient }),
  };

  function ofPersona(persona: Persona): Claims {
    const selected = oidc.body?.['selected_roleid'];
    if (selected === undefined) return claimsOf(persona, patientNhsNumber);
    const role = (persona.roles ?? []).find(({ id }) => id === selected);
    if (role === undefined) {
      const held = (persona.roles ?? []).map(({ id, title }) => `${id} (${title})`);
      throw new errors.InvalidRequest(`${persona.name} holds the roles: ${held.join(', ') || 'none'}`);
    }
    return claimsOf(persona, patientNhsNumber, role.id);
  }

  function purposeOf(): Claims {
    const purpose = oidc.body?.['purpose_of_use'];
    if (purpose === undefined) return {};
    if (!purposes.some((one) => one === purpose))
      throw new errors.InvalidRequest(`purpose_of_use must be one of ${purposes.join(', ')}`);
    return { purpose_of_use: purpose };
  }
}
