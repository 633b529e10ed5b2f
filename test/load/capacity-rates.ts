/**
 * Measures what the parts of a cluster cost on this machine, as test/load/capacity.ts reckons with it: milliseconds of each turn,
 * page or batch, and of each event in it; bytes of each event. `node test/load/capacity-rates.ts` prints them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPolicy } from '@carelog/access';
import {
  encodeMessage,
  ensureTopic,
  laneOf,
  openLaneProducer,
  type LaneMessage,
} from '@carelog/distribution';
import { startKafka, startPostgres, type Kafka } from '@carelog/engines';
import { openPostgresEventStore, type PostgresEventStore } from '@carelog/event-store';
import { catchUpLanes } from '@carelog/projection';
import { careSettings, careSettingsSchema, populationSchema } from '@carelog/read-models';
import { createLog } from '@carelog/service-kit';
import { generatePopulation } from '@carelog/synthetic';
import { Client } from 'pg';
import { migrateCluster } from '../../apps/carelog/src/cluster/migrate.ts';
import { loadPopulation } from '../../apps/carelog/src/commands/demo.ts';
import { exportLogs } from '../../apps/carelog/src/commands/export.ts';
import { importLog } from '../../apps/carelog/src/commands/import-log.ts';
import type { ViewGround } from '../../apps/projector/src/kafka/projector-service.ts';
import { openViewGround } from '../../apps/projector/src/service.ts';
import { someEvent, to } from '../../libs/event-store/src/some-event.ts';
import { startEmptyStack } from '../support/start-stack.ts';
import type { Cost } from './capacity.ts';

const PEOPLE = 40;
const LANES = 4;
const [FEW, MANY] = [4, 500];

const folder = mkdtempSync(join(tmpdir(), 'carelog-rates-'));
const postgres = await startPostgres({ folder: join(folder, 'postgres') });
const owner = new Client({ connectionString: postgres.url() });
await owner.connect();
const ending: (() => Promise<unknown>)[] = [];
try {
  const messages = await record();
  const store = await openPostgresEventStore({ url: postgres.url() });
  const events = store.head().position;
  const projected = await projection(events);
  // As if they were built once; and before anything is added that the population did not bring.
  await owner.query('VACUUM FULL');
  const sizes = { log: await bytesOf(['log']), views: await bytesOf(projected.schemas), message: await messageBytes(store) }; // prettier-ignore
  // Not before: nothing else shall run while the others are measured.
  const kafka = await startKafka({ folder: join(folder, 'kafka') });
  ending.push(() => kafka.stop());
  const turn = await costs((size) => appends(store, size));
  const rates = {
    eventsPerMessage: events / messages,
    turn,
    page: await costs((size) => pages(kafka, store, size, events)),
    batch: projected.batch,
    views: projected.views,
    bytes: { log: sizes.log / events, views: sizes.views / events, lane: sizes.message },
  };
  process.stdout.write(`${JSON.stringify(rates, (_, it: unknown) => (typeof it === 'number' ? Number(it.toPrecision(3)) : it), 2)}\n`); // prettier-ignore
  await store.close();
} finally {
  for (const end of ending) await end();
  await owner.end();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A synthetic population, recorded by one machine and moved; how many messages it came in. */
async function record(): Promise<number> {
  const data = join(folder, 'data');
  const stack = await startEmptyStack(data);
  await loadPopulation({ url: stack.url, token: () => stack.token('publisher'), people: PEOPLE, seed: 7 });
  await stack.stop();
  const keys = join(folder, 'keys');
  const url = postgres.url();
  Object.assign(process.env, { CARELOG_DATA: data, CARELOG_LOG_URL: url, CARELOG_ACCESS_LOG_URL: url, CARELOG_KEYRING_URL: url, CARELOG_KEYRING_MASTER_KEY_FILE: join(keys, 'master.key') }); // prettier-ignore
  await exportLogs(join(folder, 'export'), keys);
  await importLog(join(folder, 'export'), keys);
  await migrateCluster({ ownerUrl: url, masterKeyFile: join(keys, 'master.key'), policy: defaultPolicy() });
  let messages = 0;
  for (const bundles of generatePopulation({ seed: 7, people: PEOPLE })) messages += bundles.length;
  return messages;
}

/** From what a unit of few and one of many takes: of each unit, and of each event in it. */
async function costs(unitMs: (size: number) => Promise<number>): Promise<Cost> {
  await unitMs(FEW);
  const [few, many] = [await unitMs(FEW), await unitMs(MANY)];
  const eventMs = Math.max(0, (many - few) / (MANY - FEW));
  return { unitMs: Math.max(0, few - FEW * eventMs), eventMs };
}

async function timed(times: number, work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  for (let n = 0; n < times; n += 1) await work();
  return (performance.now() - begun) / times;
}

function appends(store: PostgresEventStore, size: number): Promise<number> {
  let number = 0;
  return timed(20_000 / (size + 100), () =>
    store.append(
      Array.from({ length: size }, () => to(`Text/${size}-${process.hrtime.bigint()}-${number++}`, 'no-stream', someEvent({ partition: 'rates', content: Buffer.alloc(700) }))), // prettier-ignore
    ),
  );
}

async function pages(kafka: Kafka, store: PostgresEventStore, size: number, events: number): Promise<number> {
  const settings = { brokers: kafka.brokers, topic: 'rates', lanes: LANES, replicas: 1 };
  await ensureTopic(settings);
  const producer = await openLaneProducer(settings);
  let after = 0;
  try {
    return await timed(Math.min(60, Math.floor(events / size)), async () => {
      const page = new Map<number, LaneMessage[]>();
      for (const event of await store.readAll({ after, limit: size })) {
        const lane = laneOf(event.partition, LANES);
        page.set(lane, [...(page.get(lane) ?? []), encodeMessage(event, { epoch: 'e', previous: 0 })]);
        after = event.position;
      }
      await producer.send(page);
    });
  } finally {
    await producer.close();
  }
}

/**
 * Every view, one after another, each built by one projector from batches of many events and of few; and what a batch takes for
 * all of them, which share the projector's thread.
 */
async function projection(events: number) {
  const url = postgres.url();
  const { view, beside, ground, close } = await openViewGround({ logUrl: url, readModelsUrl: url, keyringUrl: url, masterKeyFile: process.env['CARELOG_KEYRING_MASTER_KEY_FILE']!, lanes: LANES, policy: defaultPolicy(), log: createLog('silent') }); // prettier-ignore
  const views: Record<string, Cost> = {};
  for (const it of [view, ...beside]) views[it.name] = await viewCost(it, ground, events);
  await close();
  const sum = (of: keyof Cost) => Object.values(views).reduce((all, cost) => all + cost[of], 0);
  const schemas = [view.name, populationSchema(defaultPolicy()), careSettingsSchema(careSettings)];
  return { batch: { unitMs: sum('unitMs'), eventMs: sum('eventMs') }, views, schemas };
}

async function viewCost(
  { projection: rule, readModel }: ViewGround['view'],
  ground: ViewGround['ground'],
  events: number,
): Promise<Cost> {
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  const built = async (batchSize: number): Promise<number> => {
    await readModel.clear();
    return timed(1, () =>
      catchUpLanes(lanes, {
        ...ground,
        skipped: async () => new Set(),
        batchSize,
        projection: rule,
        readModel,
      }),
    );
  };
  // Once for the code to be compiled that it runs through.
  await built(MANY * LANES);
  const many = await built(MANY * LANES);
  const few = await built(FEW * LANES * 5);
  // One batch of the log is a transaction in each lane: the difference is what the additional ones take.
  const [manyUnits, fewUnits] = [
    Math.ceil(events / (MANY * LANES)) * LANES,
    Math.ceil(events / (FEW * LANES * 5)) * LANES,
  ];
  const unitMs = Math.max(0, (few - many) / (fewUnits - manyUnits));
  return { unitMs, eventMs: Math.max(0, (many - manyUnits * unitMs) / events) };
}

async function bytesOf(schemas: readonly string[]): Promise<number> {
  const { rows } = await owner.query<{ bytes: string }>(
    "SELECT sum(pg_total_relation_size(c.oid)) AS bytes FROM pg_class c WHERE c.relnamespace = ANY($1::text[]::regnamespace[]) AND c.relkind = 'r'",
    [schemas],
  );
  return Number(rows[0]!.bytes);
}

async function messageBytes(store: PostgresEventStore): Promise<number> {
  const events = await store.readAll({ limit: 1_000 });
  const sizes = events.map((event) => {
    const { value, headers } = encodeMessage(event, { epoch: 'x'.repeat(36), previous: 1 });
    return value.byteLength + event.partition.length + Object.entries(headers).flat().join('').length;
  });
  return sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}
