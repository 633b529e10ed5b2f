/** What an audience adds to a search of one type: tests of what is met, and whether anything of it is shown in part. */
import type { SearchCondition } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import { shownAs } from './admission.ts';
import { SHOWN } from './audience.ts';
import { bodyMeets } from './body-look.ts';
import type { Candidate, Judge } from './candidates.ts';
import { anyOf, type Names } from './comparisons.ts';
import type { NumberedSearch } from './numbers.ts';
import type { Test } from './search-tests.ts';
import { SEVERAL } from './tables.ts';

export interface SearchAdmission {
  readonly tests: readonly Test[];
  /** In place of tests, where rows are judged here. */
  readonly judges: readonly Judge[];
  /** Equal where the tests are. */
  readonly shape: string;
  /** Some of what matches may be shown without its concealed elements. */
  readonly conceals: boolean;
}

/**
 * `walked`: the one patient in whose compartment everything lies that is met; what is true of all of it is found out once.
 * `look`: takes a condition that bodies are asked, and gives its place among the looks.
 */
export function admit(
  { audience, typeName, type, asked }: NumberedSearch,
  walked: number | undefined,
  names: Names,
  look: (condition: SearchCondition) => number,
  isHere: boolean,
): SearchAdmission {
  if (audience === undefined || audience.seesAllOf(typeName)) return OPEN;
  const ways = walked === undefined ? undefined : audience.waysTo(walked, type);
  if (ways?.length === 0)
    return { tests: [() => sql<SqlBool>`false`], judges: [], shape: 'strange', conceals: false };
  const [first] = ways ?? [];
  const labels = walked === undefined ? -1 : audience.labelsOf(walked, typeName);
  const conceals =
    audience.conceal !== undefined &&
    (ways === undefined || ways.every((way) => way.conceals) || (labels & SEVERAL) !== 0);
  const tests: Test[] = [];
  const judges: Judge[] = [];
  const shapes: string[] = [];
  const add = (shape: string, judge: Judge, test: () => RawBuilder<SqlBool>) => {
    shapes.push(shape);
    if (isHere) {
      judges.push(judge);
      return;
    }
    const where = test();
    tests.push((key) => sql<SqlBool>`exists (select 1 from resource r where r.key = ${key} and ${where})`);
  };
  const decided = sql<SqlBool>`${shownAs('r')} <> ${sql.lit(SHOWN.no)}`;
  const isShown = (row: Candidate) => audience.shows(row) !== SHOWN.no;
  if (first === undefined) add('shown', isShown, () => decided);
  else if (((first.denied | SEVERAL) & labels) !== 0) {
    const mask = (first.denied | SEVERAL) >>> 0;
    const isOpen: Judge = (row) => (row.labels & mask) === 0 || isShown(row);
    add('labelled', isOpen, () => sql`(r.labels & ${names.bind(mask)} = 0 or ${decided})`);
  }
  if (conceals) {
    for (const allowed of asked.flatMap((it) => askedOpenly(it, audience.unasked(typeName)))) {
      const whole = sql<SqlBool>`${shownAs('r')} = ${sql.lit(SHOWN.whole)}`;
      const isWhole = (row: Candidate) => audience.shows(row) === SHOWN.whole;
      if (allowed === NOTHING) {
        add('unasked', isWhole, () => whole);
        continue;
      }
      const which = look(allowed);
      const isAsked: Judge = (row, looks) => isWhole(row) || looks.meets(which, row.body);
      add('asked', isAsked, () => sql`${anyOf([whole, bodyMeets(which, sql`r.body`)])}`);
    }
  }
  return { tests, judges, shape: shapes.join(), conceals };
}

const OPEN: SearchAdmission = { tests: [], judges: [], shape: '', conceals: false };
const NOTHING = 'nothing';

/** What of a condition may be asked of what is shown in part, where that is not all of it. */
function askedOpenly(
  condition: SearchCondition,
  unasked: readonly string[],
): readonly (SearchCondition | typeof NOTHING)[] {
  if (condition.kind !== 'compartment') return unasked.includes(condition.parameter) ? [NOTHING] : [];
  const parameters = condition.parameters.filter((it) => !unasked.includes(it));
  if (parameters.length === condition.parameters.length) return [];
  return parameters.length === 0 ? [NOTHING] : [{ ...condition, parameters }];
}
