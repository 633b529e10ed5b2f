/** How far the projector has come, and what it touched on the way, told to other threads through shared memory. */
import type { Touched } from '@carelog/projection';

const SLOTS = 16_384;
/** The position, how often everything was touched, and how often the streams of each slot were. */
const BYTES = 12 + 4 * SLOTS;

export class PositionSignal {
  /** Give it to another thread, and make a signal of it there. */
  readonly memory: SharedArrayBuffer;
  readonly #position: BigInt64Array;
  readonly #all: Int32Array;
  readonly #slots: Int32Array;

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#position = new BigInt64Array(memory, 0, 1);
    this.#all = new Int32Array(memory, 8, 1);
    this.#slots = new Int32Array(memory, 12, SLOTS);
  }

  publish(position: number, touched: Touched): void {
    // First, so that nobody sees the new position with the old counts.
    if (touched === 'all') Atomics.add(this.#all, 0, 1);
    else for (const stream of touched) Atomics.add(this.#slots, slotOf(stream), 1);
    Atomics.store(this.#position, 0, BigInt(position));
    Atomics.notify(this.#position, 0);
  }

  position(): number {
    return Number(Atomics.load(this.#position, 0));
  }

  /** Changes when the stream was touched; now and then also when another was. */
  moves(stream: string): number {
    // Both only grow, so their sum stands still only where both do.
    return Atomics.load(this.#all, 0) + Atomics.load(this.#slots, slotOf(stream));
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

// FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
function slotOf(stream: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < stream.length; i += 1) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}
