/** Writes the population in its own SQLite file, one transaction a batch. */
import type { Policy } from '@carelog/access';
import type { Checkpoint, Parked, ProjectedBatch, Touched } from '@carelog/projection';
import type { CareSettingsWriter } from '../care-settings/care-settings-writer.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import { SqliteDatabase } from '../record/database.ts';
import { populationVersion } from './population.ts';
import {
  CREATE_POPULATION,
  PopulationTables,
  type Ask,
  type Engine,
  type History,
} from './population-tables.ts';
import { pseudonymsBy, type Digest } from './pseudonyms.ts';

export interface PopulationWriterOptions {
  readonly path: string;
  /** By which it is told who is counted. */
  readonly policy: Policy;
  /** Under a key of the installation. */
  readonly digest: Digest;
  /** Asked when somebody comes back who had opted out, and for versions that were not kept. */
  readonly history: Required<History>;
}

/** Of what a file keeps of the same rules. 1: not what never counted. */
const FILE_VERSION = 1;

/** Opens the file, made if it is not there; one of another version, or another policy, is emptied and built anew. */
export function openPopulationWriter({
  path,
  policy,
  digest,
  history,
}: PopulationWriterOptions): CareSettingsWriter {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    // What is deleted is overwritten: who opted out is not in the file any more.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cache_size = -16384;'); // prettier-ignore
    // 32 bits, of which SQLite keeps the sign.
    db.makeTables(Number.parseInt(populationVersion(policy), 16) ^ FILE_VERSION, CREATE_POPULATION);
    const tables = new PopulationTables(engineOn(db), 'main', 0, pseudonymsBy(digest), history);
    return new SqlitePopulationWriter(db, tables);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

const STATEMENTS_MAX = 200;

/** Each statement is prepared once, as far as there are not too many of different lengths. */
export function askOf(db: SqliteDatabase): Ask {
  const known = new Map<string, ReturnType<SqliteDatabase['prepare']>>();
  return async (sql, values) => {
    let statement = known.get(sql);
    if (statement === undefined) {
      if (known.size >= STATEMENTS_MAX) known.clear();
      known.set(sql, (statement = db.prepare(sql.replaceAll(/\$(\d+)/g, '?$1'))));
    }
    return statement.all(...values) as Awaited<ReturnType<Ask>>;
  };
}

/** Values of one question, and rows of one insertion: a statement of each length is prepared once. */
const ASKED_AT_ONCE = 512;
const ROWS_AT_ONCE = [128, 16, 4, 1];

const engineOn = (db: SqliteDatabase): Engine => ({
  ask: askOf(db),
  among: (values) =>
    lotsOf(values, () => ASKED_AT_ONCE).map((some) => {
      // A few lengths, so that a few statements are prepared once.
      const length = 2 ** Math.ceil(Math.log2(some.length));
      const filled = [...some, ...new Array<string>(length - some.length).fill(some[0]!)];
      return { sql: `IN (${parameters(length)})`, values: filled };
    }),
  rowsOf: (_, rows) =>
    lotsOf(rows, (left) => ROWS_AT_ONCE.find((it) => it <= left)!).map((some) => {
      const width = some[0]!.length;
      const each = some.map((_, index) => `(${parameters(width, index * width)})`);
      return { sql: `VALUES ${each.join()}`, values: some.flat() };
    }),
});

/** `most`: of so many that are left. */
function lotsOf<It>(all: readonly It[], most: (left: number) => number): readonly (readonly It[])[] {
  const lots: (readonly It[])[] = [];
  for (let at = 0; at < all.length; at += lots.at(-1)!.length)
    lots.push(all.slice(at, at + most(all.length - at)));
  return lots;
}

const parameters = (count: number, after = 0): string =>
  Array.from({ length: count }, (_, index) => `$${after + index + 1}`).join();

class SqlitePopulationWriter implements CareSettingsWriter {
  readonly #db: SqliteDatabase;
  readonly #tables: PopulationTables;

  constructor(db: SqliteDatabase, tables: PopulationTables) {
    this.#db = db;
    this.#tables = tables;
  }

  checkpoint(): Promise<Checkpoint | undefined> {
    return this.#tables.checkpoint();
  }

  parked(): Promise<readonly Parked[]> {
    return this.#tables.parked();
  }

  /** Touches nothing that anybody is shown by its stream. */
  async apply({ changes, parked, checkpoint }: ProjectedBatch<Told>): Promise<Touched> {
    await this.#transaction(async () => {
      const reached = await this.#tables.checkpoint();
      // Made from another life of the log.
      if (reached !== undefined && reached.epoch !== checkpoint.epoch) await this.#tables.clear();
      const after = reached?.epoch === checkpoint.epoch ? reached.position : 0;
      const arrived = changes.flatMap(({ event, change }) => (event.position > after ? [{ told: change, partition: event.partition }] : [])); // prettier-ignore
      const until = Math.max(after, checkpoint.position);
      await this.#tables.park(parked, []);
      await this.#tables.put(arrived, until, true);
      if (checkpoint.position > after) await this.#tables.moveCheckpoint(checkpoint);
    });
    return parked.length > 0 ? 'all' : new Set();
  }

  async clear(): Promise<void> {
    await this.#transaction(() => this.#tables.clear());
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  // This connection is asked by nobody else, so that a transaction may wait for the log.
  async #transaction(work: () => Promise<void>): Promise<void> {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      await work();
      this.#db.exec('COMMIT');
    } catch (fault) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw fault;
    }
  }
}
