/**
 * One batch is one transaction: take the turn and read what the decisions need, then record and commit. That is two round
 * trips, since what does not wait for an answer is sent together.
 */
import { arrayOf } from '@carelog/postgres';
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

interface TurnRow {
  readonly epoch_number: number;
  readonly epoch: string;
  readonly head: number;
  readonly last_envelope: string | null;
  readonly known: readonly string[];
  readonly revisions: readonly number[];
  readonly tails: readonly string[];
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
    const text = `SELECT epoch_number, epoch, head, last_envelope, known, revisions, tails FROM ${schema}.take_turn($1::text[]::uuid[], $2::text[], $3::text[])`;
    const values = [textArray(ids), textArray([...streams]), textArray([...partitions])];
    const [, { rows }] = await Promise.all([
      client.query('BEGIN'),
      client.query<TurnRow>({ name: 'turn', text, values }),
    ]);
    const turn = rows[0]!;
    const run: Run = (statement) => client.query(statement);
    const known = turn.known.length > 0 ? await queries.eventsById(run, ids) : undefined;
    const revisionOf = byName(streams, turn.revisions);
    const tailOf = byName(partitions, turn.tails.map(Number));
    return {
      number: turn.epoch_number,
      epoch: turn.epoch,
      position: turn.head,
      recordedAt:
        turn.last_envelope === null ? '' : decodeEnvelope(Buffer.from(turn.last_envelope)).recordedAt,
      event: (id) => known?.get(id),
      streamRevision: (stream) => revisionOf.get(stream)!,
      partitionTail: (partition) => tailOf.get(partition)!,
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
      arrayOf(
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
  return arrayOf('text', values);
}

function byName(names: ReadonlySet<string>, values: readonly number[]): Map<string, number> {
  return new Map([...names].map((name, index) => [name, values[index]!]));
}
