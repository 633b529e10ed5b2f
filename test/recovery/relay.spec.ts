/**
 * The relay between a real PostgreSQL and a real Kafka, killed, cut off, paused and replaced: the topic is the log all the same.
 * ROUNDS=20 is the full run (`npm run test:relay`).
 */
import { once } from 'node:events';
import { engineOrReason, freePort, startKafka } from '@carelog/engines';
import { beginEpoch } from '@carelog/event-store';
import { startTcpProxy, temporaryFolder } from '@carelog/testkit';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patient, startDatabase, startRelayScene } from '../support/relay-scene.ts';
import type { RelayScene } from '../support/relay-scene.ts';

const rounds = Number(process.env['ROUNDS'] ?? 4);
const engines = await engineOrReason(async () => {
  const port = await freePort();
  const proxy = await startTcpProxy(port);
  const advertised = [proxy.port];
  const [kafka, database] = await Promise.all([
    startKafka({ folder: temporaryFolder(), port, advertised }),
    startDatabase(temporaryFolder()),
  ]);
  return { kafka, proxy, database };
});
const reason = typeof engines === 'string' ? engines : undefined;

let scene: RelayScene;
beforeEach(async () => {
  if (typeof engines !== 'string') scene = await startRelayScene(engines.database, engines.kafka.brokers);
});
afterEach(async () => {
  await scene?.close();
});
afterAll(async () => {
  if (typeof engines === 'string') return;
  await engines.kafka.stop();
  await engines.database.stop();
  await engines.proxy.close();
});

/** A request as Kafka clients begin it: its length, then the number of what is asked; 0 is to produce. */
const produces = (request: Buffer): boolean => request.byteLength > 6 && request.readInt16BE(4) === 0;

describe.skipIf(reason !== undefined)(`the relay${reason ? `: ${reason}` : ''}`, { timeout: 120_000 }, () => {
  it('brings what is there and what comes, once, and says how far it is', async () => {
    await scene.append(95);
    const relay = scene.relay();
    await scene.relayed();
    await scene.append(30);
    await scene.relayed();
    const { messages } = await scene.expectTopicIsLog();
    expect(messages).toBeGreaterThanOrEqual(125);
    const { position, positions, epoch } = await scene.checkpoint();
    expect(position).toBe(125);
    expect(Math.max(...positions)).toBe(125);
    expect(epoch).toBe(scene.store.head().epoch);
    await expect
      .poll(() => relay.status(), patient)
      .toMatchObject({ state: 'relaying', position: 125, lag: 0 });
  });

  it.each(['before-send', 'after-send', 'after-ack', 'after-checkpoint'] as const)(
    'killed at %s loses nothing and changes no order',
    async (failpoint) => {
      await scene.append(100);
      const child = scene.child({}, { failpoint, time: 3 });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      // Less where a send was in doubt before that.
      const { position } = await scene.checkpoint();
      expect(position).toBeLessThanOrEqual(failpoint === 'after-checkpoint' ? 60 : 40);
      scene.relay();
      await scene.relayed();
      const { messages } = await scene.expectTopicIsLog();
      expect(messages).toBeGreaterThanOrEqual(failpoint === 'after-ack' ? 120 : 100);
    },
  );

  it(`killed ${rounds} times in a row loses nothing`, { timeout: 60_000 + rounds * 10_000 }, async () => {
    const appending = scene.append(100 + 100 * rounds);
    for (let round = 0; round < rounds; round++) {
      const failpoint = (['after-send', 'after-ack', 'before-send', 'after-checkpoint'] as const)[round % 4]!;
      await once(scene.child({}, { failpoint, time: 1 + (round % 5) }), 'exit');
    }
    await appending;
    scene.relay();
    await scene.relayed();
    await scene.expectTopicIsLog();
  });

  it.each(['unheard', 'unanswered'] as const)('sends again what Kafka left %s', async (when) => {
    const { proxy } = running();
    await scene.append(20);
    const relay = scene.relay();
    await scene.relayed();
    const broken = proxy.breakAt(produces, when);
    await scene.append(20);
    await broken;
    await scene.relayed();
    const { messages } = await scene.expectTopicIsLog();
    if (when === 'unanswered') expect(messages).toBeGreaterThan(40);
    await expect.poll(() => relay.status(), patient).toMatchObject({ restarts: 1, position: 40 });
  });

  it('waits where Kafka cannot be reached, and where it does not answer', async () => {
    const { proxy } = running();
    const relay = scene.relay({ requestMilliseconds: 500 });
    await scene.append(20);
    await scene.relayed();
    for (const breakIt of [proxy.cut, proxy.stall]) {
      breakIt();
      await scene.append(20);
      await expect.poll(() => relay.status().state, patient).toBe('recovering');
      proxy.mend();
      await scene.relayed();
    }
    await scene.expectTopicIsLog();
  });

  it('goes on after Kafka was killed', async () => {
    const { kafka } = running();
    scene.relay();
    await scene.append(50);
    await scene.relayed();
    await kafka.kill();
    await scene.append(50);
    await kafka.start();
    await scene.relayed();
    await scene.expectTopicIsLog();
  });

  it('goes on after PostgreSQL was killed, which holds its log and its lease', async () => {
    scene.relay();
    await scene.append(50);
    await scene.relayed();
    await running().database.kill();
    await scene.append(50);
    await scene.relayed();
    await scene.expectTopicIsLog();
  });

  it('waits where PostgreSQL does not answer, and where it cannot be reached', async () => {
    const url = new URL(running().database.url);
    const proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    const relay = scene.relay({
      databaseUrl: url.href,
      requestMilliseconds: 500,
      heartbeatMilliseconds: 200,
    });
    await scene.append(20);
    await scene.relayed();
    for (const breakIt of [proxy.stall, proxy.cut]) {
      breakIt();
      await scene.append(20);
      await expect.poll(() => relay.status().state, patient).toBe('recovering');
      proxy.mend();
      await scene.relayed();
    }
    await scene.expectTopicIsLog();
    await relay.close();
    await proxy.close();
  });

  it('makes the topic anew that somebody deleted, and goes on with what follows', async () => {
    const relay = scene.relay({ heartbeatMilliseconds: 200 });
    await scene.append(20);
    await scene.relayed();
    const admin = new Kafka({ brokers: [...running().kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [scene.settings.topic] });
    await expect.poll(() => relay.status().restarts, patient).toBeGreaterThan(0);
    await scene.append(20);
    await scene.relayed();
    await expect
      .poll(
        async () => (await admin.fetchTopicMetadata({ topics: [scene.settings.topic] })).topics.length,
        patient,
      )
      .toBe(1);
    await admin.disconnect();
  });

  it('is one at a time: another takes over at once when its process ends', async () => {
    const first = scene.child({ leaseMilliseconds: 600_000 });
    await scene.append(20);
    await scene.relayed();
    const second = scene.relay();
    await expect.poll(() => second.status().state, patient).toBe('standing by');
    await scene.append(20);
    await scene.relayed();
    await expect.poll(() => second.status(), patient).toMatchObject({ state: 'standing by', sent: 0 });
    first.kill('SIGKILL');
    await scene.append(20);
    await scene.relayed();
    await expect.poll(() => second.status(), patient).toMatchObject({ state: 'relaying', sent: 20 });
    const { messages } = await scene.expectTopicIsLog();
    expect(messages).toBeGreaterThanOrEqual(60);
  });

  it('that hangs is replaced once its lease is over, and moves nothing when it wakes', async () => {
    const first = scene.child({ leaseMilliseconds: 1_500 });
    await scene.append(20);
    await scene.relayed();
    first.kill('SIGSTOP');
    await scene.append(40);
    const second = scene.relay({ leaseMilliseconds: 1_500 });
    await scene.relayed();
    await expect.poll(() => second.status(), patient).toMatchObject({ state: 'relaying', sent: 40 });
    first.kill('SIGCONT');
    await scene.append(40);
    await scene.relayed();
    await scene.expectTopicIsLog();
    await expect.poll(() => second.status().state, patient).toBe('relaying');
  });

  it('whose number is no longer the highest stops, and what it sent is sent again', async () => {
    const relay = scene.relay();
    await scene.append(20);
    await scene.relayed();
    await running().database.run('UPDATE distribution.relay SET fence = fence + 1 WHERE topic = $1', [
      scene.schema,
    ]);
    await scene.append(20);
    await scene.relayed();
    await expect.poll(() => relay.status(), patient).toMatchObject({ fenceLosses: 1, position: 40 });
    const { messages } = await scene.expectTopicIsLog();
    expect(messages).toBeGreaterThan(40);
  });

  it('goes on under the new epoch of a log that was restored with its checkpoint', async () => {
    const relay = scene.relay();
    await scene.append(40);
    await scene.relayed();
    await relay.close();
    const before = scene.store.head().epoch;
    const owner = new pg.Client(running().database.ownerUrl);
    await owner.connect();
    const { epoch } = await beginEpoch(owner, { schema: scene.schema });
    await owner.end();
    await scene.append(20);
    scene.relay();
    await scene.relayed();
    const { messages, byLane } = await scene.expectTopicIsLog();
    expect(messages).toBeGreaterThanOrEqual(60);
    const epochs = [...byLane.values()]
      .flat()
      .flatMap((each) => (each.kind === 'event' ? [{ at: each.event.position, epoch: each.epoch }] : []));
    expect(epochs.filter(({ at, epoch: of }) => of !== (at > 40 ? epoch : before))).toEqual([]);
  });

  it('shows in every lane how far it is complete, also where nothing happens', async () => {
    await scene.append(20);
    scene.relay({ heartbeatMilliseconds: 100 });
    await scene.relayed();
    const { positions } = await scene.checkpoint();
    await expect
      .poll(async () => {
        const { byLane } = await scene.expectTopicIsLog();
        return positions.map((_, lane) => byLane.get(lane)?.at(-1));
      }, patient)
      .toMatchObject(positions.map((previous) => ({ kind: 'heartbeat', position: 20, previous })));
  });

  it('has no right to anything else', async () => {
    const client = new pg.Client(running().database.url);
    await client.connect();
    await expect(client.query('DELETE FROM distribution.relay')).rejects.toThrow('permission denied');
    await expect(client.query('DROP TABLE distribution.relay')).rejects.toThrow('must be owner');
    await client.end();
  });
});

function running() {
  if (typeof engines === 'string') throw new Error(engines);
  return engines;
}
