/**
 * What a projector on Kafka lives through: it is killed in the middle of its work, lanes change hands, and Kafka loses,
 * doubles and reorders. Each time the view ends as one that is built from the log. `npm run test:cluster-faults` runs all
 * of it, several rounds each; without ROUNDS those run that take little time.
 */
import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import { afterAll, describe, it } from 'vitest';
import { engineOrReason, startKafka, startPostgres } from '@carelog/engines';
import { temporaryFolder } from '@carelog/testkit';
import { projectorScene, type ProjectorScene } from '../support/projector-scene.ts';

const rounds = Number(process.env['ROUNDS'] ?? 1);
const isWhole = process.env['ROUNDS'] !== undefined;
const folder = temporaryFolder();
const postgres = await engineOrReason(() => startPostgres({ folder: `${folder}/postgres` }));
const kafka = await engineOrReason(() => startKafka({ folder: `${folder}/kafka` }));
const reason = [postgres, kafka].find((it) => typeof it === 'string');

describe.skipIf(reason !== undefined)(
  `a projector on Kafka${reason === undefined ? '' : `: ${reason}`}`,
  () => {
    if (typeof postgres === 'string' || typeof kafka === 'string') return;
    const { brokers } = kafka;
    afterAll(async () => {
      await kafka.stop();
      await postgres.stop();
    });

    const scene = async (work: (it: ProjectorScene) => Promise<void>) => {
      const made = await projectorScene({ postgres, brokers });
      try {
        await work(made);
        await made.settle();
        await made.expectAsFresh();
      } finally {
        await made.close();
      }
    };
    const timeout = 60_000 + rounds * 30_000;

    it.each(['before-apply', 'before-commit', 'after-commit'] as const)(
      'is killed %s, and its lanes go on in another process',
      { timeout },
      (at) =>
        scene(async (it) => {
          for (let round = 0; round < rounds; round += 1) {
            const failure = { at, batch: 1 + round, signal: 'SIGKILL' } as const;
            const doomed = await it.startProjector({ failure });
            await it.recordAndSend(300, { untilGone: doomed });
          }
          await it.startProjector();
        }),
    );

    it(
      'is stopped in a transaction past its session, and wakes when its lanes are another’s',
      { timeout },
      () =>
        scene(async (it) => {
          const failure = { at: 'before-commit', batch: 2, signal: 'SIGSTOP' } as const;
          const zombie = await it.startProjector({ failure });
          await it.recordAndSendUntilStopped(100, zombie);
          await it.startProjector();
          await it.recordAndSend(300);
          await it.settle();
          zombie.kill('SIGCONT');
          await it.recordAndSend(300);
        }),
    );

    it('is given everything twice, in another order, and some of it not at all', { timeout }, () =>
      scene(async (it) => {
        await it.startProjector();
        for (let round = 0; round < 2 + rounds; round += 1) {
          await it.recordAndSend(300, { disorder: 1 + round });
          await it.sendAgain();
        }
      }),
    );

    it('finds the topic cut off behind it', { timeout }, () =>
      scene(async (it) => {
        const first = await it.startProjector();
        await it.recordAndSend(200);
        await it.settle();
        first.kill('SIGKILL');
        await it.recordAndSend(500);
        await withAdmin(brokers, async (admin) => {
          const ends = await admin.fetchTopicOffsets(it.topic);
          const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
          await admin.deleteTopicRecords({ topic: it.topic, partitions });
        });
        await it.startProjector();
        await it.recordAndSend(10);
      }),
    );

    it('goes on when the log is restored while it runs', { timeout }, () =>
      scene(async (it) => {
        await it.startProjector();
        await it.recordAndSend(100);
        await it.settle();
        await it.backUpLog();
        await it.recordAndSend(100);
        await it.settle();
        await it.restoreLog();
        await it.recordAndSend(300);
      }),
    );

    if (!isWhole) return;

    it('keeps the view while everything is well, and shares the lanes with others', { timeout }, () =>
      scene(async (it) => {
        await Promise.all([it.startProjector(), it.startProjector()]);
        for (let round = 0; round < 5; round += 1) await it.recordAndSend(200);
      }),
    );

    it('is one of several that come and go', { timeout }, () =>
      scene(async (it) => {
        let running = [await it.startProjector(), await it.startProjector()];
        for (let round = 0; round < 3 + rounds; round += 1) {
          await it.recordAndSend(200);
          const [leaving, ...staying] = running;
          leaving!.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
          running = [...staying, await it.startProjector()];
        }
      }),
    );

    it('finds the topic deleted, and made anew without what was in it', { timeout }, () =>
      scene(async (it) => {
        await it.startProjector();
        await it.recordAndSend(200);
        await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [it.topic] }));
        await it.record(300);
        await it.makeTopic();
        it.forgetWhatIsNotSent();
        await it.recordAndSend(10);
      }),
    );

    it(
      'finds the log restored from an older copy, and other events at the positions that it knew',
      { timeout },
      () =>
        scene(async (it) => {
          const first = await it.startProjector();
          await it.recordAndSend(200);
          await it.settle();
          await it.backUpLog();
          await it.recordAndSend(200);
          await it.settle();
          first.kill('SIGKILL');
          await it.restoreLog();
          await it.recordAndSend(150);
          await it.startProjector();
          await it.recordAndSend(150);
        }),
    );

    it('goes on after the database was killed, and started again', { timeout }, () =>
      scene(async (it) => {
        await it.startProjector();
        await it.recordAndSend(200);
        await postgres.kill();
        await postgres.start();
        await it.recordAndSend(200);
      }),
    );

    it('goes on after the broker was killed, and started again', { timeout }, () =>
      scene(async (it) => {
        await it.startProjector();
        await it.recordAndSend(200);
        await kafka.kill();
        await it.record(200);
        await kafka.start();
        await it.recordAndSend(200);
      }),
    );
  },
);

type Admin = ReturnType<KafkaClient['admin']>;

async function withAdmin(
  brokers: readonly string[],
  work: (admin: Admin) => Promise<unknown>,
): Promise<void> {
  const admin = new KafkaClient({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await work(admin);
  await admin.disconnect();
}
