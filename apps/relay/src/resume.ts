/** Where a relay goes on: at the checkpoint, if the log that it was taken of is the log that is there now. */
import type { RelayCheckpoint } from '@carelog/distribution';
import type { EventStore } from '@carelog/event-store';

/** The log ends before what was relayed of it, and does not say that it was restored. */
export class LogBehindCheckpoint extends Error {
  override readonly name = 'LogBehindCheckpoint';
}

export interface Reached extends RelayCheckpoint {
  readonly epoch: string;
}

export interface Start extends Reached {
  /** The log is another one than was relayed: all of it is sent again, under its epoch. */
  readonly forked: boolean;
}

/**
 * The checkpoint under the log's own epoch, where the log still has the event that it names; otherwise the beginning,
 * because nobody knows up to where both logs are the same. Throws `LogBehindCheckpoint` where that happens in one epoch.
 */
export async function startOf(
  checkpoint: RelayCheckpoint,
  store: Pick<EventStore, 'freshHead' | 'readAll'>,
): Promise<Start> {
  const { epoch, position: head } = await store.freshHead();
  const { position, positions } = checkpoint;
  if (position === 0) return { ...checkpoint, epoch, forked: false };
  const [event] = position > head ? [] : await store.readAll({ after: position - 1, limit: 1 });
  if (event?.position === position && event.id === checkpoint.eventId) {
    return { ...checkpoint, epoch, forked: false };
  }
  if (epoch === checkpoint.epoch) {
    throw new LogBehindCheckpoint(
      `The log, at ${head}, does not have the event at ${position} that was relayed of it, and is in the same epoch. Begin a new epoch if it was restored; otherwise restore it.`,
    );
  }
  return { epoch, position: 0, positions: positions.map(() => 0), eventId: undefined, forked: true };
}
