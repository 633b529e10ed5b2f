/** At most so many of something a minute for each key, in bounded memory. */

const windowMilliseconds = 60_000;
const keysMax = 10_000;

export class RateLimit {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #windowEnds = 0;

  constructor(perMinute: number, now: () => number = Date.now) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Whether the key has used up this minute. */
  exceeded(key: string): boolean {
    this.#roll();
    return (this.#counts.get(key) ?? 0) >= this.#perMinute;
  }

  count(key: string): void {
    this.#roll();
    // A flood of ever new keys must not fill the memory; those beyond go uncounted.
    if (this.#counts.size >= keysMax && !this.#counts.has(key)) return;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #roll(): void {
    if (this.#now() < this.#windowEnds) return;
    this.#counts.clear();
    this.#windowEnds = this.#now() + windowMilliseconds;
  }
}
