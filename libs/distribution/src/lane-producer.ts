/**
 * Sends messages to lanes, and believes nothing of what kafkajs says but a full answer. kafkajs 2.2.4 can resolve a send of
 * which a part was never produced (a leader that moves), and an idempotent producer that failed once can have a later batch
 * acknowledged and not stored. So: not idempotent, no retries within, one send at a time, each lane named in the answer
 * with an offset; and after any doubt the producer is spent. Sending again gives duplicates, which projectors leave out.
 */
import type { RecordMetadata } from 'kafkajs';
import { kafkaClient } from './kafka-client.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { sealMessage } from './message-seal.ts';
import type { LaneMessage } from './message.ts';

/** Messages for each lane, in order. */
export type LanePage = ReadonlyMap<number, readonly LaneMessage[]>;

export interface LaneProducer {
  /**
   * Resolves when every replica that is in sync has all of these messages, each lane's in order. Throws `SendDoubt`
   * otherwise: any of them may be there, several times, or not; the producer is spent then. One send at a time.
   */
  send(page: LanePage): Promise<void>;
  close(): Promise<void>;
}

/** It is not known what of a send was kept. */
export class SendDoubt extends Error {
  override readonly name = 'SendDoubt';
}

/** Throws what kafkajs throws where no broker answers. */
export async function openLaneProducer(
  settings: KafkaSettings,
  options: {
    readonly clientId?: string;
    /** How long one request may take. 10 seconds unless told. */
    readonly patienceMilliseconds?: number;
  } = {},
): Promise<LaneProducer> {
  const patience = options.patienceMilliseconds ?? 10_000;
  const { topic, sealKey: key } = settings;
  const producer = kafkaClient(settings, options.clientId ?? 'carelog-relay', patience).producer({
    idempotent: false,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: { retries: 0 },
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition!,
  });
  let state: 'ready' | 'sending' | 'spent' = 'ready';
  try {
    await producer.connect();
  } catch (fault) {
    await producer.disconnect();
    throw fault;
  }
  return {
    async send(page) {
      if (state !== 'ready') throw new SendDoubt(`A producer that is ${state} was asked to send.`);
      state = 'sending';
      const messages = [...page].flatMap(([partition, own]) =>
        own.map((each) => {
          const message = key === undefined ? each : sealMessage(each, { key, topic, lane: partition });
          return { ...message, partition };
        }),
      );
      try {
        const sent = producer.send({
          topic,
          acks: -1,
          timeout: Math.ceil(patience * 0.8),
          messages,
        });
        checkAnswer(topic, page, await within(3 * patience, sent));
      } catch (fault) {
        state = 'spent';
        if (fault instanceof SendDoubt) throw fault;
        const { name, message } = fault as Error;
        throw new SendDoubt(`${name}: ${message}`, { cause: fault });
      }
      state = 'ready';
    },
    async close() {
      state = 'spent';
      await producer.disconnect();
    },
  };
}

/** Throws `SendDoubt` unless the answer names every lane of the page, and nothing else, with where its messages lie. */
export function checkAnswer(topic: string, page: LanePage, answer: readonly RecordMetadata[]): void {
  const open = new Set(page.keys());
  for (const { topicName, partition, errorCode, baseOffset } of answer) {
    const kept = errorCode === 0 && baseOffset !== undefined && /^\d+$/.test(baseOffset);
    if (topicName !== topic || !kept || !open.delete(partition)) {
      throw new SendDoubt(
        `The answer for lane ${partition} of ${topicName} is no promise (error ${errorCode}, offset ${baseOffset}).`,
      );
    }
  }
  if (open.size > 0) throw new SendDoubt(`The answer says nothing of the lanes ${[...open].join(', ')}.`);
}

/** kafkajs limits each request, but not how long it works on a send. */
async function within<Answer>(milliseconds: number, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SendDoubt(`No answer in ${milliseconds} ms.`)), milliseconds);
  });
  try {
    return await Promise.race([answer, overdue]);
  } finally {
    clearTimeout(timer);
    // Rejects later where it was overdue.
    answer.catch(() => {});
  }
}
