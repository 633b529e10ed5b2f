/** Where notifications may be sent: a JSON file named by `CARELOG_HOOKS`. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { readSettingsFile } from './identity/settings-file.ts';
import type { SettingsOutcome } from './identity/settings-file.ts';

/** What an operator allows for one origin. */
export interface HookSettings {
  /** Scheme, host and port; or `https://*`, any public one on port 443. */
  readonly origin: string;
  readonly allowPrivate?: boolean;
  readonly allowHttp?: boolean;
  /** Absolute path of a PEM file. */
  readonly caFile?: string;
  readonly oauth?: {
    readonly tokenUrl: string;
    readonly clientId: string;
    /** Absolute path. */
    readonly clientSecretFile: string;
    readonly scope?: string;
  };
}

/** Reads the file, whole. */
export function readHooks(file: string): SettingsOutcome<readonly HookSettings[]> {
  return readSettingsFile(file, 'CARELOG_HOOKS', hooksFile);
}

const ANY = 'https://*';

const tokenEndpoint = z
  .string('must be an address')
  .refine((text) => isAddress(URL.parse(text)), 'must be an https or http address, without user or fragment');

const visible = (what: string) => z.string(`must be ${what}`).min(1, `must be ${what}`).max(500);

const hookEntry = z
  .strictObject({
    origin: z
      .string('must be an origin')
      .refine(
        (text) => text === ANY || isOrigin(text),
        `must be an origin, e.g. https://epr.example.nhs.uk or https://epr.example.nhs.uk:8443, or ${ANY} for any public one`,
      ),
    allowPrivate: z.boolean('must be true or false').optional(),
    allowHttp: z.boolean('must be true or false').optional(),
    caFile: z
      .string('must name a PEM file')
      .transform((path) => resolve(path))
      .refine(holdsCertificate, 'must name a PEM file of certificates that can be read')
      .optional(),
    oauth: z
      .strictObject({
        tokenUrl: tokenEndpoint,
        clientId: visible('the id that this server has at the token endpoint'),
        clientSecretFile: visible('a file').transform((path) => resolve(path)),
        scope: visible('a scope, or scopes with spaces between').optional(),
      })
      .optional(),
  })
  .refine(({ origin, ...rest }) => origin !== ANY || Object.values(rest).every((it) => it === undefined), {
    path: ['origin'],
    message: `${ANY} stands for strangers: nothing more can be allowed for it. List an origin by its name`,
  })
  .refine(({ origin, allowHttp }) => !origin.startsWith('http:') || allowHttp === true, {
    path: ['allowHttp'],
    message: 'must be true for an origin of plain http: what is sent there can be read on its way',
  })
  .refine(({ oauth, allowHttp }) => oauth?.tokenUrl.startsWith('http:') !== true || allowHttp === true, {
    path: ['oauth', 'tokenUrl'],
    message: 'must be an https address: a secret is sent there. Over plain http only with allowHttp',
  });

const hooksFile = z
  .strictObject({
    hooks: z
      .array(hookEntry, 'must be a list of origins')
      .max(1_000, 'must be 1,000 origins at most')
      .refine(
        (all) => new Set(all.map(({ origin }) => origin)).size === all.length,
        'must not name an origin twice',
      ),
  })
  // Through JSON, which leaves out what is undefined.
  .transform(({ hooks }) => JSON.parse(JSON.stringify(hooks)) as readonly HookSettings[]);

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return isAddress(url) && url?.origin === text && !text.includes('*');
}

function isAddress(url: URL | null): boolean {
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.hash === ''; // prettier-ignore
}

function holdsCertificate(file: string): boolean {
  try {
    return new X509Certificate(readFileSync(file)).subject !== '';
  } catch {
    return false;
  }
}
