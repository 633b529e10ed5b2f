/** A log, a topic and a view of one test, with projectors as processes of their own and a sender that errs where it is told to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { expect, vi } from 'vitest';
import {
  encodeHeartbeat,
  encodeMessage,
  ensureTopic,
  laneOf,
  openLaneProducer,
  type LaneMessage,
} from '@carelog/distribution';
import type { Postgres } from '@carelog/engines';
import {
  beginEpoch,
  migrateEventStore,
  newEventId,
  openPostgresEventStore,
  type PostgresEventStore,
} from '@carelog/event-store';
import { catchUpLanes } from '@carelog/projection';
import { listing, openListingView } from './listing-view.ts';
import type { Failure, ProjectorChildSettings } from './projector-child.ts';

const CHILD = fileURLToPath(new URL('./projector-child.ts', import.meta.url));
const LANES = 6;
const PEOPLE = 60;
/** As short as a broker allows. */
const SESSION_MILLISECONDS = 6_000;
const SETTLED_WITHIN = 60_000;

export type ProjectorScene = Awaited<ReturnType<typeof projectorScene>>;

interface SceneOptions {
  readonly postgres: Postgres;
  readonly brokers: readonly string[];
}

interface Sending {
  /** Shuffles, doubles and loses messages, by a generator with this seed. */
  readonly disorder?: number;
  /** Goes on recording until this process is gone. */
  readonly untilGone?: ChildProcess;
}

export async function projectorScene({ postgres, brokers }: SceneOptions) {
  const name = `scene_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const kafka = { brokers, topic: name, lanes: LANES, replicas: 1 };
  const [logDatabase, viewDatabase] = [`${name}_log`, `${name}_view`];
  await asOwner('postgres', `CREATE DATABASE ${logDatabase}`, `CREATE DATABASE ${viewDatabase}`);
  const log = new Client(postgres.url(logDatabase));
  await log.connect();
  await migrateEventStore(log);
  await log.end();
  await ensureTopic(kafka);
  const view = await openListingView(postgres.url(viewDatabase), { schema: 'listing_v1' });
  const children: ChildProcess[] = [];
  const random = generator(1);
  let store: PostgresEventStore = await openPostgresEventStore({ url: postgres.url(logDatabase) });
  let sent = 0;
  let lastInLane = Array.from({ length: LANES }, () => 0);
  let lastSent = new Map<number, LaneMessage[]>();

  async function asOwner(database: string, ...statements: string[]): Promise<void> {
    const client = new Client(postgres.url(database));
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  async function record(count: number): Promise<void> {
    const events = Array.from({ length: count }, () => {
      const person = Math.floor(random() * PEOPLE);
      const isPoison = person % 20 === 0 && random() < 0.2;
      return textEvent(`person-${person}`, isPoison ? 'poison' : `text ${random()}`);
    });
    await Promise.all(
      events.map((event) =>
        store.append([{ stream: `Text/${event.partition}`, expectedRevision: 'any', events: [event] }]),
      ),
    );
  }

  /** As a relay does, but for the disorder that is asked for. A producer for each call, since a broker may have been killed. */
  async function send(disorder?: number): Promise<void> {
    const { epoch } = await store.freshHead();
    const page = new Map<number, LaneMessage[]>();
    for (;;) {
      const events = await store.readAll({ after: sent });
      if (events.length === 0) break;
      for (const event of events) {
        const lane = laneOf(event.partition, LANES);
        const message = encodeMessage(event, { epoch, previous: lastInLane[lane]! });
        page.set(lane, [...(page.get(lane) ?? []), message]);
        lastInLane[lane] = event.position;
        sent = event.position;
      }
    }
    lastSent = page;
    await produce(disorder === undefined ? page : disordered(page, generator(disorder)));
    await beat();
  }

  async function beat(): Promise<void> {
    const { epoch } = await store.freshHead();
    await produce(
      new Map(lastInLane.map((previous, lane) => [lane, [encodeHeartbeat(sent, { epoch, previous })]])),
    );
  }

  async function produce(page: ReadonlyMap<number, readonly LaneMessage[]>): Promise<void> {
    // A broker that has just come back answers, but leads nothing yet.
    const isSent = async () => {
      const producer = await openLaneProducer(kafka);
      try {
        await producer.send(page);
        return true;
      } finally {
        await producer.close();
      }
    };
    await vi.waitUntil(() => isSent().catch(() => false), { timeout: SETTLED_WITHIN, interval: 200 });
  }

  return {
    topic: kafka.topic,
    record,
    makeTopic: async () =>
      void (await vi.waitUntil(
        () =>
          ensureTopic(kafka).then(
            () => true,
            () => false,
          ),
        SETTLED_WITHIN,
      )),

    async startProjector(special: { readonly failure?: Failure } = {}): Promise<ChildProcess> {
      const settings: ProjectorChildSettings = {
        logUrl: postgres.url(logDatabase),
        viewUrl: postgres.url(viewDatabase),
        brokers,
        topic: kafka.topic,
        lanes: LANES,
        schema: 'listing_v1',
        sessionMilliseconds: SESSION_MILLISECONDS,
        ...special,
      };
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD], {
        env: { ...process.env, PROJECTOR_CHILD: JSON.stringify(settings) },
        stdio: ['ignore', 'pipe', process.env['SHOW_CHILDREN'] ? 'inherit' : 'ignore'],
      });
      children.push(child);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      return child;
    },

    async recordAndSend(count: number, { disorder, untilGone }: Sending = {}): Promise<void> {
      do {
        await record(count);
        await send(disorder);
      } while (untilGone !== undefined && untilGone.signalCode === null);
    },

    /** Everything that was sent last, once more, as a relay does that lost the answer. */
    sendAgain: () => produce(lastSent),

    /** What is in the log is not in the topic; whoever sends on goes on behind it. */
    forgetWhatIsNotSent() {
      lastSent = new Map();
    },

    /** How many batches events make depends on how fast they are taken: they go on until it is stopped. */
    async recordAndSendUntilStopped(count: number, child: ChildProcess): Promise<void> {
      const isStopped = () => / T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'));
      const until = Date.now() + SETTLED_WITHIN;
      while (!isStopped()) {
        if (Date.now() > until) throw new Error('The projector took batches and was not stopped.');
        await record(count);
        await send();
      }
    },

    /** Resolves when the view says that it has reached the log's head in every lane. */
    async settle(): Promise<void> {
      let beaten = 0;
      await vi.waitUntil(
        async () => {
          const head = await store.freshHead();
          if ((beaten += 1) % 20 === 0) await beat().catch(() => {});
          const checkpoints = await view.checkpoints();
          return lastInLane.every((position, lane) => {
            const reached = checkpoints.get(lane) ?? { position: 0, epoch: head.epoch };
            return reached.epoch === head.epoch && reached.position >= position;
          });
        },
        { timeout: SETTLED_WITHIN, interval: 100 },
      );
    },

    /** Compares the view with one that is built from the log, without Kafka. */
    async expectAsFresh(): Promise<void> {
      const fresh = await openListingView(postgres.url(viewDatabase), { schema: 'listing_fresh' });
      await catchUpLanes(
        Array.from({ length: LANES }, (_, lane) => lane),
        {
          store,
          projection: listing(),
          readModel: fresh,
          laneOf: (partition) => laneOf(partition, LANES),
          open: ({ content }) => ({ kind: 'opened', bytes: content }),
        },
      );
      const expected = await fresh.contents();
      await fresh.close();
      expect((await view.contents()).split('\n')).toEqual(expected.split('\n'));
    },

    async backUpLog(): Promise<void> {
      await store.close();
      await asOwner(
        'postgres',
        `ALTER DATABASE ${logDatabase} ALLOW_CONNECTIONS false`,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${logDatabase}'`,
        `CREATE DATABASE ${name}_copy TEMPLATE ${logDatabase}`,
        `ALTER DATABASE ${logDatabase} ALLOW_CONNECTIONS true`,
        `ALTER DATABASE ${name}_copy ALLOW_CONNECTIONS true`,
      );
      store = await openPostgresEventStore({ url: postgres.url(logDatabase) });
    },

    /** Puts the copy in the log's place, in a new epoch, and lets the sender begin where the copy ends. */
    async restoreLog(): Promise<void> {
      await store.close();
      await asOwner(
        'postgres',
        `DROP DATABASE ${logDatabase} WITH (FORCE)`,
        `ALTER DATABASE ${name}_copy RENAME TO ${logDatabase}`,
      );
      const owner = new Client(postgres.url(logDatabase));
      await owner.connect();
      await beginEpoch(owner);
      await owner.end();
      store = await openPostgresEventStore({ url: postgres.url(logDatabase) });
      sent = store.head().position;
      lastInLane = Array.from({ length: LANES }, () => 0);
      for (const { partition, position } of await store.readAll({ limit: sent })) {
        lastInLane[laneOf(partition, LANES)] = position;
      }
    },

    async close(): Promise<void> {
      for (const child of children) child.kill('SIGKILL');
      await view.close();
      await store.close();
    },
  };
}

function textEvent(partition: string, text: string) {
  const id = newEventId();
  return {
    id,
    type: 'text.recorded',
    schemaVersion: 1,
    partition,
    occurredAt: '2026-01-01T00:00:00Z',
    publisher: { organisation: 'A12345', system: 'test' },
    careSetting: 'acute',
    action: 'new' as const,
    labels: [],
    correlationId: id,
    keyId: 'none',
    content: new TextEncoder().encode(text),
  };
}

/** Neighbours change places, a tenth comes twice, a tenth is lost. */
function disordered(
  page: ReadonlyMap<number, readonly LaneMessage[]>,
  random: () => number,
): Map<number, LaneMessage[]> {
  const lanes = [...page].map(([lane, messages]) => {
    const kept = messages.flatMap((message) =>
      random() < 0.1 ? [] : random() < 0.1 ? [message, message] : [message],
    );
    const placed = kept.map((message, index) => ({ message, at: index + random() * 6 }));
    return [lane, placed.sort((a, b) => a.at - b.at).map(({ message }) => message)] as const;
  });
  return new Map(lanes.filter(([, messages]) => messages.length > 0));
}

/** Numbers from 0 to 1, the same for the same seed: https://en.wikipedia.org/wiki/Xorshift */
function generator(seed: number): () => number {
  let state = seed * 2654435761 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
