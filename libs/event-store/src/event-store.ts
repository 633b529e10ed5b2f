/**
 * The log. It knows nothing of patients, FHIR or Nest: it keeps opaque bytes in order.
 *
 * An event belongs to one stream (its revisions count from 1) and to one partition. Every event has a position in the
 * one log; positions are dense, start at 1, and follow commit order, so `position - 1` is always the predecessor and a
 * gap is provable. Within its partition each event names its predecessor in `previousInPartition`.
 */
import type { Envelope, NewEvent, RecordedEvent } from './envelope.ts';

/** What the caller believes of a stream: anything, that it has no events, that it has some, or its last revision. */
export type ExpectedRevision = 'any' | 'no-stream' | 'exists' | number;

export interface StreamAppend {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly events: readonly NewEvent[];
}

/** Where one event of an append came to lie. */
export type Recorded = Pick<Envelope, 'id' | 'stream' | 'revision' | 'position' | 'partition' | 'recordedAt'>;

export interface RevisionMismatch {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly actual: number | 'no-stream';
}

/**
 * `appended`: every event is on disk. `duplicate`: all these event ids were recorded before with the same content, in
 * the order asked for; nothing was written. `revision-mismatch`: nothing was written; every stream that differed is
 * named. `conflict`: some of the ids were recorded before with other content, or only a part of them was; nothing was written.
 */
export type AppendOutcome =
  | { readonly kind: 'appended'; readonly events: readonly Recorded[] }
  | { readonly kind: 'duplicate'; readonly events: readonly Recorded[] }
  | { readonly kind: 'revision-mismatch'; readonly mismatches: readonly RevisionMismatch[] }
  | { readonly kind: 'conflict'; readonly ids: readonly string[] };

export interface Head {
  /** Position of the last recorded event; 0 for an empty log. */
  readonly position: number;
  /** Changes when the store is restored from a copy: positions of two epochs must not be compared. */
  readonly epoch: string;
}

/** A life of the log, from its beginning or from a restore to the next. */
export interface Epoch {
  readonly id: string;
  /** Head of the log when it began: up to here it has the events of the one before. */
  readonly position: number;
}

export interface EventStore {
  /**
   * Appends to one stream or several, atomically. Resolves only after the events are on disk.
   * Throws `StoreFault` when the store cannot write (full, closed, damaged); then nothing of this append is kept. After `io` it may
   * have been: the same ids again are a `duplicate` then, where a flush failed once the store was opened again.
   */
  append(appends: readonly StreamAppend[]): Promise<AppendOutcome>;
  /** The event with this id, if it was recorded. */
  readEvent(id: string): Promise<RecordedEvent | undefined>;
  /** Events of one stream by revision. `from` is inclusive; the default is the first (forwards) or the last (backwards). */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>;
  /** Events of one partition in order, after a position (exclusive). */
  readPartition(partition: string, options?: ReadOptions): Promise<readonly RecordedEvent[]>;
  /** Events of the log in order, after a position (exclusive). */
  readAll(options?: ReadOptions): Promise<readonly RecordedEvent[]>;
  /**
   * Batches of events after a position, for ever, never skipping one; waits at the head of the log.
   * Ends when `signal` is aborted or the store is closed.
   */
  subscribe(after: number, options?: SubscribeOptions): AsyncIterable<readonly RecordedEvent[]>;
  /** As this process knows it: never ahead of the log, and behind it by what others wrote a moment ago. */
  head(): Head;
  /** Includes everything that was acknowledged, to whomever, before this was called. */
  freshHead(): Promise<Head>;
  /** The first one first; the last one is that of the head. */
  epochs(): Promise<readonly Epoch[]>;
  /** Resolves when everything that was asked for is on disk and the store is released. */
  close(): Promise<void>;
}

export interface ReadStreamOptions {
  readonly from?: number;
  readonly direction?: 'forwards' | 'backwards';
  readonly limit?: number;
}
export interface ReadOptions {
  readonly after?: number;
  /** At most this many events; 1,000 unless told. */
  readonly limit?: number;
}
export interface SubscribeOptions {
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}
