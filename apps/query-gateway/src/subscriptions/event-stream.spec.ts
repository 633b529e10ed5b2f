// One stream over a log in memory, to a client that takes what it likes: nothing is left out, nothing comes twice.
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { defaultPolicy, type Caller } from '@carelog/access';
import { createMemoryEventStore, type EventStore } from '@carelog/event-store';
import { Feed } from '@carelog/subscriptions';
import { anEvent } from '@carelog/testkit';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { FhirRequest, Gateway } from '../gateway.ts';
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
let feed: Feed;
let streams: EventStreams;
let recorded: number;
let isKept: boolean;
let gateway: Gateway;
beforeEach(() => {
  store = createMemoryEventStore();
  const versions: { stream: string }[] = [];
  feed = new Feed(
    {
      log: store,
      reached: async () => true,
      patientsOf: async (asked) => asked.map(({ stream }) => (versions.push({ stream }), ['ada'])),
      contentOf: async () => undefined,
      worklistsOf: async () => new Map(),
    },
    { warn: () => {} },
  );
  streams = new EventStreams(feed, { warn: () => {} });
  recorded = 0;
  isKept = true;
  const position = () => store.head().position;
  gateway = {
    policy: defaultPolicy(),
    head: position,
    projected: { position, waitFor: async () => true },
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

function listen(position: number, recheck: () => Caller | undefined = () => caller) {
  const client = new Client();
  const raw = client as unknown as ServerResponse;
  const { epoch } = feed;
  const stream = new EventStream({ gateway, feed, asked, filter: {}, lists: [], raw, recheck, epoch, position, onTrouble: () => {} }); // prettier-ignore
  streams.begin();
  streams.add(stream, 's');
  return { client, stream };
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
