/** The port's contract: against a stand-in for the server always, against a real one where there is one. */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { describeEventStore, someEvent, to } from '../contract.ts';
import { newEventId } from '../event-id.ts';
import type { EventStore } from '../event-store.ts';
import { imageAtHand, startContainer } from '../spec-container.ts';
import type { SpecContainer } from '../spec-container.ts';
import { beginKurrentEpoch, openKurrentEventStore } from './kurrentdb-event-store.ts';
import type { KurrentEventStoreOptions } from './kurrentdb-event-store.ts';
import { createStandInServer } from './stand-in-server.ts';

const url = 'kurrentdb://stand-in:2113';
const newName = () => `test-${newEventId()}`;

describeEventStore('kurrentdb, a stand-in for the server', ({ now }) =>
  openKurrentEventStore({ url, name: newName(), now, client: createStandInServer().connect() }),
);

const image = imageAtHand(process.env['KURRENTDB_IMAGE'], 'docker.kurrent.io/kurrent-latest/kurrentdb:25.1');
let container: SpecContainer | undefined;
const realServer = process.env['CARELOG_KURRENTDB_URL'] ?? (image && (await startServer(image)));
afterAll(() => container?.stop());

describe.skipIf(!realServer)(
  'a real server (runs where CARELOG_KURRENTDB_URL names one, or a Docker engine has the image KURRENTDB_IMAGE)',
  () => {
    describeEventStore(
      'kurrentdb',
      ({ now }) => openKurrentEventStore({ url: realServer!, name: newName(), now }),
      { histories: 20 },
    );
  },
);

async function startServer(name: string): Promise<string> {
  const environment = {
    KURRENTDB_INSECURE: 'true',
    KURRENTDB_MEM_DB: 'true',
    KURRENTDB_RUN_PROJECTIONS: 'None',
  };
  container = await startContainer(name, { port: 2113, environment });
  return `kurrentdb://${container.host}:${container.port}?tls=false`;
}

const opened: EventStore[] = [];
async function open(options: Partial<KurrentEventStoreOptions>): Promise<EventStore> {
  const store = await openKurrentEventStore({ url, ...options });
  opened.push(store);
  return store;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
});

describe('a log in KurrentDB', () => {
  it('is one dense log for several writers, and whoever follows it skips nothing', async () => {
    const server = createStandInServer();
    const writers = await Promise.all(Array.from({ length: 3 }, () => open({ client: server.connect() })));
    const followed: number[] = [];
    const following = (async () => {
      for await (const events of writers[0]!.subscribe(0, { batchSize: 3 })) {
        followed.push(...events.map(({ position }) => position));
        if (followed.length >= 120) return;
      }
    })();
    await Promise.all(
      writers.flatMap((store) =>
        Array.from({ length: 4 }, async () => {
          for (let count = 0; count < 10; count++) {
            const outcome = await store.append([to('everybody', 'any', someEvent())]);
            expect(outcome.kind).toBe('appended');
            if (count === 5) server.dropSubscriptions();
          }
        }),
      ),
    );
    await following;
    expect(followed).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect((await writers[1]!.freshHead()).position).toBe(120);
  });

  it.each(['unheard', 'unanswered'] as const)(
    'records an append once when its connection is lost with it %s',
    async (when) => {
      const server = createStandInServer();
      const store = await open({ client: server.connect() });
      const event = someEvent();
      server.loseNextAppend(when);
      expect(await store.append([to('a', 'no-stream', event)])).toMatchObject({
        kind: 'appended',
        events: [{ id: event.id, position: 1 }],
      });
      expect(await store.readAll()).toHaveLength(1);
    },
  );

  it('pages through a partition whose events lie far apart', async () => {
    const store = await open({ client: createStandInServer().connect() });
    const partitions = Array.from({ length: 50 }, (_, index) => (index % 7 === 0 ? 'sparse' : 'p'));
    await store.append([to('a', 'any', ...partitions.map((partition) => someEvent({ partition })))]);
    const expected = partitions.flatMap((partition, index) => (partition === 'sparse' ? [index + 1] : []));
    for (let after = 0; after <= 51; after++) {
      const events = await store.readPartition('sparse', { after });
      expect(events.map(({ position }) => position)).toEqual(expected.filter((position) => position > after));
    }
  });

  it('begins a new epoch when it is told to; followers of the old one end', async () => {
    const server = createStandInServer();
    const store = await open({ client: server.connect() });
    await store.append([to('a', 'any', someEvent())]);
    const before = store.head();
    const batches = store.subscribe(0)[Symbol.asyncIterator]();
    expect((await batches.next()).value).toHaveLength(1);
    const following = batches.next();
    const began = await beginKurrentEpoch({ url, client: server.connect() });
    expect(began).toMatchObject({ position: 1 });
    expect(began.epoch).not.toBe(before.epoch);
    const ended = expect(following).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/Begin again/),
    });
    server.dropSubscriptions();
    await ended;
    expect(await store.freshHead()).toEqual(began);
  });

  it.each<[kind: string, code: string, says: RegExp]>([
    ['append-record-size-exceeded', 'invalid', /nothing was written.*MaxAppendSize/],
    ['access-denied', 'io', /refuses this user.*read \$all/],
    ['unsupported', 'io', /too old: KurrentDB 25\.1/],
    ['unavailable', 'io', /not known.*again with the same event ids/],
  ])('says how to put right what the server calls %s', async (type, code, says) => {
    const client = createStandInServer().connect();
    const store = await open({ client, patienceMilliseconds: 30 });
    client.multiStreamAppend = async () => {
      throw Object.assign(new Error('refused'), { type });
    };
    await expect(store.append([to('a', 'any', someEvent())])).rejects.toMatchObject({ code, message: says });
  });
});
