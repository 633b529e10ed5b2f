/** The floor of distribution: kafkajs by itself, which checks nothing of what it sends and is given. */
import { setTimeout as wait } from 'node:timers/promises';
import type { KafkaSettings } from '@carelog/distribution';
import { Kafka, logLevel, type Message } from 'kafkajs';
import { openBareJournal, type BareJournal } from './bare-journal.ts';
import { inFolder } from './folder.ts';
import type { Lag } from './view-lags.ts';

/** Pages sent one after another, each acknowledged before the next; messages a second. */
export async function bareProduce(
  settings: KafkaSettings,
  pages: readonly Message[][],
  count: number,
): Promise<number> {
  const producer = clientOf(settings).producer({ maxInFlightRequests: 1 });
  await producer.connect();
  const since = started();
  for (const messages of pages) await producer.send({ topic: settings.topic, acks: -1, messages });
  const figure = since(count);
  await producer.disconnect();
  return figure;
}

/** From the first message that comes until so many came; messages a second. */
export async function bareConsume(settings: KafkaSettings, events: number): Promise<number> {
  const consumer = clientOf(settings).consumer({ groupId: `bare-${settings.topic}`, maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topics: [settings.topic], fromBeginning: true });
  let since: ReturnType<typeof started> | undefined;
  let count = 0;
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch }) => {
      since ??= started();
      count += batch.messages.filter(({ headers }) => headers?.['heartbeat'] === undefined).length;
    },
  });
  while (count < events) await wait(1);
  const figure = since!(events);
  await consumer.disconnect();
  return figure;
}

export interface BarePace {
  readonly perSecond: number;
  readonly seconds: number;
}

/**
 * Of each page, milliseconds until its bytes are in a journal, went through a lane, and are in a journal again: as much as has to be
 * before anybody may rely on it.
 */
export async function bareDelays(
  settings: KafkaSettings,
  page: readonly Message[],
  pace: BarePace,
): Promise<Lag[]> {
  return inFolder(async (folder) => {
    const journal = await openBareJournal(folder);
    const delays = await throughLanes(settings, page, pace, journal);
    await journal.close();
    return delays;
  });
}

async function throughLanes(
  settings: KafkaSettings,
  page: readonly Message[],
  { perSecond, seconds }: BarePace,
  journal: BareJournal,
): Promise<Lag[]> {
  const bytes = Buffer.concat(page.map(({ value }) => value as Buffer));
  const { topic, lanes } = settings;
  const producer = clientOf(settings).producer();
  await producer.connect();
  const consumer = clientOf(settings).consumer({ groupId: `delays-${topic}`, maxWaitTimeInMs: 500 });
  const begunAt: number[] = [];
  const loggedAt: number[] = [];
  const delays: Lag[] = [];
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch }) => {
      const pages = batch.messages.filter((_, index) => index % page.length === 0);
      await Promise.all(pages.map(() => journal.write(bytes)));
      const now = performance.now();
      for (const turn of pages.map(({ key }) => Number(key)))
        delays.push({ begun: now - begunAt[turn]!, logged: now - loggedAt[turn]! });
    },
  });
  await joined;
  const begun = performance.now();
  while (begunAt.length < seconds * perSecond) {
    const due = Math.min(seconds, (performance.now() - begun) / 1_000) * perSecond;
    while (begunAt.length < due) {
      const turn = begunAt.length;
      const messages = page.map((it) => ({ ...it, key: String(turn), partition: turn % lanes }));
      begunAt.push(performance.now());
      void journal.write(bytes).then(() => {
        loggedAt[turn] = performance.now();
        return producer.send({ topic, acks: -1, messages });
      });
    }
    await wait(1);
  }
  while (delays.length < begunAt.length) await wait(1);
  await consumer.disconnect();
  await producer.disconnect();
  return delays;
}

function clientOf({ brokers }: KafkaSettings): Kafka {
  return new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
}

/** Gives the rate of so many since now. */
export function started(): (count: number) => number {
  const began = performance.now();
  return (count) => count / ((performance.now() - began) / 1_000);
}
