/** Rows of a table that come and go together, each column as one array. */
import type { ArrayType } from '@carelog/postgres';
import type { PoolClient } from 'pg';
import { INDEX_COLUMNS, type IndexTable } from '../tables.ts';
import { columnOf } from './texts.ts';
import { STRING_ENTERED_BY } from './tables.ts';

export type Row = readonly (number | string | null)[];

const TEXTS = new Set(['stream', 'body', 'partition', 'reason', 'detail', 'exact']);
const SMALL = new Set(['state', 'role', 'edge']);
const REAL = new Set(['number', 'quantity', 'quantity_range']);

function typeOf(table: string, column: string): ArrayType {
  if (TEXTS.has(column) || (table === 'string' && column === 'value')) return 'text';
  if (REAL.has(table) && ['value', 'high', 'low'].includes(column)) return 'double precision';
  return SMALL.has(column) ? 'smallint' : column === 'lane' ? 'int' : 'bigint';
}

function given(table: string, columns: readonly string[]): string {
  return `unnest(${columns.map((column, i) => `$${i + 1}::${typeOf(table, column)}[]`).join()})`;
}

const columnsOf = (columns: readonly string[]) => columns.map((column) => `"${column}"`).join();
const arraysOf = (table: string, columns: readonly string[], rows: readonly Row[]) =>
  columns.map((column, i) => columnOf(typeOf(table, column), rows.map((row) => row[i] ?? null))); // prettier-ignore

/** A row that is there already stays as it is. Resolves with how many were not. */
export async function insertRows(
  client: PoolClient,
  table: string,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const { rowCount } = await client.query({
    name: `insert ${table}`,
    text: `INSERT INTO "${table}" (${columnsOf(columns)}) SELECT * FROM ${given(table, columns)} ON CONFLICT DO NOTHING`,
    values: arraysOf(table, columns, rows),
  });
  return rowCount ?? 0;
}

/** Two equal dates of a resource have one row, and each its edge. */
const REPEATING: ReadonlySet<IndexTable> = new Set(['patient_date']);

/** As `insertRows`, of rows none of which is there: looking for them first is a third of what it costs. */
export async function insertNewRows(
  client: PoolClient,
  table: IndexTable,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  if (REPEATING.has(table)) return void (await insertRows(client, table, columns, rows));
  await client.query({
    name: `add ${table}`,
    text: `INSERT INTO "${table}" (${columnsOf(columns)}) SELECT * FROM ${given(table, columns)}`,
    values: arraysOf(table, columns, rows),
  });
}

export async function removeRows(client: PoolClient, table: IndexTable, rows: readonly Row[]): Promise<void> {
  const columns = INDEX_COLUMNS[table];
  const same = columns.map((column) => `t."${column}" = u."${column}"`);
  // The index of strings is entered by their beginning.
  if (table === 'string')
    same.push(`left(t.value, ${STRING_ENTERED_BY}) = left(u.value, ${STRING_ENTERED_BY})`);
  await client.query({
    name: `remove ${table}`,
    text: `DELETE FROM "${table}" t USING ${given(table, columns)} u(${columnsOf(columns)}) WHERE ${same.join(' AND ')}`,
    values: arraysOf(table, columns, rows),
  });
}

const INDEXES = Object.keys(INDEX_COLUMNS);

const NAMES = ['type', 'parameter', 'token_value', 'target', 'unit'];
const FILLING = [...INDEXES, ...NAMES, 'resource', 'version', 'more_patient', 'type_labels', 'patient_labels', 'person']; // prettier-ignore
const listed = (tables: readonly string[]) => tables.map((table) => `"${table}"`).join();

/** Lets the server look at what the tables hold, so that it plans by it. */
export const ANALYSE = `ANALYZE ${listed(FILLING)}`;

/** The names too: they may be somebody's. */
export async function clearAll(client: PoolClient): Promise<void> {
  await client.query(`TRUNCATE ${listed([...FILLING, 'parked', 'set_aside', 'checkpoint', 'generation'])}`);
  await client.query('INSERT INTO generation VALUES (gen_random_uuid()::text)');
}

/** Names stay, and bits of labels: other lanes may have them too. */
export async function clearLane(client: PoolClient, lane: number): Promise<void> {
  const mine = 'IN (SELECT key FROM resource WHERE lane = $1)';
  for (const table of INDEXES) await client.query(`DELETE FROM "${table}" WHERE resource ${mine}`, [lane]);
  await client.query(
    `DELETE FROM more_patient WHERE position IN (
       SELECT position FROM resource WHERE lane = $1 UNION ALL SELECT position FROM version WHERE resource ${mine})`,
    [lane],
  );
  await client.query(`DELETE FROM version WHERE resource ${mine}`, [lane]);
  await client.query('DELETE FROM set_aside WHERE partition IN (SELECT partition FROM parked WHERE lane = $1)', [lane]); // prettier-ignore
  for (const table of ['resource', 'person', 'parked', 'checkpoint'])
    await client.query(`DELETE FROM ${table} WHERE lane = $1`, [lane]);
}
