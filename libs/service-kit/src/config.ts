/** Settings from the environment, checked before anything is opened. */
import { defaultPolicy, type Policy } from '@carelog/access';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { readApps } from './identity/apps.ts';
import { readPolicy } from './access-policy-file.ts';
import { readHooks } from './hooks-file.ts';
import type { HookSettings } from './hooks-file.ts';
import { readIssuers } from './identity/issuers.ts';
import type { IssuerSettings } from './identity/issuers.ts';
import type { Registration } from './identity/registrations.ts';
import type { SettingsOutcome } from './identity/settings-file.ts';
import { defaultAllowances } from './request-limits.ts';
import type { Allowance, Allowances } from './request-limits.ts';

export interface Config {
  readonly port: number;
  readonly host: string;
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  /** Load the synthetic population into an empty log. */
  readonly demo: boolean;
  /** How clients reach the service, without a slash at the end; absent: as it is bound. */
  readonly publicUrl?: string;
  readonly logLevel: (typeof logLevels)[number];
  /** Largest request body, in bytes. */
  readonly bodyLimit: number;
  /** `written`: an answer leaves once its access record would survive the end of the process. `flushed`: once it is on disk. */
  readonly accessLog: (typeof accessLogModes)[number];
  /** Whole months that access records are kept at least, after the month that they are of; 96 unless told. */
  readonly accessLogMonths?: number;
  /** Told to end, a service says for so long that it is not ready, and still answers; not at all unless told. */
  readonly drainSeconds?: number;
  /** Who may see and do what. */
  readonly policy: Policy;
  /** Whether the identity provider with personas runs; its tokens are good for everything, so never by oversight. */
  readonly embeddedIdentity: boolean;
  /** Apps and systems that it knows besides the demonstration's. */
  readonly apps?: readonly Registration[];
  /** Whose tokens are accepted besides. */
  readonly issuers: readonly IssuerSettings[];
  /** Where notifications may be sent; any public https origin where there is no such list. */
  readonly hooks?: readonly HookSettings[];
  /** How much one caller may ask. */
  readonly allowances: Allowances;
  /** Origins of pages that may use the service from a browser. */
  readonly corsOrigins: readonly string[];
  /** For commands: an access token to call the server with, in place of a persona's. */
  readonly token?: string;
  /** Addresses and networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
const accessLogModes = ['written', 'flushed'] as const;
const mebibyte = 1024 * 1024;

const environment = z.object({
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a port number from 0 to 65535')
    .transform(Number)
    .refine((port) => port <= 65535, 'must be a port number from 0 to 65535')
    .default(8080),
  HOST: z.string().min(1, 'must be an address to bind to, e.g. 127.0.0.1 or 0.0.0.0').default('127.0.0.1'),
  CARELOG_DATA: z.string().min(1, 'must be a folder').default('./data'),
  CARELOG_DEMO: z.enum(['on', 'off'], 'must be on or off').optional(),
  CARELOG_URL: z
    .string()
    .refine(isOrigin, 'must be an http or https address without a path, e.g. https://record.example.nhs.uk')
    .transform((url) => new URL(url).origin)
    .optional(),
  CARELOG_LOG: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  CARELOG_ACCESS_LOG: z.enum(accessLogModes, `must be ${accessLogModes.join(' or ')}`).default('written'),
  CARELOG_ACCESS_LOG_MONTHS: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'must be a whole number of months from 1 to 9999')
    .transform(Number)
    .optional(),
  CARELOG_ACCESS_POLICY: z.string().optional(),
  CARELOG_BODY_LIMIT_MB: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number of megabytes from 1 to 999')
    .transform(Number)
    .refine((size) => size >= 1, 'must be a whole number of megabytes from 1 to 999')
    .default(32),
  CARELOG_DRAIN_SECONDS: z
    .string()
    .regex(/^\d{1,2}$/, 'must be a whole number of seconds from 0 to 99')
    .transform(Number)
    .optional(),
  CARELOG_EMBEDDED_IDENTITY: z.enum(['on', 'off'], 'must be on or off').optional(),
  CARELOG_APPS: z.string().optional(),
  CARELOG_ISSUERS: z.string().optional(),
  CARELOG_HOOKS: z.string().optional(),
  CARELOG_TOKEN: z.string().optional(),
  CARELOG_LIMIT_SYSTEMS: allowance(defaultAllowances.systems),
  CARELOG_LIMIT_STAFF: allowance(defaultAllowances.staff),
  CARELOG_LIMIT_PATIENTS: allowance(defaultAllowances.patients),
  CARELOG_LIMIT_STRANGERS: allowance(defaultAllowances.strangers),
  CARELOG_CORS_ORIGINS: z.string().transform(items).refine((origins) => origins.every(isExactOrigin), 'must be origins with commas between, e.g. https://app.example.nhs.uk,https://other.example.nhs.uk; never *').default([]), // prettier-ignore
  CARELOG_TRUSTED_PROXIES: z.string().transform(items).refine((proxies) => proxies.every(isNetwork), 'must be IP addresses or networks with commas between, e.g. 10.0.0.5,10.1.0.0/16').default([]), // prettier-ignore
  NODE_ENV: z.string().optional(),
});

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
}

/** Three numbers as text, e.g. `20/60/8`. */
function allowance(byDefault: Allowance) {
  return z
    .string()
    .regex(
      /^[1-9]\d{0,6}(\/[1-9]\d{0,6}){2}$/,
      'must be requests a second, requests at once after a rest, and requests at the same time, e.g. 20/60/8',
    )
    .transform((text): Allowance => {
      const [perSecond = 0, burst = 0, atOnce = 0] = text.split('/').map(Number);
      return { perSecond, burst, atOnce };
    })
    .default(byDefault);
}

function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function isExactOrigin(text: string): boolean {
  return isOrigin(text) && new URL(text).origin === text;
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

export type ConfigOutcome =
  | { readonly kind: 'valid'; readonly config: Config }
  /** One line for each setting that is wrong: its name and what it must be. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Reads the settings; a variable that is set to nothing counts as not set. Reports everything that is wrong at once. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): ConfigOutcome {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  const issuers = fileIn(set['CARELOG_ISSUERS'], readIssuers);
  const apps = fileIn(set['CARELOG_APPS'], readApps);
  const hooks = fileIn(set['CARELOG_HOOKS'], readHooks);
  const policy = policyIn(set['CARELOG_ACCESS_POLICY']);
  const problems = [
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}.`),
    ...(issuers.kind === 'invalid' ? issuers.problems : []),
    ...(apps.kind === 'invalid' ? apps.problems : []),
    ...(hooks.kind === 'invalid' ? hooks.problems : []),
    ...(policy.kind === 'invalid' ? policy.problems : []),
    ...identityProblems(set),
  ];
  if (
    !parsed.success ||
    issuers.kind === 'invalid' ||
    apps.kind === 'invalid' ||
    hooks.kind === 'invalid' ||
    policy.kind === 'invalid' ||
    problems.length > 0
  )
    return { kind: 'invalid', problems };
  const { PORT, HOST, CARELOG_DATA, CARELOG_DEMO, CARELOG_URL, CARELOG_LOG } = parsed.data;
  const { CARELOG_ACCESS_LOG, CARELOG_ACCESS_LOG_MONTHS: months, CARELOG_BODY_LIMIT_MB } = parsed.data;
  const { CARELOG_DRAIN_SECONDS: drainSeconds } = parsed.data;
  const embeddedIdentity = embeddedIn(set);
  return {
    kind: 'valid',
    config: {
      port: PORT,
      host: HOST,
      dataFolder: resolve(CARELOG_DATA),
      // The population is loaded by a persona.
      demo: embeddedIdentity && CARELOG_DEMO !== 'off',
      ...(CARELOG_URL === undefined ? {} : { publicUrl: CARELOG_URL }),
      logLevel: CARELOG_LOG,
      accessLog: CARELOG_ACCESS_LOG,
      ...(months === undefined ? {} : { accessLogMonths: months }),
      ...(drainSeconds === undefined ? {} : { drainSeconds }),
      policy: policy.settings,
      bodyLimit: CARELOG_BODY_LIMIT_MB * mebibyte,
      embeddedIdentity,
      apps: apps.settings,
      issuers: issuers.settings,
      ...(set['CARELOG_HOOKS'] === undefined ? {} : { hooks: hooks.settings }),
      allowances: {
        systems: parsed.data.CARELOG_LIMIT_SYSTEMS,
        staff: parsed.data.CARELOG_LIMIT_STAFF,
        patients: parsed.data.CARELOG_LIMIT_PATIENTS,
        strangers: parsed.data.CARELOG_LIMIT_STRANGERS,
      },
      ...(parsed.data.CARELOG_TOKEN === undefined ? {} : { token: parsed.data.CARELOG_TOKEN }),
      corsOrigins: parsed.data.CARELOG_CORS_ORIGINS,
      trustedProxies: parsed.data.CARELOG_TRUSTED_PROXIES,
    },
  };
}

type Settings = Readonly<Record<string, string | undefined>>;

function fileIn<T>(
  file: string | undefined,
  readFile: (file: string) => SettingsOutcome<readonly T[]>,
): SettingsOutcome<readonly T[]> {
  return file === undefined ? { kind: 'valid', settings: [] } : readFile(resolve(file));
}

function policyIn(file: string | undefined): SettingsOutcome<Policy> {
  return file === undefined ? { kind: 'valid', settings: defaultPolicy() } : readPolicy(resolve(file));
}

/** By its own setting; without one wherever this is not production. */
function embeddedIn({ CARELOG_EMBEDDED_IDENTITY: told, NODE_ENV }: Settings): boolean {
  return told === undefined ? NODE_ENV !== 'production' : told !== 'off';
}

function identityProblems(set: Settings): string[] {
  const problems: string[] = [];
  const embedded = embeddedIn(set);
  if (!embedded && set['CARELOG_ISSUERS'] === undefined) {
    const why =
      set['CARELOG_EMBEDDED_IDENTITY'] === undefined
        ? 'NODE_ENV is production, where the built-in identity provider with its personas does not run unless CARELOG_EMBEDDED_IDENTITY is on'
        : 'CARELOG_EMBEDDED_IDENTITY is off';
    problems.push(`CARELOG_ISSUERS must name a file of issuers, or nobody could sign in: ${why}.`);
  }
  if (!embedded && set['CARELOG_APPS'] !== undefined)
    problems.push('CARELOG_APPS must not be set where the built-in identity provider does not run.');
  if (!embedded && set['CARELOG_DEMO'] === 'on')
    problems.push('CARELOG_DEMO must be off where the built-in identity provider does not run.');
  return problems;
}

/** The settings, or the end of the process: everything that is wrong on stderr, exit code 1. */
export function readConfigOrExit(): Config {
  const outcome = readConfig();
  if (outcome.kind === 'valid') return outcome.config;
  process.stderr.write(`Carelog cannot start with these settings:\n  ${outcome.problems.join('\n  ')}\n`);
  process.exit(1);
}
