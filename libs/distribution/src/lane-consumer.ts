/**
 * Brings the messages of lanes, batch by batch, to whoever keeps its own checkpoint. Kafka's committed offsets are only a
 * hint where to begin: they are committed after the work, at most once a second, and it does no harm when one is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { kafkaClient } from './kafka-client.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import type { KnownMessages } from './known-messages.ts';
import { isSealed } from './message-seal.ts';
import { decodeMessage } from './message.ts';
import type { Delivered, ReceivedMessage } from './message.ts';

export interface LaneBatch {
  readonly lane: number;
  /** In the order of the lane; may repeat what came before, and may skip what Kafka has lost. */
  readonly messages: readonly Delivered[];
  /** Messages in the lane behind this batch. */
  readonly behind: number;
  /** Aborted once the lane may be somebody else's, or the consumer closes: what is not begun yet is not to be begun. */
  readonly signal: AbortSignal;
}

export interface LaneConsumerOptions {
  /** Consumers of one group share the lanes out between them. */
  readonly group: string;
  /** Resolves when the batch is dealt with; rejecting means that it is brought again. One call at a time for each lane. */
  readonly onBatch: (batch: LaneBatch) => Promise<void>;
  /** Told each time lanes are shared out which are ours now. */
  readonly onLanes?: (lanes: readonly number[]) => void;
  /** Told of every fault after which the consumer connects anew. */
  readonly onFault?: (fault: Error) => void;
  /** Lanes worked on at the same time; 4 unless told. */
  readonly lanesAtOnce?: number;
  /** A consumer from which nothing is heard for so long loses its lanes; 8 seconds unless told. */
  readonly sessionMilliseconds?: number;
  readonly clientId?: string;
  /** Of all consumers of the topic in this process. */
  readonly known?: KnownMessages;
}

export interface LaneConsumer {
  /** Tells the batches at work to end, waits for them, and leaves the group. */
  close(): Promise<void>;
}

/**
 * Above the 6 seconds that brokers allow at least, and many times what a batch keeps a processor without a pause: heartbeats
 * go out while it works. One that loses its lanes though it lives only does work twice.
 */
const SESSION_MILLISECONDS = 8_000;
const commitEveryMilliseconds = 1_000;
const pauseMilliseconds = { first: 200, longest: 10_000 };

/** Consumes until it is closed; connects anew after any fault, also where no broker answers yet. */
export function consumeLanes(settings: KafkaSettings, options: LaneConsumerOptions): LaneConsumer {
  const closing = new AbortController();
  const ended = consume();
  return {
    async close() {
      closing.abort();
      await ended;
    },
  };

  async function consume(): Promise<void> {
    let pause = pauseMilliseconds.first;
    while (!closing.signal.aborted) {
      try {
        await consumeOnce(settings, options, closing.signal, () => (pause = pauseMilliseconds.first));
      } catch (fault) {
        if (closing.signal.aborted) return;
        options.onFault?.(fault as Error);
        await delay(pause, undefined, { signal: closing.signal }).catch(() => {});
        pause = Math.min(2 * pause, pauseMilliseconds.longest);
      }
    }
  }
}

/** With a client of its own, because in what state a failed one is nobody knows. Rejects with the fault that ended it. */
async function consumeOnce(
  settings: KafkaSettings,
  options: LaneConsumerOptions,
  closing: AbortSignal,
  onJoined: () => void,
): Promise<void> {
  const { topic } = settings;
  const consumer = kafkaClient(settings, options.clientId ?? 'carelog-projector').consumer({
    groupId: options.group,
    sessionTimeout: options.sessionMilliseconds ?? SESSION_MILLISECONDS,
    // An idle consumer hears only between two fetches that the lanes are shared out anew, and all others wait for it.
    heartbeatInterval: 1_000,
    maxWaitTimeInMs: 500,
    rebalanceTimeout: 30_000,
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 100, retries: 3, restartOnFailure: () => Promise.resolve(false) },
  });
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  closing.addEventListener('abort', end, { once: true });
  consumer.on(consumer.events.CRASH, ({ payload }) => over.reject(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    onJoined();
    options.onLanes?.(payload.memberAssignment[topic] ?? []);
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const committed = new Map<number, number>();
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: options.lanesAtOnce ?? 4,
      eachBatch: (payload) => work(payload, consumer, { ...options, settings }, closing, committed),
    });
    await over.promise;
  } finally {
    closing.removeEventListener('abort', end);
    over.promise.catch(() => {});
    await consumer.disconnect();
  }
}

async function work(
  { batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload,
  consumer: Consumer,
  { onBatch, settings, known }: LaneConsumerOptions & { readonly settings: KafkaSettings },
  closing: AbortSignal,
  committed: Map<number, number>,
): Promise<void> {
  if (closing.aborted || !isRunning() || isStale()) return;
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(closing.reason);
  closing.addEventListener('abort', stop, { once: true });
  // kafkajs sends one only as often as it must. A failure says that the group is being shared out anew.
  const beat = setInterval(() => void heartbeat().catch((fault: unknown) => stopping.abort(fault)), 500);
  try {
    const messages = batch.messages.map((message) => deliveredOf(message, batch.partition, settings, known));
    const behind = Number(batch.offsetLag());
    await onBatch({ lane: batch.partition, messages, behind, signal: stopping.signal });
  } finally {
    clearInterval(beat);
    closing.removeEventListener('abort', stop);
  }
  const last = batch.lastOffset();
  resolveOffset(last);
  if (stopping.signal.aborted && !closing.aborted) throw stopping.signal.reason;
  const now = performance.now();
  if (now - (committed.get(batch.partition) ?? -Infinity) < commitEveryMilliseconds) return;
  committed.set(batch.partition, now);
  const offset = String(BigInt(last) + 1n);
  await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset }]).catch(() => {});
}

function deliveredOf(
  message: ReceivedMessage,
  lane: number,
  { topic, sealKey: key }: KafkaSettings,
  known?: KnownMessages,
): Delivered {
  if (key === undefined) return decodeMessage(message);
  const look = (): Delivered =>
    isSealed(message, { key, topic, lane })
      ? decodeMessage(message)
      : { kind: 'unreadable', reason: 'it was not sealed for this lane with the key of our services' };
  return known === undefined ? look() : known.of(message, lane, look);
}
