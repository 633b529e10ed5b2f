/** One batch is one append to several streams, which the server refuses when the log has moved on since it was looked at. */
import type { LogOnDisk } from '../batch.ts';
import { NothingKept } from '../coalescing-appender.ts';
import type { Asked, LogWriter } from '../coalescing-appender.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { Head } from '../event-store.ts';
import { faultOf, isOvertaken, isPassing, isRefused } from './kurrent-fault.ts';
import { inTurn } from './kurrent-log.ts';
import type { KurrentLog } from './kurrent-log.ts';

interface Turn extends LogOnDisk {
  readonly epoch: string;
}

export class KurrentWriter implements LogWriter<Turn> {
  readonly #log: KurrentLog;
  readonly #place: string;
  readonly #moved: (head: Head) => void;

  constructor(log: KurrentLog, place: string, moved: (head: Head) => void) {
    this.#log = log;
    this.#place = place;
    this.#moved = moved;
  }

  /** The head is read first: whatever else is read may be newer, and then the write is refused. */
  async look({ ids, streams, partitions }: Asked): Promise<Turn> {
    const { position, epoch, recordedAt } = await this.#log.head();
    const known = await inTurn(ids, (id) => this.#log.event(id));
    const revisions = await inTurn([...streams], async (stream) => {
      const last = await this.#log.last('stream', stream);
      return [stream, last ? last.number + 1 : 0] as const;
    });
    const tails = await inTurn([...partitions], async (partition) => {
      const last = await this.#log.last('partition', partition);
      return [partition, last?.position ?? 0] as const;
    });
    const knownById = new Map(known.flatMap((event) => (event ? [[event.id, event] as const] : [])));
    const revisionOf = new Map(revisions);
    const tailOf = new Map(tails);
    return {
      epoch,
      position,
      recordedAt,
      event: (id) => knownById.get(id),
      streamRevision: (stream) => revisionOf.get(stream) ?? 0,
      partitionTail: (partition) => tailOf.get(partition) ?? 0,
    };
  }

  async write({ position }: Turn, placed: readonly RecordedEvent[]): Promise<void> {
    try {
      await this.#log.append(position, placed);
    } catch (error) {
      if (isOvertaken(error)) throw new NothingKept('Somebody else wrote first');
      if (isRefused(error)) throw new NothingKept('The append was refused', { cause: error });
      throw error;
    }
  }

  /** Nothing is held. */
  async leave(): Promise<void> {}

  reached({ epoch }: Turn, position: number): void {
    this.#moved({ epoch, position });
  }

  /** The client connects again by itself. */
  startOver(): void {}

  isPassing(error: unknown): boolean {
    return isPassing(error);
  }

  faultOf(error: unknown): unknown {
    return faultOf(error, this.#place);
  }

  async close(): Promise<void> {}
}
