/** How both engines lay a subscription out: what its owner asked for, and how far it is, which changes with each delivery. */
import type {
  Owner,
  StoredSubscription,
  SubscriptionProgress,
  SubscriptionStatus,
} from './subscription-store.ts';

/** Of the two tables, joined by id. */
export const COLUMNS = `id, owner, resource, secrets, secret_generation, version, last_updated,
  status, reason, ends_at, epoch, position, events, delivered, failures, failing_since, try_at, sent_at`;

export interface StoredRow {
  readonly id: string;
  readonly owner: string;
  readonly resource: string;
  readonly secrets: string;
  readonly secret_generation: number;
  readonly version: number;
  readonly last_updated: string;
  readonly status: SubscriptionStatus;
  readonly reason: string;
  readonly ends_at: number;
  readonly epoch: string;
  readonly position: number;
  readonly events: number;
  readonly delivered: number;
  readonly failures: number;
  readonly failing_since: number;
  readonly try_at: number;
  readonly sent_at: number;
}

/** The owner of many is parsed once. */
export function allStored(rows: readonly StoredRow[]): StoredSubscription[] {
  const owners = new Map<string, Owner>();
  return rows.map((row) => {
    const owner = owners.get(row.owner) ?? (JSON.parse(row.owner) as Owner);
    owners.set(row.owner, owner);
    return storedOf(row, owner);
  });
}

export const storedOf = (row: StoredRow, owner = JSON.parse(row.owner) as Owner): StoredSubscription => ({
  id: row.id,
  owner,
  resource: row.resource,
  secrets: row.secrets,
  secretGeneration: row.secret_generation,
  version: row.version,
  lastUpdated: row.last_updated,
  status: row.status,
  reason: row.reason,
  endsAt: row.ends_at,
  epoch: row.epoch,
  position: row.position,
  events: row.events,
  delivered: row.delivered,
  failures: row.failures,
  failingSince: row.failing_since,
  tryAt: row.try_at,
  sentAt: row.sent_at,
});

/** Whether an endpoint has to take its notices; any other channel is told of them while it listens, and asks for the rest. */
export function isDelivered(resource: string): boolean {
  const { channel } = JSON.parse(resource) as { readonly channel?: { readonly type?: unknown } };
  return channel?.type === 'rest-hook';
}

export type ProgressRow = Pick<StoredRow, 'id' | 'status' | 'ends_at' | 'events'>;

export const progressById = (rows: readonly ProgressRow[]): ReadonlyMap<string, SubscriptionProgress> =>
  new Map(rows.map(({ id, status, ends_at: endsAt, events }) => [id, { status, endsAt, events }]));
