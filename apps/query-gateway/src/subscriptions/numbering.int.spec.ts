// Numbers over a log in memory and a store on disk: whatever happens meanwhile, each event gets one, in order, and none is passed over.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultPolicy } from '@carelog/access';
import { createMemoryEventStore, type Epoch, type EventStore } from '@carelog/event-store';
import {
  Feed,
  openSqliteSubscriptionStore,
  TOPIC_BASE,
  type FeedSource,
  type StoredSubscription,
  type SubscriptionStore,
} from '@carelog/subscriptions';
import { anEvent } from '@carelog/testkit';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Gateway } from '../gateway.ts';
import { Held } from './held.ts';
import { Numbering } from './numbering.ts';

const owner = { subject: 's', kind: 'system', organisation: 'RX1', system: 'x', careSetting: 'acute' } as const; // prettier-ignore
const HOUR = 3_600_000;
const LIST = 'worklist-appointments-missed';

let folder: string;
let log: EventStore;
let epochs: Epoch[];
let feed: Feed;
let store: SubscriptionStore;
let numbering: Numbering;
let lost: Held[];
/** What the next decisions, or the next batch, wait for. */
let decisions: Promise<void> | undefined;
let views: Promise<void> | undefined;
let waiting: number;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'numbering-'));
  log = createMemoryEventStore();
  epochs = [{ id: log.head().epoch, position: 0 }];
  decisions = views = undefined;
  waiting = 0;
  lost = [];
  const source: FeedSource = {
    log: {
      readAll: (options) => log.readAll(options),
      subscribe: (after, options) => log.subscribe(after, options),
      head: () => log.head(),
      epochs: async () => epochs,
    },
    reached: () => waitedFor(views),
    patientsOf: async (versions) => versions.map(() => ['ada']),
    contentOf: async () => undefined,
    worklistsOf: async (lists) => new Map([['ada', lists]]),
  };
  feed = new Feed(source, { warn: () => {} });
  store = openSqliteSubscriptionStore({ path: path.join(folder, 'subscriptions.sqlite') });
  const gateway = {
    policy: defaultPolicy(),
    head: () => log.head().position,
    projected: { position: () => (decisions === undefined ? Infinity : -1), waitFor: () => waitedFor(decisions) },
    brokenGlass: { patientsOf: () => [] },
  } as unknown as Gateway; // prettier-ignore
  numbering = new Numbering({
    gateway,
    feed,
    store,
    holder: 'me',
    log: { warn: () => {} },
    onNumbered: () => {},
    onLost: (held) => lost.push(held),
  });
});
afterEach(async () => {
  await numbering.close();
  await feed.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

async function waitedFor(what: Promise<void> | undefined): Promise<boolean> {
  waiting += 1;
  await what;
  return true;
}

/** What is asked for waits until it is let go. */
function holdUp(what: 'decisions' | 'views'): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (what === 'decisions') decisions = promise;
  else views = promise;
  return async () => {
    decisions = views = undefined;
    resolve();
    await promise;
  };
}
async function asksOnceMore(work: () => Promise<unknown>): Promise<void> {
  const before = waiting;
  await work();
  await vi.waitFor(() => expect(waiting).toBeGreaterThan(before));
}

async function record(...ids: string[]): Promise<void> {
  for (const id of ids)
    await log.append([{ stream: `Encounter/${id}`, expectedRevision: 'any', events: [anEvent()] }]);
}
async function made(topic = 'everything', position = 0): Promise<StoredSubscription> {
  const criteria = `${TOPIC_BASE}${topic}`;
  const resource = JSON.stringify({ resourceType: 'Subscription', criteria, channel: { type: 'websocket' } });
  const lastUpdated = new Date().toISOString();
  const stored = await store.create({ id: crypto.randomUUID(), owner, resource, secrets: '', lastUpdated, status: 'active', endsAt: Date.now() + 24 * HOUR, epoch: log.head().epoch, position }, 100); // prettier-ignore
  if (stored === 'too-many') throw new Error('More than there may be.');
  await lease();
  return stored;
}
const lease = (holder = 'me', now = Date.now()) => store.lease(holder, now, now + HOUR, 100);
const again = async (id: string) => new Held((await store.read(id))!);
const told = async ({ id }: Pick<Held, 'id'>) =>
  (await store.numbered(id, 0, 10_000)).map(({ notice }) => notice.stream.slice('Encounter/'.length));
const isTold = (held: Pick<Held, 'id'>, ...ids: string[]) =>
  vi.waitFor(async () => expect(await told(held)).toEqual(ids), 5_000);

it('are given to what was missed and to what comes, for all that there are', async () => {
  const names = Array.from({ length: 1_200 }, (_, at) => `missed-${at}`);
  await record(...names);
  const all = [await made(), await made(), await made('everything', 700)].map((it) => new Held(it));
  numbering.take(all);
  await isTold(all[0]!, ...names);
  await record('one');
  numbering.take(all);
  await record('two');
  for (const held of all.slice(0, 2)) await isTold(held, ...names, 'one', 'two');
  await isTold(all[2]!, ...names.slice(700), 'one', 'two');
  expect(all.map(({ events }) => events)).toEqual([1_202, 1_202, 502]);
});

it('are kept for later while a subscription is over, and given once it is renewed', async () => {
  const [over, other] = [new Held(await made()), new Held(await made())];
  numbering.take([over, other]);
  await record('before');
  await isTold(over, 'before');
  const { endsAt } = over.stored;
  over.stored = { ...over.stored, endsAt: Date.now() - 1 };
  await record('meanwhile');
  await isTold(other, 'before', 'meanwhile');
  over.refresh({ ...over.stored, endsAt });
  numbering.take([over, other]);
  await record('after');
  await isTold(over, 'before', 'meanwhile', 'after');
});

it('are given by who holds the lease, where it was lost and found while something was decided', async () => {
  const held = new Held(await made());
  numbering.take([held]);
  await record('one');
  await isTold(held, 'one');
  const letGo = holdUp('decisions');
  await asksOnceMore(() => record('two'));
  held.isGone = true;
  const next = await again(held.id);
  numbering.take([next]);
  await letGo();
  await isTold(next, 'one', 'two');
  await record('three');
  await isTold(next, 'one', 'two', 'three');
  expect([next.events, held.events]).toEqual([3, 1]);
});

it('are left to another who took it over, and nothing that is known here is kept', async () => {
  const held = new Held(await made());
  numbering.take([held]);
  await record('one');
  await isTold(held, 'one');
  await lease('other', Date.now() + 2 * HOUR);
  await record('two');
  await vi.waitFor(() => expect(lost).toEqual([held]));
  await numbering.close();
  expect(await store.read(held.id)).toMatchObject({ events: 1, position: 1 });
});

it('are not lost where a process stops while something is decided', async () => {
  const held = new Held(await made());
  numbering.take([held]);
  await record('one');
  await isTold(held, 'one');
  const letGo = holdUp('decisions');
  await asksOnceMore(() => record('two'));
  held.isGone = true;
  const closing = numbering.close();
  await letGo();
  await closing;
  expect(await store.read(held.id)).toMatchObject({ events: 1, position: 1 });
});

it('tell of a worklist that is asked for while a batch is made without it', async () => {
  const other = new Held(await made());
  numbering.take([other]);
  const letGo = holdUp('views');
  await asksOnceMore(() => record('one'));
  const held = new Held(await made(LIST));
  numbering.take([other, held]);
  await letGo();
  await isTold(held, 'one');
  await isTold(other, 'one');
});

it('go on where the log was restored, once, whatever was read of the store before', async () => {
  const held = new Held(await made());
  numbering.take([held]);
  await record('kept', 'lost');
  await isTold(held, 'kept', 'lost');
  const before = (await store.read(held.id))!;
  log = createMemoryEventStore();
  await record('kept', 'new');
  epochs.push({ id: log.head().epoch, position: 1 });
  await isTold(held, 'kept', 'lost', 'new');
  // A lease that was asked for before that answers now.
  held.refresh(before);
  numbering.take([held]);
  await record('newer');
  await isTold(held, 'kept', 'lost', 'new', 'newer');
  expect(await store.read(held.id)).toMatchObject({ epoch: log.head().epoch, position: 3 });
});

it('are all given, though more came than is kept waiting for them', async () => {
  const held = new Held(await made());
  numbering.take([held]);
  await record('0');
  await isTold(held, '0');
  const letGo = holdUp('decisions');
  const names = Array.from({ length: 120 }, (_, at) => String(at + 1));
  for (const name of names) {
    await record(name);
    await vi.waitFor(
      () => expect(feed.listen({ hear() {}, restored() {} }).position).toBe(Number(name) + 1),
      { interval: 2 },
    );
  }
  await letGo();
  await isTold(held, '0', ...names);
});
