/** Producer, topic and consumer against a real broker. */
import { createMemoryEventStore } from '@carelog/event-store';
import type { RecordedEvent } from '@carelog/event-store';
import { engineOrReason, freePort, startKafka } from '@carelog/engines';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { anEvent, temporaryFolder } from '@carelog/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { readKafkaSettings } from './kafka-settings.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { consumeLanes } from './lane-consumer.ts';
import type { LaneConsumer } from './lane-consumer.ts';
import { openLaneProducer, SendDoubt } from './lane-producer.ts';
import type { LanePage } from './lane-producer.ts';
import { laneOf } from './lanes.ts';
import { encodeHeartbeat, encodeMessage } from './message.ts';
import { sealMessage } from './message-seal.ts';
import type { Delivered } from './message.ts';
import { ensureTopic, TopicMismatch } from './topic.ts';

const folder = temporaryFolder();
const securePort = await freePort();
const kafka = await engineOrReason(async () => startKafka({ folder, settings: await secureListener() }));
const reason = typeof kafka === 'string' ? kafka : undefined;
afterAll(async () => {
  if (typeof kafka !== 'string') await kafka.stop();
});

describe.skipIf(reason !== undefined)(`lanes of a real Kafka${reason ? `: ${reason}` : ''}`, () => {
  it('bring every event once, in the order of its lane, and heartbeats between', async () => {
    const settings = await aTopic('order');
    const events = await someEvents(200);
    const producer = await openLaneProducer(settings);
    const previous = new Map<number, number>();
    for (let from = 0; from < events.length; from += 50) {
      await producer.send(pageOf(events.slice(from, from + 50), settings.lanes, previous));
    }
    const epoch = 'epoch-1';
    await producer.send(
      new Map(
        Array.from({ length: settings.lanes }, (_, lane) => [
          lane,
          [encodeHeartbeat(200, { epoch, previous: previous.get(lane) ?? 0 })],
        ]),
      ),
    );
    await producer.close();

    const { byLane, close } = consume(settings, 'readers');
    await until(() => counted(byLane) === 200 + settings.lanes);
    await close();
    for (const [lane, messages] of byLane) {
      const expected = events.filter(({ partition }) => laneOf(partition, settings.lanes) === lane);
      expect(messages.flatMap((each) => (each.kind === 'event' ? [each.event] : []))).toEqual(expected);
      let before = 0;
      for (const message of messages) {
        expect(message).toMatchObject({ epoch, previous: before });
        if (message.kind === 'event') before = message.event.position;
      }
      expect(messages.at(-1)).toMatchObject({ kind: 'heartbeat', position: 200 });
    }
  });

  it('are shared out among consumers of a group, and go on where the work was done', async () => {
    const settings = await aTopic('group');
    const events = await someEvents(60);
    const producer = await openLaneProducer(settings);
    await producer.send(pageOf(events, settings.lanes, new Map()));
    await producer.close();

    const one = consume(settings, 'group');
    const other = consume(settings, 'group');
    await until(() => one.lanes.length > 0 && other.lanes.length > 0);
    expect([...one.lanes, ...other.lanes].sort()).toEqual([0, 1, 2, 3]);
    await until(() => counted(one.byLane) + counted(other.byLane) >= 60);
    await one.close();
    await until(() => other.lanes.length === settings.lanes);
    await other.close();
  });

  it('bring a batch again whose work failed', async () => {
    const settings = await aTopic('again');
    const producer = await openLaneProducer(settings);
    await producer.send(pageOf(await someEvents(5), settings.lanes, new Map()));
    await producer.close();
    let failures = 3;
    const seen = new Set<number>();
    const consumer = consumeLanes(settings, {
      group: 'again',
      onBatch: async ({ messages }) => {
        if (failures-- > 0) throw new Error('the read model is away');
        for (const message of messages) if (message.kind === 'event') seen.add(message.event.position);
      },
    });
    await until(() => seen.size === 5);
    await consumer.close();
  });

  it('let nobody put in a word, or move one to another lane, who lacks the key of the services', async () => {
    const settings = { ...(await aTopic('sealed')), sealKey: Buffer.alloc(32, 1) };
    const beat = (position: number) => encodeHeartbeat(position, { epoch: 'epoch-1', previous: 0 });
    const say = async (as: KafkaSettings, page: LanePage) => {
      const producer = await openLaneProducer(as);
      await producer.send(page);
      await producer.close();
    };
    const place = { key: settings.sealKey, topic: settings.topic, lane: 1 };
    await say(settings, new Map([[0, [beat(1)]]]));
    await say({ ...settings, sealKey: Buffer.alloc(32, 2) }, new Map([[0, [beat(2)]]]));
    const { sealKey: _, ...keyless } = settings;
    await say(keyless, new Map([[0, [beat(3), sealMessage(beat(4), place)]]]));
    await say(settings, new Map([[0, [beat(5)]]]));

    const { byLane, close } = consume(settings, 'wary');
    await until(() => counted(byLane) === 5);
    await close();
    const unsealed = { kind: 'unreadable', reason: expect.stringContaining('sealed') as string };
    expect(byLane.get(0)).toMatchObject([{ position: 1 }, unsealed, unsealed, unsealed, { position: 5 }]);
  });

  it('are reached by TLS and with a password as the settings say, and not without', async () => {
    const secured = {
      CARELOG_KAFKA_BROKERS: `127.0.0.1:${securePort}`,
      CARELOG_KAFKA_TOPIC: 'secured',
      CARELOG_KAFKA_LANES: '4',
      CARELOG_KAFKA_TLS: 'on',
      CARELOG_KAFKA_CA_FILE: join(folder, 'certificate.pem'),
      CARELOG_KAFKA_SASL: 'plain',
      CARELOG_KAFKA_USER: 'relay',
      CARELOG_KAFKA_PASSWORD_FILE: fileWith('password', 'a secret'),
    };
    const settings = settingsIn(secured);
    await ensureTopic(settings);
    const producer = await openLaneProducer(settings);
    await producer.send(pageOf(await someEvents(20), settings.lanes, new Map()));
    await producer.close();
    const { byLane, close } = consume(settings, 'secured');
    await until(() => counted(byLane) === 20);
    await close();

    const other = { ...secured, CARELOG_KAFKA_PASSWORD_FILE: fileWith('other', 'another') };
    const untrusted = { ...secured, CARELOG_KAFKA_CA_FILE: '' };
    const plain = { CARELOG_KAFKA_BROKERS: secured.CARELOG_KAFKA_BROKERS };
    for (const [env, why] of [
      [other, /authentication/i],
      [untrusted, /self.signed/i],
      [plain, /./],
    ] as const)
      // prettier-ignore
      await expect(openLaneProducer(settingsIn(env), { patienceMilliseconds: 2_000 })).rejects.toThrow(why);
  });

  it('keep their number: a topic of another one is refused', async () => {
    const settings = await aTopic('fixed');
    await ensureTopic(settings);
    await expect(ensureTopic({ ...settings, lanes: settings.lanes + 1 })).rejects.toThrow(TopicMismatch);
  });

  it('refuse a send that no topic takes, and the producer is spent then', async () => {
    const settings = { ...(await aTopic('there')), topic: 'not-there' };
    const producer = await openLaneProducer(settings, { patienceMilliseconds: 2_000 });
    const page = pageOf(await someEvents(1), settings.lanes, new Map());
    await expect(producer.send(page)).rejects.toThrow(SendDoubt);
    await expect(producer.send(page)).rejects.toThrow('spent');
    await producer.close();
  });
});

/** Beside that without: for users with a password, behind a certificate that is its own authority. */
async function secureListener(): Promise<Readonly<Record<string, string>>> {
  const store = join(folder, 'broker.p12');
  const certificate = join(folder, 'certificate.pem');
  const common = ['-keystore', store, '-storetype', 'PKCS12', '-storepass', 'changeit', '-alias', 'broker'];
  const made = ['-genkeypair', ...common, '-keyalg', 'EC', '-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1'];
  const keytool = (args: readonly string[]) => promisify(execFile)('keytool', args);
  // Where it is missing the broker cannot be started either, and says so.
  await keytool(made).then(() => keytool(['-exportcert', ...common, '-rfc', '-file', certificate]), () => {}); // prettier-ignore
  const ours = 'PLAINTEXT://127.0.0.1:@PORT@';
  const secure = `SECURE://127.0.0.1:${securePort}`;
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_relay="a secret";';
  return {
    listeners: `${ours},CONTROLLER://127.0.0.1:@CONTROLLER_PORT@,${secure}`,
    'advertised.listeners': `${ours},${secure}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL',
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'changeit',
    'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.secure.plain.sasl.jaas.config': login,
  };
}

function fileWith(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function settingsIn(env: Readonly<Record<string, string>>): KafkaSettings {
  const outcome = readKafkaSettings(env);
  if (outcome.kind === 'invalid') throw new Error(outcome.problems.join(' '));
  return outcome.settings;
}

async function aTopic(topic: string): Promise<KafkaSettings> {
  if (typeof kafka === 'string') throw new Error(kafka);
  const settings = { brokers: kafka.brokers, topic, lanes: 4, replicas: 1 };
  await ensureTopic(settings);
  return settings;
}

async function someEvents(count: number): Promise<readonly RecordedEvent[]> {
  const store = createMemoryEventStore();
  for (let n = 1; n <= count; n++) {
    const partition = `00000000-0000-7000-8000-0000000000${n % 23 < 10 ? '0' : ''}${n % 23}`;
    const event = anEvent({ partition, content: Buffer.from(`sealed ${n}`) });
    await store.append([{ stream: `Observation/${n}`, expectedRevision: 'no-stream', events: [event] }]);
  }
  const events = await store.readAll();
  await store.close();
  return events;
}

function pageOf(events: readonly RecordedEvent[], lanes: number, previous: Map<number, number>): LanePage {
  const page = Map.groupBy(events, ({ partition }) => laneOf(partition, lanes));
  return new Map(
    [...page].map(([lane, own]) => [
      lane,
      own.map((event) => {
        const message = encodeMessage(event, { epoch: 'epoch-1', previous: previous.get(lane) ?? 0 });
        previous.set(lane, event.position);
        return message;
      }),
    ]),
  );
}

function consume(settings: KafkaSettings, group: string) {
  const byLane = new Map<number, Delivered[]>();
  const seen = { byLane, lanes: [] as readonly number[], close: async () => consumer.close() };
  const consumer: LaneConsumer = consumeLanes(settings, {
    group,
    onLanes: (lanes) => (seen.lanes = lanes),
    onBatch: async ({ lane, messages }) => {
      byLane.set(lane, [...(byLane.get(lane) ?? []), ...messages]);
    },
  });
  return seen;
}

function counted(byLane: ReadonlyMap<number, readonly Delivered[]>): number {
  return [...byLane.values()].reduce((sum, messages) => sum + messages.length, 0);
}

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: 25_000, interval: 20 }).toBe(true);
}
