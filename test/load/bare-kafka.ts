/** The floor of distribution: kafkajs by itself, which checks nothing of what it sends and is given. */
import { setTimeout as wait } from 'node:timers/promises';
import type { KafkaSettings } from '@carelog/distribution';
import { Kafka, logLevel, type Message } from 'kafkajs';

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

/** From sending a page into one lane until it comes, milliseconds of each page, at so many pages a second. */
export async function bareDelays(
  settings: KafkaSettings,
  page: readonly Message[],
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<number[]> {
  const { topic, lanes } = settings;
  const producer = clientOf(settings).producer();
  await producer.connect();
  const consumer = clientOf(settings).consumer({ groupId: `delays-${topic}`, maxWaitTimeInMs: 500 });
  const sentAt: number[] = [];
  const delays: number[] = [];
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch }) => {
      for (const { key } of batch.messages.filter((_, index) => index % page.length === 0))
        delays.push(performance.now() - sentAt[Number(key)]!);
    },
  });
  await joined;
  const begun = performance.now();
  while (sentAt.length < seconds * perSecond) {
    const due = Math.min(seconds, (performance.now() - begun) / 1_000) * perSecond;
    while (sentAt.length < due) {
      const messages = page.map((it) => ({
        ...it,
        key: String(sentAt.length),
        partition: sentAt.length % lanes,
      }));
      sentAt.push(performance.now());
      void producer.send({ topic, acks: -1, messages });
    }
    await wait(1);
  }
  while (delays.length < sentAt.length) await wait(1);
  await consumer.disconnect();
  await producer.disconnect();
  return delays.sort((a, b) => a - b);
}

function clientOf({ brokers }: KafkaSettings): Kafka {
  return new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
}

/** Gives the rate of so many since now. */
export function started(): (count: number) => number {
  const began = performance.now();
  return (count) => count / ((performance.now() - began) / 1_000);
}
