/** Slows down whoever guesses: so many refusals a minute from one address, then nothing until the minute is over. */

const failuresMax = 20;
const windowMilliseconds = 60_000;
const addressesMax = 10_000;

export class FailureLimit {
  #windowEnds = 0;
  readonly #failures = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  exceeded(address: string): boolean {
    this.#roll();
    return (this.#failures.get(address) ?? 0) >= failuresMax;
  }

  count(address: string): void {
    this.#roll();
    // A flood from ever new addresses must not fill the memory.
    if (this.#failures.size >= addressesMax && !this.#failures.has(address)) return;
    this.#failures.set(address, (this.#failures.get(address) ?? 0) + 1);
  }

  #roll(): void {
    if (this.#now() < this.#windowEnds) return;
    this.#failures.clear();
    this.#windowEnds = this.#now() + windowMilliseconds;
  }
}
