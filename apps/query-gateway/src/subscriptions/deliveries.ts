/**
 * Looks after FHIR Subscriptions in this process: those whose leases it holds get numbers for what they are told of, and their
 * rest-hooks are sent it. Where this process ends, another takes them over from what is kept.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@carelog/service-kit';
import type { HookSender } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { Held } from './held.ts';
import { deliver } from './hook-delivery.ts';
import { Numbering } from './numbering.ts';

export interface DeliveriesOptions {
  readonly gateway: Gateway;
  readonly hooks: HookSender;
  readonly log: Pick<Log, 'warn' | 'debug'>;
  /** URL of the FHIR API. */
  readonly base: () => string;
}

/** A process that ends without a word is taken for gone after so long, milliseconds; it says that it is there three times as often. */
const LEASE_MS = 15_000;
const HELD_MAX = 10_000;
const TICK_MS = 250;
const AFTER_TROUBLE_MS = 1_000;
/** What is being sent when this process stops may take so long. */
const LAST_SENDS_MS = 2_000;
const DAY_MS = 86_400_000;
/** What was told is kept for so long, for `$events`, and a subscription that has ended. */
const KEPT_MS = 31 * DAY_MS;
const FORGET_EVERY_MS = 3_600_000;

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #holder = randomUUID();
  readonly #held = new Map<string, Held>();
  readonly #numbering: Numbering;
  readonly #closing = new AbortController();
  /** Of rest-hooks: when there is something to do, as `performance.now()`. */
  readonly #due = new Map<string, number>();
  readonly #delivering = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(held: Held) => void>();
  #leasing: Promise<void> | undefined;
  #isAskedAgain = false;
  #running: Promise<void> | undefined;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    const { gateway, log } = options;
    this.#numbering = new Numbering({
      gateway,
      feed: gateway.feed,
      store: gateway.subscriptions.store,
      holder: this.#holder,
      log,
      onNumbered: (held) => {
        this.#due.set(held.id, 0);
        for (const tell of this.#listeners) tell(held);
        this.#deliverDue();
      },
      onLost: (held) => this.#drop(held),
    });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Subscriptions that are looked after here, and rest-hooks among them whose last try failed. */
  load(): { readonly held: number; readonly failing: number } {
    const failing = this.#held.values().filter(({ stored }) => stored.failures > 0);
    return { held: this.#held.size, failing: failing.toArray().length };
  }

  /** Something was made or changed: it is looked at now rather than in a moment. */
  look(): void {
    if (this.#leasing !== undefined) this.#isAskedAgain = true;
    else if (!this.#closing.signal.aborted) this.#leasing = this.#lease().finally(() => this.#leased());
  }

  /** Calls back with each subscription of this process that got numbers. */
  onNumbered(listener: (held: Held) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when nothing more is sent, and others may take over. */
  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#leasing;
    // First, while they are still looked after here: how far they are is kept.
    await this.#numbering.close();
    for (const held of this.#held.values()) held.isGone = true;
    // What is under way may end; what waits for its turn is not begun any more.
    const { hooks } = this.#options;
    const overdue = setTimeout(() => hooks.close(), LAST_SENDS_MS);
    await Promise.all(this.#delivering.values());
    clearTimeout(overdue);
    hooks.close();
    await this.#options.gateway.subscriptions.store.release(this.#holder).catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let leasedAt = -Infinity;
    let forgotAt = performance.now();
    for (; !signal.aborted; await delay(TICK_MS, undefined, { signal, ref: false }).catch(() => {})) {
      const now = performance.now();
      if (now - leasedAt >= LEASE_MS / 3) {
        leasedAt = now;
        this.look();
      }
      if (now - forgotAt >= FORGET_EVERY_MS) {
        forgotAt = now;
        const before = new Date(Date.now() - KEPT_MS).toISOString();
        this.#options.gateway.subscriptions.store.forget(before).catch((fault: unknown) => this.#trouble(fault)); // prettier-ignore
      }
      this.#deliverDue();
    }
  }

  async #lease(): Promise<void> {
    const { store } = this.#options.gateway.subscriptions;
    const now = Date.now();
    try {
      const leased = await store.lease(this.#holder, now, now + LEASE_MS, HELD_MAX);
      const ids = new Set(leased.map(({ id }) => id));
      for (const held of [...this.#held.values()]) if (!ids.has(held.id)) this.#drop(held);
      for (const stored of leased) {
        const last = this.#held.get(stored.id);
        // The lease was lost and found again.
        const known = last?.isGone === true ? undefined : last;
        const isChanged = known?.stored.version !== stored.version || known.stored.status !== stored.status;
        if (isChanged) this.#due.set(stored.id, 0);
        if (known === undefined) this.#held.set(stored.id, new Held(stored));
        else known.refresh(stored);
      }
      this.#numbering.take([...this.#held.values()]);
      this.#deliverDue();
    } catch (fault) {
      this.#trouble(fault);
    }
  }

  #leased(): void {
    this.#leasing = undefined;
    if (!this.#isAskedAgain) return;
    this.#isAskedAgain = false;
    this.look();
  }

  #drop(held: Held): void {
    held.isGone = true;
    if (this.#held.get(held.id) !== held) return;
    this.#held.delete(held.id);
    this.#due.delete(held.id);
  }

  #deliverDue(): void {
    const now = performance.now();
    for (const [id, at] of this.#due) {
      if (at > now || this.#delivering.has(id)) continue;
      const held = this.#held.get(id);
      if (held === undefined) continue;
      // It takes its turn among those of its owner, and nothing is made for it before.
      const done = this.#deliver(held).finally(() => {
        this.#delivering.delete(id);
        this.#deliverDue();
      });
      this.#delivering.set(id, done);
    }
  }

  async #deliver(held: Held): Promise<void> {
    const { gateway, hooks, base } = this.#options;
    const { store, key } = gateway.subscriptions;
    this.#due.set(held.id, Infinity);
    let wait: number | undefined = AFTER_TROUBLE_MS;
    try {
      wait = await deliver({ gateway, store, hooks, key, holder: this.#holder, base }, held);
    } catch (fault) {
      this.#trouble(fault);
    }
    if (held.isGone) return;
    // What got a number meanwhile made it due at once.
    const due = this.#due.get(held.id) ?? 0;
    if (due === Infinity) this.#due.set(held.id, wait === undefined ? Infinity : performance.now() + wait);
  }

  #trouble(fault: unknown): void {
    this.#options.log.warn({ fault: (fault as Error).name }, 'subscriptions are not all told just now; it is tried again'); // prettier-ignore
  }
}
