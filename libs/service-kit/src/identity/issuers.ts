/**
 * Whose tokens are accepted besides those of the embedded provider: a JSON file named by `CARELOG_ISSUERS`. Keys come from
 * each issuer's discovery document (https://openid.net/specs/openid-connect-discovery-1_0.html) and follow its rotation.
 */
import { resolve } from 'node:path';
import { createRemoteJWKSet, errors } from 'jose';
import type { JWTVerifyGetKey, RemoteJWKSet } from 'jose';
import { z } from 'zod';
import { IssuerUnavailable } from '../authenticate.ts';
import type { TrustedIssuer } from '../authenticate.ts';
import type { Log } from '../log.ts';
import { claimShapes } from './caller-claims.ts';
import type { ClaimRules } from './caller-claims.ts';
import { isActive, type IntrospectionSettings } from './introspection.ts';
import { careSetting, odsCode, readSettingsFile, webAddress } from './settings-file.ts';
import type { SettingsOutcome } from './settings-file.ts';

export interface IssuerSettings {
  /** As in the `iss` claim, and where discovery starts. */
  readonly issuer: string;
  /** As in the `aud` claim; the FHIR base unless told. */
  readonly audience?: string;
  /** Where the keys are, for an issuer without discovery. */
  readonly keysUrl?: string;
  readonly tokenType: string;
  readonly clockSkewSeconds: number;
  /** Keys older than this are fetched again; also how long a token is believed that was signed with one that is gone. */
  readonly keysMaxAgeSeconds: number;
  /** An unknown key makes us ask again at most this often. */
  readonly keysCooldownSeconds: number;
  /** Where the issuer is asked whether it took a token back. */
  readonly introspection?: IntrospectionSettings;
  readonly claims: ClaimRules;
}

/** Reads the file that `CARELOG_ISSUERS` names. */
export function readIssuers(file: string): SettingsOutcome<readonly IssuerSettings[]> {
  return readSettingsFile(file, 'CARELOG_ISSUERS', issuersFile);
}

/** What an authenticator needs; the FHIR base is the audience where none is set. Fetches nothing before the first token. */
export function trustedIssuer(
  settings: IssuerSettings,
  fhirBase: string,
  log: Pick<Log, 'warn'>,
): TrustedIssuer {
  const { issuer, audience = fhirBase, tokenType, clockSkewSeconds, claims, introspection } = settings;
  const listeners: (() => void)[] = [];
  return {
    issuer,
    audience,
    tokenType,
    clockSkewSeconds,
    claims,
    recheckSeconds: Math.min(settings.keysMaxAgeSeconds, introspection?.recheckSeconds ?? Infinity),
    keys: keysOfIssuer(settings, () => listeners.forEach((listener) => listener())),
    onChange: (listener) => void listeners.push(listener),
    ...(introspection && { isActive: (token) => isActive(token, introspection, log) }),
  };
}

export interface IssuerMetadata {
  readonly jwks_uri: string;
  readonly authorization_endpoint?: string | undefined;
  readonly token_endpoint?: string | undefined;
  readonly introspection_endpoint?: string | undefined;
  readonly revocation_endpoint?: string | undefined;
}

/** The issuer's discovery document. Throws `IssuerUnavailable` where it cannot be had or speaks for another issuer. */
export async function discover(issuer: string): Promise<IssuerMetadata> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const response = await fetch(address, {
      redirect: 'error',
      signal: AbortSignal.timeout(fetchMilliseconds),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const metadata = discoveryDocument.parse(await response.json());
    if (metadata.issuer !== issuer) throw new Error('it names another issuer');
    return metadata;
  } catch (cause) {
    throw new IssuerUnavailable(`The discovery document at ${address} cannot be used.`, { cause });
  }
}

const fetchMilliseconds = 5_000;

const discoveryDocument = z.object({
  issuer: z.string(),
  jwks_uri: webAddress,
  authorization_endpoint: z.string().optional(),
  token_endpoint: z.string().optional(),
  introspection_endpoint: z.string().optional(),
  revocation_endpoint: z.string().optional(),
});

const seconds = (least: number, most: number, otherwise: number) =>
  z.int(`must be a whole number of seconds from ${least} to ${most}`).min(least).max(most).default(otherwise);

const issuerEntry = z
  .strictObject({
    issuer: webAddress,
    shapes: z
      .array(z.enum(claimShapes, `must be of ${claimShapes.join(', ')}`), 'must be a list')
      .min(1, `must name at least one of ${claimShapes.join(', ')}`),
    audience: z.string().min(1).optional(),
    keysUrl: webAddress.optional(),
    tokenType: z.string().min(1, 'must be a media type, e.g. at+jwt or JWT').default('at+jwt'),
    clockSkewSeconds: seconds(0, 300, 30),
    keysMaxAgeSeconds: seconds(1, 86_400, 600),
    keysCooldownSeconds: seconds(0, 3_600, 30),
    introspection: z
      .strictObject({
        url: webAddress,
        clientId: z.string().min(1, 'must be the id that this server has at the issuer'),
        secretFile: z
          .string()
          .min(1, 'must name a file')
          .transform((file) => resolve(file)),
        recheckSeconds: seconds(1, 3_600, 10),
      })
      .optional(),
    assuranceMin: z.union([z.literal(1), z.literal(2), z.literal(3)], 'must be 1, 2 or 3').default(3),
    careSettings: z.record(z.union([odsCode, z.literal('*')]), careSetting).default({}),
    clients: z.record(z.string().min(1), z.strictObject({ organisation: odsCode, careSetting })).default({}),
    scopesRequired: z.boolean('must be true or false').optional(),
  })
  .refine(({ shapes, careSettings }) => !shapes.includes('cis2') || Object.keys(careSettings).length > 0, {
    path: ['careSettings'],
    message: 'must say the care setting of each organisation whose staff sign in with CIS2',
  })
  .refine(({ shapes, clients }) => !shapes.includes('smart') || Object.keys(clients).length > 0, {
    path: ['clients'],
    message: 'must say for which organisation each system acts',
  });

const issuersFile = z
  .strictObject({
    issuers: z
      .array(issuerEntry, 'must be a list of issuers')
      .min(1, 'must hold at least one issuer')
      .refine((all) => new Set(all.map(({ issuer }) => issuer)).size === all.length, {
        message: 'must not name an issuer twice',
      }),
  })
  .transform(({ issuers }) => issuers.map(settingsOf));

function settingsOf(entry: z.infer<typeof issuerEntry>): IssuerSettings {
  const { issuer, audience, keysUrl, introspection, tokenType, shapes, scopesRequired, ...rest } = entry;
  const { clockSkewSeconds, keysMaxAgeSeconds, keysCooldownSeconds } = rest;
  const { assuranceMin, careSettings, clients } = rest;
  return {
    issuer,
    ...(audience === undefined ? {} : { audience }),
    ...(keysUrl === undefined ? {} : { keysUrl }),
    ...(introspection === undefined ? {} : { introspection }),
    tokenType,
    clockSkewSeconds,
    keysMaxAgeSeconds,
    keysCooldownSeconds,
    claims: {
      shapes,
      assuranceMin,
      careSettings,
      clients,
      // Identity services of people have no SMART scopes; an authorisation server for systems without them is a mistake.
      scopesRequired: scopesRequired ?? shapes.includes('smart'),
    },
  };
}

/** `onReplaced`: called when the set of keys is another than before. */
function keysOfIssuer(settings: IssuerSettings, onReplaced: () => void): JWTVerifyGetKey {
  let opening: Promise<RemoteJWKSet> | undefined;
  let known: string | undefined;

  async function open(): Promise<RemoteJWKSet> {
    const address = settings.keysUrl ?? (await discover(settings.issuer)).jwks_uri;
    return createRemoteJWKSet(new URL(address), {
      cacheMaxAge: settings.keysMaxAgeSeconds * 1000,
      cooldownDuration: settings.keysCooldownSeconds * 1000,
      timeoutDuration: fetchMilliseconds,
    });
  }

  return async (header, token) => {
    opening ??= open();
    // What failed is tried again with the next token.
    opening.catch(() => (opening = undefined));
    const keys = await opening;
    try {
      return await keys(header, token);
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
      throw new IssuerUnavailable(`The keys of ${settings.issuer} cannot be fetched.`, { cause: error });
    } finally {
      const now = JSON.stringify(keys.jwks());
      if (known !== undefined && now !== known) onReplaced();
      known = now;
    }
  };
}

/** Rather than: the token names a key that its issuer does not have. */
function isOutOfReach(error: unknown): boolean {
  return (
    !(error instanceof errors.JOSEError) ||
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === 'ERR_JOSE_GENERIC'
  );
}
