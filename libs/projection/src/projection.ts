/**
 * A projection is a name, a version and a pure rule that turns one event into one change of a read model. A projector
 * runs it: a batch of events, the changes and the checkpoint in one transaction. A projection never rejects: an event
 * that its rule cannot handle parks that event's partition, and the read model says that it is incomplete there.
 */
import type { RecordedEvent } from '@carelog/event-store';

/** Content that cannot be opened (erased, key unknown, damaged) is normal input. */
export type OpenedContent =
  | { readonly kind: 'opened'; readonly bytes: Uint8Array }
  | { readonly kind: 'unreadable'; readonly reason: 'erased' | 'unknown-key' | 'damaged' };

export interface Projection<Change> {
  readonly name: string;
  readonly version: number;
  /** Pure. `undefined` where the event does not concern this read model. A throw parks the partition. */
  readonly evolve: (event: RecordedEvent, content: OpenedContent) => Change | undefined;
}

export interface Checkpoint {
  readonly position: number;
  readonly epoch: string;
}

/** What a projection writes to. Every method that writes is one transaction. */
export interface ReadModel<Change> {
  checkpoint(): Promise<Checkpoint | undefined>;
  /** Applies a batch and moves the checkpoint, together. Nothing of it is kept when this throws. */
  apply(batch: ProjectedBatch<Change>): Promise<Touched>;
  /** Partitions that stopped at a poison event, so that a restart goes on leaving them parked. */
  parked(): Promise<readonly Parked[]>;
  /** Forgets everything, the checkpoint and the parked partitions too: a rebuild begins. */
  clear(): Promise<void>;
}

/** Streams about which a question may be answered otherwise than before. */
export type Touched = ReadonlySet<string> | 'all';

export interface ProjectedBatch<Change> {
  /** In the order of the log. */
  readonly changes: readonly AppliedChange<Change>[];
  /** Partitions that were parked in this batch. */
  readonly parked: readonly Parked[];
  /** Events that were not applied because their partition is parked; views must not deny that these streams exist. */
  readonly setAside: readonly Pick<RecordedEvent, 'partition' | 'stream'>[];
  readonly checkpoint: Checkpoint;
}

export interface AppliedChange<Change> {
  readonly event: RecordedEvent;
  readonly change: Change;
}

export interface Parked {
  readonly partition: string;
  readonly position: number;
  /** Class of the fault; never content. */
  readonly reason: string;
}
