/** What a subscription is told of next, by whichever channel: in the order of its numbers, decided now. */
import type { Caller } from '@carelog/access';
import type { SubscriptionStore } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import type { DecidedNotices } from './decide-notices.ts';
import { decideWanted } from './decide-wanted.ts';
import type { ToldEvent } from './notification.ts';
import type { Terms } from './parse-subscription.ts';

export interface Due {
  readonly id: string;
  /** Whose access decides. */
  readonly owner: Caller;
  readonly terms: Terms;
  /** The last number that was told of, and the last that was given. */
  readonly told: number;
  readonly events: number;
}

export interface Decided {
  readonly events: readonly ToldEvent[];
  readonly account: Pick<DecidedNotices, 'shown' | 'basis'>;
}

/** Most events in one notification, unless its subscriber asks for fewer. */
const COUNT_MAX = 100;

/**
 * What may be told of the next ones. Undefined where nothing may be told of any that there are: their bare numbers come with
 * what comes after them.
 */
export async function dueEvents(
  gateway: Gateway,
  store: Pick<SubscriptionStore, 'numbered'>,
  due: Due,
): Promise<Decided | undefined> {
  const { id, owner, terms, told, events: last } = due;
  const { maxCount = COUNT_MAX, content } = terms.channel;
  const most = Math.min(COUNT_MAX, maxCount);
  const numbered = await store.numbered(id, told, most);
  const notices = numbered.map(({ notice }) => notice);
  const decided = await decideWanted(gateway, owner, terms.filter, notices, content === 'full-resource');
  const { outcomes, ...account } = decided;
  const events = numbered.map((it, at) => ({ ...it, outcome: outcomes[at]! }));
  const isLast = numbered.length < most || numbered.at(-1)!.number >= last;
  const isAllWithheld = events.every(({ outcome }) => outcome.kind === 'withheld');
  return isLast && isAllWithheld ? undefined : { events, account };
}
