/** How far the projector has come, told to other threads through one 64-bit cell of shared memory. */

export function createPositionSignal(): SharedArrayBuffer {
  return new SharedArrayBuffer(8);
}

export function publishPosition(signal: SharedArrayBuffer, position: number): void {
  const cell = new BigInt64Array(signal);
  Atomics.store(cell, 0, BigInt(position));
  Atomics.notify(cell, 0);
}

export function publishedPosition(signal: SharedArrayBuffer): number {
  return Number(Atomics.load(new BigInt64Array(signal), 0));
}

/** Resolves when the position is reached, or with false when the time runs out first. */
export async function positionReached(
  signal: SharedArrayBuffer,
  position: number,
  timeoutMs: number,
): Promise<boolean> {
  const cell = new BigInt64Array(signal);
  const wanted = BigInt(position);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = Atomics.load(cell, 0);
    if (seen >= wanted) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    const waiting = Atomics.waitAsync(cell, 0, seen, left);
    if (waiting.async) await waiting.value;
  }
}
