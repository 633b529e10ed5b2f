/** Bringing the log to Kafka, and reading lanes, each beside bare kafkajs with the same bytes in the same pages on the same broker. */
import { setTimeout as wait } from 'node:timers/promises';
import { consumeLanes, ensureTopic, type KafkaSettings } from '@carelog/distribution';
import { openPostgresEventStore, type EventStore } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import type { Message } from 'kafkajs';
import { pagesOf } from '../../apps/relay/src/pages.ts';
import type { Reached } from '../../apps/relay/src/resume.ts';
import { bareConsume, bareProduce, started } from './bare-kafka.ts';
import { LANES } from './bench-cluster.ts';
import { cellsOf, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';

export interface LaneGround {
  readonly brokers: readonly string[];
  /** Of the database with the log, as its owner. */
  readonly ownerUrl: string;
}

const PAGE = 500;
const EVENTS_MAX = 40_000;
const log = { info() {}, warn() {} };

export async function laneRows({ runs, say }: Settings, ground: LaneGround): Promise<SingleRow[]> {
  say('relay and lanes beside bare kafkajs');
  const store = await openPostgresEventStore({ url: ground.ownerUrl });
  try {
    const events = Math.min(store.head().position, EVENTS_MAX);
    const cells = await cellsOf(['relay', 'lanes'], async () => {
      const pages = await pagesIn(store, events);
      const relay = { figures: [] as number[], floors: [] as number[] };
      const lanes = { figures: [] as number[], floors: [] as number[] };
      for (let run = 0; run < runs; run += 1) {
        relay.floors.push(await bareProduce(await newTopic(ground), pages, events));
        const topic = await newTopic(ground);
        relay.figures.push(await relayAll(topic, ground.ownerUrl, events));
        lanes.floors.push(await bareConsume(topic, events));
        lanes.figures.push(await readLanes(topic, events));
      }
      return { relay, lanes };
    });
    const bytes = 'of the same bytes in the same pages';
    return [
      { name: 'relay: log in PostgreSQL → acknowledged by Kafka', unit: 'events/s', cell: cells.relay, floor: `bare kafkajs produce ${bytes}` }, // prettier-ignore
      { name: 'lanes: read, checked and decoded', unit: 'events/s', cell: cells.lanes, floor: `bare kafkajs consume ${bytes}` }, // prettier-ignore
    ];
  } finally {
    await store.close();
  }
}

let topics = 0;

export async function newTopic({ brokers }: LaneGround): Promise<KafkaSettings> {
  const settings = { brokers, topic: `load-${++topics}`, lanes: LANES, replicas: 1 };
  await ensureTopic(settings);
  return settings;
}

/** The messages as the relay makes them, before any clock starts. */
async function pagesIn(
  store: EventStore,
  end: number,
): Promise<(Message & { readonly partition: number })[][]> {
  const pages = [];
  const positions = new Array<number>(LANES).fill(0);
  const { epoch } = store.head();
  let reached: Reached = { epoch, position: 0, positions, eventId: undefined };
  while (reached.position < end) {
    for (const page of pagesOf(reached, await store.readAll({ after: reached.position, limit: PAGE }))) {
      pages.push([...page.lanes].flatMap(([partition, own]) => own.map((each) => ({ ...each, partition }))));
      reached = page.checkpoint;
    }
  }
  return pages;
}

async function relayAll(kafka: KafkaSettings, databaseUrl: string, events: number): Promise<number> {
  const openStore = () => openPostgresEventStore({ url: databaseUrl });
  const relay = startRelay({ kafka, databaseUrl, openStore, log, pageEvents: PAGE });
  while (relay.status().state !== 'relaying') await wait(1);
  const from = relay.status().position;
  const since = started();
  while (relay.status().position < events) await wait(1);
  const figure = since(events - from);
  await relay.close();
  return figure;
}

async function readLanes(settings: KafkaSettings, events: number): Promise<number> {
  let since: ReturnType<typeof started> | undefined;
  let count = 0;
  const consumer = consumeLanes(settings, {
    group: `lanes-${settings.topic}`,
    onBatch: async ({ messages }) => {
      since ??= started();
      count += messages.filter(({ kind }) => kind === 'event').length;
    },
  });
  while (count < events) await wait(1);
  const figure = since!(events);
  await consumer.close();
  return figure;
}
