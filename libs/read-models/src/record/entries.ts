/** Bundle entries written by the database: stored bodies are joined there and cross into JavaScript as one value. */
import { sql, type Expression, type RawBuilder } from 'kysely';
import { given, record } from './statement.ts';

export interface EntriesRow {
  /** UTF-8 JSON joined by commas; null when there are none. */
  readonly entries: Uint8Array | null;
  readonly count: number;
  /** Key of the last entry. */
  readonly last: number | null;
}

/** One entry of a searchset for resource `r`. `head` is given: the start of the entry up to the base URL and its slash. */
export function searchEntry(mode: 'match' | 'include'): RawBuilder<string> {
  const tail = `,"search":{"mode":"${mode}"}}`;
  return sql<string>`${given('head')} || r.stream || '","resource":' || r.body || ${sql.lit(tail)}`;
}

/** Entries joined by commas in this order, as bytes. */
export function aggregated(
  entry: RawBuilder<string>,
  order: RawBuilder<unknown>,
): RawBuilder<Uint8Array | null> {
  return sql`cast(string_agg(${entry}, ',' order by ${order}) as blob)`;
}

/** The entries of the resources with these keys, in the order of the keys, in one row. */
export function entriesOf(keys: Expression<{ key: number }>, mode: 'match' | 'include') {
  return record
    .with('page', () => keys)
    .selectFrom('page as k')
    .innerJoin('resource as r', 'r.key', 'k.key')
    .select([
      aggregated(searchEntry(mode), sql`r.key`).as('entries'),
      sql<number>`count(*)`.as('count'),
      sql<number | null>`max(r.key)`.as('last'),
    ]);
}
