/**
 * Where FHIR Subscriptions are kept, with what was numbered for each and how far it was delivered. Beside the log, not in it:
 * it holds addresses and changes with each delivery. One contract suite runs against both engines.
 *
 * A subscription is a cursor: everything up to `position` was looked at for it, and what it is told of has a number, from 1
 * without a gap. Numbers are given by one process at a time, which holds the subscription's lease; whoever lost it changes nothing.
 */
import type { Caller } from '@carelog/access';
import type { Notice } from './notice.ts';

/** https://hl7.org/fhir/R4/valueset-subscription-status.html */
export type SubscriptionStatus = 'requested' | 'active' | 'error' | 'off';

/** Whose token made it; without what identifies a patient. */
export type Owner = Omit<Caller, 'nhsNumber'>;

export interface StoredSubscription {
  /** A UUID made here, never chosen by a client and never used again. */
  readonly id: string;
  readonly owner: Owner;
  /** JSON of the resource as it was accepted, without id, meta, text, status, error and whatever is secret. Its `end` is what was asked for. */
  readonly resource: string;
  /** Sealed by whoever stores it: header lines for the endpoint. */
  readonly secrets: string;
  /** Counts the secrets by which notifications are signed. */
  readonly secretGeneration: number;
  /** FHIR version, from 1, and when it was made. Delivery changes neither. */
  readonly version: number;
  readonly lastUpdated: string;
  readonly status: SubscriptionStatus;
  /** Why it is in error or off. */
  readonly reason: string;
  /** Milliseconds UTC, from which on nothing is told any more unless it is renewed. */
  readonly endsAt: number;
  /** Of the log that its position is of. */
  readonly epoch: string;
  readonly position: number;
  /** The last number that was given. */
  readonly events: number;
  /** The last number that the endpoint has taken; of a rest-hook only. */
  readonly delivered: number;
  /** Tries in a row that failed, since when (milliseconds UTC), and when the next is due; 0 where the last one worked. */
  readonly failures: number;
  readonly failingSince: number;
  readonly tryAt: number;
  /** When something was last sent, milliseconds UTC: what heartbeats are counted from. */
  readonly sentAt: number;
}

export type NewSubscription = Pick<
  StoredSubscription,
  'id' | 'owner' | 'resource' | 'secrets' | 'lastUpdated' | 'status' | 'endsAt' | 'epoch' | 'position'
>;

export interface NumberedNotice {
  /** The event number: from 1, without a gap. */
  readonly number: number;
  readonly notice: Notice;
}

export type SubscriptionProgress = Pick<StoredSubscription, 'status' | 'endsAt' | 'events'>;

export interface SubscriptionPage {
  readonly count: number;
  /** Id of the last one of the page before. */
  readonly after?: string;
}

/** Times are milliseconds UTC of the caller's clock. Whatever gives `false` or nothing changed nothing. */
export interface SubscriptionStore {
  /** `too-many` where its subject has `most` in its system already, also while several are made at once. */
  create(subscription: NewSubscription, most: number): Promise<StoredSubscription | 'too-many'>;
  read(id: string): Promise<StoredSubscription | undefined>;
  /** In the order of their ids; all of them, or those of one subject in one system. */
  list(
    page: SubscriptionPage,
    owner?: Pick<Owner, 'subject' | 'system'>,
  ): Promise<readonly StoredSubscription[]>;
  /** How these stand, by id; those that there are. */
  progress(ids: readonly string[]): Promise<ReadonlyMap<string, SubscriptionProgress>>;
  /** A new version of the resource. Failures are forgotten. `mismatch` where it is not at `expected` any more. */
  replace(
    id: string,
    change: Pick<StoredSubscription, 'resource' | 'secrets' | 'lastUpdated' | 'status' | 'endsAt' | 'owner'>,
    expected: number,
  ): Promise<StoredSubscription | 'mismatch' | 'missing'>;
  /** False where it was not there. Takes its numbers along. */
  remove(id: string): Promise<boolean>;
  /** Its owner came by with this token: from now on it is decided by that one, and it ends later; never earlier. */
  renew(id: string, owner: Owner, endsAt: number): Promise<void>;
  /** Makes the secrets before useless; gives the new generation. */
  nextSecret(id: string): Promise<number | undefined>;

  /**
   * Takes over, or keeps, the numbering and delivery of what nobody else holds, until `until`: its share among all whose leases
   * run, and so many at most. What it holds beyond that it gives back, for others to take. Gives all that `holder` holds now.
   * Those that are off or have ended are nobody's. `holder` is a name that no other process has, nor the same one after a restart.
   */
  lease(holder: string, now: number, until: number, most: number): Promise<readonly StoredSubscription[]>;
  /** Gives back all that it holds. */
  release(holder: string): Promise<void>;
  /**
   * Looked at up to `position`, and these are to be told of, in this order: they get the next numbers. In one transaction for all
   * of them, each id once. Gives ids of which `holder` has lost the lease; of these nothing was changed. Notices up to the
   * position that a subscription is at already are passed over, so a call whose answer was lost may be made again.
   */
  number(
    holder: string,
    looked: readonly {
      readonly id: string;
      readonly position: number;
      readonly notices: readonly Notice[];
    }[],
  ): Promise<readonly string[]>;
  /** Begins again in another life of the log. */
  enterEpoch(holder: string, id: string, epoch: string, position: number): Promise<void>;
  /** Numbered ones after this number. */
  numbered(id: string, after: number, limit: number): Promise<readonly NumberedNotice[]>;
  /** The endpoint took all up to this number. False where the lease is lost. */
  delivered(holder: string, id: string, upTo: number, at: number): Promise<boolean>;
  /** A try of this version failed. False where the lease is lost, or there is another version. */
  failed(
    holder: string,
    id: string,
    version: number,
    at: number,
    tryAt: number,
    reason: string,
  ): Promise<boolean>;
  /** What became of this version. False as in `failed`: what its owner wants of it counts. */
  setStatus(
    holder: string,
    id: string,
    version: number,
    status: SubscriptionStatus,
    reason: string,
  ): Promise<boolean>;
  /**
   * Forgets numbered ones that were recorded before this time (ISO 8601), but for those that a rest-hook which is not off, and had
   * not ended by then, has not taken yet. A subscription that had ended by then is removed.
   */
  forget(before: string): Promise<void>;
  close(): Promise<void>;
}
