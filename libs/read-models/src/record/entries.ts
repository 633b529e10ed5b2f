/** Bundle entries written by the database: stored bodies are joined there and cross into JavaScript as one value. */
import { sql, type Expression, type RawBuilder } from 'kysely';
import { distinctJoined, either, joined, utf8 } from './dialect.ts';
import type { Numbers } from './numbers.ts';
import type { Shown } from './record.ts';
import { given, written } from './statement.ts';
import { SEVERAL } from './tables.ts';

export interface EntriesRow {
  /** UTF-8 JSON joined by commas; null when there are none. */
  readonly entries: Uint8Array | null;
  readonly count: number;
  /** Key of the last entry. */
  readonly last: number | null;
  /** Positions of the versions, and the numbers of the patients whose they are, each joined by commas. */
  readonly versions: string | null;
  readonly patients: string | null;
  /** Positions of those that name more patients than one. */
  readonly several: string | null;
  readonly isConcealed: number | null;
}

/** What the rows show. Of pages that are put together from several, all are given. */
export function shownIn(numbers: Numbers, rows: readonly (EntriesRow | undefined)[]): Shown {
  const listed = rows.filter((row) => row !== undefined && row.versions !== null);
  const several = listed.flatMap((row) => row?.several ?? []).join(',');
  const patients = new Set(listed.flatMap((row) => row?.patients?.split(',').map(Number) ?? []));
  for (const patient of several === '' ? [] : numbers.morePatients(several)) patients.add(patient);
  return {
    versions: listed.map((row) => row?.versions).join(','),
    patients: [...patients].flatMap((number) => numbers.patientId(number) ?? []),
    ...(listed.some((row) => row?.isConcealed === 1) && { isConcealed: true }),
  };
}

/** The same of versions that were read one by one. */
export function shownOf(
  numbers: Numbers,
  rows: readonly { readonly position: number; readonly patient: number; readonly labels: number }[],
  isConcealed: boolean,
): Shown {
  const several = rows.filter(({ labels }) => (labels & SEVERAL) !== 0).map(({ position }) => position);
  return shownIn(numbers, [
    {
      entries: null,
      count: 0,
      last: null,
      versions: rows.map(({ position }) => position).join(','),
      patients: rows.map(({ patient }) => patient).join(','),
      several: several.length === 0 ? null : several.join(','),
      isConcealed: isConcealed ? 1 : 0,
    },
  ]);
}

/** The columns of `shownIn`, of the resources `r`, which come in this order. `isConcealed`: 1 where something was taken out of one of them. */
export function shownColumns(isConcealed: RawBuilder<number>, order: RawBuilder<unknown>) {
  return [
    joined(sql`r.position`, ',', order).as('versions'),
    distinctJoined(sql`r.patient`).as('patients'),
    joined(sql`case when r.labels & ${sql.lit(SEVERAL)} <> 0 then r.position end`, ',', order).as('several'),
    isConcealed.as('isConcealed'),
  ] as const;
}

/** What a row has, in parts that are never joined here: copying half a megabyte costs more than all else about it. */
export function partsOf(row: EntriesRow | undefined): Uint8Array[] {
  return row === undefined || row.entries === null ? [] : [row.entries];
}

/** Between parts. */
export const COMMA: Uint8Array = new Uint8Array([0x2c]);

type Mode = 'match' | 'include';

/** What a statement that selects `searchEntries` must be given: what stands before, between and behind its rows. */
export function entryFrame(base: string, mode: Mode) {
  const head = `{"fullUrl":"${base}/`;
  const tail = `,"search":{"mode":"${mode}"}}`;
  return { head, between: `${tail},${head}`, tail };
}

/**
 * Entries of a searchset for the resources `r`, `body` of each, joined in the order in which the rows come: take them from a subquery that
 * is ordered and limited, one `r` for each row of it. Sorting again inside the aggregate doubles its cost.
 */
export function searchEntries(
  body: RawBuilder<string>,
  order: RawBuilder<unknown>,
): RawBuilder<Uint8Array | null> {
  const row = sql`r.stream || '","resource":' || ${body}`;
  return utf8(sql`${given('head')} || ${joined(row, given('between'), order)} || ${given('tail')}`);
}

/** A resource as it is shown, in place of a statement's rows. */
export interface ShownRow {
  readonly key: number;
  readonly stream: string;
  readonly position: number;
  readonly patient: number;
  readonly labels: number;
  readonly body: string | null;
  readonly isConcealed: boolean;
}

/** What a statement would have given for these resources, in this order. */
export function entriesHere(
  rows: readonly ShownRow[],
  { head, between, tail }: ReturnType<typeof entryFrame>,
): EntriesRow {
  const several = rows.filter(({ labels }) => (labels & SEVERAL) !== 0).map(({ position }) => position);
  const text = rows.map(({ stream, body }) => `${stream}","resource":${body}`).join(between);
  return {
    entries: rows.length === 0 ? null : encoder.encode(`${head}${text}${tail}`),
    count: rows.length,
    last: rows.at(-1)?.key ?? null,
    versions: rows.length === 0 ? null : rows.map(({ position }) => position).join(','),
    patients: rows.length === 0 ? null : rows.map(({ patient }) => patient).join(','),
    several: several.length === 0 ? null : several.join(','),
    isConcealed: rows.some((row) => row.isConcealed) ? 1 : 0,
  };
}

const encoder = new TextEncoder();

/** The entries of the resources with these keys, which come in the order of the keys, in one row. */
export function entriesOf(
  keys: Expression<unknown>,
  body: RawBuilder<string>,
  isConcealed: RawBuilder<number>,
) {
  return written(
    sql<EntriesRow>`with page as (${keys}) select ${searchEntries(body, sql`r.key`)} as entries, count(*) as count, max(r.key) as last, ${sql.join(shownColumns(isConcealed, sql`r.key`))} from page k join resource r on r.key = k.key`,
  );
}

/** The entries of the resources whose keys are given as a JSON array, in its order. */
export const entriesInOrder = (body: RawBuilder<string>, isConcealed: RawBuilder<number>) =>
  written(
    sql<EntriesRow>`select ${searchEntries(body, sql`k.place`)} as entries, count(*) as count, max(r.key) as last, ${sql.join(shownColumns(isConcealed, sql`k.place`))} from ${either(sql`json_each(${given('keys')}) k cross join resource r on r.key = k.value`, sql`jsonb_array_elements_text(cast(${given('keys')} as jsonb)) with ordinality k(value, place) join resource r on r.key = cast(k.value as bigint)`)}`,
  );
