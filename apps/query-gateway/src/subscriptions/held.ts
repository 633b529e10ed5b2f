/** A subscription that this gateway looks after just now. */
import type { Caller } from '@carelog/access';
import type { StoredSubscription } from '@carelog/subscriptions';
import { listsAmong, topics } from './event-filter.ts';
import { termsOf, type Terms } from './parse-subscription.ts';

export class Held {
  readonly id: string;
  stored: StoredSubscription;
  terms: Terms;
  /** Worklists that it asks for. */
  lists: readonly string[];
  /** Of the log that its position is of. */
  epoch: string;
  /** Everything up to here was looked at for it, and up to `written` that is kept. */
  position: number;
  written: number;
  /** The last number that was given. */
  events: number;
  /** Hears of what comes; until then it reads what it missed. */
  isLive = false;
  /** Nothing may be told of what came up to this number, and was not taken. */
  withheldUpTo = 0;
  /** No longer looked after here, and never again: what comes to be held once more is another. */
  isGone = false;

  constructor(stored: StoredSubscription) {
    this.id = stored.id;
    this.stored = stored;
    this.terms = termsOf(stored.resource, topics);
    this.lists = listsAmong(this.terms.filter.topics ?? []);
    this.epoch = stored.epoch;
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

  /** As the store has it now, or had it a moment ago: how far it is never moves back. */
  refresh(stored: StoredSubscription): void {
    if (stored.resource !== this.stored.resource) {
      this.terms = termsOf(stored.resource, topics);
      this.lists = listsAmong(this.terms.filter.topics ?? []);
    }
    this.events = Math.max(this.events, stored.events);
    if (stored.epoch === this.epoch) {
      this.position = Math.max(this.position, stored.position);
      this.written = Math.max(this.written, stored.position);
    }
    this.stored = { ...stored, delivered: Math.max(stored.delivered, this.stored.delivered) };
  }

  get isOver(): boolean {
    return this.isGone || this.stored.status === 'off' || this.stored.endsAt <= Date.now();
  }
}
