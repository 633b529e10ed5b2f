/** A subscription that this gateway looks after just now. */
import type { Caller } from '@carelog/access';
import { isWanted, type Notice, type StoredSubscription } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { listsAmong, topics } from './event-filter.ts';
import { termsOf, type Terms } from './parse-subscription.ts';
import { seesWork } from './sees-work.ts';

export class Held {
  readonly id: string;
  stored: StoredSubscription;
  terms: Terms;
  /** Worklists that it asks for. */
  lists: readonly string[];
  /** Everything up to here was looked at for it, and up to `written` that is kept. */
  position: number;
  written: number;
  /** The last number that was given. */
  events: number;
  /** Hears of what comes; until then it reads what it missed. */
  isLive = false;
  /** Nothing may be told of what came up to this number, and was not taken. */
  withheldUpTo = 0;
  /** No longer looked after here. */
  isGone = false;

  constructor(stored: StoredSubscription) {
    this.id = stored.id;
    this.stored = stored;
    this.terms = termsOf(stored.resource, topics);
    this.lists = listsAmong(this.terms.filter.topics ?? []);
    this.position = this.written = stored.position;
    this.events = stored.events;
  }

  /** Whose access decides: as their token was when they last came by. */
  get owner(): Caller {
    return this.stored.owner;
  }

  /** The same for all that its owner has. */
  get ownerKey(): string {
    return `${this.stored.owner.system} ${this.stored.owner.subject}`;
  }

  /** As the store has it now; what is known here of its numbers is newer. */
  refresh(stored: StoredSubscription): void {
    if (stored.resource !== this.stored.resource) {
      this.terms = termsOf(stored.resource, topics);
      this.lists = listsAmong(this.terms.filter.topics ?? []);
    }
    this.stored = { ...stored, delivered: Math.max(stored.delivered, this.stored.delivered) };
  }

  get isOver(): boolean {
    return this.isGone || this.stored.status === 'off' || this.stored.endsAt <= Date.now();
  }
}

/** Those that are wanted, without worklists on which the owner may not know the person to be. */
export async function wantedOf(
  gateway: Gateway,
  { terms: { filter }, lists, owner }: Pick<Held, 'terms' | 'lists' | 'owner'>,
  notices: readonly Notice[],
): Promise<readonly Notice[]> {
  const wanted = notices.filter((it) => isWanted(it, filter));
  return lists.length === 0 ? wanted : withWorkSeen(gateway, owner, wanted, filter, lists);
}

/** What is wanted for a worklist alone is told only to whom the list would show the person. */
export async function withWorkSeen(
  gateway: Gateway,
  caller: Caller,
  notices: readonly Notice[],
  filter: Terms['filter'],
  lists: readonly string[],
): Promise<readonly Notice[]> {
  const seen: Notice[] = [];
  for (const notice of notices) {
    const { worklists = [], ...plain } = notice;
    const asked = lists.filter((name) => worklists.includes(name));
    if (asked.length > 0 && (await seesWork(gateway, caller, asked, notice.patients)))
      seen.push({ ...plain, worklists: asked }); // prettier-ignore
    else if (isWanted(plain, filter)) seen.push(plain);
  }
  return seen;
}
