/** How far the projector has come, told to other threads through shared memory. */

/** Position, and how often it was published. */
const BYTES = 16;

export class PositionSignal {
  /** Give it to another thread, and make a signal of it there. */
  readonly memory: SharedArrayBuffer;
  readonly #position: BigInt64Array;
  readonly #moves: Int32Array;

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#position = new BigInt64Array(memory, 0, 1);
    this.#moves = new Int32Array(memory, 8, 1);
  }

  publish(position: number): void {
    // First, so that nobody sees the new position with the old count.
    Atomics.add(this.#moves, 0, 1);
    Atomics.store(this.#position, 0, BigInt(position));
    Atomics.notify(this.#position, 0);
  }

  position(): number {
    return Number(Atomics.load(this.#position, 0));
  }

  /** Changes with each publication, also of the same position. */
  moves(): number {
    return Atomics.load(this.#moves, 0);
  }

  /** Resolves when the position is reached, or with false when the time runs out first. */
  async reached(position: number, timeoutMs: number): Promise<boolean> {
    const wanted = BigInt(position);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const seen = Atomics.load(this.#position, 0);
      if (seen >= wanted) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      const waiting = Atomics.waitAsync(this.#position, 0, seen, left);
      if (waiting.async) await waiting.value;
    }
  }
}
