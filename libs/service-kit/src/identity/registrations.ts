/** The apps and systems that the embedded identity provider knows besides its personas, and what each may ask for. */
import type { Caller, Scope } from '@carelog/access';
import { parseScopes } from '@carelog/access';
import type { ClientMetadata } from 'oidc-provider';
import { publicPart } from './identity-files.ts';
import type { IdentityFiles } from './identity-files.ts';
import type { Persona } from './personas.ts';

export interface Registration {
  readonly clientId: string;
  /** As people are shown it at sign-in. */
  readonly title: string;
  /** SMART scopes it may be given, as scopes that cover them; a persona's own client may limit itself to anything. */
  readonly mayAsk: readonly Scope[];
  /** Systems: whom they act for. */
  readonly actsFor?: Pick<Caller, 'organisation' | 'careSetting'>;
  readonly metadata: ClientMetadata;
}

export const demoApp = 'demo-app';
export const demoBackend = 'demo-backend';
/** Asks about tokens (RFC 7662) and gets none itself. */
export const resourceServer = 'resource-server';

/** Seconds that an access token is good for. */
export const lifetimes = { persona: 3600, app: 900, backend: 300 } as const;

/** Every client, by id. */
export function registrationsOf(
  personas: readonly Persona[],
  files: IdentityFiles,
  apps: readonly Registration[] = [],
): ReadonlyMap<string, Registration> {
  // Our own come last: none of them can be registered over.
  const all = [
    ...apps,
    ...personas.map((persona) => ofPersona(persona, files)),
    app,
    backend(files),
    resourceServerWith(files),
  ];
  return new Map(all.map((registration) => [registration.clientId, registration]));
}

const everything = parseScopes('patient/*.cruds user/*.cruds system/*.cruds') ?? [];

function ofPersona({ name, title }: Persona, files: IdentityFiles): Registration {
  const metadata = {
    client_id: name,
    client_secret: files.secrets.get(name) as string,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
  } as const;
  return { clientId: name, title, mayAsk: everything, metadata: metadata };
}

/** A public app on the user's own machine; any port, as RFC 8252 §7.3 has it. */
const app: Registration = {
  clientId: demoApp,
  title: 'Demonstration app',
  mayAsk: parseScopes('patient/*.rs user/*.cruds') ?? [],
  metadata: {
    client_id: demoApp,
    client_name: 'Demonstration app',
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback'],
    token_endpoint_auth_method: 'none',
  },
};

function backend(files: IdentityFiles): Registration {
  return {
    clientId: demoBackend,
    title: 'Demonstration backend service',
    mayAsk: parseScopes('system/*.rs') ?? [],
    actsFor: { organisation: 'QZZ', careSetting: 'any' },
    metadata: {
      client_id: demoBackend,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES384',
      jwks: { keys: [publicPart(files.clientKeys.get(demoBackend) ?? {})] },
    },
  };
}

function resourceServerWith(files: IdentityFiles): Registration {
  return {
    clientId: resourceServer,
    title: 'Resource server',
    mayAsk: [],
    metadata: {
      client_id: resourceServer,
      client_secret: files.secrets.get(resourceServer),
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  };
}

/** Of the scopes asked for, as text, those that `registration` may be given for this way of asking. */
export function grantable(registration: Registration, asked: string, grant: 'person' | 'system'): string[] {
  return asked.split(' ').filter((text) => {
    const [scope] = parseScopes(text) ?? [];
    if (scope === undefined) return false;
    if (grant === 'person' && scope.level === 'system') return false;
    return registration.mayAsk.some((most) => covers(most, scope));
  });
}

function covers(most: Scope, scope: Scope): boolean {
  return (
    most.level === scope.level &&
    (most.type === '*' || most.type === scope.type) &&
    [...scope.actions].every((action) => most.actions.includes(action)) &&
    most.where.every(([name, value]) => scope.where.some(([n, v]) => n === name && v === value))
  );
}
