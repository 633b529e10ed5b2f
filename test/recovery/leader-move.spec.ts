/**
 * Three brokers, of which the one that leads lanes is killed, again and again, while events come: the relay goes on with the
 * new leaders, and the topic is the log. ROUNDS=20 is the full run (`npm run test:relay`).
 */
import { engineOrReason, startKafka } from '@carelog/engines';
import { temporaryFolder } from '@carelog/testkit';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';
import { afterAll, describe, expect, it } from 'vitest';
import { patient, startDatabase, startRelayScene } from '../support/relay-scene.ts';

const rounds = Number(process.env['ROUNDS'] ?? 1);
const engines = await engineOrReason(async () => ({
  kafka: await startKafka({ folder: temporaryFolder(), brokers: 3 }),
  database: await startDatabase(temporaryFolder()),
}));
const reason = typeof engines === 'string' ? engines : undefined;

afterAll(async () => {
  if (typeof engines === 'string') return;
  await engines.kafka.stop();
  await engines.database.stop();
});

describe.skipIf(reason !== undefined)(`three brokers${reason ? `: ${reason}` : ''}`, () => {
  it(
    `lose nothing when their leaders are killed, in ${rounds} rounds`,
    { timeout: rounds * 120_000 + 60_000 },
    async () => {
      if (typeof engines === 'string') throw new Error(engines);
      const { kafka, database } = engines;
      const scene = await startRelayScene(database, kafka.brokers, 3);
      const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
      const relay = scene.relay({ requestMilliseconds: 2_000 });
      await scene.append(50);
      await scene.relayed();
      await admin.connect();
      for (let round = 0; round < rounds; round++) {
        const lane = round % scene.settings.lanes;
        const leader = (await lanesOf(admin, scene.schema)).find(
          ({ partitionId }) => partitionId === lane,
        )!.leader;
        const appending = scene.append(200);
        await kafka.kill(leader - 1);
        await appending;
        await scene.relayed();
        expect((await lanesOf(admin, scene.schema)).map((each) => each.leader)).not.toContain(leader);
        await kafka.start(leader - 1);
        const inSync = async (): Promise<number> =>
          Math.min(...(await lanesOf(admin, scene.schema)).map(({ isr }) => isr.length));
        await expect.poll(inSync, patient).toBe(3);
      }
      await admin.disconnect();
      const { messages } = await scene.expectTopicIsLog();
      expect(messages).toBeGreaterThanOrEqual(50 + 200 * rounds);
      expect(relay.status().state).toBe('relaying');
      await scene.close();
    },
  );
});

async function lanesOf(admin: Admin, topic: string) {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]!.partitions;
}
