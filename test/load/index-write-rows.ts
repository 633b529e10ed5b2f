/** What the rows of each kind of search parameter cost to write: those of a real record, written once more in its order. */
import type { INDEX_COLUMNS } from '@carelog/read-models';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { cellOf, type Runs, type SingleRow } from './report.ts';

const RESOURCES_A_TRANSACTION = 1_000;

type Table = keyof typeof INDEX_COLUMNS;
const KINDS: Readonly<Record<string, readonly Table[]>> = {
  token: ['token', 'patient_token'],
  reference: ['reference', 'compartment', 'patient_target'],
  date: ['date', 'patient_date'],
  string: ['string'],
  number: ['number'],
  quantity: ['quantity', 'quantity_range'],
};

/** `record`: a record that nobody writes to. Writes beside it, in `folder`. */
export async function indexWriteRows(record: string, folder: string, runs: number): Promise<SingleRow[]> {
  const source = new DatabaseSync(record, { readOnly: true });
  try {
    const resources = Number(source.prepare('SELECT count(*) AS n FROM resource').get()!['n']);
    const rows: SingleRow[] = [];
    for (const [kind, tables] of Object.entries(KINDS)) {
      const written = tables.map((table) => rowsOf(source, table)).filter(({ rows }) => rows.length > 0);
      const count = written.reduce((sum, { rows }) => sum + rows.length, 0);
      if (count === 0) continue;
      const cell = await cellOf(async () => {
        const timed: { figures: number[]; floors: number[] } = { figures: [], floors: [] };
        for (let run = 0; run < runs; run += 1) {
          const place = (name: string) => join(folder, `${kind}-${name}-${run}.sqlite`);
          timed.floors.push((1e6 * seconds(place('floor'), written, bare)) / count);
          timed.figures.push((1e6 * seconds(place('index'), written, ({ create }) => create)) / count);
        }
        return timed satisfies Runs;
      });
      const name = `index, a ${kind} row; a resource has ${(count / resources).toFixed(count < resources ? 2 : 1)}`;
      rows.push({ name, unit: 'µs', cell, floor: 'the same rows in a table that keeps no order' });
    }
    return rows;
  } finally {
    source.close();
  }
}

interface Written {
  readonly create: string;
  readonly table: Table;
  readonly columns: readonly string[];
  /** In the order in which the record wrote them. */
  readonly rows: readonly Readonly<Record<string, SQLInputValue>>[];
  readonly keys: readonly number[];
}

function rowsOf(source: DatabaseSync, table: Table): Written {
  const { sql } = source.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').get(table) as {
    sql: string;
  };
  const rows = source.prepare(`SELECT * FROM "${table}" ORDER BY resource`).all() as Written['rows'];
  const columns = Object.keys(rows[0] ?? {});
  return { create: sql, table, columns, rows, keys: rows.map((row) => Number(row['resource'])) };
}

const bare = ({ table, columns }: Written): string => `CREATE TABLE "${table}" (${columns.join(', ')})`;

function seconds(path: string, written: readonly Written[], schema: (it: Written) => string): number {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536');
  let spent = 0;
  for (const it of written) {
    db.exec(schema(it));
    const insert = db.prepare(`INSERT INTO "${it.table}" VALUES (${it.columns.map(() => '?').join(', ')})`);
    const values = it.rows.map((row) => it.columns.map((column) => row[column]!));
    const begun = performance.now();
    let resources = 0;
    db.exec('BEGIN');
    values.forEach((row, i) => {
      insert.run(...row);
      if (it.keys[i] === it.keys[i + 1]) return;
      resources += 1;
      if (resources % RESOURCES_A_TRANSACTION === 0) db.exec('COMMIT; BEGIN');
    });
    db.exec('COMMIT');
    spent += performance.now() - begun;
  }
  db.close();
  return spent / 1_000;
}
