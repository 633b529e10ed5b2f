/**
 * Gives numbers to what subscriptions are told of, one thing after the other: what comes for all of them together, and between
 * that what single ones missed. A number is given to what may be told when it is given; what is sent is decided again.
 */
import type { Log } from '@carelog/service-kit';
import { isWanted, type Batch, type Feed, type Listening, type Notice, type SubscriptionStore } from '@carelog/subscriptions'; // prettier-ignore
import { setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from '../gateway.ts';
import { decideNotices } from './decide-notices.ts';
import type { Held } from './held.ts';
import { asSeen } from './sees-work.ts';

export interface NumberingOptions {
  readonly gateway: Gateway;
  readonly feed: Feed;
  readonly store: SubscriptionStore;
  /** Of this process. */
  readonly holder: string;
  readonly log: Pick<Log, 'warn'>;
  /** It got numbers. */
  readonly onNumbered: (held: Held) => void;
  /** Somebody else looks after it now. */
  readonly onLost: (held: Held) => void;
}

const AGAIN_MS = 1_000;
/** Positions of those that nothing was for are kept so often: what is looked at again after a crash is no more than that. */
const WRITTEN_EVERY_MS = 30_000;
/** So many batches wait at most; where numbers cannot be given for long, everything is read again from the log. */
const HEARD_MAX = 40;

export class Numbering {
  readonly #options: NumberingOptions;
  readonly #held = new Map<string, Held>();
  #index: Index | undefined;
  /** Counts how often what was heard no longer counted. */
  #life = 0;
  readonly #closing = new AbortController();
  #heard: Batch[] = [];
  #listening: Listening | undefined;
  #position = 0;
  #working: Promise<void> | undefined;
  #isAsked = false;
  #writtenAt = performance.now();

  constructor(options: NumberingOptions) {
    this.#options = options;
  }

  /** Looks after these and no others. Those that were there before keep their turn. */
  take(held: readonly Held[]): void {
    const taken = new Set(held);
    for (const it of [...this.#held.values()]) if (!taken.has(it)) this.#held.delete(it.id);
    for (const it of held) this.#held.set(it.id, it);
    this.#index = undefined;
    if (held.length > 0) this.#listen();
    this.#work();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listening?.stop();
    await this.#working;
    await this.#write().catch(() => {});
  }

  #listen(): void {
    if (this.#listening !== undefined) return;
    this.#listening = this.#options.feed.listen({
      lists: () => [...new Set([...this.#held.values()].flatMap((it) => it.lists))],
      hear: (batch) => {
        if (this.#heard.length >= HEARD_MAX) return this.#readAgain(batch.upTo);
        this.#heard.push(batch);
        this.#work();
      },
      restored: (_, position) => this.#readAgain(position),
    });
    this.#position = this.#listening.position;
  }

  /** Nothing that was heard counts, and everybody catches up to this position. */
  #readAgain(upTo: number): void {
    this.#life += 1;
    this.#heard = [];
    this.#position = upTo;
    for (const held of this.#held.values()) held.isLive = false;
    this.#work();
  }

  #work(): void {
    this.#isAsked = true;
    if (this.#working !== undefined || this.#closing.signal.aborted) return;
    this.#working = this.#workOn().finally(() => {
      this.#working = undefined;
      // Something came after the last look and before this.
      if (this.#isAsked) this.#work();
    });
  }

  async #workOn(): Promise<void> {
    const { signal } = this.#closing;
    let isTroubled = false;
    while (!signal.aborted) {
      try {
        this.#isAsked = false;
        const isDone = !(await this.#step());
        isTroubled = false;
        if (isDone) return;
      } catch (fault) {
        if (!isTroubled) this.#options.log.warn({ fault: (fault as Error).name }, 'subscriptions wait for their numbers; it is tried again'); // prettier-ignore
        isTroubled = true;
        await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** False where there is nothing to do. */
  async #step(): Promise<boolean> {
    if (performance.now() - this.#writtenAt >= WRITTEN_EVERY_MS) await this.#write();
    return this.#heard.length > 0 ? this.#numberHeard() : this.#catchUp();
  }

  async #numberHeard(): Promise<boolean> {
    const life = this.#life;
    const batches = [...this.#heard];
    const notices = batches.flatMap((it) => it.notices);
    const upTo = batches.at(-1)!.upTo;
    for (const held of this.#held.values()) if (!isToldBy(held, batches)) held.isLive = false;
    this.#index ??= indexOf([...this.#held.values()]);
    const passed = await this.#number(candidatesOf(this.#index, notices).filter(([held]) => held.isLive), upTo); // prettier-ignore
    if (life !== this.#life) return true;
    for (const held of passed) held.isLive = false;
    for (const held of this.#held.values()) if (held.isLive) held.position = Math.max(held.position, upTo);
    this.#heard.splice(0, batches.length);
    this.#position = Math.max(this.#position, upTo);
    return true;
  }

  /** One page of what was missed, for all that missed it from the same position on; those that are behind take turns. */
  async #catchUp(): Promise<boolean> {
    const { feed } = this.#options;
    const { epoch } = feed;
    const behind = [...this.#held.values()].filter((it) => !it.isLive && !it.isOver);
    const [first] = behind;
    if (first === undefined) return false;
    if (first.epoch !== epoch) {
      await this.#enter(first, epoch);
      return true;
    }
    const after = first.position;
    const group = behind.filter((it) => it.epoch === epoch && it.position === after);
    if (after >= this.#position) {
      for (const held of group) held.isLive = true;
      return true;
    }
    const batch = await feed.read(after, [...new Set(group.flatMap(({ lists }) => lists))]);
    if (batch.epoch !== epoch) return true;
    // The log ends before what was heard of: it is being restored, which is heard of in a moment.
    if (batch.upTo === after) return false;
    const passed = await this.#number(candidatesOf(indexOf(group), batch.notices), batch.upTo);
    for (const held of group) {
      if (passed.has(held) || this.#held.get(held.id) !== held) continue;
      if (held.epoch === epoch) held.position = Math.max(held.position, batch.upTo);
      this.#held.delete(held.id);
      this.#held.set(held.id, held);
    }
    return true;
  }

  /** Goes on in this epoch, unless somebody who looked after it meanwhile has done so already. */
  async #enter(held: Held, epoch: string): Promise<void> {
    const { feed, store, holder } = this.#options;
    const stored = await store.read(held.id);
    if (stored === undefined) return this.#lose(held);
    if (stored.epoch !== epoch) {
      const at = stored.epoch === held.epoch ? Math.max(held.position, stored.position) : stored.position;
      // Where the log never had its epoch, nothing is known of what it was told: it is told of everything.
      const position = (await feed.resume(stored.epoch, at)) ?? 0;
      await store.enterEpoch(holder, held.id, epoch, position);
      held.position = held.written = position;
    } else held.position = held.written = stored.position;
    held.epoch = epoch;
  }

  /** Gives those that could not be looked at: these stay where they are. */
  async #number(candidates: Candidates, upTo: number): Promise<ReadonlySet<Held>> {
    const { store, holder, onNumbered } = this.#options;
    const permitted = await Promise.all(candidates.map(([held, its]) => this.#permitted(held, its)));
    // Deciding takes a while: some may be somebody else's by now, or over.
    const isHere = ({ held }: { held: Held }) => !held.isOver && this.#held.get(held.id) === held;
    const passed = new Set(permitted.filter((it) => !isHere(it)).map(({ held }) => held));
    const told = permitted.filter((it) => it.notices.length > 0 && isHere(it));
    const asked = told.map(({ held, notices: its }) => ({ id: held.id, position: upTo, notices: its }));
    const lost = new Set(asked.length === 0 ? [] : await store.number(holder, asked));
    for (const { held, notices: its } of told) {
      if (lost.has(held.id)) {
        passed.add(held);
        this.#lose(held);
        continue;
      }
      held.events += its.length;
      held.position = held.written = Math.max(held.position, upTo);
      onNumbered(held);
    }
    return passed;
  }

  async #permitted(held: Held, notices: readonly Notice[]) {
    const { gateway } = this.#options;
    const { filter } = held.terms;
    const fresh = notices.filter((it) => it.position > held.position && isWanted(it, filter));
    if (held.isOver || fresh.length === 0) return { held, notices: [] };
    const seen = await asSeen(gateway, held.owner, filter, fresh);
    const wanted = seen.filter((it) => it !== undefined);
    if (wanted.length === 0) return { held, notices: [] };
    const { outcomes } = await decideNotices(gateway, held.owner, wanted, false);
    return { held, notices: wanted.filter((_, at) => outcomes[at]!.kind !== 'withheld') };
  }

  #lose(held: Held): void {
    held.isGone = true;
    this.#index = undefined;
    if (this.#held.get(held.id) === held) this.#held.delete(held.id);
    this.#options.onLost(held);
  }

  async #write(): Promise<void> {
    this.#writtenAt = performance.now();
    const { store, holder } = this.#options;
    const moved = [...this.#held.values()].filter((it) => it.position > it.written);
    if (moved.length === 0) return;
    await store.number(holder, moved.map(({ id, position }) => ({ id, position, notices: [] }))); // prettier-ignore
    for (const it of moved) it.written = it.position;
  }
}

/** Whether these tell of all that it asks for. What it asks for may have changed while they were made. */
const isToldBy = ({ isOver, lists }: Held, batches: readonly Batch[]): boolean =>
  !isOver && lists.every((name) => batches.every((batch) => batch.lists.includes(name)));

/** Of most subscriptions it is known whose record they are of. */
interface Index {
  readonly byPatient: ReadonlyMap<string, readonly Held[]>;
  readonly ofAll: readonly Held[];
}

type Candidates = readonly (readonly [Held, readonly Notice[]])[];

function indexOf(all: readonly Held[]): Index {
  const byPatient = new Map<string, Held[]>();
  for (const held of all)
    for (const id of new Set(held.terms.filter.patients)) {
      const its = byPatient.get(id);
      if (its === undefined) byPatient.set(id, [held]);
      else its.push(held);
    }
  return { byPatient, ofAll: all.filter(({ terms }) => terms.filter.patients === undefined) };
}

/** Whom each notice may be for. */
function candidatesOf({ byPatient, ofAll }: Index, notices: readonly Notice[]): Candidates {
  if (notices.length === 0) return [];
  const found = new Map<Held, Notice[]>(ofAll.map((held) => [held, [...notices]]));
  for (const notice of notices)
    for (const id of notice.patients)
      for (const held of byPatient.get(id) ?? []) {
        const its = found.get(held);
        if (its === undefined) found.set(held, [notice]);
        else if (its.at(-1) !== notice) its.push(notice);
      }
  return [...found];
}
