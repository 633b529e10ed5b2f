/** A log in PostgreSQL, its topic in Kafka, relays between them, and what must hold of both. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { consumeLanes, laneOf, migrateDistribution, readRelayCheckpoint } from '@carelog/distribution';
import type { Delivered, KafkaSettings, RelayCheckpoint } from '@carelog/distribution';
import { startPostgres } from '@carelog/engines';
import { migrateEventStore, newEventId, openPostgresEventStore } from '@carelog/event-store';
import type { PostgresEventStore, RecordedEvent } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import type { Relay, RelayOptions } from '@carelog/relay';
import { anEvent } from '@carelog/testkit';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { expect } from 'vitest';
import type { Failpoint } from '../../apps/relay/src/failpoint.ts';
import type { ChildSettings } from './relay-child.ts';

export interface Database {
  readonly ownerUrl: string;
  /** Of the role that may relay and read, and no more. */
  readonly url: string;
  /** As the owner. */
  run(sql: string, values?: unknown[]): Promise<pg.QueryResult>;
  /** And starts it again. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** A server with the schema of the distribution. */
export async function startDatabase(folder: string): Promise<Database> {
  const postgres = await startPostgres({ folder: path.join(folder, 'postgres'), sync: false });
  const owner = new pg.Pool({ connectionString: postgres.url(), max: 1 });
  owner.on('error', () => {});
  const password = newEventId();
  await owner.query(`CREATE ROLE relay LOGIN PASSWORD '${password}'`);
  const client = await owner.connect();
  await migrateDistribution(client, { relays: ['relay'] });
  client.release();
  const url = new URL(postgres.url());
  url.username = 'relay';
  url.password = password;
  return {
    ownerUrl: postgres.url(),
    url: url.href,
    run: (sql, values) => owner.query(sql, values),
    async kill() {
      await postgres.kill();
      await postgres.start();
    },
    async stop() {
      await owner.end();
      await postgres.stop();
    },
  };
}

export type Tuning = Partial<Omit<RelayOptions, 'openStore' | 'log' | 'kafka'>>;

export interface RelayScene {
  readonly settings: KafkaSettings;
  readonly schema: string;
  readonly store: PostgresEventStore;
  /** As many events, of a few partitions, in appends of up to ten. */
  append(count: number): Promise<void>;
  relay(tuning?: Tuning): Relay;
  child(tuning?: Tuning, at?: { failpoint: Failpoint; time: number }): ChildProcess;
  checkpoint(): Promise<RelayCheckpoint>;
  /** Resolves once the checkpoint is the head of the log. */
  relayed(): Promise<void>;
  /** Everything in the topic, lane by lane; and that it is the log, in order but for what came twice. */
  expectTopicIsLog(): Promise<{
    readonly messages: number;
    readonly byLane: ReadonlyMap<number, Delivered[]>;
  }>;
  close(): Promise<void>;
}

const partitions = Array.from({ length: 40 }, () => newEventId());
const tuningOfTests = { pageEvents: 20, heartbeatMilliseconds: 60_000 };

/** A new log and a new topic, of four lanes. */
export async function startRelayScene(
  database: Database,
  brokers: readonly string[],
  replicas = 1,
): Promise<RelayScene> {
  const schema = `log_${newEventId().replaceAll('-', '')}`;
  const owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await migrateEventStore(owner, { schema, readerRole: 'relay' });
  await owner.end();
  const store = await openPostgresEventStore({ url: database.ownerUrl, schema });
  const settings: KafkaSettings = { brokers, topic: schema, lanes: 4, replicas };
  const ending: (() => Promise<unknown>)[] = [];
  let appended = 0;

  const scene: RelayScene = {
    settings,
    schema,
    store,
    async append(count) {
      for (const until = appended + count; appended < until;) {
        const events = Array.from({ length: Math.min(10, until - appended) }, () =>
          anEvent({
            partition: partitions[appended++ % partitions.length]!,
            content: Buffer.from(newEventId()),
          }),
        );
        await store.append([{ stream: `Observation/${appended}`, expectedRevision: 'no-stream', events }]);
      }
    },
    relay(tuning) {
      const relay = startRelay({
        kafka: settings,
        databaseUrl: database.url,
        openStore: () => openPostgresEventStore({ url: tuning?.databaseUrl ?? database.url, schema }),
        log: { info() {}, warn() {} },
        ...tuningOfTests,
        ...tuning,
      });
      ending.push(() => relay.close());
      return relay;
    },
    child(tuning, at) {
      const own: ChildSettings = {
        kafka: settings,
        databaseUrl: database.url,
        schema,
        ...tuningOfTests,
        ...tuning,
      };
      const env = { ...process.env, CARELOG_FAILPOINT: at ? `${at.failpoint}:${at.time}` : '' };
      const args = ['--no-warnings', path.join(import.meta.dirname, 'relay-child.ts'), JSON.stringify(own)];
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
      ending.push(() => killed(child));
      return child;
    },
    checkpoint: async () => {
      const { rows } = await database.run('SELECT 1 FROM distribution.relay WHERE topic = $1', [schema]);
      if (rows.length === 0) return { epoch: undefined, position: 0, positions: [], eventId: undefined };
      return (await readRelayCheckpoint({ query: database.run } as unknown as pg.Client, schema))!;
    },
    async relayed() {
      const { position } = await store.freshHead();
      await expect
        .poll(async () => (await scene.checkpoint()).position, patient)
        .toBeGreaterThanOrEqual(position);
    },
    async expectTopicIsLog() {
      const byLane = await everythingIn(settings);
      const log = await wholeOf(store);
      for (let lane = 0; lane < settings.lanes; lane++) {
        const inLane = log.filter(({ partition }) => laneOf(partition, settings.lanes) === lane);
        expect(takenAsAProjectorDoes(byLane.get(lane) ?? [])).toEqual(inLane);
      }
      const messages = [...byLane.values()].flat().filter(({ kind }) => kind === 'event').length;
      return { messages, byLane };
    },
    async close() {
      await Promise.all(ending.map((end) => end()));
      await store.close();
    },
  };
  return scene;
}

export const patient = { timeout: 60_000, interval: 20 };

export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Once over each lane: what follows on the last is taken, what came before is left out, and nothing else may come. */
function takenAsAProjectorDoes(messages: readonly Delivered[]): RecordedEvent[] {
  const taken: RecordedEvent[] = [];
  for (const message of messages) {
    const reached = taken.at(-1)?.position ?? 0;
    if (message.kind === 'unreadable') throw new Error(message.reason);
    if (message.kind === 'heartbeat') {
      expect(message.previous).toBeLessThanOrEqual(reached);
      continue;
    }
    if (message.event.position <= reached) continue;
    expect(message.previous).toBe(reached);
    taken.push(message.event);
  }
  return taken;
}

/** From the first offset to the last one that there is now. */
export async function everythingIn(settings: KafkaSettings): Promise<ReadonlyMap<number, Delivered[]>> {
  const admin = new Kafka({ brokers: [...settings.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(settings.topic);
  await admin.disconnect();
  const byLane = new Map<number, Delivered[]>();
  const count = (): number => [...byLane.values()].reduce((sum, messages) => sum + messages.length, 0);
  const consumer = consumeLanes(settings, {
    group: newEventId(),
    onBatch: async ({ lane, messages }) => {
      byLane.set(lane, [...(byLane.get(lane) ?? []), ...messages]);
    },
  });
  const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  await expect.poll(count, patient).toBeGreaterThanOrEqual(total);
  await consumer.close();
  return byLane;
}

async function wholeOf(store: PostgresEventStore): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (;;) {
    const more = await store.readAll({ after: events.at(-1)?.position ?? 0 });
    if (more.length === 0) return events;
    events.push(...more);
  }
}
