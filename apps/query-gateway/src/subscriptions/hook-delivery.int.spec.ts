// What one rest-hook is sent, with a store on disk and a turn that comes when it is told to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultPolicy } from '@carelog/access';
import {
  openSqliteSubscriptionStore,
  sealHeaders,
  TOPIC_BASE,
  type HookDelivery,
  type HookOutcome,
  type HookSender,
  type StoredSubscription,
  type SubscriptionStore,
} from '@carelog/subscriptions';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Gateway } from '../gateway.ts';
import { Held } from './held.ts';
import { deliver } from './hook-delivery.ts';

const owner = { subject: 's', kind: 'system', organisation: 'RX1', system: 'x', careSetting: 'acute' } as const; // prettier-ignore
const key = Buffer.alloc(32, 7);
const HOUR = 3_600_000;

let folder: string;
let store: SubscriptionStore;
let gateway: Gateway;
let recorded: number;
/** Waiting for their turn. */
let queue: { readonly delivery: HookDelivery; readonly end: (outcome: HookOutcome) => void }[];
let sent: { readonly body: string; readonly messageId: string }[];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'hook-delivery-'));
  store = openSqliteSubscriptionStore({ path: path.join(folder, 'subscriptions.sqlite') });
  [recorded, queue, sent] = [0, [], []];
  gateway = {
    policy: defaultPolicy(),
    head: () => 0,
    projected: { position: () => 0, waitFor: async () => true },
    brokenGlass: { patientsOf: () => [] },
    digest: () => 'x',
    told: { stream: 0, 'rest-hook': 0, websocket: 0 },
    accessLog: {
      record(_: unknown, __: unknown, ___: unknown, leave: (kept: boolean) => void) {
        recorded += 1;
        leave(true);
      },
    },
  } as unknown as Gateway;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const hooks: HookSender = {
  send: (delivery) => new Promise((end) => queue.push({ delivery, end })),
  refusalOf: () => undefined,
  load: () => ({ sending: 0, waiting: 0, inTrouble: 0 }),
  close() {},
};

/** The next one's turn comes, and this becomes of what it sends. */
async function turn(outcome: HookOutcome, meanwhile?: () => Promise<unknown>): Promise<void> {
  await vi.waitFor(() => expect(queue).toHaveLength(1));
  const { delivery, end } = queue.shift()!;
  const { body, signing } = delivery;
  const text = typeof body === 'string' ? body : await body();
  if (text === undefined) return end({ kind: 'unsent' });
  sent.push({ body: text, messageId: (typeof signing === 'function' ? signing() : signing).messageId });
  await meanwhile?.();
  end(outcome);
}
const resource = (endpoint: string) => {
  const criteria = `${TOPIC_BASE}everything`;
  const _payload = { extension: [{ url: 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content', valueCode: 'id-only' }] }; // prettier-ignore
  const channel = { type: 'rest-hook', endpoint, payload: 'application/fhir+json', _payload };
  return JSON.stringify({ resourceType: 'Subscription', criteria, channel });
};
/** One that has this many events to be sent. */
async function withEvents(count: number): Promise<Held> {
  const id = crypto.randomUUID();
  const lastUpdated = new Date().toISOString();
  await store.create({ id, owner, resource: resource('https://a.example/'), secrets: sealHeaders(key, id, []), lastUpdated, status: 'active', endsAt: Date.now() + HOUR, epoch: 'e', position: 0 }, 1); // prettier-ignore
  await store.lease('me', Date.now(), Date.now() + HOUR, 10);
  const notices = Array.from({ length: count }, (_, at) => ({ position: at + 1, eventId: `event-${at}`, activity: 'encounter.started', stream: `Encounter/${at}`, version: 1, action: 'new', occurredAt: lastUpdated, recordedAt: lastUpdated, organisation: 'RX1', careSettings: [], patients: ['ada'] }) as const); // prettier-ignore
  await store.number('me', [{ id, position: count, notices }]);
  return new Held((await store.read(id))!);
}
const delivering = (held: Held) =>
  deliver({ gateway, store, hooks, key, holder: 'me', base: () => 'http://x/fhir/R4' }, held);
async function replaced({ id }: Held, endpoint: string, status: StoredSubscription['status'] = 'active') {
  const stored = (await store.read(id))!;
  await store.replace(id, { ...stored, resource: resource(endpoint), status }, stored.version);
}

it('is what may be told when its turn comes, not when it began to wait', async () => {
  const held = await withEvents(2);
  const done = delivering(held);
  await vi.waitFor(() => expect(queue).toHaveLength(1));
  await store.renew(held.id, { ...owner, scopes: [] }, 0);
  await turn({ kind: 'taken' });
  expect(await done).toBeUndefined();
  expect([sent, recorded]).toEqual([[], 0]);
  expect(await store.read(held.id)).toMatchObject({ delivered: 0, failures: 0 });
});

it.each([
  ['deleted', (held: Held) => store.remove(held.id)],
  ['turned off', (held: Held) => replaced(held, 'https://a.example/', 'off')],
] as const)('is nothing once the subscription is %s at another gateway', async (_, end) => {
  const held = await withEvents(1);
  const done = delivering(held);
  await vi.waitFor(() => expect(queue).toHaveLength(1));
  await end(held);
  await turn({ kind: 'taken' });
  expect(await done).toBeUndefined();
  expect([sent, recorded]).toEqual([[], 0]);
});

it('goes to where the owner wants it by now', async () => {
  const held = await withEvents(1);
  const done = delivering(held);
  await vi.waitFor(() => expect(queue).toHaveLength(1));
  await replaced(held, 'https://b.example/');
  await turn({ kind: 'taken' });
  await vi.waitFor(() => expect(queue[0]?.delivery.endpoint).toBe('https://b.example/'));
  await turn({ kind: 'taken' });
  expect(await done).toBeUndefined();
  expect([sent.length, recorded]).toEqual([1, 1]);
});

it.each([
  ['failed', { kind: 'failed', reason: 'Status 500.' }],
  ['wants no more', { kind: 'failed', reason: 'Status 410.', gone: true }],
] as const)('leaves the next version alone where the endpoint of the last one %s', async (_, outcome) => {
  const held = await withEvents(1);
  const done = delivering(held);
  await turn(outcome, () => replaced(held, 'https://b.example/'));
  await turn({ kind: 'taken' });
  expect(await done).toBeUndefined();
  expect(await store.read(held.id)).toMatchObject({ status: 'active', failures: 0, delivered: 1 });
});

it('does not turn on again what its owner turned off during the handshake', async () => {
  const held = await withEvents(0);
  await replaced(held, 'https://a.example/', 'requested');
  held.refresh((await store.read(held.id))!);
  const done = delivering(held);
  await turn({ kind: 'taken' }, () => replaced(held, 'https://a.example/', 'off'));
  expect(await done).toBeUndefined();
  expect(await store.read(held.id)).toMatchObject({ status: 'off' });
});

it('is tried again later, and nothing is held against the endpoint, where the server stops', async () => {
  const held = await withEvents(1);
  const done = delivering(held);
  await turn({ kind: 'unsent' });
  expect(await done).toBeGreaterThan(0);
  expect(await store.read(held.id)).toMatchObject({ failures: 0, tryAt: 0, delivered: 0 });
});

it('has the same name at each try, and no other notification has it', async () => {
  const held = await withEvents(1);
  await replaced(held, 'https://a.example/', 'requested');
  held.refresh((await store.read(held.id))!);
  for (let count = 0; count < 2; count += 1) {
    const done = delivering(held);
    await turn({ kind: 'failed', reason: 'Status 500.' });
    expect(await done).toBeGreaterThan(0);
    const { version } = held.stored;
    await store.failed('me', held.id, version, Date.now(), 0, '');
    held.refresh((await store.read(held.id))!);
  }
  const done = delivering(held);
  for (let count = 0; count < 2; count += 1) await turn({ kind: 'taken' });
  await done;
  const names = sent.map(({ messageId }) => messageId);
  expect(names.slice(0, 3)).toEqual(Array(3).fill(names[0]));
  expect(names[3]).toBe(`${held.id}-event-notification-1`);
});
