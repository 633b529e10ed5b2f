/**
 * Appends of one process, coalesced: while one transaction runs, the next batch gathers. Each transaction takes its turn
 * at the log, looks up what the decisions need, decides with `Batch`, writes and commits: two round trips, since what
 * does not wait for an answer is sent together.
 *
 * When a connection is lost at COMMIT, nobody knows whether it happened. The next turn can tell: either all that was
 * placed lies where it was placed, or nothing does.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { checkAppend } from '../append-limits.ts';
import { Batch } from '../batch.ts';
import type { LogOnDisk } from '../batch.ts';
import { decodeEnvelope, encodeEnvelopeText } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import { newEventId } from '../event-id.ts';
import type { AppendOutcome, StreamAppend } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import type { Client, Driver } from './connection.ts';
import type { HeadWatch } from './head-watch.ts';
import { checksumOf } from './log-queries.ts';
import type { LogQueries } from './log-queries.ts';
import { faultOf, isPassing } from './postgres-fault.ts';
import { wireArray } from './wire-array.ts';

/** A transaction takes this many events or bytes at most (but always one append), so that none waits long for others. */
const maxBatchEvents = 5_000;
const maxBatchBytes = 16 * 1024 * 1024;

export interface AppenderOptions {
  readonly driver: Driver;
  readonly schema: string;
  readonly place: string;
  readonly queries: LogQueries;
  readonly watch: HeadWatch;
  readonly now: () => number;
  /** How long a batch is tried again while the server cannot be reached. */
  readonly patienceMilliseconds: number;
}

interface PendingAppend {
  readonly appends: readonly StreamAppend[];
  readonly events: number;
  readonly bytes: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (fault: unknown) => void;
}

/** What a transaction that may or may not have been committed placed, and what its callers hear if it was. */
interface Attempt {
  readonly placed: readonly RecordedEvent[];
  readonly outcomes: readonly AppendOutcome[];
}

interface Turn extends LogOnDisk {
  readonly number: number;
  readonly epoch: string;
}

export class Appender {
  readonly #options: AppenderOptions;
  #client: Client | undefined;
  #pending: PendingAppend[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
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
    await this.#client?.end();
  }

  async #drain(): Promise<void> {
    // What is asked for in this turn of the event loop still comes along.
    await new Promise(setImmediate);
    while (this.#pending.length > 0) await this.#record(this.#takeBatch());
    this.#draining = undefined;
  }

  #takeBatch(): PendingAppend[] {
    let events = 0;
    let bytes = 0;
    let count = 0;
    for (const pending of this.#pending) {
      events += pending.events;
      bytes += pending.bytes;
      if (count > 0 && (events > maxBatchEvents || bytes > maxBatchBytes)) break;
      count++;
    }
    return this.#pending.splice(0, count);
  }

  /** Answers everybody in the batch, good or bad. */
  async #record(pending: readonly PendingAppend[]): Promise<void> {
    const until = Date.now() + this.#options.patienceMilliseconds;
    let doubtful: Attempt | undefined;
    for (let pause = 10; ; pause = Math.min(pause * 2, 1_000)) {
      let written: Attempt | undefined;
      try {
        const client = (this.#client ??= await this.#connect());
        const turn = await this.#takeTurn(client, pending);
        if (doubtful && isKept(doubtful, turn)) written = doubtful;
        doubtful = undefined;
        if (written) await client.query('ROLLBACK');
        else {
          const batch = new Batch(turn, this.#options.now());
          const outcomes = pending.map(({ appends }) => batch.decide(appends));
          if (batch.placed.length === 0) await client.query('ROLLBACK');
          else {
            written = { placed: batch.placed, outcomes };
            await this.#commit(client, turn.position, batch.placed);
          }
          written ??= { placed: [], outcomes };
        }
        this.#moveHead(turn, written);
        const { outcomes } = written;
        return pending.forEach(({ resolve }, index) => resolve(outcomes[index]!));
      } catch (error) {
        const rolledBack = error instanceof RolledBack;
        const cause = rolledBack ? error.cause : error;
        if (!rolledBack) this.#dropConnection();
        doubtful = rolledBack ? undefined : (written ?? doubtful);
        if ((doubtful || isPassing(cause)) && Date.now() < until) {
          await delay(pause);
          continue;
        }
        const fault = doubtful ? this.#unknownFault(cause) : faultOf(cause, this.#options.place);
        return pending.forEach(({ reject }) => reject(fault));
      }
    }
  }

  async #connect(): Promise<Client> {
    const { driver, schema } = this.#options;
    const client = driver.client({ pipeline: true });
    // Whoever waits for an answer hears of it; between two batches the next one does.
    client.on('error', () => {
      if (this.#client === client) this.#dropConnection();
    });
    await client.connect();
    await client.query('SET synchronous_commit = on');
    await client.query(`SELECT ${schema}.settle_epoch($1)`, [newEventId()]);
    return client;
  }

  #dropConnection(): void {
    (this.#client?.connection as { stream?: Socket } | undefined)?.stream?.destroy();
    this.#client = undefined;
  }

  /** Begins the transaction, and reads all that `Batch` may ask of the log. */
  async #takeTurn(client: Client, pending: readonly PendingAppend[]): Promise<Turn> {
    const { schema, queries } = this.#options;
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
    const run = client.query.bind(client) as Parameters<LogQueries['head']>[0];
    const [, turn, known, revisions, tails] = await Promise.all([
      client.query('BEGIN'),
      run({
        name: 'turn',
        text: `SELECT epoch_number, epoch, head, last_envelope FROM ${schema}.take_turn()`,
        rowMode: 'array',
      }),
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

  /** Throws `RolledBack` where it is certain that nothing was kept; after any other error it is not known. */
  async #commit(client: Client, after: number, placed: readonly RecordedEvent[]): Promise<void> {
    const envelopes = placed.map(encodeEnvelopeText);
    const values = [
      after,
      wireArray(
        'text',
        placed.map(({ id }) => id),
      ),
      wireArray(
        'text',
        placed.map(({ stream }) => stream),
      ),
      `{${placed.map(({ revision }) => revision).join()}}`,
      wireArray(
        'text',
        placed.map(({ partition }) => partition),
      ),
      wireArray('text', envelopes),
      wireArray(
        'bytea',
        placed.map(({ content }) => content),
      ),
      `{${placed.map(({ content }, index) => checksumOf(envelopes[index]!, content)).join()}}`,
    ];
    const text = `SELECT ${this.#options.schema}.record($1, $2::text[]::uuid[], $3::text[], $4, $5::text[], $6::text[], $7::bytea[], $8)`;
    const [recorded, committed] = await Promise.allSettled([
      client.query({ name: 'record', text, values }),
      client.query('COMMIT'),
    ]);
    if (committed.status === 'rejected') throw committed.reason;
    if (committed.value.command !== 'COMMIT') {
      throw new RolledBack('The transaction was rolled back', {
        cause: recorded.status === 'rejected' ? recorded.reason : undefined,
      });
    }
  }

  #moveHead({ number, epoch, position }: Turn, { placed }: Attempt): void {
    const { watch } = this.#options;
    watch.reached({ number, epoch, position: Math.max(position, placed.at(-1)?.position ?? 0) });
    if (placed.length > 0) watch.tell();
  }

  #unknownFault(cause: unknown): StoreFault {
    return new StoreFault(
      'io',
      `The log at ${this.#options.place} was lost at the moment of recording, and has not come back: whether this was recorded is not known. Send it again with the same event ids; what was recorded is not recorded twice.`,
      { cause },
    );
  }
}

class RolledBack extends Error {
  override readonly name = 'RolledBack';
}

/** The same envelopes at the same positions: nobody else can have written those. */
function isKept({ placed }: Attempt, turn: Turn): boolean {
  return placed.every((event) => {
    const kept = turn.event(event.id);
    return kept !== undefined && encodeEnvelopeText(kept) === encodeEnvelopeText(event);
  });
}

function lastOfEach(name: string, table: string, key: string, value: string, wanted: ReadonlySet<string>) {
  const text = `SELECT k, ${value} FROM unnest($1::text[]) k CROSS JOIN LATERAL (
    SELECT ${value} FROM ${table} e WHERE e.${key} = k COLLATE "C" ORDER BY ${value} DESC LIMIT 1) last`;
  return { name, text, values: [wireArray('text', [...wanted])], rowMode: 'array' as const };
}
