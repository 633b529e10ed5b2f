/** Whose a subscription is, who may make one, and how long it lasts while its owner keeps coming by. */
import type { AccessAction, Caller } from '@carelog/access';
import type { Owner, StoredSubscription } from '@carelog/subscriptions';
import { allow, decide, standingOf, unknown, type Allowed } from '../access.ts';
import { Refusal, type FhirRequest, type Gateway } from '../gateway.ts';
import { scopeChallenge } from '../scope-challenge.ts';
import { termsOf } from './parse-subscription.ts';
import { topics } from './event-filter.ts';

export type Subscriptions = Gateway['subscriptions'];

const HOUR_MS = 3_600_000;

/** How long one goes on without its owner, and how many one owner has. Nobody else has any. */
const RULES: Partial<Record<Caller['kind'], { readonly leaseMs: number; readonly most: number }>> = {
  system: { leaseMs: 90 * 24 * HOUR_MS, most: 1_000 },
  // A role that is taken away must not be told of anything for long.
  staff: { leaseMs: 12 * HOUR_MS, most: 20 },
};
/** A write for each call would be one too many. */
const RENEWED_EVERY_MS = 60_000;

export interface Leave {
  readonly allowed: Allowed;
  /** Milliseconds UTC: to when one of theirs lasts at most unless they come by again. */
  readonly until: number;
  readonly most: number;
}

/** Whether this caller may have subscriptions at all, and what for. */
export async function leaveToSubscribe(
  gateway: Gateway,
  { caller }: FhirRequest,
  action: 'create' | 'update',
): Promise<Leave | Refusal> {
  const rules = RULES[caller.kind];
  if (rules === undefined) {
    const decision = decide(gateway, caller, action, 'Subscription');
    const message =
      'Subscriptions are for systems and for staff. Read events as they come from GET /events instead, with a token that may read the record.';
    const problem = { category: 'forbidden', code: 'forbidden', message } as const;
    return new Refusal([problem], {}, { reason: decision.permit ? 'reads-only' : decision.code });
  }
  const allowed = await allowWhole(gateway, caller, action);
  if (allowed instanceof Refusal) return allowed;
  return { allowed, until: Date.now() + rules.leaseMs, most: rules.most };
}

/** As `allow`; a scope with conditions is for resources of the record, and a Subscription meets none. */
export async function allowWhole(
  gateway: Gateway,
  caller: Caller,
  action: AccessAction,
): Promise<Allowed | Refusal> {
  const allowed = allow(gateway, caller, action, 'Subscription', await standingOf(gateway, caller));
  if (allowed instanceof Refusal) return allowed;
  const { scopes } = allowed.viewer.restriction;
  if (scopes === undefined || scopes.some(({ where }) => where.length === 0)) return allowed;
  const message =
    'The token has no scope for this action on any Subscription. Ask for one without conditions.';
  const problem = { category: 'forbidden', code: 'forbidden', message } as const;
  return new Refusal([problem], scopeChallenge(caller, [{ action, type: 'Subscription' }]), {
    reason: 'scope-missing',
  });
}

export interface Owned {
  readonly stored: StoredSubscription;
  readonly allowed: Allowed;
}

/**
 * The caller's own subscription with this id, renewed: from now on it is decided by the token that they came with. Anybody else's
 * is answered like one that there is not.
 */
export async function owned(
  gateway: Gateway,
  { store }: Subscriptions,
  { caller }: FhirRequest,
  action: AccessAction,
  id: string,
): Promise<Owned | Refusal> {
  const allowed = await allowWhole(gateway, caller, action);
  if (allowed instanceof Refusal) return allowed;
  const stored = ID.test(id) ? await store.read(id) : undefined;
  if (stored === undefined || !isOwner(stored, caller)) return unknown('Subscription');
  return { stored: await renewed(store, stored, caller), allowed };
}

const ID = /^[0-9a-f-]{36}$/;

/** All that a caller has, in the order of their ids. */
export async function allOwnedBy(
  { store }: Subscriptions,
  caller: Caller,
): Promise<readonly StoredSubscription[]> {
  const all: StoredSubscription[] = [];
  for (let after: string | undefined; ; after = all.at(-1)!.id) {
    const page = await store.list({ count: LISTED_AT_ONCE, ...(after !== undefined && { after }) }, caller);
    all.push(...page);
    if (page.length < LISTED_AT_ONCE) return all;
  }
}

const LISTED_AT_ONCE = 500;

export const isOwner = ({ owner }: StoredSubscription, { subject, system }: Caller): boolean =>
  owner.subject === subject && owner.system === system;

/** Without what identifies a patient. */
export function ownerOf({ nhsNumber: _, ...owner }: Caller): Owner {
  return owner;
}

/** Renews one of the caller's own, and gives it as it is then. */
export async function renewed(
  store: Subscriptions['store'],
  stored: StoredSubscription,
  caller: Caller,
): Promise<StoredSubscription> {
  const rules = RULES[caller.kind];
  if (rules === undefined) return stored;
  const owner = ownerOf(caller);
  const { end = Infinity } = termsOf(stored.resource, topics);
  const endsAt = Math.max(stored.endsAt, Math.min(end, Date.now() + rules.leaseMs));
  const isSame = JSON.stringify(owner) === JSON.stringify(stored.owner);
  if (isSame && endsAt - stored.endsAt < RENEWED_EVERY_MS) return stored;
  await store.renew(stored.id, owner, endsAt);
  return { ...stored, owner, endsAt };
}
