/** Chance that repeats: the same seed gives the same numbers on every machine (sfc32). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Two sources with different seed or different scope are independent of one another. */
  constructor(seed: number, scope: string) {
    [this.#a, this.#b, this.#c] = scramble(`${seed}/${scope}`);
    for (let i = 0; i < 15; i++) this.#next();
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.#next() / 4_294_967_296;
  }

  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  /** About normal, cut off at three deviations. */
  around(mean: number, deviation: number): number {
    const sum = this.fraction() + this.fraction() + this.fraction() + this.fraction();
    return mean + (sum - 2) * 1.5 * deviation;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.fraction() * from.length)] as T;
  }

  /** One of the given, each as likely as its weight. */
  weighted<T>(from: readonly (readonly [weight: number, T])[]): T {
    let left = this.fraction() * from.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of from) if ((left -= weight) < 0) return item;
    return from[from.length - 1]![1];
  }

  /** How often something happened that happens `mean` times on average. */
  times(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.fraction(); product > limit; product *= this.fraction()) count++;
    return count;
  }

  /** `digits` lower-case hexadecimal digits, at most eight at a time. */
  hex(digits: number): string {
    return this.#next().toString(16).padStart(8, '0').slice(0, digits);
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}

function scramble(text: string): [number, number, number] {
  let [a, b, c] = [0x9e3779b9, 0x243f6a88, 0xb7e15162];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b) ^ (c >>> 13);
    b = Math.imul(b ^ unit, 0xc2b2ae35) ^ (a >>> 16);
    c = Math.imul(c ^ unit, 0x27d4eb2f) ^ (b >>> 15);
  }
  return [a, b, c];
}
