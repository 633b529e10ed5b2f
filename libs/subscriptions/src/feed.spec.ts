// The feed over a log in memory: what listeners hear and what is read make up the log, whenever one began and whatever went wrong.
import { createMemoryEventStore, type Epoch, type EventStore } from '@carelog/event-store';
import { anEvent } from '@carelog/testkit';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Feed, type Batch, type FeedSource } from './feed.ts';
import { resourceTypeOf, type Notice } from './notice.ts';

const log = { warn: vi.fn() };
const feeds: Feed[] = [];
afterEach(async () => {
  for (const feed of feeds.splice(0)) await feed.close();
});

function feedOver(store: FeedSource['log'], more: Partial<FeedSource> = {}): Feed {
  const feed = new Feed(
    {
      log: store,
      reached: async () => true,
      patientsOf: async (versions) => versions.map(({ stream }) => [`of ${stream}`]),
      contentOf: async () => undefined,
      worklistsOf: async () => new Map(),
      ...more,
    },
    log,
  );
  feeds.push(feed);
  return feed;
}

async function record(store: EventStore, ...streams: string[]): Promise<void> {
  for (const stream of streams)
    await store.append([{ stream, expectedRevision: 'any', events: [anEvent()] }]);
}

/** Everything it hears, in order. */
function hears(feed: Feed, lists: readonly string[] = []) {
  const batches: Batch[] = [];
  const restored: [string, number][] = [];
  const listening = feed.listen({
    lists: () => lists,
    hear: (batch) => void batches.push(batch),
    restored: (epoch, position) => void restored.push([epoch, position]),
  });
  const notices = (): Notice[] => batches.flatMap((it) => it.notices);
  return { batches, restored, listening, notices, streams: () => notices().map(({ stream }) => stream) };
}

async function everything(feed: Feed, after = 0): Promise<string[]> {
  const streams: string[] = [];
  for (let at = after; ;) {
    const batch = await feed.read(at);
    streams.push(...batch.notices.map(({ stream }) => stream));
    if (batch.upTo === at) return streams;
    at = batch.upTo;
  }
}

describe('the feed', () => {
  it('tells of resources with whose record they are of, and not of what else the log has', async () => {
    const store = createMemoryEventStore();
    await record(store, 'alias/x', 'Encounter/1');
    const [notice, ...others] = (await feedOver(store).read(0)).notices;
    expect(others).toEqual([]);
    expect(notice).toMatchObject({ position: 2, stream: 'Encounter/1', version: 1, patients: ['of Encounter/1'] }); // prettier-ignore
  });

  it('is the log for whoever reads up to where they began to hear, then goes on with what they hear', async () => {
    const names = fc.array(fc.constantFrom('Encounter/1', 'Flag/2', 'alias/3'), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(names, names, names, async (before, between, after) => {
        const store = createMemoryEventStore();
        const feed = feedOver(store);
        await record(store, ...before);
        hears(feed);
        await record(store, ...between);
        const late = hears(feed);
        const { position } = late.listening;
        const read = (await everything(feed)).slice(0);
        await record(store, ...after);
        const told = [...before, ...between, ...after].filter((it) => !it.startsWith('alias'));
        const heard = () => late.streams();
        const known = (await everything(feed)).length;
        expect(known).toBe(told.length);
        await vi.waitFor(() => expect(late.batches.at(-1)?.upTo ?? position).toBe(store.head().position));
        const missed = [...before, ...between, ...after].slice(0, position).filter((it) => !it.startsWith('alias')); // prettier-ignore
        expect(read.slice(0, missed.length)).toEqual(missed);
        expect([...missed, ...heard()]).toEqual(told);
        await feed.close();
      }),
      { numRuns: 20 },
    );
  });

  it('reads the log once for all who come back after a restart', async () => {
    const store = createMemoryEventStore();
    await record(store, ...Array.from({ length: 30 }, (_, at) => `Flag/${at}`));
    const readAll = vi.fn(store.readAll.bind(store));
    const feed = feedOver({ ...store, readAll });
    hears(feed);
    await vi.waitFor(async () => {
      readAll.mockClear();
      expect((await feed.read(7)).notices.map(({ position }) => position)).toEqual(Array.from({ length: 23 }, (_, at) => at + 8)); // prettier-ignore
      expect(readAll).not.toHaveBeenCalled();
    });
  });

  it('waits while the views are behind, and tells of it then', async () => {
    const store = createMemoryEventStore();
    let isReached = false;
    const feed = feedOver(store, { reached: async () => isReached });
    const { streams } = hears(feed);
    await record(store, 'Encounter/1');
    await expect(feed.read(0)).rejects.toMatchObject({ category: 'unavailable' });
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalled());
    expect(streams()).toEqual([]);
    isReached = true;
    await vi.waitFor(() => expect(streams()).toEqual(['Encounter/1']), 5_000);
  });

  it('leaves out what the record has not got', async () => {
    const store = createMemoryEventStore();
    await record(store, 'Encounter/1', 'Encounter/2');
    const patientsOf: FeedSource['patientsOf'] = async (versions) =>
      versions.map(({ stream }) => (stream === 'Encounter/1' ? undefined : []));
    expect((await feedOver(store, { patientsOf }).read(0)).notices).toMatchObject([{ stream: 'Encounter/2' }]); // prettier-ignore
  });

  it('names national events, also those that only the content tells', async () => {
    const store = createMemoryEventStore();
    const events = ['patient.died', 'flag.raised', 'flag.raised', 'condition.recorded'].map((type) => anEvent({ type })); // prettier-ignore
    for (const [at, event] of events.entries())
      await store.append([{ stream: `Flag/${at}`, expectedRevision: 'any', events: [event] }]);
    const contentOf: FeedSource['contentOf'] = async ({ stream }) =>
      JSON.stringify({
        resourceType: resourceTypeOf({ stream }),
        status: 'active',
        code: { coding: [{ code: stream === 'Flag/1' ? 'NRAF' : 'other' }] },
      });
    const { notices } = await feedOver(store, { contentOf }).read(0);
    const national = ['pds-death-notification-2', 'patientflags-change-1', undefined, undefined];
    expect(notices.map(({ nationalEvent }) => nationalEvent)).toEqual(national);
  });

  it('tells what changed on a worklist with the last event of the person', async () => {
    const store = createMemoryEventStore();
    const worklistsOf: FeedSource['worklistsOf'] = async (lists) => new Map([['of Flag/1', lists]]);
    const feed = feedOver(store, { worklistsOf });
    await record(store, 'Flag/1', 'Flag/2', 'Flag/1', 'Flag/3');
    const { notices } = await feed.read(0, ['waiting']);
    expect(notices.map(({ worklists }) => worklists)).toEqual([undefined, undefined, ['waiting'], undefined]);
    expect((await feed.read(0)).notices.every(({ worklists }) => worklists === undefined)).toBe(true);
  });
});

describe('after the log was restored', () => {
  /** A log that becomes another one, which has the first events of this. */
  async function restoredAfter(kept: number) {
    const [first, second] = [createMemoryEventStore(), createMemoryEventStore()];
    let current = first;
    const epochs: Epoch[] = [{ id: first.head().epoch, position: 0 }];
    const store: FeedSource['log'] = {
      readAll: (options) => current.readAll(options),
      subscribe: (after, options) => current.subscribe(after, options),
      head: () => current.head(),
      epochs: async () => epochs,
    };
    return {
      store,
      first,
      second,
      restore() {
        current = second;
        epochs.push({ id: second.head().epoch, position: kept });
      },
    };
  }

  it('listeners are told from where it goes on, and hear of what came instead', async () => {
    const { store, first, second, restore } = await restoredAfter(1);
    await record(first, 'Flag/1');
    await record(second, 'Flag/1', 'Encounter/new');
    const feed = feedOver(store);
    const { restored, streams, listening } = hears(feed);
    await record(first, 'Encounter/lost', 'Encounter/lost-too');
    await vi.waitFor(() => expect(streams()).toEqual(['Encounter/lost', 'Encounter/lost-too']));
    restore();
    await vi.waitFor(() => expect(streams().slice(2)).toEqual(['Encounter/new']), 5_000);
    expect(restored).toEqual([[second.head().epoch, 1]]);
    expect(listening.epoch).toBe(first.head().epoch);
  });

  it('whoever was away goes on from what both lives of it have', async () => {
    const { store, first, second, restore } = await restoredAfter(2);
    const feed = feedOver(store);
    const { epoch } = first.head();
    expect(await feed.resume(epoch, 5)).toBe(5);
    restore();
    expect(await feed.resume(epoch, 5)).toBe(2);
    expect(await feed.resume(epoch, 1)).toBe(1);
    expect(await feed.resume(second.head().epoch, 7)).toBe(7);
    expect(await feed.resume('of another log', 1)).toBeUndefined();
  });
});
