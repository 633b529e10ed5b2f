/**
 * How far the log has come, as this process knows it. Other processes say so after their commits, by NOTIFY; that is a
 * hint, which may be lost or late, and whoever has to be right asks the log.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Head } from '../event-store.ts';
import { createHeadSignal, publishHead, wakeWaiters } from '../head-signal.ts';
import type { Client, Driver } from './connection.ts';
import type { NumberedHead } from './log-queries.ts';

/** What is told is a commit of its own on the server, so not each commit of the log is worth one. */
const restBetweenTellings = 3;

export interface HeadWatchOptions {
  readonly driver: Driver;
  readonly channel: string;
  readonly head: NumberedHead;
  ask(): Promise<NumberedHead>;
  readonly onTrouble: (error: unknown) => void;
}

export class HeadWatch {
  readonly signal: SharedArrayBuffer;
  readonly #options: HeadWatchOptions;
  readonly #closing = new AbortController();
  readonly #listening: Promise<void>;
  #head: NumberedHead;
  #client: Client | undefined;
  #asking: Promise<Head> | undefined;
  #askingNext: Promise<Head> | undefined;
  #telling = false;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
    this.#head = options.head;
    this.signal = createHeadSignal(options.head.position);
    this.#listening = this.#listen();
  }

  head(): Head {
    return { position: this.#head.position, epoch: this.#head.epoch };
  }

  /** From a query that begins after this call; calls that come while one is under way share the next. */
  fresh(): Promise<Head> {
    if (!this.#asking) return this.#ask();
    this.#askingNext ??= this.#asking.then(
      () => this.#ask(),
      () => this.#ask(),
    );
    return this.#askingNext;
  }

  #ask(): Promise<Head> {
    this.#askingNext = undefined;
    this.#asking = this.#options
      .ask()
      .then((head) => this.reached(head))
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Takes note of a head that was read, or made. What arrives late does not turn it back. */
  reached(head: NumberedHead): Head {
    const { number, position } = this.#head;
    if (head.number > number || (head.number === number && head.position > position)) {
      this.#head = head;
      publishHead(this.signal, head.position);
    }
    return this.head();
  }

  /** Tells other processes; commits in quick succession are told of together. */
  tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    setTimeout(() => void this.#tellNow(), restBetweenTellings);
  }

  async #tellNow(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const { epoch, position } = this.#head;
    const values = [this.#options.channel, `${epoch} ${position}`];
    await this.#client
      ?.query({ name: 'tell', text: 'SELECT pg_notify($1, $2)', values })
      .catch(this.#options.onTrouble);
    this.#telling = false;
    if (position < this.#head.position) this.tell();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end().catch(() => {});
    await this.#listening;
    wakeWaiters(this.signal);
  }

  async #listen(): Promise<void> {
    const { driver, channel, onTrouble } = this.#options;
    for (let pause = 50; !this.#closing.signal.aborted; pause = Math.min(pause * 2, 2_000)) {
      const client = driver.client({});
      // Not events.once, which fails with the error that comes before the end.
      const ended = new Promise((resolve) => client.once('end', resolve));
      client.on('error', onTrouble);
      client.on('notification', ({ payload }) => this.#heard(payload ?? ''));
      try {
        await client.connect();
        // A hint needs no fsync, and the server lets one notifying transaction commit at a time.
        await client.query('SET synchronous_commit = off');
        await client.query(`LISTEN ${channel}`);
        this.#client = client;
        pause = 50;
        await this.fresh();
        if (this.#closing.signal.aborted) await client.end();
        await ended;
      } catch (error) {
        onTrouble(error);
        void client.end().catch(() => {});
      }
      this.#client = undefined;
      await delay(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  #heard(payload: string): void {
    const [epoch, position] = payload.split(' ');
    if (epoch === this.#head.epoch) this.reached({ ...this.#head, position: Number(position) });
    else this.fresh().catch(this.#options.onTrouble);
  }
}
