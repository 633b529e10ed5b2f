// One stream over a log in memory, to a client that takes what it likes: nothing is left out, nothing comes twice.
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { defaultPolicy, type Caller } from '@carelog/access';
import { createMemoryEventStore, type Epoch, type EventStore } from '@carelog/event-store';
import { Feed, type Filter } from '@carelog/subscriptions';
import { anEvent } from '@carelog/testkit';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { FhirRequest, Gateway } from '../gateway.ts';
import { topics } from './event-filter.ts';
import { EventStream } from './event-stream.ts';
import { EventStreams } from './event-streams.ts';

const caller: Caller = {
  subject: 's',
  kind: 'system',
  organisation: 'RX1',
  system: 'x',
  careSetting: 'acute',
};
const FULL = 1_000_000;

/** What a client took, and how much waits for it. */
class Client extends EventEmitter {
  taken = '';
  writableLength = 0;
  isEnded = false;
  write(text: string): boolean {
    this.taken += text;
    return true;
  }
  end(): void {
    this.isEnded = true;
  }
  get positions(): number[] {
    return [...this.taken.matchAll(/^id: .+-(\d+)\ndata/gm)].map(([, position]) => Number(position));
  }
}

let store: EventStore;
let epochs: Epoch[];
let feed: Feed;
let streams: EventStreams;
let recorded: number;
let isKept: boolean;
/** What decisions, or a batch, wait for. */
let decisions: Promise<void> | undefined;
let views: Promise<void> | undefined;
let waiting: number;
let gateway: Gateway;
beforeEach(() => {
  store = createMemoryEventStore();
  const versions: { stream: string }[] = [];
  feed = new Feed(
    {
      log: {
        readAll: (options) => store.readAll(options),
        subscribe: (after, options) => store.subscribe(after, options),
        head: () => store.head(),
        epochs: async () => epochs,
      },
      reached: () => waitedFor(views),
      patientsOf: async (asked) => asked.map(({ stream }) => (versions.push({ stream }), ['ada'])),
      contentOf: async () => undefined,
      worklistsOf: async (lists) => new Map([['ada', lists]]),
    },
    { warn: () => {} },
  );
  streams = new EventStreams(feed, { warn: () => {} });
  recorded = 0;
  isKept = true;
  decisions = views = undefined;
  waiting = 0;
  epochs = [{ id: store.head().epoch, position: 0 }];
  const position = () => store.head().position;
  gateway = {
    policy: defaultPolicy(),
    head: position,
    projected: {
      position: () => (decisions === undefined ? Infinity : -1),
      waitFor: () => waitedFor(decisions),
    },
    brokenGlass: { patientsOf: () => [] },
    digest: () => 'x',
    told: { stream: 0, 'rest-hook': 0, websocket: 0 },
    accessLog: {
      record(_: unknown, __: unknown, ___: unknown, leave: (kept: boolean) => void) {
        recorded += 1;
        leave(isKept);
      },
    },
  } as unknown as Gateway;
});
afterEach(async () => {
  streams.close();
  await feed.close();
});

const asked: FhirRequest = { method: 'GET', path: ['events'], query: new URLSearchParams(), headers: {}, body: '', caller, correlation: 'c', base: 'http://x/fhir/R4' }; // prettier-ignore

const LIST = 'appointments-missed';

function listen(
  position: number,
  recheck: () => Caller | undefined = () => caller,
  lists: readonly string[] = [],
) {
  const client = new Client();
  const raw = client as unknown as ServerResponse;
  const { epoch } = feed;
  const filter: Filter =
    lists.length === 0 ? {} : { topics: lists.map((name) => topics.get(`worklist-${name}`)!) };
  const stream = new EventStream({ gateway, feed, asked, filter, lists, raw, recheck, epoch, position, onTrouble: () => {} }); // prettier-ignore
  streams.begin();
  streams.add(stream, 's');
  return { client, stream };
}
async function waitedFor(what: Promise<void> | undefined): Promise<boolean> {
  waiting += 1;
  await what;
  return true;
}
async function asksOnceMore(work: () => Promise<unknown>): Promise<void> {
  const before = waiting;
  await work();
  await vi.waitFor(() => expect(waiting).toBeGreaterThan(before));
}
async function record(count: number): Promise<void> {
  for (let at = 0; at < count; at += 1)
    await store.append([{ stream: `Observation/${at}`, expectedRevision: 'any', events: [anEvent()] }]);
}
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

it('tells what was missed, then what comes', async () => {
  await record(700);
  const { client } = listen(0);
  await record(20);
  await vi.waitFor(() => expect(client.positions).toEqual(upTo(720)));
  expect(gateway.told.stream).toBe(720);
  expect(recorded).toBeGreaterThan(0);
});

it('is read for again once it took what waits', async () => {
  const { client } = listen(0);
  await record(5);
  await vi.waitFor(() => expect(client.positions).toEqual(upTo(5)));
  client.writableLength = FULL;
  await record(3_000);
  // So much as this was under way is not held against it; then nothing is kept for it here.
  await vi.waitFor(() => expect(feed.listen({ hear() {}, restored() {} }).position).toBe(3_005));
  const taken = client.positions.length;
  expect(taken).toBeLessThan(3_005);
  client.writableLength = 0;
  client.emit('drain');
  await vi.waitFor(() => expect(client.positions).toEqual(upTo(3_005)), 5_000);
});

it('ends when its caller may not be here any more, before anything else is told', async () => {
  let current: Caller | undefined = caller;
  const { client } = listen(0, () => current);
  await record(1);
  await vi.waitFor(() => expect(client.positions).toEqual([1]));
  current = undefined;
  await record(1);
  await vi.waitFor(() => expect(client.isEnded).toBe(true));
  expect(client.positions).toEqual([1]);
});

it('tells nothing that no account is kept of, and tells it when one is', async () => {
  isKept = false;
  const { client } = listen(0);
  await record(2);
  await vi.waitFor(() => expect(recorded).toBeGreaterThan(0));
  expect(client.positions).toEqual([]);
  isKept = true;
  await vi.waitFor(() => expect(client.positions).toEqual([1, 2]), 5_000);
});

it('says how far it is where nothing is for it', async () => {
  const { client, stream } = listen(0);
  await record(3);
  await vi.waitFor(() => expect(client.positions).toEqual([1, 2, 3]));
  await store.append([{ stream: 'alias/x', expectedRevision: 'any', events: [anEvent()] }]);
  await vi.waitFor(() => expect(feed.listen({ hear() {}, restored() {} }).position).toBe(4));
  await stream.beat(4);
  expect(client.taken.endsWith(`:\nid: ${feed.epoch}-4\n\n`)).toBe(true);
});

it('names worklists only to who asked for them, and tells of one that is asked for while a batch is made', async () => {
  const { client: other } = listen(0);
  const { promise, resolve } = Promise.withResolvers<void>();
  views = promise;
  await asksOnceMore(() => record(1));
  const { client } = listen(0, () => caller, [LIST]);
  views = undefined;
  resolve();
  await vi.waitFor(() => expect(client.positions).toEqual([1]), 5_000);
  await record(1);
  for (const it of [client, other]) await vi.waitFor(() => expect(it.positions).toEqual([1, 2]), 5_000);
  expect(client.taken).toContain(`"worklists":"${LIST}"`);
  expect(other.taken).not.toContain('worklists');
});

it('tells of no event of a log that was restored under an id of the one that came instead', async () => {
  const { client, stream } = listen(0);
  await record(2);
  await vi.waitFor(() => expect(client.positions).toEqual([1, 2]));
  const { promise, resolve } = Promise.withResolvers<void>();
  decisions = promise;
  await asksOnceMore(() => record(2));
  store = createMemoryEventStore();
  await record(3);
  epochs.push({ id: store.head().epoch, position: 2 });
  const { epoch } = store.head();
  const restored = vi.spyOn(stream, 'restored');
  await vi.waitFor(() => expect(restored).toHaveBeenCalledWith(epoch, 2), 5_000);
  decisions = undefined;
  resolve();
  await vi.waitFor(() => expect(client.positions).toEqual([1, 2, 3]), 5_000);
  expect(client.taken).toContain(`id: ${epoch}-3`);
});

it('never says that it is less far than what it told, whenever it says that it is there', async () => {
  const { client, stream } = listen(0);
  const told = record(300);
  while (client.positions.length < 300) {
    for (let count = 0; count < 20; count += 1) await stream.beat(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await told;
  const ids = [...client.taken.matchAll(/^id: .+-(\d+)$/gm)].map(([, position]) => Number(position));
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
});
