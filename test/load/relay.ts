/**
 * `npm run bench:relay`: how fast the relay brings a log to Kafka, and lanes are read, each beside bare kafkajs with the
 * same bytes in the same pages on the same broker; and how long an event takes from the log to Kafka at 1,600 a second.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { consumeLanes, ensureTopic, migrateDistribution } from '@carelog/distribution';
import type { KafkaSettings } from '@carelog/distribution';
import { startKafka, startPostgres } from '@carelog/engines';
import { migrateEventStore, newEventId, openPostgresEventStore } from '@carelog/event-store';
import type { EventStore, NewEvent } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { pagesOf } from '../../apps/relay/src/pages.ts';
import type { Reached } from '../../apps/relay/src/resume.ts';

const EVENTS = 40_000;
const PAGE = 500;
const CONTENT_BYTES = 600;
const RUNS = 3;
const PER_SECOND = 1_600;
const SECONDS = 10;

const folder = mkdtempSync(join(tmpdir(), 'carelog-relay-load-'));
const kafka = await startKafka({ folder: join(folder, 'kafka') });
const postgres = await startPostgres({ folder: join(folder, 'postgres') });
const owner = new pg.Client(postgres.url());
await owner.connect();
await migrateDistribution(owner);
await migrateEventStore(owner, { schema: 'log' });
const url = postgres.url();
const store = await openPostgresEventStore({ url });
const log = { info() {}, warn() {} };
const openStore = () => openPostgresEventStore({ url });
let topics = 0;

try {
  for (let n = 0; n < EVENTS; n += PAGE) await append(store, PAGE, n);
  const rates = { bareProduce: [] as Figure[], relay: [] as Figure[], bareConsume: [] as Figure[], lanes: [] as Figure[] }; // prettier-ignore
  for (let run = 0; run < RUNS; run++) {
    rates.bareProduce.push(await bareProduce());
    const settings = newTopic();
    rates.relay.push(await relayAll(settings));
    rates.bareConsume.push(await bareConsume(settings));
    rates.lanes.push(await readLanes(settings));
  }
  print('relay: log in PostgreSQL → acknowledged by Kafka', rates.relay, rates.bareProduce, 'bare kafkajs produce'); // prettier-ignore
  print('lanes: read, checked and decoded', rates.lanes, rates.bareConsume, 'bare kafkajs consume');
  const delays = await delaysAt(PER_SECOND);
  const at = (share: number): string => delays[Math.floor(delays.length * share)]!.toFixed(0);
  console.log(`log → Kafka at ${PER_SECOND} events/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
} finally {
  await store.close();
  await owner.end();
  await postgres.stop();
  await kafka.stop();
  rmSync(folder, { recursive: true, force: true });
}

function newTopic(): KafkaSettings {
  return { brokers: kafka.brokers, topic: `load-${++topics}`, lanes: 12, replicas: 1 };
}

function clientOf(settings: KafkaSettings): Kafka {
  return new Kafka({ brokers: [...settings.brokers], logLevel: logLevel.NOTHING });
}

/** The same messages, made before the clock starts. */
async function bareProduce(): Promise<Figure> {
  const settings = newTopic();
  await ensureTopic(settings);
  const pages = [];
  const positions = new Array<number>(settings.lanes).fill(0);
  let reached: Reached = { epoch: store.head().epoch, position: 0, positions, eventId: undefined };
  while (reached.position < EVENTS) {
    for (const page of pagesOf(reached, await store.readAll({ after: reached.position, limit: PAGE }))) {
      pages.push([...page.lanes].flatMap(([partition, own]) => own.map((each) => ({ ...each, partition }))));
      reached = page.checkpoint;
    }
  }
  const producer = clientOf(settings).producer({ maxInFlightRequests: 1 });
  await producer.connect();
  const since = started();
  for (const messages of pages) await producer.send({ topic: settings.topic, acks: -1, messages });
  const figure = since(EVENTS);
  await producer.disconnect();
  return figure;
}

async function relayAll(kafkaSettings: KafkaSettings): Promise<Figure> {
  await ensureTopic(kafkaSettings);
  const relay = startRelay({ kafka: kafkaSettings, databaseUrl: url, openStore, log, pageEvents: PAGE });
  while (relay.status().state !== 'relaying') await wait(1);
  const from = relay.status().position;
  const since = started();
  while (relay.status().position < EVENTS) await wait(1);
  const figure = since(EVENTS - from);
  await relay.close();
  return figure;
}

async function bareConsume(settings: KafkaSettings): Promise<Figure> {
  const consumer = clientOf(settings).consumer({ groupId: 'bare', maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topics: [settings.topic], fromBeginning: true });
  let since: ReturnType<typeof started> | undefined;
  let count = 0;
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch }) => {
      since ??= started();
      count += batch.messages.length;
    },
  });
  while (count < EVENTS) await wait(1);
  const figure = since!(EVENTS);
  await consumer.disconnect();
  return figure;
}

async function readLanes(settings: KafkaSettings): Promise<Figure> {
  let since: ReturnType<typeof started> | undefined;
  let count = 0;
  const consumer = consumeLanes(settings, {
    group: 'lanes',
    onBatch: async ({ messages }) => {
      since ??= started();
      count += messages.filter(({ kind }) => kind === 'event').length;
    },
  });
  while (count < EVENTS) await wait(1);
  const figure = since!(EVENTS);
  await consumer.close();
  return figure;
}

/** Milliseconds from the acknowledged append to the relay's checkpoint, of each append, in order of size. */
async function delaysAt(perSecond: number): Promise<number[]> {
  const relay = startRelay({ kafka: newTopic(), databaseUrl: url, openStore, log, pageEvents: PAGE });
  while (relay.status().position < EVENTS) await wait(10);
  const waiting: { position: number; at: number }[] = [];
  const delays: number[] = [];
  const each = 16;
  const total = (perSecond * SECONDS) / each;
  const began = performance.now();
  let appended = 0;
  let asked = 0;
  while (delays.length < total) {
    for (; asked < total && performance.now() - began >= (asked * each * 1000) / perSecond; asked++) {
      void append(store, each, EVENTS + asked * each).then((position) => {
        waiting.push({ position, at: performance.now() });
        appended++;
      });
    }
    const { position } = relay.status();
    while (waiting[0] && waiting[0].position <= position)
      delays.push(performance.now() - waiting.shift()!.at);
    await wait(1);
  }
  await relay.close();
  if (appended !== total) throw new Error(`${appended} of ${total} appends were acknowledged`);
  return delays.sort((one, other) => one - other);
}

async function append(to: EventStore, count: number, from: number): Promise<number> {
  const events = Array.from({ length: count }, (_, n): NewEvent => anEvent((from + n) % 1_000));
  const outcome = await to.append([{ stream: `Load/${newEventId()}`, expectedRevision: 'no-stream', events }]); // prettier-ignore
  if (outcome.kind !== 'appended') throw new Error(outcome.kind);
  return outcome.events.at(-1)!.position;
}

function anEvent(person: number): NewEvent {
  return {
    id: newEventId(),
    type: 'observation.recorded',
    schemaVersion: 1,
    partition: `00000000-0000-7000-8000-${String(person).padStart(12, '0')}`,
    occurredAt: '2026-01-01T03:12:00+01:00',
    publisher: { organisation: 'RX1', system: 'urn:system' },
    careSetting: 'acute',
    action: 'new',
    labels: [],
    correlationId: newEventId(),
    keyId: 'key-1',
    content: Buffer.alloc(CONTENT_BYTES, person),
  };
}

interface Figure {
  readonly perSecond: number;
  /** Of this process, without the engines: hardly depends on what else the machine does. */
  readonly microsecondsEach: number;
}

function started(): (count: number) => Figure {
  const began = performance.now();
  const before = process.cpuUsage();
  return (count) => {
    const { user, system } = process.cpuUsage(before);
    return {
      perSecond: count / ((performance.now() - began) / 1000),
      microsecondsEach: (user + system) / count,
    };
  };
}

function print(name: string, figures: Figure[], floors: Figure[], floor: string): void {
  const median = (all: Figure[], of: keyof Figure): number =>
    all.map((each) => each[of]).sort((one, other) => one - other)[all.length >> 1]!;
  const said = (all: Figure[]): string =>
    `${Math.round(median(all, 'perSecond')).toLocaleString('en-GB')} events/s, ${median(all, 'microsecondsEach').toFixed(0)} µs of processor each`;
  const share = Math.round((100 * median(figures, 'perSecond')) / median(floors, 'perSecond'));
  console.log(`${name}: ${said(figures)}; ${floor}: ${said(floors)}; ${share} %`);
}
