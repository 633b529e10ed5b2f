/** Puts matches in order here, where the database cannot read their values from bodies. The order is that of `gather`. */
import { sql, type RawBuilder } from 'kysely';
import { SHOWN, type Audience } from './audience.ts';
import type { BodyLook } from './body-look.ts';
import { judged, judgedBy, type Candidate } from './candidates.ts';
import { asOfVersion, datesOf, matchesWith, shapeOf, steady, type Ordering, type Place, type SortValue } from './search-order.ts'; // prettier-ignore

/** Whether every value comes from an index: then the database can put them in order. */
export function isOrderedThere({ plan, sort, dates, place }: Ordering): boolean {
  if (plan.judges.length > 0 || place !== undefined) return false;
  return sort.every(({ parameter, descending }, i) => {
    if (parameter === '_id' || parameter === '_lastUpdated') return true;
    return dates[i] !== undefined && datesOf(plan, dates[i], descending) !== undefined;
  });
}

/** A match, with what its values are read from. */
export interface Met extends Candidate {
  readonly stream: string;
  readonly updated: number;
  /** Of the version as of the place, where that is another. */
  readonly asOf: number | null;
  readonly updatedThen: number | null;
  readonly bodyThen: string | null;
  readonly [date: `d${number}`]: number | null;
}

export interface Placed {
  readonly key: number;
  readonly values: readonly SortValue[];
}

/** All matches, in no order, with what they are put in order by. */
export function met(ordering: Ordering): { readonly shape: string; readonly query: RawBuilder<Met> } {
  const shape = `met ${shapeOf(ordering)}`;
  const { plan, place } = ordering;
  const dates = datesUsed(ordering);
  const selects = dates.flatMap((it) => it.select ?? []);
  const readsBodies = plan.judgesBodies || ordering.sort.some((it, i) => readsBody(it.parameter, dates[i]?.column)); // prettier-ignore
  const columns = sql.join([
    judgedBy(readsBodies ? sql`r.body` : sql`cast(null as text)`),
    sql`r.stream, r.updated`,
    ...selects.map((_, i) => sql.ref(`k.d${i + 1}`)),
    place === undefined
      ? sql`cast(null as bigint) as "asOf", cast(null as bigint) as "updatedThen", cast(null as text) as "bodyThen"`
      : sql`v.until as "asOf", v.updated as "updatedThen", v.body as "bodyThen"`,
  ]);
  const then = place === undefined ? sql`` : sql`${asOfVersion} ${steady}`;
  return {
    shape,
    query: sql`with ${matchesWith(selects, plan)} select ${columns} from matches k join resource r on r.key = k.key ${then}`,
  };
}

/** The first so many behind the place that the ordering goes on from. */
export function placed(
  ordering: Ordering,
  rows: Iterable<Met>,
  audience: Audience | undefined,
  look: BodyLook,
  limit: number,
): readonly Placed[] {
  const { plan, sort, unasked, place } = ordering;
  const columns = datesUsed(ordering).map((it) => it.column);
  const valuesOf = (row: Met) =>
    sort.map(({ parameter }, i): SortValue => {
      const column = columns[i];
      if (column !== undefined)
        return row.asOf === null ? (row[column] ?? null) : look.sortValue(i, row.bodyThen);
      if (parameter === '_id') return row.stream;
      if (parameter === '_lastUpdated') return row.updatedThen ?? row.updated;
      const isKept = unasked.includes(parameter) && audience?.shows(row) !== SHOWN.whole;
      return isKept ? null : look.sortValue(i, row.bodyThen ?? row.body);
    });
  const order = (a: Placed | Place, b: Placed | Place) => compare(sort, a, b);
  const found: Placed[] = [];
  for (const row of judged(rows, plan.judges, audience, look)) {
    const it = { key: row.key, values: valuesOf(row) };
    if (place === undefined || order(it, place) > 0) found.push(it);
  }
  return found.sort(order).slice(0, limit);
}

function datesUsed({ plan, sort, dates }: Ordering) {
  let count = 0;
  return sort.map(({ descending }, i) => {
    const select = dates[i] === undefined ? undefined : datesOf(plan, dates[i], descending);
    return select === undefined ? {} : { select, column: `d${(count += 1)}` as const };
  });
}

const readsBody = (parameter: string, column: string | undefined) =>
  column === undefined && parameter !== '_id' && parameter !== '_lastUpdated';

// Resources without a value come last in either direction; ties go by key, in the direction of the first sort key.
function compare(sort: Ordering['sort'], a: Placed | Place, b: Placed | Place): number {
  for (const [i, { descending }] of sort.entries()) {
    const [x, y] = [a.values[i] ?? null, b.values[i] ?? null];
    if (x === y) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    return isBefore(x, y) === descending ? 1 : -1;
  }
  return sort[0]?.descending ? b.key - a.key : a.key - b.key;
}

// As SQLite has it: numbers before texts, and texts by their bytes in UTF-8.
function isBefore(a: string | number, b: string | number): boolean {
  if (typeof a === 'number') return typeof b === 'number' ? a < b : true;
  return typeof b === 'string' && Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
