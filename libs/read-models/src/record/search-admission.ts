/** What an audience adds to a search of one type: tests of what is met, and whether anything of it is shown in part. */
import type { SearchCondition } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import { isShown, shownAs, shownPart, showsVersion } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
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
  /** A judge looks into bodies, besides those that are given to `look`. */
  readonly judgesBodies: boolean;
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
    return {
      tests: [() => sql<SqlBool>`false`],
      judges: [],
      judgesBodies: false,
      shape: 'strange',
      conceals: false,
    };
  const [first] = ways ?? [];
  const labels = walked === undefined ? -1 : audience.labelsOf(walked, typeName);
  const conceals =
    audience.concealing !== undefined &&
    (ways === undefined || ways.every((way) => way.conceals) || (labels & SEVERAL) !== 0);
  const isLimited = conceals && isLimitedByPlaces(audience, typeName);
  const tests: Test[] = [];
  const judges: Judge[] = [];
  const shapes: string[] = [];
  const add = (shape: string, judge: Judge, test: RawBuilder<SqlBool>) => {
    shapes.push(shape);
    if (isHere) judges.push(judge);
    else
      tests.push((key) => sql<SqlBool>`exists (select 1 from resource r where r.key = ${key} and ${test})`);
  };
  const decided = sql<SqlBool>`${shownAs('r')} <> ${sql.lit(SHOWN.no)}`;
  const isDecided = (row: Candidate) => audience.shows(row) !== SHOWN.no;
  if (first === undefined) add('shown', isDecided, decided);
  else if (((first.denied | SEVERAL) & labels) !== 0) {
    const mask = (first.denied | SEVERAL) >>> 0;
    // Named now: a statement that is there already is not written again.
    const denied = names.bind(mask);
    const isOpen: Judge = (row) => (row.labels & mask) === 0 || isDecided(row);
    add('labelled', isOpen, sql`(r.labels & ${denied} = 0 or ${decided})`);
  }
  if (conceals) {
    const whole = sql<SqlBool>`${shownAs('r')} = ${sql.lit(SHOWN.whole)}`;
    const isWhole: Judge = (row) => audience.shows(row) === SHOWN.whole;
    for (const condition of asked) {
      const answering = audience.concealing.answering(typeName, condition);
      if (answering === 'never') add('never', isWhole, whole);
      if (answering !== 'by-what-is-shown') continue;
      const which = look(condition);
      const meets: Judge = (row, looks) => row.body !== null && looks.meets(which, audience.shownPart(row.type, row.body)); // prettier-ignore
      const isAnswered: Judge = (row, looks) => isWhole(row, looks) || meets(row, looks);
      add('shown part', isAnswered, sql`${anyOf([whole, bodyMeets(which, shownPart('r'))])}`);
    }
    if (isLimited) add('scoped', (row) => showsVersion(audience, row) !== SHOWN.no, isShown('r'));
  }
  return { tests, judges, judgesBodies: isLimited, shape: shapes.join(), conceals };
}

const OPEN: SearchAdmission = { tests: [], judges: [], judgesBodies: false, shape: '', conceals: false };

/** Whether scopes ask what is not to be told of everybody. */
function isLimitedByPlaces(audience: Audience, typeName: string): boolean {
  const asked = audience.limits(typeName)?.flatMap(({ conditions }) => conditions) ?? [];
  return asked.some((it) => audience.concealing?.answering(typeName, it) !== 'freely');
}
