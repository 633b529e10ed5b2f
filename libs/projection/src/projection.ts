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
  /**
   * Partitions that were parked before and are taken up again: their rows of parked partitions and of streams set aside go
   * first, then their changes are applied although they lie before the checkpoint. They may be parked anew in this batch.
   */
  readonly released?: readonly string[];
}

/** A read model that several projectors write at once, each its lanes. A lane holds whole partitions. */
export interface SharedReadModel<Change> {
  /** By lane; a lane that nothing was ever applied to is missing. */
  checkpoints(): Promise<ReadonlyMap<number, Checkpoint>>;
  parked(lane: number): Promise<readonly Parked[]>;
  /**
   * One transaction that begins by locking the lane's checkpoint (SELECT … FOR UPDATE, of a row that is there from the first
   * time on), so that of two projectors that both believe they have the lane one waits for the other. `work` gets the locked
   * checkpoint and the lane's parked partitions as of then, and gives what to apply, undefined for nothing: every change of
   * it is applied, whatever its position. Nothing is kept when anything throws.
   */
  apply(lane: number, work: LaneWork<Change>): Promise<Touched>;
  /** Forgets what came from the lane, or everything: contents, checkpoint, parked partitions. */
  clear(lane?: number): Promise<void>;
  close(): Promise<void>;
}

export type LaneWork<Change> = (
  reached: Checkpoint | undefined,
  parked: readonly Parked[],
) => Promise<ProjectedBatch<Change> | undefined>;

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
