/** What a new version changes in the record, whatever the record is kept in. */
import { labels as everyLabel, maskOf } from '@carelog/access';
import type { IndexRow } from './index-rows.ts';
import type { ResourceIndex } from './record-projection.ts';
import { SEVERAL } from './tables.ts';

/** Whose partition it is. */
export interface Person {
  /** Number of its stream. */
  readonly patient: number;
  /** `Patient/id`. */
  readonly stream: string;
}

/** Whose a version is, and how confidential. */
export interface Facts {
  readonly patients: readonly number[];
  readonly labels: number;
}

/** `rows`: all that the version is found by; `owner`: the patient in whose partition it lies, 0 for none. */
export function factsOf(rows: readonly IndexRow[], owner: number, { access }: ResourceIndex): Facts {
  const named = rows.filter(({ table }) => table === 'compartment').map(({ values }) => Number(values[0]));
  const patients = named.length === 0 && owner !== 0 ? [owner] : named;
  return { patients, labels: access.labels + (patients.length > 1 ? SEVERAL : 0) };
}

/** Of a patient the record classes are left out: everybody has most of them. */
export const HIDING = maskOf(everyLabel) | SEVERAL;

/** Rows of the version before that the new one does not have, and those that it has anew; each once. */
export function difference(
  before: readonly IndexRow[],
  after: readonly IndexRow[],
): { readonly gone: readonly IndexRow[]; readonly come: readonly IndexRow[] } {
  // Most are new.
  if (before.length === 0) return { gone: [], come: eachOnce(after) };
  const [old, current] = [byName(before), byName(after)];
  const only = (some: Map<string, IndexRow>, others: Map<string, IndexRow>) =>
    [...some].filter(([name]) => !others.has(name)).map(([, row]) => row);
  return { gone: only(old, current), come: only(current, old) };
}

/** To compare few rows in pairs takes less than to name them. */
const PAIRED_MAX = 24;

function eachOnce(rows: readonly IndexRow[]): readonly IndexRow[] {
  if (rows.length > PAIRED_MAX) return [...byName(rows).values()];
  return rows.filter((row, at) => {
    for (let other = 0; other < at; other += 1) if (areEqual(rows[other]!, row)) return false;
    return true;
  });
}

const areEqual = (a: IndexRow, b: IndexRow): boolean =>
  a.table === b.table && a.values.every((value, at) => value === b.values[at]);

/** Equal rows share a name. */
function byName(rows: readonly IndexRow[]): Map<string, IndexRow> {
  const named = new Map<string, IndexRow>();
  for (const row of rows) {
    let name: string = row.table;
    for (const value of row.values) name += `\u0000${value}`;
    named.set(name, row);
  }
  return named;
}
