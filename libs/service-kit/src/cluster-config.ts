/** Settings of the services of a cluster from the environment: where the engines are and what the services share. */
import { resolve } from 'node:path';
import { readConfig, type Config } from './config.ts';

export interface ClusterSettings {
  /** The activity log: `postgres://…` or `kurrentdb://…`. */
  readonly logUrl: string;
  readonly accessLogUrl: string;
  readonly readModelsUrl: string;
  readonly distributionUrl: string;
  readonly keyringUrl: string;
  /** Absolute path. */
  readonly masterKeyFile: string;
  /** Absolute path of the key that the services know each other by. */
  readonly serviceKeyFile: string;
  /** Where the activity writers listen. */
  readonly writers: readonly ServiceAddress[];
  /** Where this activity writer listens for gateways. */
  readonly writerPort: number;
  /** Names the topic, and with it how far the relay is. */
  readonly kafkaTopic: string;
  /** Which version of the record this projector keeps: by its number, or that which its release makes. */
  readonly recordVersion: number | 'own';
}

export interface ServiceAddress {
  readonly host: string;
  readonly port: number;
}

export type ClusterConfigOutcome<Name extends keyof ClusterSettings> =
  | { readonly kind: 'valid'; readonly config: Config; readonly cluster: Pick<ClusterSettings, Name> }
  /** One line for each setting that is wrong: its name and what it must be. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/**
 * The settings that every service has, and those of the cluster that this one names; a variable that is set to nothing counts
 * as not set. Reports everything that is wrong at once.
 */
export function readClusterConfig<Name extends keyof ClusterSettings>(
  names: readonly Name[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): ClusterConfigOutcome<Name> {
  const own = readConfig(env);
  const problems = own.kind === 'invalid' ? [...own.problems] : [];
  const read: Partial<ClusterSettings> = {};
  for (const name of names) {
    const { variable, rule, value, otherwise } = readers[name] as Reader<Name>;
    const text = env[variable] || otherwise;
    const found = text === undefined ? undefined : value(text);
    if (found === undefined) problems.push(`${variable} must ${rule}.`);
    else read[name] = found;
  }
  if (own.kind === 'invalid' || problems.length > 0) return { kind: 'invalid', problems };
  return { kind: 'valid', config: own.config, cluster: read as Pick<ClusterSettings, Name> };
}

/** The settings, or the end of the process: everything that is wrong on stderr, exit code 1. */
export function readClusterConfigOrExit<Name extends keyof ClusterSettings>(names: readonly Name[]) {
  const outcome = readClusterConfig(names);
  if (outcome.kind === 'valid') return outcome;
  process.stderr.write(
    `This service cannot start with these settings:\n  ${outcome.problems.join('\n  ')}\n`,
  );
  return process.exit(1);
}

interface Reader<Name extends keyof ClusterSettings> {
  readonly variable: string;
  /** Completes "… must". */
  readonly rule: string;
  /** Undefined where it breaks the rule. */
  readonly value: (text: string) => ClusterSettings[Name] | undefined;
  readonly otherwise?: string;
}

const PORT = /^\d{1,5}$/;
const POSTGRES = 'be the address of a PostgreSQL database, e.g. postgres://role:password@host:5432/carelog';

const readers: { readonly [Name in keyof ClusterSettings]: Reader<Name> } = {
  logUrl: {
    variable: 'CARELOG_LOG_URL',
    rule: 'be the address of the log: postgres://… or kurrentdb://…',
    value: (text) => addressOf(text, /^(postgres(ql)?|kurrentdb(\+discover)?|esdb(\+discover)?):$/),
  },
  accessLogUrl: { variable: 'CARELOG_ACCESS_LOG_URL', rule: POSTGRES, value: postgres },
  readModelsUrl: { variable: 'CARELOG_READ_MODELS_URL', rule: POSTGRES, value: postgres },
  distributionUrl: { variable: 'CARELOG_DISTRIBUTION_URL', rule: POSTGRES, value: postgres },
  keyringUrl: { variable: 'CARELOG_KEYRING_URL', rule: POSTGRES, value: postgres },
  masterKeyFile: {
    variable: 'CARELOG_KEYRING_MASTER_KEY_FILE',
    rule: 'name the file with the key that wraps all data keys',
    value: (text) => resolve(text),
  },
  serviceKeyFile: {
    variable: 'CARELOG_SERVICE_KEY_FILE',
    rule: 'name the file with the key that all services share',
    value: (text) => resolve(text),
  },
  writers: {
    variable: 'CARELOG_WRITERS',
    rule: 'be host:port of each activity writer, with commas between',
    value(text) {
      const found = text.split(',').map((item) => serviceAddress(item.trim()));
      return found.every((address) => address !== undefined) ? found : undefined;
    },
  },
  writerPort: {
    variable: 'CARELOG_WRITER_PORT',
    rule: 'be a port number from 0 to 65535',
    value: (text) => (PORT.test(text) && Number(text) <= 65_535 ? Number(text) : undefined),
    otherwise: '8090',
  },
  kafkaTopic: {
    variable: 'CARELOG_KAFKA_TOPIC',
    rule: 'be letters, digits, dots, dashes and underscores, 200 at most',
    value: (text) => (/^[\w.-]{1,200}$/.test(text) ? text : undefined),
    otherwise: 'carelog.activities',
  },
  recordVersion: {
    variable: 'CARELOG_RECORD_VERSION',
    rule: 'be a whole number from 1, the version of the record to keep',
    value: (text) => (text === 'own' ? text : /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined),
    otherwise: 'own',
  },
};

function postgres(text: string): string | undefined {
  return addressOf(text, /^postgres(ql)?:$/);
}

function addressOf(text: string, protocol: RegExp): string | undefined {
  return protocol.test(URL.parse(text)?.protocol ?? '') ? text : undefined;
}

function serviceAddress(text: string): ServiceAddress | undefined {
  const match = /^(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) return undefined;
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}
