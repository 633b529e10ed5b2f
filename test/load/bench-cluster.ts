/** The local cluster as the bench looks at it: from outside, by its database and the processor time of its processes. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultPolicy } from '@carelog/access';
import { readRelayCheckpoint } from '@carelog/distribution';
import { startKafka, startPostgres } from '@carelog/engines';
import {
  careSettings,
  careSettingsSchema,
  populationSchema,
  recordProjectionBy,
  schemaOf,
} from '@carelog/read-models';
import { createLog, issueToken, personas } from '@carelog/service-kit';
import { Client } from 'pg';
import { startLocalCluster, TOPIC, type LocalCluster } from '../../apps/carelog/src/cluster/local-cluster.ts';

import { progressed, reached } from '../../apps/carelog/src/cluster/lane-progress.ts';
import { stackConfig } from '../support/stack-config.ts';
import { processorTimes } from './processor-time.ts';

export { TOPIC };

/** One for each projector: the fewer there are, the more events a batch has. */
export const LANES = 2;

/** As a server of this size is set up; by default it would be busy with checkpoints, and make files of its journal anew. */
const SERVER = { shared_buffers: '6GB', max_wal_size: '8GB', min_wal_size: '2GB' };

/** Kinds of processes, in the order of an event's way. */
export const PROCESSES = ['gateway', 'writer', 'PostgreSQL', 'relay', 'Kafka', 'projector'] as const;
export type ProcessKind = (typeof PROCESSES)[number];

export interface BenchCluster extends LocalCluster {
  readonly brokers: readonly string[];
  readonly owner: Client;
  readonly token: string;
  /** All of them, as their schemas are called: the record, the care settings, the population. */
  readonly views: readonly string[];
  head(): Promise<number>;
  /** Resolves with the log's head when every view has everything up to it. */
  settled(): Promise<number>;
  /** Microseconds of processor that were taken so far. */
  processors(): ReadonlyMap<ProcessKind, number>;
}

/** Resolves when every service is ready. */
export async function startBenchCluster(folder: string): Promise<BenchCluster> {
  const env = (first: string) => ({ CARELOG_LOG: 'error', CARELOG_URL: first });
  const [postgres, kafka] = await Promise.all([
    startPostgres({ folder: join(folder, 'postgres'), settings: SERVER }),
    startKafka({ folder: join(folder, 'kafka') }),
  ]);
  await fillJournal(postgres.url());
  const engines = { postgresUrl: postgres.url(), brokers: kafka.brokers };
  const cluster = await startLocalCluster(stackConfig(folder), createLog('error'), {
    env,
    engines,
    lanes: LANES,
  });
  const owner = new Client(cluster.ownerUrl);
  await owner.connect();
  const url = cluster.gateways[0]!;
  const issued = await issueToken({ dataFolder: folder, personas, persona: 'publisher', url });
  if (issued.kind === 'refused') throw new Error(issued.message);
  const { name, version } = recordProjectionBy(defaultPolicy());
  const views = [
    schemaOf(name, version),
    careSettingsSchema(careSettings),
    populationSchema(defaultPolicy()),
  ];
  const { services } = cluster;

  async function head(): Promise<number> {
    const { rows } = await owner.query<{ head: string }>('SELECT coalesce(max(position), 0) AS head FROM log.entry'); // prettier-ignore
    return Number(rows[0]!.head);
  }

  async function viewsReached(): Promise<number> {
    const relay = await readRelayCheckpoint(owner, TOPIC);
    const parts = views.map((it) => `SELECT '${it}' AS view, lane, position, epoch FROM ${it}.checkpoint`);
    const { rows } = await owner.query<{ view: string; lane: number; position: string; epoch: string }>(
      parts.join(' UNION ALL '),
    );
    const byView = Map.groupBy(rows, ({ view }) => view);
    const positions = views.map((view) => {
      const its = byView.get(view) ?? [];
      const lanes = its.map(({ lane, position, epoch }) => [lane, { position: Number(position), epoch }] as const); // prettier-ignore
      return reached(progressed([], relay, new Map(lanes), relay?.epoch ?? ''));
    });
    return Math.min(...positions);
  }

  return {
    ...cluster,
    brokers: kafka.brokers,
    owner,
    token: issued.token,
    views,
    head,
    async settled() {
      const wanted = await head();
      while ((await viewsReached()) < wanted) await delay(20);
      return wanted;
    },
    processors() {
      const pidsOf = (kind: ProcessKind) => {
        if (kind === 'PostgreSQL') return [postgres.pid];
        const pids = kind === 'Kafka' ? [kafka.pid()] : [...services.values()].filter((it) => it.name.startsWith(kind)).map((it) => it.pid); // prettier-ignore
        return pids.filter((pid) => pid !== undefined);
      };
      return processorTimes(new Map(PROCESSES.map((kind) => [kind, pidsOf(kind)])));
    },
    async close() {
      await owner.end();
      await cluster.close();
      await Promise.all([postgres.stop(), kafka.stop()]);
    },
  };
}

/**
 * A server that has been at work for a while writes its journal into files that it used before. A new one makes each of them, 16 MB of
 * noughts that it waits for, while nobody can commit: every one and a half seconds at 1,600 events a second.
 */
async function fillJournal(superuserUrl: string): Promise<void> {
  const client = new Client(superuserUrl);
  await client.connect();
  for (let written = 0; written < 128; written += 1)
    await client.query(`SELECT pg_logical_emit_message(false, '', repeat('x', 16 * 1024 * 1024))`);
  await client.query('CHECKPOINT');
  await client.end();
}

/** Microseconds of processor for each event that is recorded meanwhile, the way into every view included. */
export async function counting(cluster: BenchCluster, work: () => Promise<void>) {
  return countingFrom(await cluster.settled(), cluster, work);
}

/** As `counting`, where the events after this position were recorded already. */
export async function countingFrom(
  from: number,
  cluster: BenchCluster,
  work: () => Promise<void>,
): Promise<ReadonlyMap<ProcessKind, number>> {
  const before = cluster.processors();
  await work();
  const events = (await cluster.settled()) - from;
  const after = cluster.processors();
  return new Map([...after].map(([kind, taken]) => [kind, (taken - (before.get(kind) ?? 0)) / events]));
}
