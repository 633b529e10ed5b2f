/**
 * Real Kafka brokers (KRaft) as child processes, out of the jars that Maven fetches once into `.cache/`: for tests and for
 * a cluster on a developer's machine. `infra/kafka` holds the list of jars, the settings, and a script that does it by hand.
 */
import { execFile, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import { EngineMissing } from './engine-missing.ts';
import { freePorts, isFree } from './free-port.ts';
import { spawnServer } from './spawn-server.ts';

export interface KafkaOptions {
  /** Made where it is missing; holds ports, data and a log of each broker, and is used again by the next start. */
  readonly folder: string;
  /** Of the first broker, the others follow; those of the last start on this folder where nobody else took them, or free ones, unless told. */
  readonly port?: number;
  /** One unless told. Three keep every record twice more, and go on without one of them. */
  readonly brokers?: 1 | 3;
  /** Ports that clients are told to find the brokers at, e.g. of proxies before them; their own unless told. */
  readonly advertised?: readonly number[];
  /**
   * Server settings beside ours, or instead of them. In values `@PORT@`, `@CONTROLLER_PORT@` and what else stands so in
   * `infra/kafka/server.properties` is filled in as there.
   */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Kafka {
  /** `127.0.0.1:<port>` of every broker as clients are to find it, also of those that do not run just now. */
  readonly brokers: readonly string[];
  /** Of a broker, counted from 0; undefined while it does not run. */
  pid(broker?: number): number | undefined;
  /** As `kill -9`. Resolves when the broker is gone. */
  kill(broker?: number): Promise<void>;
  /** Starts a broker again that was killed or stopped. Resolves when all that run accept work. */
  start(broker?: number): Promise<void>;
  /** Ends all brokers in good order, or one; resolves when they are gone. */
  stop(broker?: number): Promise<void>;
}

const infra = resolve(import.meta.dirname, '../../../infra/kafka');
const patienceMilliseconds = 180_000;
/** The quick compiler only: half the time to start, on a machine that runs everything else as well. */
const machine = ['-Xms256m', '-Xmx512m', '-XX:TieredStopAtLevel=1'];

/**
 * Starts the brokers on `folder`, and resolves when they accept work and hold consumer groups' offsets. Throws
 * `EngineMissing` without a Java runtime or Maven, and an error with the end of the log of a broker that does not come up.
 */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const jars = await fetchJars();
  const folder = resolve(options.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const nodes = await nodesOf(folder, options);
  const addresses = nodes.map(({ advertised }) => `127.0.0.1:${advertised}`);
  await prepare(nodes, jars);

  const running: (ChildProcess | undefined)[] = nodes.map(() => undefined);
  const kafka: Kafka = {
    brokers: addresses,
    pid: (broker = 0) => running[broker]?.pid,
    kill: (broker = 0) => end(broker, 'SIGKILL'),
    async start(broker = 0) {
      if (!running[broker]) running[broker] = launch(nodes[broker]!, jars);
      await ready();
    },
    async stop(broker) {
      const ending = broker === undefined ? [...nodes.keys()] : [broker];
      await Promise.all(ending.map((each) => end(each, 'SIGTERM')));
    },
  };
  for (const [broker, node] of nodes.entries()) running[broker] = launch(node, jars);
  try {
    await ready();
  } catch (fault) {
    await Promise.all(nodes.map((_, broker) => end(broker, 'SIGKILL')));
    throw fault;
  }
  return kafka;

  async function ready(): Promise<void> {
    const up = addresses.filter((_, broker) => running[broker]);
    const until = Date.now() + patienceMilliseconds;
    while (!(await accepts(up))) {
      const dead = nodes.find((_, broker) => running[broker] && hasEnded(running[broker]));
      if (!dead && Date.now() < until) continue;
      const told = (dead ?? nodes[0]!).folder;
      throw new Error(`Kafka did not start on ${told}. Its log ends:\n${endOfLog(told)}`);
    }
  }

  async function end(broker: number, signal: NodeJS.Signals): Promise<void> {
    const server = running[broker];
    running[broker] = undefined;
    if (!server || hasEnded(server)) return;
    const gone = once(server, 'exit');
    // A broker that leaves waits for its controller, which may have left before it.
    const overdue = setTimeout(() => server.kill('SIGKILL'), 10_000);
    server.kill(signal);
    await gone;
    clearTimeout(overdue);
  }
}

interface Node {
  readonly folder: string;
  readonly advertised: number;
  readonly settings: string;
}

/** The jars' folder, filled by Maven where it is missing. */
async function fetchJars(): Promise<string> {
  const missing = [
    ['java', 'default-jre-headless'],
    ['mvn', 'maven'],
  ].filter(([command]) => spawnSync('sh', ['-c', 'command -v "$0"', command!]).status !== 0);
  const pom = join(infra, 'pom.xml');
  const version = /<kafka.version>(.*)<\/kafka.version>/.exec(readFileSync(pom, 'utf8'))![1]!;
  const jars = resolve(infra, `../../.cache/kafka-${version}`);
  const needed = existsSync(jars) ? missing.filter(([command]) => command === 'java') : missing;
  if (needed.length > 0) {
    throw new EngineMissing(
      `Kafka cannot be started here: ${needed.map(([command]) => command).join(' and ')} missing. It needs Java 17 or later, and Maven to fetch it. On Debian: apt-get install ${needed.map(([, name]) => name).join(' ')}`,
    );
  }
  if (existsSync(jars)) return jars;
  const unfinished = `${jars}.${process.pid}`;
  const args = ['--batch-mode', '--quiet', '--file', pom, 'dependency:copy-dependencies'];
  args.push('-DincludeScope=runtime', `-DoutputDirectory=${unfinished}`);
  try {
    await promisify(execFile)('mvn', args);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    const { stdout = '' } = cause as { stdout?: string };
    const said = stdout.trim().split('\n').slice(0, 3).join('\n');
    throw new EngineMissing(`Kafka cannot be started here: Maven could not fetch it.\n${said}`, { cause });
  }
  // Somebody else may have been quicker; then theirs is as good.
  await rename(unfinished, jars).catch(() => rm(unfinished, { recursive: true, force: true }));
  return jars;
}

/** Clients and other brokers know a broker by its port, so it keeps the port it had, unless something else took it meanwhile. */
async function nodesOf(
  folder: string,
  { port, brokers = 1, advertised = [], settings: more = {} }: KafkaOptions,
): Promise<readonly Node[]> {
  const file = join(folder, 'ports.json');
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as [number, number][]) : [];
  const ports: [number, number][] = [];
  for (let broker = 0; broker < (known.length || brokers); broker++) {
    const before = known[broker];
    const isLeft = before !== undefined && (port !== undefined || (await isFree(before[0]))) && (await isFree(before[1])); // prettier-ignore
    const [own, controller] = isLeft ? before : ((await freePorts(2)) as [number, number]);
    ports.push([port === undefined ? own : port + broker, controller]);
  }
  await writeFile(file, JSON.stringify(ports));
  const added = Object.entries(more).map(([name, value]) => `${name}=${value}\n`);
  const template = [readFileSync(join(infra, 'server.properties'), 'utf8'), ...added].join('');
  const voters = ports.map(([, controller], broker) => `${broker + 1}@127.0.0.1:${controller}`).join(',');
  return ports.map(([own, controller], broker) => {
    const home = join(folder, `broker-${broker + 1}`);
    const values: Record<string, string | number> = {
      ID: broker + 1,
      VOTERS: voters,
      PORT: own,
      ADVERTISED: advertised[broker] ?? own,
      CONTROLLER_PORT: controller,
      DATA: join(home, 'data'),
      REPLICAS: ports.length,
      IN_SYNC: ports.length === 1 ? 1 : 2,
    };
    const settings = template.replace(/@([A-Z_]+)@/g, (whole, name: string) => String(values[name] ?? whole));
    return { folder: home, advertised: advertised[broker] ?? own, settings };
  });
}

/** Writes the settings, and formats the data folders that are new. */
async function prepare(nodes: readonly Node[], jars: string): Promise<void> {
  for (const { folder, settings } of nodes) {
    mkdirSync(folder, { recursive: true });
    await writeFile(join(folder, 'server.properties'), settings);
  }
  const unformatted = nodes.filter(({ folder }) => !existsSync(join(folder, 'data/meta.properties')));
  if (unformatted.length === 0) return;
  // Kafka's own way to write 128 random bits; without a dash at the front, which would be taken for an option.
  const id = randomBytes(16);
  id[0]! &= 0x7f;
  const tool = [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    `${infra}:${jars}/*`,
    'kafka.tools.StorageTool',
  ];
  const format = ['format', '--cluster-id', id.toString('base64url'), '--config'];
  await Promise.all(
    unformatted.map(({ folder }) =>
      promisify(execFile)('java', [...tool, ...format, join(folder, 'server.properties')]),
    ),
  );
}

function launch({ folder }: Node, jars: string): ChildProcess {
  return spawnServer({
    command: ['java', ...machine, '-cp', `${infra}:${jars}/*`, 'kafka.Kafka', 'server.properties'],
    folder,
    log: join(folder, 'kafka.log'),
    endSignal: 'TERM',
  });
}

/** Whether all of these brokers are one cluster that knows who keeps a consumer group's offsets. */
async function accepts(brokers: readonly string[]): Promise<boolean> {
  const impatient = { connectionTimeout: 2_000, requestTimeout: 5_000, retry: { retries: 0 } };
  const client = new KafkaClient({ brokers: [...brokers], logLevel: logLevel.NOTHING, ...impatient });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers: known, controller } = await admin.describeCluster();
    if (known.length < brokers.length || controller === null) return false;
    await admin.fetchOffsets({ groupId: 'is-the-coordinator-there' });
    return true;
  } catch {
    await delay(100);
    return false;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

function endOfLog(folder: string): string {
  const file = join(folder, 'kafka.log');
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n') : '(none)';
}
