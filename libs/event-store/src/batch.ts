/**
 * Decides appends one after another, against the log as it stands and what this batch has placed already. It writes
 * nothing: an adapter puts `placed` on disk in one transaction and answers only then, so that a refused append leaves no
 * trace and a failed transaction fails everyone whose answer rested on it.
 */
import type { NewEvent, RecordedEvent } from './envelope.ts';
import type {
  AppendOutcome,
  ExpectedRevision,
  Recorded,
  RevisionMismatch,
  StreamAppend,
} from './event-store.ts';

/** What an adapter knows of the log as it is on disk. */
export interface LogOnDisk {
  readonly position: number;
  /** That of the last event; empty for an empty log. */
  readonly recordedAt: string;
  event(id: string): RecordedEvent | undefined;
  /** 0 where the stream has no events. */
  streamRevision(stream: string): number;
  /** Position of the last event of the partition; 0 where it has none. */
  partitionTail(partition: string): number;
}

export class Batch {
  /** In order of position, following on from the log on disk. */
  readonly placed: RecordedEvent[] = [];
  readonly streamRevisions = new Map<string, number>();
  readonly partitionTails = new Map<string, number>();
  readonly recordedAt: string;
  readonly #log: LogOnDisk;
  readonly #placedById = new Map<string, RecordedEvent>();

  constructor(log: LogOnDisk, now: number) {
    this.#log = log;
    const clock = new Date(now).toISOString();
    this.recordedAt = clock > log.recordedAt ? clock : log.recordedAt;
  }

  /** The outcome, true once `placed` is on disk. Duplicates come before expectations: a retry expects the past. */
  decide(appends: readonly StreamAppend[]): AppendOutcome {
    const known = this.#knownEvents(appends);
    if (known.length > 0) return decideRepeat(appends, known);
    const mismatches = this.#mismatches(appends);
    if (mismatches.length > 0) return { kind: 'revision-mismatch', mismatches };
    return { kind: 'appended', events: this.#place(appends) };
  }

  #knownEvents(appends: readonly StreamAppend[]): RecordedEvent[] {
    const known: RecordedEvent[] = [];
    for (const { events } of appends) {
      for (const { id } of events) {
        const event = this.#placedById.get(id) ?? this.#log.event(id);
        if (event) known.push(event);
      }
    }
    return known;
  }

  #mismatches(appends: readonly StreamAppend[]): RevisionMismatch[] {
    const mismatches: RevisionMismatch[] = [];
    for (const { stream, expectedRevision } of appends) {
      if (expectedRevision === 'any') continue;
      const revision = this.#revision(stream);
      if (meets(revision, expectedRevision)) continue;
      mismatches.push({
        stream,
        expected: expectedRevision,
        actual: revision === 0 ? 'no-stream' : revision,
      });
    }
    return mismatches;
  }

  #place(appends: readonly StreamAppend[]): Recorded[] {
    const recorded: Recorded[] = [];
    for (const { stream, events } of appends) {
      if (events.length === 0) continue;
      let revision = this.#revision(stream);
      for (const event of events) {
        const position = this.#log.position + this.placed.length + 1;
        const previousInPartition =
          this.partitionTails.get(event.partition) ?? this.#log.partitionTail(event.partition);
        const placed = place(event, {
          stream,
          revision: ++revision,
          position,
          recordedAt: this.recordedAt,
          previousInPartition,
        });
        this.placed.push(placed);
        this.#placedById.set(event.id, placed);
        this.partitionTails.set(event.partition, position);
        recorded.push(whereItLies(placed));
      }
      this.streamRevisions.set(stream, revision);
    }
    return recorded;
  }

  #revision(stream: string): number {
    return this.streamRevisions.get(stream) ?? this.#log.streamRevision(stream);
  }
}

function meets(revision: number, expected: ExpectedRevision): boolean {
  if (expected === 'no-stream') return revision === 0;
  if (expected === 'exists') return revision > 0;
  return revision === expected && revision > 0;
}

function decideRepeat(appends: readonly StreamAppend[], known: readonly RecordedEvent[]): AppendOutcome {
  const recordedById = new Map(known.map((event) => [event.id, event]));
  const differing: string[] = [];
  let complete = true;
  let lastPosition = 0;
  for (const { stream, events } of appends) {
    for (const event of events) {
      const recorded = recordedById.get(event.id);
      if (!recorded) complete = false;
      else if (
        recorded.stream !== stream ||
        recorded.position < lastPosition ||
        !sameContent(recorded, event)
      ) {
        differing.push(event.id);
      } else lastPosition = recorded.position;
    }
  }
  if (differing.length > 0) return { kind: 'conflict', ids: differing };
  if (!complete) return { kind: 'conflict', ids: known.map(({ id }) => id) };
  return { kind: 'duplicate', events: known.map(whereItLies) };
}

/** Sealing is randomised, so the bytes of the same content differ each time: where there are fingerprints, they decide. */
function sameContent(recorded: RecordedEvent, event: NewEvent): boolean {
  if (recorded.partition !== event.partition) return false;
  if (recorded.fingerprint !== undefined || event.fingerprint !== undefined) {
    return recorded.fingerprint === event.fingerprint;
  }
  return Buffer.compare(recorded.content, event.content) === 0;
}

type Place = Pick<RecordedEvent, 'stream' | 'revision' | 'position' | 'recordedAt' | 'previousInPartition'>;

function place(event: NewEvent, at: Place): RecordedEvent {
  return { ...event, ...at };
}

function whereItLies({ id, stream, revision, position, partition, recordedAt }: Recorded): Recorded {
  return { id, stream, revision, position, partition, recordedAt };
}
