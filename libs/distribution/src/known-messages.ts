/**
 * Messages that were checked and decoded a moment ago. Each view has a consumer of its own, so that none waits for another,
 * and all consumers of a process are brought the same: what one has looked at, the others need not.
 */
import type { Delivered, ReceivedMessage } from './message.ts';

/** Twice as many are kept at most, and for twice as long. */
const MOST = 1_000;
const KEPT_MILLISECONDS = 500;

interface Known {
  readonly delivered: Delivered;
  /** Consumers that have not been brought it yet. */
  awaited: number;
}

export class KnownMessages {
  readonly #consumers: number;
  #recent = new Map<string, Known>();
  #older = new Map<string, Known>();
  #ageing: NodeJS.Timeout | undefined;

  /** `consumers`: so many are brought each message; what all of them have is kept for nobody, so that the collector finds it young. */
  constructor(consumers: number) {
    this.#consumers = consumers;
  }

  /**
   * By its seal, which says what is in it, and the lane that it was sealed for: who is sent it again with another value is given
   * what was sealed. `look` checks and decodes one that is not known.
   */
  of(message: ReceivedMessage, lane: number, look: () => Delivered): Delivered {
    const seal = `${lane} ${message.headers?.['seal']?.toString() ?? ''}`;
    const known = this.#recent.get(seal) ?? this.#older.get(seal);
    if (known !== undefined) {
      known.awaited -= 1;
      if (known.awaited === 0) this.#forget(seal);
      return known.delivered;
    }
    const seen = look();
    if (seen.kind !== 'unreadable') this.#keep(seal, seen);
    return seen;
  }

  #keep(seal: string, delivered: Delivered): void {
    if (this.#consumers === 1) return;
    if (this.#recent.size >= MOST) this.#age();
    this.#recent.set(seal, { delivered, awaited: this.#consumers - 1 });
    // Nobody's content stays in memory because nothing else came.
    this.#ageing ??= setInterval(() => this.#age(), KEPT_MILLISECONDS).unref();
  }

  #forget(seal: string): void {
    if (!this.#recent.delete(seal)) this.#older.delete(seal);
  }

  #age(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    if (this.#older.size > 0) return;
    clearInterval(this.#ageing);
    this.#ageing = undefined;
  }
}
