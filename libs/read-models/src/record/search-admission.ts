/** What an audience adds to a search of one type: tests of what is met, and whether anything of it is shown in part. */
import type { SearchCondition } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import { isShown, shownAs, shownPart } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import { bodyMeets } from './body-look.ts';
import { anyOf, type Names } from './comparisons.ts';
import type { NumberedSearch } from './numbers.ts';
import type { Test } from './search-tests.ts';
import { SEVERAL } from './tables.ts';

export interface SearchAdmission {
  readonly tests: readonly Test[];
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
): SearchAdmission {
  if (audience === undefined || audience.seesAllOf(typeName)) return OPEN;
  const ways = walked === undefined ? undefined : audience.waysTo(walked, type);
  if (ways?.length === 0) return { tests: [() => sql<SqlBool>`0`], shape: 'strange', conceals: false };
  const [first] = ways ?? [];
  const labels = walked === undefined ? -1 : audience.labelsOf(walked, typeName);
  const conceals =
    audience.concealing !== undefined &&
    (ways === undefined || ways.every((way) => way.conceals) || (labels & SEVERAL) !== 0);
  const tests: Test[] = [];
  const shapes: string[] = [];
  const add = (shape: string, test: RawBuilder<SqlBool>) => {
    shapes.push(shape);
    tests.push((key) => sql<SqlBool>`exists (select 1 from resource r where r.key = ${key} and ${test})`);
  };
  const decided = sql<SqlBool>`${shownAs('r')} <> ${sql.lit(SHOWN.no)}`;
  if (first === undefined) add('shown', decided);
  else if (((first.denied | SEVERAL) & labels) !== 0) {
    const mask = names.bind((first.denied | SEVERAL) >>> 0);
    add('labelled', sql`(r.labels & ${mask} = 0 or ${decided})`);
  }
  if (conceals) {
    const whole = sql<SqlBool>`${shownAs('r')} = ${sql.lit(SHOWN.whole)}`;
    for (const condition of asked) {
      const answering = audience.concealing.answering(typeName, condition);
      if (answering === 'never') add('never', whole);
      if (answering === 'by-what-is-shown')
        add('shown part', sql`${anyOf([whole, bodyMeets(look(condition), shownPart('r'))])}`);
    }
    if (isLimitedByPlaces(audience, typeName)) add('scoped', isShown('r'));
  }
  return { tests, shape: shapes.join(), conceals };
}

const OPEN: SearchAdmission = { tests: [], shape: '', conceals: false };

/** Whether scopes ask what is not to be told of everybody. */
function isLimitedByPlaces(audience: Audience, typeName: string): boolean {
  const asked = audience.limits(typeName)?.flatMap(({ conditions }) => conditions) ?? [];
  return asked.some((it) => audience.concealing?.answering(typeName, it) !== 'freely');
}
