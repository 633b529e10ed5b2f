/**
 * One batch is one transaction: take the turn and read what the decisions need, then record and commit. That is two round
 * trips, since what does not wait for an answer is sent together.
 */
import type { QueryArrayConfig } from 'pg';
import type { Socket } from 'node:net';
import type { LogOnDisk } from '../batch.ts';
import { NothingKept } from '../coalescing-appender.ts';
import type { Asked, LogWriter } from '../coalescing-appender.ts';
import { decodeEnvelope, encodeEnvelopeText } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import { newEventId } from '../event-id.ts';
import type { Client, Driver } from './connection.ts';
import type { HeadWatch } from './head-watch.ts';
import { checksumOf } from './log-queries.ts';
import type { LogQueries, Run } from './log-queries.ts';
import { faultOf, isPassing } from './postgres-fault.ts';
import { wireArray } from './wire-array.ts';

export interface PostgresWriterOptions {
  readonly driver: Driver;
  readonly schema: string;
  readonly place: string;
  readonly queries: LogQueries;
  readonly watch: HeadWatch;
}

interface Turn extends LogOnDisk {
  readonly number: number;
  readonly epoch: string;
}

export class PostgresWriter implements LogWriter<Turn> {
  readonly #options: PostgresWriterOptions;
  #client: Client | undefined;

  constructor(options: PostgresWriterOptions) {
    this.#options = options;
  }

  async look({ ids, streams, partitions }: Asked): Promise<Turn> {
    const { schema, queries } = this.#options;
    const client = (this.#client ??= await this.#connect());
    const run: Run = (statement) => client.query(statement);
    const turnText = `SELECT epoch_number, epoch, head, last_envelope FROM ${schema}.take_turn()`;
    const [, turn, known, revisions, tails] = await Promise.all([
      client.query('BEGIN'),
      run({ name: 'turn', text: turnText, rowMode: 'array' }),
      queries.eventsById(run, ids),
      run(lastOfEach('revisions', `${schema}.entry`, 'stream', 'revision', streams)),
      run(lastOfEach('tails', `${schema}.entry`, 'partition', 'position', partitions)),
    ]);
    const [number, epoch, position, lastEnvelope] = turn.rows[0] as [number, string, number, string | null];
    const revisionOf = new Map(revisions.rows as [string, number][]);
    const tailOf = new Map(tails.rows as [string, number][]);
    return {
      number,
      epoch,
      position,
      recordedAt: lastEnvelope === null ? '' : decodeEnvelope(Buffer.from(lastEnvelope)).recordedAt,
      event: (id) => known.get(id),
      streamRevision: (stream) => revisionOf.get(stream) ?? 0,
      partitionTail: (partition) => tailOf.get(partition) ?? 0,
    };
  }

  async write({ position }: Turn, placed: readonly RecordedEvent[]): Promise<void> {
    const client = this.#client!;
    const envelopes = placed.map(encodeEnvelopeText);
    const checksums = placed.map(({ content }, index) => checksumOf(envelopes[index]!, content));
    const values = [
      position,
      textArray(placed.map(({ id }) => id)),
      textArray(placed.map(({ stream }) => stream)),
      `{${placed.map(({ revision }) => revision).join()}}`,
      textArray(placed.map(({ partition }) => partition)),
      textArray(envelopes),
      wireArray(
        'bytea',
        placed.map(({ content }) => content),
      ),
      `{${checksums.join()}}`,
    ];
    const text = `SELECT ${this.#options.schema}.record($1, $2::text[]::uuid[], $3::text[], $4, $5::text[], $6::text[], $7::bytea[], $8)`;
    const [recorded, committed] = await Promise.allSettled([
      client.query({ name: 'record', text, values }),
      client.query('COMMIT'),
    ]);
    if (committed.status === 'rejected') throw committed.reason;
    if (committed.value.command !== 'COMMIT') {
      const cause: unknown = recorded.status === 'rejected' ? recorded.reason : undefined;
      throw new NothingKept('The transaction was rolled back', { cause });
    }
  }

  async leave(): Promise<void> {
    await this.#client!.query('ROLLBACK');
  }

  reached({ number, epoch, position: before }: Turn, position: number): void {
    const { watch } = this.#options;
    watch.reached({ number, epoch, position });
    if (position > before) watch.tell();
  }

  startOver(): void {
    (this.#client?.connection as { stream?: Socket } | undefined)?.stream?.destroy();
    this.#client = undefined;
  }

  isPassing(error: unknown): boolean {
    return isPassing(error);
  }

  faultOf(error: unknown): unknown {
    return faultOf(error, this.#options.place);
  }

  async close(): Promise<void> {
    await this.#client?.end();
  }

  async #connect(): Promise<Client> {
    const { driver, schema } = this.#options;
    const client = driver.client({ pipeline: true });
    // Whoever waits for an answer hears of it; between two batches the next one does.
    client.on('error', () => {
      if (this.#client === client) this.startOver();
    });
    try {
      await client.connect();
      await client.query('SET synchronous_commit = on');
      await client.query(`SELECT ${schema}.settle_epoch($1)`, [newEventId()]);
      return client;
    } catch (error) {
      void client.end().catch(() => {});
      throw error;
    }
  }
}

function textArray(values: readonly string[]): Buffer {
  return wireArray('text', values);
}

function lastOfEach(
  name: string,
  table: string,
  key: string,
  value: string,
  wanted: ReadonlySet<string>,
): QueryArrayConfig {
  const text = `SELECT k, ${value} FROM unnest($1::text[]) k CROSS JOIN LATERAL (
    SELECT ${value} FROM ${table} e WHERE e.${key} = k COLLATE "C" ORDER BY ${value} DESC LIMIT 1) last`;
  return { name, text, values: [textArray([...wanted])], rowMode: 'array' };
}
