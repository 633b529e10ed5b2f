import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import { afterAll, describe, expect, it } from 'vitest';
import { engineOrReason } from './engine-missing.ts';
import { startKafka } from './kafka.ts';
import type { Kafka } from './kafka.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-kafka-'));
const first = await engineOrReason(() => startKafka({ folder }));
let running: Kafka | undefined = typeof first === 'string' ? undefined : first;

afterAll(async () => {
  await running?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(typeof first === 'string')(
  `Kafka as a child process${typeof first === 'string' ? `: ${first}` : ''}`,
  () => {
    it('keeps address and data over a kill, and over a stop and a start on the same folder', async () => {
      const { brokers } = running!;
      await withAdmin(brokers, (admin) => admin.createTopics({ topics: [{ topic: 'kept' }] }));

      await running!.kill();
      expect(running!.pid()).toBeUndefined();
      await running!.start();
      expect(await withAdmin(brokers, (admin) => admin.listTopics())).toContain('kept');

      await running!.stop();
      running = await startKafka({ folder });
      expect(running.brokers).toEqual(brokers);
      expect(await withAdmin(brokers, (admin) => admin.listTopics())).toContain('kept');
    }, 120_000);

    it('takes other ports, with the data that it has, where something else took those that it had', async () => {
      const { brokers } = running!;
      await withAdmin(brokers, (admin) => admin.createTopics({ topics: [{ topic: 'moved' }] }));
      await running!.stop();
      const other = createServer().listen(Number(brokers[0]!.split(':')[1]), '127.0.0.1');
      await once(other, 'listening');
      try {
        running = await startKafka({ folder });
        expect(running.brokers).not.toEqual(brokers);
        expect(await withAdmin(running.brokers, (admin) => admin.listTopics())).toContain('moved');
      } finally {
        other.close();
      }
    }, 120_000);
  },
);

async function withAdmin<Answer>(
  brokers: readonly string[],
  ask: (admin: ReturnType<KafkaClient['admin']>) => Promise<Answer>,
): Promise<Answer> {
  const admin = new KafkaClient({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}
