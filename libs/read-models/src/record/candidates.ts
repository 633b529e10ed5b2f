/**
 * Rows that are judged here, one by one, where the database cannot ask what only the record's own functions can tell: how an
 * audience is shown a resource, and what is in its body.
 */
import { sql, type RawBuilder } from 'kysely';
import type { Audience, StoredFacts } from './audience.ts';
import type { BodyLook } from './body-look.ts';
import type { SearchPlan } from './search-plan.ts';

export interface Candidate extends StoredFacts {
  readonly key: number;
  /** Null also where no judge looks into it. */
  readonly body: string | null;
}

/** Whether a row is a match, as far as the statement could not tell. */
export type Judge = (row: Candidate, look: BodyLook) => boolean;

/** What a row `r` is judged by. */
export const judgedBy = (body: RawBuilder<unknown>) =>
  sql`r.key, r.position, r.patient, r.labels, r.type, ${body} as body`;

/** All that the plan's statement meets, in the order of keys. */
export function candidatesOf(plan: SearchPlan, keys: RawBuilder<unknown>): RawBuilder<Candidate> {
  const body = plan.judgesBodies ? sql`r.body` : sql`cast(null as text)`;
  return sql`select ${judgedBy(body)} from (${keys}) k join resource r on r.key = k.key order by r.key`;
}

/** Those of the rows that are matches, as they are read; what is asked about an audience is asked of many at a time. */
export function* judged<Row extends Candidate>(
  rows: Iterable<Row>,
  judges: readonly Judge[],
  audience: Audience | undefined,
  look: BodyLook,
): Iterable<Row> {
  for (const some of portions(rows)) {
    audience?.readAhead(some);
    for (const row of some) {
      look.askTime();
      if (judges.every((judge) => judge(row, look))) yield row;
    }
  }
}

const PORTION = 250;

/** The rows in arrays of some hundreds. */
export function* portions<Row>(rows: Iterable<Row>): Iterable<Row[]> {
  let some: Row[] = [];
  for (const row of rows) {
    if (some.push(row) < PORTION) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
