/** The reading half of the log, over one connection: statements prepared once, every event checked against its checksum. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { decodeEvent } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { Epoch, Head, ReadOptions, ReadStreamOptions } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';

type EventRow = readonly [position: number, envelope: string, content: Uint8Array, checksum: number];

const columns = 'position, envelope, content, checksum';

export class LogQueries {
  readonly #path: string;
  readonly #upTo: () => number;
  readonly #byId: StatementSync;
  readonly #streamForwards: StatementSync;
  readonly #streamBackwards: StatementSync;
  readonly #partition: StatementSync;
  readonly #all: StatementSync;
  readonly #head: StatementSync;
  readonly #revision: StatementSync;
  readonly #tail: StatementSync;
  readonly #epoch: StatementSync;
  readonly #epochs: StatementSync;

  /** `head`: nothing after this position is read. A commit is visible to every connection before its flush. */
  constructor(db: DatabaseSync, path: string, head = () => Number.MAX_SAFE_INTEGER) {
    const prepare = (sql: string): StatementSync => {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#path = path;
    this.#upTo = head;
    this.#byId = prepare(`SELECT ${columns} FROM event WHERE id = ? AND position <= ?`);
    this.#streamForwards = prepare(
      `SELECT ${columns} FROM event WHERE stream = ? AND revision >= ? AND position <= ? ORDER BY revision LIMIT ?`,
    );
    this.#streamBackwards = prepare(
      `SELECT ${columns} FROM event WHERE stream = ? AND revision <= ? AND position <= ? ORDER BY revision DESC LIMIT ?`,
    );
    this.#partition = prepare(
      `SELECT ${columns} FROM event WHERE partition = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?`,
    );
    this.#all = prepare(
      `SELECT ${columns} FROM event WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    );
    this.#head = prepare('SELECT coalesce(max(position), 0) FROM event');
    this.#revision = prepare('SELECT coalesce(max(revision), 0) FROM event WHERE stream = ?');
    this.#tail = prepare('SELECT coalesce(max(position), 0) FROM event WHERE partition = ?');
    this.#epoch = prepare('SELECT id FROM epoch ORDER BY number DESC LIMIT 1');
    this.#epochs = prepare('SELECT id, position FROM epoch ORDER BY number');
  }

  event(id: string): RecordedEvent | undefined {
    const row = this.#byId.get(idBytes(id), this.#upTo());
    return row && this.#decode(row as unknown as EventRow);
  }

  stream(
    stream: string,
    { from, direction = 'forwards', limit = 1_000 }: ReadStreamOptions = {},
  ): RecordedEvent[] {
    const upTo = this.#upTo();
    return direction === 'forwards'
      ? this.#decodeAll(this.#streamForwards.all(stream, from ?? 1, upTo, limit))
      : this.#decodeAll(this.#streamBackwards.all(stream, from ?? Number.MAX_SAFE_INTEGER, upTo, limit));
  }

  partition(partition: string, { after = 0, limit = 1_000 }: ReadOptions = {}): RecordedEvent[] {
    return this.#decodeAll(this.#partition.all(partition, after, this.#upTo(), limit));
  }

  all({ after = 0, limit = 1_000 }: ReadOptions = {}): RecordedEvent[] {
    return this.#decodeAll(this.#all.all(after, this.#upTo(), limit));
  }

  head(): Head {
    return { position: this.#number(this.#head), epoch: this.epoch() };
  }

  epoch(): string {
    const row = this.#epoch.get() as unknown as readonly [string] | undefined;
    if (!row)
      throw new StoreFault('damaged', `The log at ${this.#path} has no epoch. Restore it from a backup.`);
    return row[0];
  }

  epochs(): Epoch[] {
    const rows = this.#epochs.all() as unknown as (readonly [string, number])[];
    return rows.map(([id, position]) => ({ id, position }));
  }

  streamRevision(stream: string): number {
    return this.#number(this.#revision, stream);
  }

  partitionTail(partition: string): number {
    return this.#number(this.#tail, partition);
  }

  #number(statement: StatementSync, ...parameters: string[]): number {
    return (statement.get(...parameters) as unknown as readonly [number])[0];
  }

  #decodeAll(rows: readonly unknown[]): RecordedEvent[] {
    return rows.map((row) => this.#decode(row as EventRow));
  }

  #decode([position, envelope, content, checksum]: EventRow): RecordedEvent {
    if (checksumOf(envelope, content) !== checksum) {
      throw new StoreFault(
        'damaged',
        `Event ${position} of the log at ${this.#path} is not what was written: its checksum differs. Restore the log from a backup.`,
      );
    }
    return decodeEvent(envelope, content);
  }
}

/** CRC-32 over the bytes of the envelope, then those of the content. */
export function checksumOf(envelope: string, content: Uint8Array): number {
  return crc32(content, crc32(envelope));
}

/** The sixteen bytes of a UUID; of anything else, bytes that no event has. */
export function idBytes(id: string): Uint8Array {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}
