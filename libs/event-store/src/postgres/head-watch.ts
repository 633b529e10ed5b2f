/**
 * How far the log has come, as this process knows it. Other processes say so after their commits, by NOTIFY; that is a
 * hint, which may be lost or late, and whoever has to be right asks the log.
 */
import { listen, type Listening } from '@carelog/postgres';
import type { Head } from '../event-store.ts';
import { createHeadSignal, publishHead, wakeWaiters } from '../head-signal.ts';
import type { NumberedHead } from './log-queries.ts';

/** What is told is a commit of its own on the server, so not each commit of the log is worth one. */
const restBetweenTellings = 3;

export interface HeadWatchOptions {
  readonly url: string;
  readonly channel: string;
  readonly head: NumberedHead;
  ask(): Promise<NumberedHead>;
  readonly onTrouble: (error: unknown) => void;
}

export class HeadWatch {
  readonly signal: SharedArrayBuffer;
  readonly #options: HeadWatchOptions;
  readonly #listening: Listening;
  #head: NumberedHead;
  #asking: Promise<Head> | undefined;
  #askingNext: Promise<Head> | undefined;
  #telling = false;
  #isClosed = false;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
    this.#head = options.head;
    this.signal = createHeadSignal(options.head.position);
    const { url, channel, onTrouble } = options;
    this.#listening = listen({
      url,
      channel,
      onHint: (said) => this.#heard(said),
      onConnected: () => void this.fresh().catch(onTrouble),
      onTrouble,
    });
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
    if (this.#isClosed) return;
    const { epoch, position } = this.#head;
    await this.#listening.tell(`${epoch} ${position}`);
    this.#telling = false;
    if (position < this.#head.position) this.tell();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#listening.close();
    wakeWaiters(this.signal);
  }

  #heard(payload: string): void {
    const [epoch, position] = payload.split(' ');
    if (epoch === this.#head.epoch) this.reached({ ...this.#head, position: Number(position) });
    else this.fresh().catch(this.#options.onTrouble);
  }
}
