/** Catch-up reading that turns into live reading without a seam: it only ever asks for what follows the last event it gave. */
import type { RecordedEvent } from './envelope.ts';
import type { SubscribeOptions } from './event-store.ts';
import { headMoved } from './head-signal.ts';
import { StoreFault } from './store-fault.ts';

export interface SubscriptionSource {
  readonly after: number;
  readonly options: SubscribeOptions | undefined;
  /** Ends the subscription as the caller's own signal does. */
  readonly closed: AbortSignal;
  /** Absent in another process, which looks at intervals instead. */
  readonly headSignal: SharedArrayBuffer | undefined;
  /** How often it looks for itself where the signal is only a hint; once a second unless told. */
  readonly pollMilliseconds?: number;
  /** Events of the log in order, after a position. */
  read(after: number, limit: number): readonly RecordedEvent[] | Promise<readonly RecordedEvent[]>;
}

const pollWithoutSignal = 50;

/** Batches for ever; ends when either signal is aborted. Throws a `damaged` `StoreFault` rather than step over a gap. */
export async function* subscribeTo(
  source: SubscriptionSource,
): AsyncGenerator<readonly RecordedEvent[], void> {
  const batchSize = source.options?.batchSize ?? 500;
  const ending = source.options?.signal
    ? AbortSignal.any([source.closed, source.options.signal])
    : source.closed;
  let wake = () => {};
  const onEnd = () => wake();
  ending.addEventListener('abort', onEnd, { once: true });
  let after = source.after;
  try {
    while (!ending.aborted) {
      const read = source.read(after, batchSize);
      const events = read instanceof Promise ? await read : read;
      if (events.length === 0) {
        // Not Promise.race with one promise for the end: that would gather a reaction for every wait, for ever.
        await new Promise<void>((resolve) => {
          wake = resolve;
          waitForMore(source, after, resolve);
        });
        continue;
      }
      refuseGap(after, events);
      after = events.at(-1)!.position;
      yield events;
    }
  } finally {
    ending.removeEventListener('abort', onEnd);
  }
}

function waitForMore(
  { headSignal, pollMilliseconds }: SubscriptionSource,
  after: number,
  wake: () => void,
): void {
  if (!headSignal) {
    setTimeout(wake, pollWithoutSignal);
    return;
  }
  const moved = headMoved(headSignal, after, pollMilliseconds);
  if (moved) void moved.then(wake);
  else wake();
}

function refuseGap(after: number, events: readonly RecordedEvent[]): void {
  let expected = after + 1;
  for (const { position } of events) {
    if (position !== expected) {
      throw new StoreFault(
        'damaged',
        `Event ${expected} of the log is missing: ${position} follows ${expected - 1}. Restore the log from a backup.`,
      );
    }
    expected++;
  }
}
