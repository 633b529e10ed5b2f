/** The topic of a log. The number of its lanes is fixed: with another one, a patient's events would change lanes. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { kafkaClient } from './kafka-client.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** The topic is not what the settings say. Its message says what to do. */
export class TopicMismatch extends Error {
  override readonly name = 'TopicMismatch';
}

/** An event of the largest content that the store takes, and a page of the relay, fit in. */
const maxMessageBytes = 20 * 1024 * 1024;
const retentionMilliseconds = 7 * 24 * 60 * 60 * 1000;
/** Brokers hear of a new topic within moments; those that take longer than this have another trouble. */
const KNOWN_WITHIN_MS = 30_000;

/**
 * Makes the topic where there is none: with as many replicas as the settings say, of which all but one must have a message
 * before it counts as kept. Throws `TopicMismatch` where there is one with another number of lanes.
 */
export async function ensureTopic(settings: KafkaSettings): Promise<void> {
  const { topic, lanes, replicas } = settings;
  const admin = kafkaClient(settings, 'carelog-topic').admin();
  try {
    await admin.connect();
    const named = await admin.listTopics();
    if (!named.includes(topic)) {
      const configEntries = Object.entries({
        'cleanup.policy': 'delete',
        'max.message.bytes': maxMessageBytes,
        'min.insync.replicas': Math.max(1, replicas - 1),
        'retention.ms': retentionMilliseconds,
        'unclean.leader.election.enable': false,
      }).map(([name, value]) => ({ name, value: String(value) }));
      // False where somebody else has just made it, which is as good.
      await admin.createTopics({
        topics: [{ topic, numPartitions: lanes, replicationFactor: replicas, configEntries }],
        waitForLeaders: false,
      });
    }
    const found = await partitionsOf(admin, topic);
    if (found !== lanes) {
      throw new TopicMismatch(
        `The topic ${topic} has ${found} partitions, and CARELOG_KAFKA_LANES says ${lanes}. Set it to ${found}; for more lanes name a new topic in CARELOG_KAFKA_TOPIC, which a relay fills from the first event.`,
      );
    }
  } finally {
    await admin.disconnect();
  }
}

/** Asks again while brokers do not know yet what was made a moment ago, or who leads it. */
async function partitionsOf(admin: Admin, topic: string): Promise<number> {
  for (const until = performance.now() + KNOWN_WITHIN_MS; ;) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      // Who is said to lead may not know it yet; the leaders answer this themselves.
      await admin.fetchTopicOffsets(topic);
      return topics[0]?.partitions.length ?? 0;
    } catch (fault) {
      if (!isSoonKnown(fault) || performance.now() > until) throw fault;
      await delay(100);
    }
  }
}

const SOON = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION']);

function isSoonKnown(fault: unknown): boolean {
  const { type, cause } = fault as { type?: string; cause?: { type?: string } };
  return SOON.has(type ?? cause?.type ?? '');
}
