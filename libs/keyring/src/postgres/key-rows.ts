/** The keyring's rows in PostgreSQL, and the notice that a key was destroyed. */
import { listen, type Listening } from '@carelog/postgres';
import { escapeIdentifier, Pool, type QueryConfig, type QueryResultRow } from 'pg';
import type { WrappedKey } from '../data-key.ts';
import { closedFault, keyRowsFault } from './key-rows-fault.ts';

/** What was found of some partitions, and every erasure after a number, as of one moment. */
export interface FoundRows {
  readonly keys: readonly WrappedKey[];
  readonly erased: readonly string[];
  /** Of the last erasure. */
  readonly erasures: number;
}

const CHANNEL = 'carelog_erased';
const PAGE = 1_000;

export class KeyRows {
  readonly schema: string;
  readonly #pool: Pool;
  readonly #tables: string;
  readonly #listening: Listening;
  #closed = false;

  constructor(url: string, schema: string, onErased: () => void) {
    this.schema = schema;
    this.#tables = `${escapeIdentifier(schema)}.`;
    this.#pool = new Pool({
      connectionString: url,
      application_name: 'carelog keyring',
      connectionTimeoutMillis: 5_000,
      statement_timeout: 5_000,
      lock_timeout: 5_000,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
      max: 4,
    });
    // A connection that breaks while nobody uses it is replaced when somebody does.
    this.#pool.on('error', () => {});
    // One that breaks in use fails what is asked next; without a listener of its own it would end the process.
    this.#pool.on('connect', (client) => client.on('error', () => {}));
    // What was erased while nobody listened too.
    this.#listening = listen({ url, channel: CHANNEL, onHint: onErased, onConnected: onErased });
  }

  async masterKeyId(): Promise<string | undefined> {
    const [row] = await this.#run<{ id: string }>(`SELECT id FROM ${this.#tables}master_key`, []);
    return row?.id;
  }

  /** In one statement, so that a key and its erasure are never seen apart. */
  async find(partitions: readonly string[], erasuresAfter: number): Promise<FoundRows> {
    const t = this.#tables;
    const rows = await this.#run<{
      partition: string;
      id: string | null;
      wrapped: Buffer | null;
      number: string;
    }>(
      // Named, so that it is not planned anew each time: it is asked ten times a second and more.
      {
        name: 'find',
        text: `SELECT partition, id, wrapped, '0' AS number FROM ${t}data_key WHERE partition = ANY($1)
       UNION ALL
       SELECT partition, NULL, NULL, number::text FROM ${t}erasure WHERE number > $2 OR partition = ANY($1)`,
        values: [partitions, erasuresAfter],
      },
    );
    const keys = rows.flatMap(({ partition, id, wrapped }) =>
      id === null || wrapped === null ? [] : [{ partition, id, wrapped }],
    );
    const erased = rows.filter(({ id }) => id === null);
    return {
      keys,
      erased: erased.map(({ partition }) => partition),
      erasures: Math.max(erasuresAfter, ...erased.map(({ number }) => Number(number))),
    };
  }

  /** Adds keys of partitions that have none and were not erased; gives back those that were added. */
  async add(keys: readonly WrappedKey[]): Promise<ReadonlySet<string>> {
    const t = this.#tables;
    // In one order, so that two who make the same keys do not wait for each other.
    const sorted = keys.toSorted((a, b) => (a.partition < b.partition ? -1 : 1));
    const rows = await this.#run<{ partition: string }>(
      `INSERT INTO ${t}data_key
       SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS made (partition, id, wrapped)
       WHERE NOT EXISTS (SELECT 1 FROM ${t}erasure WHERE erasure.partition = made.partition)
       ON CONFLICT DO NOTHING RETURNING partition`,
      [
        sorted.map((it) => it.partition),
        sorted.map((it) => it.id),
        sorted.map((it) => Buffer.from(it.wrapped)),
      ],
    );
    return new Set(rows.map(({ partition }) => partition));
  }

  async erase(partition: string): Promise<void> {
    const t = this.#tables;
    await this.#guarded(async () => {
      const client = await this.#pool.connect();
      try {
        await client.query('BEGIN');
        // Keeps out whoever is about to make a key, and lets erasures be numbered in the order in which they are seen.
        await client.query(`LOCK TABLE ${t}data_key IN SHARE ROW EXCLUSIVE MODE`);
        await client.query(`DELETE FROM ${t}data_key WHERE partition = $1`, [partition]);
        await client.query(`INSERT INTO ${t}erasure (partition) VALUES ($1) ON CONFLICT DO NOTHING`, [
          partition,
        ]);
        await client.query(`NOTIFY ${CHANNEL}`);
        await client.query('COMMIT');
        client.release();
      } catch (fault) {
        client.release(true);
        throw fault;
      }
    });
  }

  /** All keys, then all erased partitions, in pages; for a backup. */
  async *everything(): AsyncGenerator<{
    readonly keys: readonly WrappedKey[];
    readonly erased: readonly string[];
  }> {
    const t = this.#tables;
    for (let after = ''; ;) {
      const keys = await this.#run<WrappedKey & QueryResultRow>(
        `SELECT partition, id, wrapped FROM ${t}data_key WHERE partition > $1 ORDER BY partition LIMIT ${PAGE}`,
        [after],
      );
      if (keys.length === 0) break;
      yield { keys, erased: [] };
      after = keys.at(-1)!.partition;
    }
    const erased = await this.#run<{ partition: string }>(
      `SELECT partition FROM ${t}erasure ORDER BY number`,
      [],
    );
    yield { keys: [], erased: erased.map(({ partition }) => partition) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([this.#listening.close(), this.#pool.end()]);
  }

  #run<Row extends QueryResultRow>(query: string | QueryConfig, values?: unknown[]): Promise<readonly Row[]> {
    return this.#guarded(async () => (await this.#pool.query<Row>(query, values)).rows);
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closedFault(this.schema);
    try {
      return await work();
    } catch (cause) {
      if (this.#closed) throw closedFault(this.schema);
      throw keyRowsFault(cause, this.schema);
    }
  }
}
