/** The reading half of the log, over whatever runs a statement: every event is checked against its checksum. */
import type { QueryArrayConfig, QueryArrayResult } from 'pg';
import { crc32 } from 'node:zlib';
import { decodeEvent } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { Epoch, ReadOptions, ReadStreamOptions } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';

/** Runs a statement that is prepared under its name. */
export type Run = (statement: QueryArrayConfig) => Promise<QueryArrayResult>;

/** The head, with the number of its epoch: of two heads the one of the higher number is the later. */
export interface NumberedHead {
  readonly number: number;
  readonly epoch: string;
  readonly position: number;
}

type EventRow = readonly [position: number, envelope: string, content: Uint8Array, checksum: number];

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class LogQueries {
  readonly #place: string;
  readonly #schema: string;
  readonly #events: string;

  constructor(schema: string, place: string) {
    this.#place = place;
    this.#schema = schema;
    this.#events = `SELECT v.position, v.envelope, v.content, v.checksum FROM ${schema}.entry e JOIN ${schema}.event v USING (position)`;
  }

  async head(run: Run): Promise<NumberedHead> {
    const text = `SELECT number, id, (SELECT coalesce(max(position), 0) FROM ${this.#schema}.entry) FROM ${this.#schema}.epoch ORDER BY number DESC LIMIT 1`;
    const { rows } = await run({ name: 'head', text, rowMode: 'array' });
    const [number, epoch, position] = rows[0] as [number, string, number];
    return { number, epoch, position };
  }

  async epochs(run: Run): Promise<Epoch[]> {
    const text = `SELECT id, position FROM ${this.#schema}.epoch ORDER BY number`;
    const { rows } = await run({ name: 'epochs', text, rowMode: 'array' });
    return (rows as unknown as [string, number][]).map(([id, position]) => ({ id, position }));
  }

  async event(run: Run, id: string): Promise<RecordedEvent | undefined> {
    return (await this.eventsById(run, [id])).get(id);
  }

  async eventsById(run: Run, ids: readonly string[]): Promise<Map<string, RecordedEvent>> {
    const wanted = ids.filter((id) => uuid.test(id));
    const events = await this.#read(run, 'by-id', `${this.#events} WHERE e.id = ANY ($1::uuid[])`, [wanted]);
    return new Map(events.map((event) => [event.id, event]));
  }

  async stream(
    run: Run,
    stream: string,
    { from, direction = 'forwards', limit = 1_000 }: ReadStreamOptions = {},
  ): Promise<RecordedEvent[]> {
    const [name, condition, first] =
      direction === 'forwards'
        ? ['stream', 'e.revision >= $2 ORDER BY e.revision', from ?? 1]
        : ['stream-backwards', 'e.revision <= $2 ORDER BY e.revision DESC', from ?? 0x7fff_ffff];
    const text = `${this.#events} WHERE e.stream = $1 AND ${condition} LIMIT $3`;
    return this.#read(run, name, text, [stream, first, limit]);
  }

  async partition(
    run: Run,
    partition: string,
    { after = 0, limit = 1_000 }: ReadOptions = {},
  ): Promise<RecordedEvent[]> {
    const text = `${this.#events} WHERE e.partition = $1 AND e.position > $2 ORDER BY e.position LIMIT $3`;
    return this.#read(run, 'partition', text, [partition, after, limit]);
  }

  async all(run: Run, { after = 0, limit = 1_000 }: ReadOptions = {}): Promise<RecordedEvent[]> {
    const text = `SELECT position, envelope, content, checksum FROM ${this.#schema}.event WHERE position > $1 ORDER BY position LIMIT $2`;
    return this.#read(run, 'all', text, [after, limit]);
  }

  /** As `all`, with the epoch that these events belong to; without events, without. */
  async following(
    run: Run,
    after: number,
    limit: number,
  ): Promise<{ readonly events: RecordedEvent[]; readonly epoch: string | undefined }> {
    const text = `SELECT position, envelope, content, checksum, (SELECT id FROM ${this.#schema}.epoch ORDER BY number DESC LIMIT 1)
      FROM ${this.#schema}.event WHERE position > $1 ORDER BY position LIMIT $2`;
    const { rows } = await run({ name: 'following', text, values: [after, limit], rowMode: 'array' });
    return {
      events: (rows as unknown as EventRow[]).map((row) => this.#decode(row)),
      epoch: rows[0]?.[4] as string | undefined,
    };
  }

  async #read(run: Run, name: string, text: string, values: unknown[]): Promise<RecordedEvent[]> {
    const { rows } = await run({ name, text, values, rowMode: 'array' });
    return (rows as unknown as EventRow[]).map((row) => this.#decode(row));
  }

  #decode([position, envelope, content, checksum]: EventRow): RecordedEvent {
    if (checksumOf(envelope, content) !== checksum) {
      throw new StoreFault(
        'damaged',
        `Event ${position} of the log at ${this.#place} is not what was written: its checksum differs. Restore the log from a backup.`,
      );
    }
    return decodeEvent(envelope, content);
  }
}

/** CRC-32 over the bytes of the envelope, then those of the content. */
export function checksumOf(envelope: string, content: Uint8Array): number {
  return crc32(content, crc32(envelope));
}
