/**
 * Messages that were checked and decoded a moment ago. Each view has a consumer of its own, so that none waits for another,
 * and all consumers of a process are brought the same: what one has looked at, the others need not.
 */
import type { Delivered, ReceivedMessage } from './message.ts';

/** Twice as many are kept at most, and for twice as long. */
const MOST = 1_000;
const KEPT_MILLISECONDS = 500;

export class KnownMessages {
  #recent = new Map<string, Delivered>();
  #older = new Map<string, Delivered>();
  #ageing: NodeJS.Timeout | undefined;

  /**
   * By its seal, which says what is in it, and the lane that it was sealed for: who is sent it again with another value is given
   * what was sealed. `look` checks and decodes one that is not known.
   */
  of(message: ReceivedMessage, lane: number, look: () => Delivered): Delivered {
    const seal = `${lane} ${message.headers?.['seal']?.toString() ?? ''}`;
    const known = this.#recent.get(seal) ?? this.#older.get(seal);
    if (known !== undefined) return known;
    const seen = look();
    if (seen.kind !== 'unreadable') this.#keep(seal, seen);
    return seen;
  }

  #keep(seal: string, delivered: Delivered): void {
    if (this.#recent.size >= MOST) this.#age();
    this.#recent.set(seal, delivered);
    // Nobody's content stays in memory because nothing else came.
    this.#ageing ??= setInterval(() => this.#age(), KEPT_MILLISECONDS).unref();
  }

  #age(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    if (this.#older.size > 0) return;
    clearInterval(this.#ageing);
    this.#ageing = undefined;
  }
}
