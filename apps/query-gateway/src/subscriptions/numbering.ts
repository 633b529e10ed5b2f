/**
 * Gives numbers to what subscriptions are told of, one thing after the other: what comes for all of them together, and between
 * that what single ones missed. A number is given to what may be told when it is given; what is sent is decided again.
 */
import type { Log } from '@carelog/service-kit';
import type {
  Batch,
  Feed,
  Listening,
  Notice,
  NumberedNotice,
  SubscriptionStore,
} from '@carelog/subscriptions';
import { setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from '../gateway.ts';
import { decideNotices } from './decide-notices.ts';
import { wantedOf, type Held } from './held.ts';

export interface NumberingOptions {
  readonly gateway: Gateway;
  readonly feed: Feed;
  readonly store: SubscriptionStore;
  /** Of this process. */
  readonly holder: string;
  readonly log: Pick<Log, 'warn'>;
  /** These got numbers. */
  readonly onNumbered: (held: Held, numbered: readonly NumberedNotice[]) => void;
  /** Somebody else looks after it now. */
  readonly onLost: (held: Held) => void;
}

const AGAIN_MS = 1_000;
/** Positions of those that nothing was for are kept so often: what is looked at again after a crash is no more than that. */
const WRITTEN_EVERY_MS = 30_000;

export class Numbering {
  readonly #options: NumberingOptions;
  readonly #held = new Map<string, Held>();
  #index: Index | undefined;
  /** Counts the lives of the log. */
  #life = 0;
  readonly #closing = new AbortController();
  #heard: Batch[] = [];
  #listening: Listening | undefined;
  #position = 0;
  #working: Promise<void> | undefined;
  #writtenAt = performance.now();

  constructor(options: NumberingOptions) {
    this.#options = options;
  }

  /** Looks after these and no others. */
  take(held: readonly Held[]): void {
    this.#held.clear();
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
        this.#heard.push(batch);
        this.#work();
      },
      restored: (_, position) => {
        this.#life += 1;
        this.#heard = [];
        this.#position = position;
        for (const held of this.#held.values()) held.isLive = false;
        this.#work();
      },
    });
    this.#position = this.#listening.position;
  }

  #work(): void {
    if (this.#working !== undefined || this.#closing.signal.aborted) return;
    this.#working = this.#workOn().finally(() => (this.#working = undefined));
  }

  async #workOn(): Promise<void> {
    const { signal } = this.#closing;
    let isTroubled = false;
    while (!signal.aborted) {
      try {
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
    const heard = this.#heard.length;
    if (heard > 0) {
      const life = this.#life;
      const batches = this.#heard.slice(0, heard);
      const notices = batches.flatMap((it) => it.notices);
      const upTo = batches.at(-1)!.upTo;
      this.#index ??= indexOf([...this.#held.values()]);
      await this.#number(candidatesOf(this.#index, notices).filter(([held]) => held.isLive), upTo); // prettier-ignore
      // Where the log was restored meanwhile nothing of this is true any more.
      if (life !== this.#life) return true;
      for (const held of this.#held.values()) if (held.isLive) held.position = Math.max(held.position, upTo);
      this.#heard.splice(0, heard);
      this.#position = Math.max(this.#position, upTo);
      return true;
    }
    const behind = this.#held.values().find((it) => !it.isLive);
    if (behind === undefined) return false;
    await this.#catchUp(behind);
    return true;
  }

  /** One page of what it missed; those that are behind take turns. */
  async #catchUp(held: Held): Promise<void> {
    const { feed, store, holder } = this.#options;
    const { epoch } = feed;
    if (held.stored.epoch !== epoch) {
      // Where the log never had its epoch, nothing is known of what it was told: it is told of everything.
      const position = (await feed.resume(held.stored.epoch, held.position)) ?? 0;
      await store.enterEpoch(holder, held.id, epoch, position);
      held.stored = { ...held.stored, epoch };
      held.position = held.written = position;
    }
    if (held.position >= this.#position) {
      held.isLive = true;
      return;
    }
    const batch = await feed.read(held.position, held.lists);
    await this.#number(candidatesOf(indexOf([held]), batch.notices), batch.upTo);
    held.position = Math.max(held.position, batch.upTo);
    this.#held.delete(held.id);
    if (!held.isGone) this.#held.set(held.id, held);
  }

  async #number(candidates: Candidates, upTo: number): Promise<void> {
    const { gateway, store, holder, onNumbered, onLost } = this.#options;
    const wanted = await Promise.all(candidates.map(([held, its]) => this.#permitted(gateway, held, its)));
    const looked = wanted.filter((it) => it.notices.length > 0);
    const asked = looked.map(({ held, notices: its }) => ({ id: held.id, position: upTo, notices: its }));
    const lost = new Set(asked.length === 0 ? [] : await store.number(holder, asked));
    for (const { held, notices: its } of looked) {
      if (lost.has(held.id)) {
        held.isGone = true;
        this.#held.delete(held.id);
        this.#index = undefined;
        onLost(held);
        continue;
      }
      const numbered = its.map((notice, at) => ({ number: held.events + at + 1, notice }));
      held.events += its.length;
      held.position = held.written = Math.max(held.position, upTo);
      onNumbered(held, numbered);
    }
  }

  async #permitted(gateway: Gateway, held: Held, notices: readonly Notice[]) {
    const fresh = notices.filter(({ position }) => position > held.position);
    const wanted = held.isOver ? [] : await wantedOf(gateway, held, fresh);
    if (wanted.length === 0) return { held, notices: [] };
    const { outcomes } = await decideNotices(gateway, held.owner, wanted, false);
    return { held, notices: wanted.filter((_, at) => outcomes[at]!.kind !== 'withheld') };
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
