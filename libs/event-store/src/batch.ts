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
import { StoreFault } from './store-fault.ts';

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

const maxEventsPerAppend = 5_000;
const maxContentBytes = 16 * 1024 * 1024;
const maxAppendBytes = 128 * 1024 * 1024;
const maxNameLength = 200;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Bytes of content. Throws an `invalid` `StoreFault` that names everything about these appends that breaks a limit of the port. */
export function checkAppend(appends: readonly StreamAppend[]): {
  readonly events: number;
  readonly bytes: number;
} {
  const problems: string[] = [];
  const streams = new Set<string>();
  const ids = new Set<string>();
  let count = 0;
  let bytes = 0;
  for (const { stream, expectedRevision, events } of appends) {
    if (stream.length === 0 || stream.length > maxNameLength) {
      problems.push(`a stream name has ${stream.length} characters; use 1 to ${maxNameLength}`);
    }
    if (streams.has(stream)) problems.push(`stream ${stream} is named twice; put its events into one entry`);
    streams.add(stream);
    if (
      typeof expectedRevision === 'number' &&
      !(Number.isSafeInteger(expectedRevision) && expectedRevision > 0)
    ) {
      problems.push(
        `the expected revision of ${stream} is ${expectedRevision}; revisions are whole and count from 1`,
      );
    }
    count += events.length;
    for (const { id, partition, content } of events) {
      if (!uuid.test(id))
        problems.push(`event id ${JSON.stringify(id.slice(0, 50))} is not a UUID in lower case`);
      if (ids.has(id)) problems.push(`event id ${id} is used twice; each event needs its own`);
      ids.add(id);
      if (partition.length === 0 || partition.length > maxNameLength) {
        problems.push(
          `the partition of event ${id} has ${partition.length} characters; use 1 to ${maxNameLength}`,
        );
      }
      if (content.byteLength > maxContentBytes) {
        problems.push(
          `event ${id} has ${content.byteLength} bytes of content; the limit is ${maxContentBytes}`,
        );
      }
      bytes += content.byteLength;
    }
  }
  if (count === 0) problems.push('it holds no event; append at least one');
  if (count > maxEventsPerAppend)
    problems.push(`it holds ${count} events; the limit is ${maxEventsPerAppend}, so send fewer at a time`);
  if (bytes > maxAppendBytes)
    problems.push(
      `it holds ${bytes} bytes of content; the limit is ${maxAppendBytes}, so send fewer at a time`,
    );
  if (problems.length > 0) {
    throw new StoreFault(
      'invalid',
      `This append was refused and nothing was written: ${problems.slice(0, 20).join('; ')}.`,
    );
  }
  return { events: count, bytes };
}
