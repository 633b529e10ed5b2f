/** Appends that wait for their batch, and how many of them go into one. */
import type { AppendOutcome, StreamAppend } from './event-store.ts';

export interface PendingAppend {
  readonly appends: readonly StreamAppend[];
  readonly events: number;
  readonly bytes: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (fault: unknown) => void;
}

/** A batch takes this many events or bytes at most (but always one append), so that none waits long for others. */
const maxBatchEvents = 5_000;
const maxBatchBytes = 16 * 1024 * 1024;

/** Takes the first of them out of the queue: as many as one batch may hold, and always one. */
export function takeBatch(queue: PendingAppend[]): PendingAppend[] {
  let events = 0;
  let bytes = 0;
  let count = 0;
  for (const pending of queue) {
    events += pending.events;
    bytes += pending.bytes;
    if (count > 0 && (events > maxBatchEvents || bytes > maxBatchBytes)) break;
    count++;
  }
  return queue.splice(0, count);
}
