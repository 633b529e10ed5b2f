/**
 * The apps and systems that a site registers with the embedded identity provider: a JSON file named by `CARELOG_APPS`. Keys
 * are registered, never secrets (https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html).
 */
import type { ClientMetadata } from 'oidc-provider';
import { z } from 'zod';
import { parseScopes } from '@carelog/access';
import { personas } from './personas.ts';
import { demoApp, demoBackend, resourceServer } from './registrations.ts';
import type { Registration } from './registrations.ts';
import { careSetting, isThisMachine, odsCode, readSettingsFile, webAddress } from './settings-file.ts';
import type { SettingsOutcome } from './settings-file.ts';

/** Reads the file that `CARELOG_APPS` names. */
export function readApps(file: string): SettingsOutcome<readonly Registration[]> {
  return readSettingsFile(file, 'CARELOG_APPS', appsFile);
}

const taken = new Set([...personas.map(({ name }) => name), demoApp, demoBackend, resourceServer]);

const scopes = z.string('must be SMART scopes').refine((text) => {
  const parts = text.split(' ');
  return parts.every((part) => parseScopes(part)?.length === 1);
}, 'must be SMART scopes, the most that may be asked for, e.g. "patient/*.rs user/Patient.r"');

const publicKey = z
  .looseObject({ kty: z.enum(['EC', 'RSA'], 'must be EC or RSA'), kid: z.string('is missing') })
  .refine((key) => !('d' in key), 'must be a public key: this one is private, and no longer a secret');

const appEntry = z
  .strictObject({
    clientId: z
      .string('must be a name')
      .regex(/^[\w.-]{2,64}$/, 'must be 2 to 64 letters, digits, dots, dashes or underscores')
      .refine((id) => !taken.has(id), 'is taken by a persona or the demonstration'),
    title: z.string('must be what people are shown').min(1, 'must be what people are shown').max(100),
    mayAsk: scopes,
    redirectUris: z
      .array(
        z
          .string()
          .refine(
            isRedirectUri,
            'must be https, http on this machine, or a scheme of the app’s own like uk.example.app:/callback',
          ),
      )
      .min(1)
      .optional(),
    actsFor: z.strictObject({ organisation: odsCode, careSetting }).optional(),
    keysUrl: webAddress.optional(),
    keys: z.array(publicKey).min(1).optional(),
  })
  .refine(({ redirectUris, actsFor }) => (redirectUris === undefined) !== (actsFor === undefined), {
    path: ['redirectUris'],
    message: 'is for apps that people sign in to, actsFor for systems: give one of them',
  })
  .refine(
    ({ actsFor, keys, keysUrl }) => actsFor === undefined || keys !== undefined || keysUrl !== undefined,
    {
      path: ['keysUrl'],
      message: 'or keys is needed: a system proves who it is by its signature',
    },
  )
  .refine(({ keys, keysUrl }) => keys === undefined || keysUrl === undefined, {
    path: ['keys'],
    message: 'are given twice: as a list and by their address',
  })
  .refine(({ redirectUris = [] }) => new Set(redirectUris.map(isNative)).size < 2, {
    path: ['redirectUris'],
    message: 'must all be on the web or all be on the user’s machine',
  })
  .refine(
    ({ redirectUris, actsFor, mayAsk }) => {
      const levels = (parseScopes(mayAsk) ?? []).map(({ level }) => level === 'system');
      return actsFor === undefined
        ? redirectUris === undefined || !levels.includes(true)
        : !levels.includes(false);
    },
    { path: ['mayAsk'], message: 'must be of system/… for systems, of patient/… and user/… for apps' },
  );

const appsFile = z
  .strictObject({
    apps: z
      .array(appEntry, 'must be a list of apps')
      .refine((all) => new Set(all.map(({ clientId }) => clientId)).size === all.length, {
        message: 'must not name an app twice',
      }),
  })
  .transform(({ apps }) => apps.map(registrationOf));

function isRedirectUri(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.hash !== '') return false;
  if (url.protocol === 'https:') return url.hostname !== '';
  return url.protocol === 'http:'
    ? isThisMachine(url)
    : /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:$/.test(url.protocol);
}

function isNative(uri: string): boolean {
  return !uri.startsWith('https:');
}

function registrationOf(entry: z.infer<typeof appEntry>): Registration {
  const { clientId, title, mayAsk, actsFor, redirectUris = [], keys, keysUrl } = entry;
  const signs = keys !== undefined || keysUrl !== undefined;
  const metadata = {
    client_id: clientId,
    client_name: title,
    application_type: redirectUris.some(isNative) ? 'native' : 'web',
    grant_types: actsFor === undefined ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    response_types: actsFor === undefined ? ['code'] : [],
    redirect_uris: redirectUris,
    token_endpoint_auth_method: signs ? 'private_key_jwt' : 'none',
    ...(keys === undefined ? {} : { jwks: { keys } }),
    ...(keysUrl === undefined ? {} : { jwks_uri: keysUrl }),
  };
  return {
    clientId,
    title,
    mayAsk: parseScopes(mayAsk) ?? [],
    ...(actsFor === undefined ? {} : { actsFor }),
    metadata: metadata as ClientMetadata,
  };
}
