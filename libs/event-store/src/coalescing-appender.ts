/**
 * Appends of one process to a log that is elsewhere, coalesced: while one batch is written, the next one gathers. For each
 * batch the log is asked for what the decisions need, `Batch` decides, and what it placed is written at once.
 *
 * When a connection is lost while a batch is written, nobody knows whether it was kept. The next look can tell: either all
 * that was placed lies where it was placed, or nothing does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { checkAppend } from './append-limits.ts';
import { Batch } from './batch.ts';
import type { LogOnDisk } from './batch.ts';
import { encodeEnvelopeText } from './envelope-bytes.ts';
import type { RecordedEvent } from './envelope.ts';
import type { AppendOutcome, StreamAppend } from './event-store.ts';
import { StoreFault } from './store-fault.ts';
import { takeBatch } from './pending-appends.ts';
import type { PendingAppend } from './pending-appends.ts';

/** What a batch asks of the log before it is decided. */
export interface Asked {
  readonly ids: readonly string[];
  readonly streams: ReadonlySet<string>;
  readonly partitions: ReadonlySet<string>;
}

/** Where a log is written. One batch is under way at a time. */
export interface LogWriter<Turn extends LogOnDisk> {
  /** The log as it is; what is written on it is refused if the log has moved on by then. */
  look(asked: Asked): Promise<Turn>;
  /** Writes all of this or nothing. Throws `NothingKept` where it is certain that nothing was kept; after any other error it is not known. */
  write(turn: Turn, placed: readonly RecordedEvent[]): Promise<void>;
  /** There is nothing to write. */
  leave(turn: Turn): Promise<void>;
  /** Follows each look that came to an end: everything up to this position of the log is on disk. */
  reached(turn: Turn, position: number): void;
  /** Something went wrong on the way: the next look begins anew. */
  startOver(): void;
  /** Whether trying again may help. */
  isPassing(error: unknown): boolean;
  /** The error in the words of the port. */
  faultOf(error: unknown): unknown;
  close(): Promise<void>;
}

/** Nothing was kept, because of `cause`; without one, because somebody else wrote first. */
export class NothingKept extends Error {
  override readonly name = 'NothingKept';
}

/** What was placed, and what its callers hear if it is kept. */
interface Attempt {
  readonly placed: readonly RecordedEvent[];
  readonly outcomes: readonly AppendOutcome[];
}

export class CoalescingAppender<Turn extends LogOnDisk> {
  readonly #writer: LogWriter<Turn>;
  readonly #now: () => number;
  readonly #patienceMilliseconds: number;
  #pending: PendingAppend[] = [];
  #draining: Promise<void> | undefined;

  /** A batch is tried again for `patienceMilliseconds` while the log cannot be reached. */
  constructor(writer: LogWriter<Turn>, now: () => number, patienceMilliseconds: number) {
    this.#writer = writer;
    this.#now = now;
    this.#patienceMilliseconds = patienceMilliseconds;
  }

  async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    const size = checkAppend(appends);
    return new Promise((resolve, reject) => {
      this.#pending.push({ appends, ...size, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when everything that was asked for is answered. */
  async close(): Promise<void> {
    await this.#draining;
    await this.#writer.close();
  }

  async #drain(): Promise<void> {
    // What is asked for in this turn of the event loop still comes along.
    await new Promise(setImmediate);
    while (this.#pending.length > 0) {
      const batch = takeBatch(this.#pending);
      try {
        const outcomes = await this.#record(batch);
        batch.forEach(({ resolve }, index) => resolve(outcomes[index]!));
      } catch (fault) {
        for (const { reject } of batch) reject(fault);
      }
    }
    this.#draining = undefined;
  }

  async #record(pending: readonly PendingAppend[]): Promise<readonly AppendOutcome[]> {
    const writer = this.#writer;
    const asked = whatIsAsked(pending);
    const until = Date.now() + this.#patienceMilliseconds;
    let doubtful: Attempt | undefined;
    for (let pause = 10; ; pause = Math.min(pause * 2, 1_000)) {
      let written: Attempt | undefined;
      try {
        const turn = await writer.look(asked);
        if (doubtful && isKept(doubtful, turn)) {
          await writer.leave(turn);
          writer.reached(turn, turn.position);
          return doubtful.outcomes;
        }
        doubtful = undefined;
        const batch = new Batch(turn, this.#now());
        const outcomes = pending.map(({ appends }) => batch.decide(appends));
        if (batch.placed.length === 0) await writer.leave(turn);
        else {
          written = { placed: batch.placed, outcomes };
          await writer.write(turn, batch.placed);
        }
        writer.reached(turn, turn.position + batch.placed.length);
        return outcomes;
      } catch (error) {
        const nothingKept = error instanceof NothingKept;
        const cause = nothingKept ? error.cause : error;
        if (nothingKept) doubtful = undefined;
        else {
          writer.startOver();
          doubtful = written ?? doubtful;
        }
        const again = doubtful !== undefined || cause === undefined || writer.isPassing(cause);
        if (!again || Date.now() > until) throw doubtful ? notKnown(cause) : writer.faultOf(cause ?? error);
        if (cause !== undefined) await delay(pause);
      }
    }
  }
}

function whatIsAsked(pending: readonly PendingAppend[]): Asked {
  const ids: string[] = [];
  const streams = new Set<string>();
  const partitions = new Set<string>();
  for (const { appends } of pending) {
    for (const { stream, events } of appends) {
      streams.add(stream);
      for (const { id, partition } of events) {
        ids.push(id);
        partitions.add(partition);
      }
    }
  }
  return { ids, streams, partitions };
}

/** The same envelopes at the same positions: nobody else can have written those. */
function isKept({ placed }: Attempt, log: LogOnDisk): boolean {
  return placed.every((event) => {
    const kept = log.event(event.id);
    return kept !== undefined && encodeEnvelopeText(kept) === encodeEnvelopeText(event);
  });
}

function notKnown(cause: unknown): StoreFault {
  return new StoreFault(
    'io',
    'The log was lost at the moment of recording, and has not come back: whether this was recorded is not known. Send it again with the same event ids; what was recorded is not recorded twice.',
    { cause },
  );
}
