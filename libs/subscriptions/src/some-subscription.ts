/** For specs: subscriptions and notices as they come. */
import { randomUUID } from 'node:crypto';
import type { Notice } from './notice.ts';
import type { NewSubscription, Owner, StoredSubscription, SubscriptionStore } from './subscription-store.ts';

export const NOW = Date.parse('2026-11-21T09:00:00.000Z');
export const MINUTE = 60_000;

export const CLINIC: Owner = {
  subject: 'clinic-system',
  kind: 'system',
  organisation: 'RAA',
  system: 'clinic-system',
  careSetting: 'acute',
};
export const WARD: Owner = {
  subject: '555021935107',
  kind: 'staff',
  organisation: 'RBB',
  system: 'ward-app',
  careSetting: 'acute',
  roleCode: 'S8000:G8000:R8000',
  activityCodes: ['B0264'],
};

export const aSubscription = (told: Partial<NewSubscription> = {}): NewSubscription => ({
  id: randomUUID(),
  owner: CLINIC,
  resource: '{"channel":{"type":"rest-hook"}}',
  secrets: 'sealed',
  lastUpdated: '2026-11-21T09:00:00.000Z',
  status: 'active',
  endsAt: NOW + 60 * MINUTE,
  epoch: 'first',
  position: 0,
  ...told,
});

/** Keeps one, where nobody has too many. */
export async function keepOne(
  store: SubscriptionStore,
  told: Partial<NewSubscription> = {},
): Promise<StoredSubscription> {
  const stored = await store.create(aSubscription(told), 1_000);
  if (stored === 'too-many') throw new Error('This owner has more than a spec makes.');
  return stored;
}

export const aNotice = (position: number): Notice => ({
  position,
  eventId: randomUUID(),
  activity: 'encounter.started',
  stream: `Encounter/${position}`,
  version: 1,
  action: 'new',
  occurredAt: '2026-11-21T08:59:00.000Z',
  recordedAt: '2026-11-21T08:59:30.000Z',
  organisation: 'RAA',
  careSettings: ['acute'],
  patients: ['1'],
});

export const numbersOf = async (store: SubscriptionStore, id: string): Promise<number[]> =>
  (await store.numbered(id, 0, 10_000)).map(({ number }) => number);
