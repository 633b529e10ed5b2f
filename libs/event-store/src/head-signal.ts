/**
 * Tells every thread how far the log has come, without a message: one 64-bit cell of shared memory that holds the head
 * position. The store writes and notifies once what it committed is flushed; it never waits for those who listen.
 */

/** As often as this a waiting reader looks for itself, should a wake-up ever be lost. */
const safetyNetMilliseconds = 1_000;

export function createHeadSignal(position: number): SharedArrayBuffer {
  const signal = new SharedArrayBuffer(8);
  publishHead(signal, position);
  return signal;
}

export function publishHead(signal: SharedArrayBuffer, position: number): void {
  const cell = new BigInt64Array(signal);
  Atomics.store(cell, 0, BigInt(position));
  Atomics.notify(cell, 0);
}

export function signalledHead(signal: SharedArrayBuffer): number {
  return Number(Atomics.load(new BigInt64Array(signal), 0));
}

/** Wakes everyone who waits, though nothing was recorded: the store closes. */
export function wakeWaiters(signal: SharedArrayBuffer): void {
  Atomics.notify(new BigInt64Array(signal), 0);
}

/**
 * Undefined when the head is past `position` already; else resolves when it moves, when the waiters are woken, or after so
 * many milliseconds (a second unless told).
 */
export function headMoved(
  signal: SharedArrayBuffer,
  position: number,
  patience = safetyNetMilliseconds,
): Promise<unknown> | undefined {
  const cell = new BigInt64Array(signal);
  const seen = Atomics.load(cell, 0);
  if (seen > BigInt(position)) return undefined;
  const waiting = Atomics.waitAsync(cell, 0, seen, patience);
  return waiting.async ? waiting.value : undefined;
}
