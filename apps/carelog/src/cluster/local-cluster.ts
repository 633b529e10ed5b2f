/**
 * A whole cluster on one machine: PostgreSQL and Kafka as they are, and every service as a process of its own, two of each that
 * share their work. For developers; a site has its own engines and starts the same services.
 */
import { createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureTopic } from '@carelog/distribution';
import { freePorts, isFree, startKafka, startPostgres } from '@carelog/engines';
import { makeMasterKey } from '@carelog/keyring';
import { careSettings, makeServiceKey, type Config, type Log } from '@carelog/service-kit';
import { Client } from 'pg';
import { PortIsTaken, RunningService, type ChildService } from './child-services.ts';
import { migrateCluster, roleOf, serviceRoles } from './migrate.ts';

export interface LocalCluster {
  readonly gateways: readonly string[];
  readonly writers: readonly string[];
  /** By name, e.g. `writer 2`. */
  readonly services: ReadonlyMap<string, RunningService>;
  /** One more, as `like` is but for these settings; resolves when it is ready. Not for gateways, whose folder is theirs alone. */
  add(name: string, like: string, env?: ChildService['env']): Promise<RunningService>;
  /** As an operator's commands take them, with the owner of the schemas in the addresses. */
  readonly settings: Readonly<Record<string, string>>;
  /** Of the database, as the role that owns what is in it. */
  readonly ownerUrl: string;
  /** Whether nothing had been recorded when it started. */
  readonly emptyLog: boolean;
  /** Ends services first, then what they stand on. */
  close(): Promise<void>;
}

/** How the log is distributed in a local cluster, unless told. */
export const TOPIC = 'carelog.activities';
export const LANES = 12;

/** Of two writers, which have two each, the relay, two projectors, and two gateways. */
const PORTS = 9;
/** So often they are chosen. */
const CHOICES = 3;

/** What a cluster stands on. Several may stand on the same PostgreSQL and Kafka, each with a database and a topic of its own. */
export interface LocalEngines {
  /** Of the superuser. */
  readonly postgresUrl: string;
  readonly brokers: readonly string[];
}

export interface LocalClusterOptions {
  /** Settings for all services. */
  readonly env?: (firstGateway: string) => Readonly<Record<string, string>>;
  /** Settings of one service, in place of those that it would have. */
  readonly settingsOf?: (child: ChildService) => Promise<ChildService['env']>;
  /** Those that run already, and are left running. */
  readonly engines?: LocalEngines;
  /** Of the database, and what the topic's name begins with; `carelog` unless told. */
  readonly name?: string;
  readonly lanes?: number;
}

/** Resolves when every service is ready. Throws what keeps one from it, with everything ended; `EngineMissing` names its remedy. */
export async function startLocalCluster(
  config: Config,
  log: Log,
  {
    env = () => ({}),
    settingsOf = async ({ env }) => env,
    engines: given,
    name = 'carelog',
    lanes = LANES,
  }: LocalClusterOptions = {},
): Promise<LocalCluster> {
  if (!(await isFree(config.port)))
    throw new Error(`Something else listens on port ${config.port}. End that, or set PORT to another; 0 takes a free one.`); // prettier-ignore
  const folder = join(config.dataFolder, 'cluster');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const { postgresUrl, brokers } = given ?? (await startEngines(folder, closing));
    const topic = name === 'carelog' ? TOPIC : `${name}.activities`;
    const secrets = makeSecrets(folder, postgresUrl);
    const ownerUrl = await makeDatabase(postgresUrl, name, secrets.passwords);
    await migrateCluster({ ownerUrl, masterKeyFile: secrets.masterKeyFile, policy: config.policy });
    await ensureTopic({ brokers, topic, lanes, replicas: 1 });
    const emptyLog = await isEmpty(ownerUrl);
    const start = async (children: readonly ChildService[]): Promise<RunningService[]> => {
      const set = await Promise.all(children.map(async (it) => ({ ...it, env: await settingsOf(it) })));
      const running = set.map((child) => new RunningService(child, log));
      closing.push(() => Promise.all(running.map((it) => it.stop())));
      return running;
    };
    const startOn = async (free: readonly number[]) => {
      const ports = config.port === 0 ? free : [config.port, ...free];
      const port = ports[0]!;
      const shared = sharedSettings(
        { ownerUrl, brokers, topic, lanes, secrets, folder, port },
        env(urlAt(port)),
      );
      const { gateways, writers, others } = childrenOf(config, folder, shared, ports);
      // Those that are ended last are started first: gateways still write while they answer what they have in hand.
      const running = [...(await start([...others, ...writers])), ...(await start(gateways))];
      try {
        await Promise.all(running.map((it) => it.ready()));
      } catch (fault) {
        await Promise.all(running.map((it) => it.stop()));
        throw fault;
      }
      return { gateways, writers, shared, running };
    };
    const { gateways, writers, shared, running } = await onFreePorts(PORTS, startOn, config.port);
    const services = new Map(running.map((service) => [service.name, service]));
    return {
      gateways: gateways.map((child) => urlAt(child.port)),
      writers: writers.map((child) => urlAt(child.port)),
      services,
      add: (name, like, env = {}) =>
        onFreePorts(1, async ([port]) => {
          const service = services.get(like)!.alike({ name, port: port!, env });
          services.set(name, service);
          closing.push(() => service.stop());
          await service.ready().catch(async (fault: unknown) => {
            await service.stop();
            throw fault;
          });
          return service;
        }),
      settings: { ...shared('relay'), ...databasesAt(ownerUrl), CARELOG_DATA: folder },
      ownerUrl,
      emptyLog,
      close,
    };
  } catch (fault) {
    await close();
    throw fault;
  }
}

async function startEngines(folder: string, closing: (() => Promise<unknown>)[]): Promise<LocalEngines> {
  const starting = [
    startPostgres({ folder: join(folder, 'postgres') }),
    startKafka({ folder: join(folder, 'kafka') }),
  ] as const;
  const [postgres, kafka] = await Promise.allSettled(starting);
  const started = [postgres, kafka].flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
  closing.push(() => Promise.all(started.map((engine) => engine.stop())));
  if (postgres.status === 'rejected') throw postgres.reason;
  if (kafka.status === 'rejected') throw kafka.reason;
  return { postgresUrl: postgres.value.url(), brokers: kafka.value.brokers };
}

interface Secrets {
  readonly masterKeyFile: string;
  readonly serviceKeyFile: string;
  /** By service. */
  readonly passwords: Readonly<Record<string, string>>;
}

/** The keys in files of mode 0600, made once. Passwords follow from the server's own, so that all who start on it know them. */
function makeSecrets(folder: string, postgresUrl: string): Secrets {
  const keys = join(folder, 'keys');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const masterKeyFile = join(keys, 'master.key');
  const serviceKeyFile = join(keys, 'service.key');
  makeMasterKey(masterKeyFile);
  makeServiceKey(serviceKeyFile);
  const { password } = new URL(postgresUrl);
  const passwords = Object.fromEntries(
    serviceRoles.map((role) => [role, createHmac('sha256', password).update(role).digest('base64url')]),
  );
  return { masterKeyFile, serviceKeyFile, passwords };
}

/** The owner's URL. Each service has a role of its own. */
async function makeDatabase(
  postgresUrl: string,
  name: string,
  passwords: Secrets['passwords'],
): Promise<string> {
  const server = new Client(postgresUrl);
  await server.connect();
  try {
    // Whoever else starts on the same server makes the same roles.
    await server.query("SELECT pg_advisory_lock(hashtext('carelog roles'))");
    const { rowCount } = await server.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await server.query(`CREATE DATABASE ${server.escapeIdentifier(name)}`);
    for (const service of serviceRoles) {
      const role = roleOf(service);
      const { rowCount: known } = await server.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      if (known === 0) await server.query(`CREATE ROLE ${role}`);
      await server.query(`ALTER ROLE ${role} LOGIN PASSWORD ${server.escapeLiteral(passwords[service]!)}`);
    }
  } finally {
    await server.end();
  }
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function isEmpty(ownerUrl: string): Promise<boolean> {
  const owner = new Client(ownerUrl);
  await owner.connect();
  const { rowCount } = await owner.query('SELECT FROM log.entry LIMIT 1');
  await owner.end();
  return rowCount === 0;
}

interface Ground {
  readonly ownerUrl: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly lanes: number;
  readonly secrets: Secrets;
  readonly folder: string;
  /** Of the first gateway. */
  readonly port: number;
}

type Shared = (service: (typeof serviceRoles)[number]) => Record<string, string>;

function sharedSettings(
  { ownerUrl, brokers, topic, lanes, secrets, folder, port }: Ground,
  env: Readonly<Record<string, string>>,
): Shared {
  const issuers = join(folder, 'issuers.json');
  writeFileSync(
    issuers,
    JSON.stringify({
      issuers: [
        issuerAt(env['CARELOG_URL'] ?? process.env['CARELOG_URL'] ?? urlAt(port), urlAt(port), folder),
      ],
    }),
    {
      mode: 0o600,
    },
  );
  return (service) => {
    const url = new URL(ownerUrl);
    url.username = roleOf(service);
    url.password = secrets.passwords[service]!;
    return {
      ...databasesAt(url.href),
      CARELOG_KEYRING_MASTER_KEY_FILE: secrets.masterKeyFile,
      CARELOG_SERVICE_KEY_FILE: secrets.serviceKeyFile,
      CARELOG_KAFKA_BROKERS: brokers.join(','),
      CARELOG_KAFKA_TOPIC: topic,
      CARELOG_KAFKA_LANES: String(lanes),
      CARELOG_EMBEDDED_IDENTITY: 'off',
      CARELOG_ISSUERS: issuers,
      CARELOG_DEMO: 'off',
      CARELOG_APPS: '',
      HOST: '127.0.0.1',
      ...env,
    };
  };
}

function databasesAt(url: string): Record<string, string> {
  return {
    CARELOG_LOG_URL: url,
    CARELOG_ACCESS_LOG_URL: url,
    CARELOG_READ_MODELS_URL: url,
    CARELOG_DISTRIBUTION_URL: url,
    CARELOG_KEYRING_URL: url,
  };
}

/** The first gateway's own provider, as the others trust it. */
function issuerAt(url: string, reachedAt: string, folder: string) {
  return {
    issuer: `${url}/openid`,
    audience: `${url}/fhir/R4`,
    keysUrl: `${reachedAt}/openid/jwks`,
    introspection: {
      url: `${reachedAt}/openid/token/introspection`,
      clientId: 'resource-server',
      secretFile: join(folder, '../identity/client-secrets.json'),
      recheckSeconds: 5,
    },
    shapes: ['cis2', 'nhs-login', 'carelog'],
    careSettings,
    scopesRequired: false,
  };
}

function childrenOf(config: Config, folder: string, shared: Shared, [gateway, ...free]: readonly number[]) {
  const child = (
    service: ChildService['service'],
    number: number,
    env: Record<string, string> = {},
    port = free.pop()!,
  ): ChildService => {
    const data = join(folder, `${service}-${number}`);
    return {
      name: `${service} ${number}`,
      service,
      port,
      env: { ...shared(service), CARELOG_DATA: data, PORT: String(port), ...env },
    };
  };
  const writerPorts = [free.pop()!, free.pop()!];
  const writers = writerPorts.map((port, index) =>
    child('writer', index + 1, { CARELOG_WRITER_PORT: String(port) }),
  );
  const to = { CARELOG_WRITERS: writerPorts.map((port) => `127.0.0.1:${port}`).join(',') };
  const identity = {
    CARELOG_DATA: config.dataFolder,
    CARELOG_EMBEDDED_IDENTITY: config.embeddedIdentity ? 'on' : 'off',
    CARELOG_DEMO: config.demo ? 'on' : 'off',
    CARELOG_ISSUERS: process.env['CARELOG_ISSUERS'] ?? '',
    CARELOG_APPS: process.env['CARELOG_APPS'] ?? '',
  };
  return {
    gateways: [child('gateway', 1, { ...to, ...identity }, gateway), child('gateway', 2, to)],
    writers,
    others: [child('relay', 1), child('projector', 1), child('projector', 2)],
  };
}

/** Begins again on others where something else took one of them before a service did. `given` is not ours to choose. */
async function onFreePorts<T>(
  count: number,
  start: (ports: readonly number[]) => Promise<T>,
  given?: number,
): Promise<T> {
  for (let left = CHOICES; ; left -= 1) {
    try {
      return await start(await freePorts(count));
    } catch (fault) {
      if (!(fault instanceof PortIsTaken) || fault.port === given || left === 1) throw fault;
    }
  }
}

const urlAt = (port: number): string => `http://127.0.0.1:${port}`;
