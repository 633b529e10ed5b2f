/** How Kafka is reached, out of the environment. Secrets are in files: an environment is seen by too many. */
import { readFileSync } from 'node:fs';
import type { KafkaConfig, SASLOptions } from 'kafkajs';

export interface KafkaSettings {
  /** `host:port`, of some of the brokers; they name the others. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Into how many lanes the log is dealt. Fixed for the topic's life. */
  readonly lanes: number;
  /** How many brokers keep each message; the topic is made with it. */
  readonly replicas: number;
  readonly ssl?: NonNullable<KafkaConfig['ssl']>;
  readonly sasl?: SASLOptions;
  /** With it every message is sealed, and one that is not counts as unreadable. No part of what the environment says. */
  readonly sealKey?: Uint8Array;
}

export type KafkaSettingsOutcome =
  | { readonly kind: 'valid'; readonly settings: KafkaSettings }
  /** One line for each setting that is wrong: its name and what it must be. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Reads `CARELOG_KAFKA_*`; a variable that is set to nothing counts as not set. Reports everything that is wrong at once. */
export function readKafkaSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): KafkaSettingsOutcome {
  const problems: string[] = [];
  const told = (name: string): string | undefined => env[name] || undefined;
  const wrong = (name: string, rule: string): undefined => void problems.push(`${name} ${rule}.`);
  const number = (name: string, byDefault: number, max: number): number => {
    const text = told(name) ?? String(byDefault);
    if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > max) wrong(name, `must be a number from 1 to ${max}`);
    return Number(text);
  };
  const file = (name: string): string | undefined => {
    const path = told(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return wrong(name, 'names a file that cannot be read');
    }
  };

  const brokers = (told('CARELOG_KAFKA_BROKERS') ?? '127.0.0.1:9092').split(',').map((each) => each.trim());
  if (!brokers.every((each) => /^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(each)))
    wrong('CARELOG_KAFKA_BROKERS', 'must be host:port, with commas between several');
  const topic = told('CARELOG_KAFKA_TOPIC') ?? 'carelog.activities';
  if (!/^[\w.-]{1,200}$/.test(topic))
    wrong('CARELOG_KAFKA_TOPIC', 'must be letters, digits, dots, dashes and underscores, 200 at most');
  const lanes = number('CARELOG_KAFKA_LANES', 12, 10_000);
  const replicas = number('CARELOG_KAFKA_REPLICAS', 1, 9);
  const ssl = readTls(told, file, wrong);
  const sasl = readSasl(told, file, wrong);
  if (problems.length > 0) return { kind: 'invalid', problems };
  const secured = { ...(ssl === undefined ? {} : { ssl }), ...(sasl === undefined ? {} : { sasl }) };
  return { kind: 'valid', settings: { brokers, topic, lanes, replicas, ...secured } };
}

type Told = (name: string) => string | undefined;
type Wrong = (name: string, rule: string) => undefined;

function readTls(told: Told, file: Told, wrong: Wrong): KafkaSettings['ssl'] | undefined {
  const use = told('CARELOG_KAFKA_TLS') ?? 'off';
  if (use !== 'on' && use !== 'off') wrong('CARELOG_KAFKA_TLS', 'must be on or off');
  const ca = file('CARELOG_KAFKA_CA_FILE');
  const cert = file('CARELOG_KAFKA_CERTIFICATE_FILE');
  const key = file('CARELOG_KAFKA_KEY_FILE');
  if ((cert === undefined) !== (key === undefined))
    wrong('CARELOG_KAFKA_CERTIFICATE_FILE and CARELOG_KAFKA_KEY_FILE', 'must be given together');
  if (use !== 'on') return undefined;
  if (ca === undefined && cert === undefined) return true;
  return { ...(ca === undefined ? {} : { ca: [ca] }), ...(cert && key ? { cert, key } : {}) };
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function readSasl(told: Told, file: Told, wrong: Wrong): SASLOptions | undefined {
  const asked = told('CARELOG_KAFKA_SASL');
  if (asked === undefined) return undefined;
  const mechanism = mechanisms.find((each) => each === asked);
  if (!mechanism) return wrong('CARELOG_KAFKA_SASL', `must be one of ${mechanisms.join(', ')}`);
  if (mechanism === 'plain' && told('CARELOG_KAFKA_TLS') !== 'on')
    wrong('CARELOG_KAFKA_TLS', 'must be on with CARELOG_KAFKA_SASL=plain, which sends the password as it is');
  const username = told('CARELOG_KAFKA_USER');
  const password = file('CARELOG_KAFKA_PASSWORD_FILE');
  if (username === undefined || password === undefined)
    return wrong('CARELOG_KAFKA_USER and CARELOG_KAFKA_PASSWORD_FILE', 'must be given with CARELOG_KAFKA_SASL'); // prettier-ignore
  return { mechanism, username, password };
}
