/**
 * Turns a search into rows to walk and tests on what is met, and tells whether that is quick. The walk goes by resource
 * key wherever it can, so that a page begins where the last one ended whatever was written in between.
 */
import type { SearchCondition } from '@carelog/fhir';
import { sql, type SqlBool } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import { bodyMeets, inTime } from './body-look.ts';
import type { Judge } from './candidates.ts';
import { anyOf, Names } from './comparisons.ts';
import type { NumberedCondition, NumberedLimit, NumberedSearch } from './numbers.ts';
import { isWithin } from './scope-limits.ts';
import { admit } from './search-admission.ts';
import { column, pointTest, rowsOf, type Keys, type Rows, type Test } from './search-tests.ts';
import { BODIES_MAX, chooseWalk, countOf, datesSelect, ROWS_MAX, walkType, type PatientWalk, type Probe } from './search-walk.ts'; // prettier-ignore
import { shapeOf } from './search-shape.ts';
import { SEVERAL } from './tables.ts';

export interface SearchPlan {
  readonly typeName: string;
  readonly timed: boolean;
  /** Equal for plans whose SQL is equal. */
  readonly shape: string;
  readonly values: Record<string, SQLInputValue>;
  /** Names for what is bound later: cursors, sorts. */
  readonly names: Names;
  /** What bodies are asked. */
  readonly looks: readonly SearchCondition[];
  /** The one patient whose rows are walked. */
  readonly patient?: PatientWalk;
  /** What is walked, for walks that another order can replace. */
  readonly walk: string;
  /** At most so many rows are walked; at least one more than `ROWS_MAX` where they are many. */
  bound(): number;
  /** The walk itself goes by key; else all that match are put in order first. */
  readonly isOrdered: boolean;
  /** Not every row that is walked is a match. */
  readonly isTested: boolean;
  /** No order but the key's, no test that could pass over many rows: a page costs what it holds. */
  readonly isPure: boolean;
  /** Conditions are looked up in rows that nothing bounds. */
  readonly isUnbounded: boolean;
  /** Some matches may be shown without their concealed elements. */
  readonly conceals: boolean;
  /** Keys that match, each once, as one select; `where` is asked of each as well. `inOrder`: by key. */
  keys(where?: Test, inOrder?: boolean): Keys;
  /** What is asked of the rows here rather than in the statement; `keys` may give more than what matches. */
  readonly judges: readonly Judge[];
  /** Some of the judges look into bodies. */
  readonly judgesBodies: boolean;
  /** The tests alone, asked of a resource that was met otherwise. */
  readonly tests: readonly Test[];
}

export interface PlanOptions {
  /** Every row asks whether there is time left. */
  readonly timed?: boolean;
  /** Walk the whole type, whatever else there is: for an order that an index of the type has. */
  readonly byType?: boolean;
  /** What the database has no functions for is judged here. */
  readonly isHere?: boolean;
  /** Of an audience that sees the records of at most so many, their patients are walked one by one. */
  readonly patientsMax?: number;
}

export function planSearch(
  search: NumberedSearch,
  probe: Probe,
  { timed = false, byType = false, isHere = false, patientsMax = ROWS_MAX }: PlanOptions = {},
): SearchPlan {
  const names = new Names();
  const [limit, ...others] = search.limits ?? [];
  const isOneLimit = limit !== undefined && others.length === 0;
  const rest = [...search.conditions, ...(isOneLimit ? limit.conditions : [])];
  const walk = byType
    ? walkType(search.type, names, probe)
    : chooseWalk(search, patientsMax, rest, names, probe);
  const { type } = search;
  const tests: Test[] = timed && !isHere ? [() => inTime] : [];
  const judges: Judge[] = [];
  const untold = tests.length;
  const looks: SearchCondition[] = [];
  const shapes = [walk.shape];
  let isUnbounded = false;
  const lookFor = (condition: NumberedCondition) => {
    shapes.push(`${shapeOf(condition)} look`);
    return looks.push(condition.asked) - 1;
  };
  /** Undefined where it is judged here. */
  const testOf = (condition: NumberedCondition): Test | undefined => {
    const point = pointTest(condition, type, names) ?? datesOfPatient(condition, walk.patient, names);
    if (point !== undefined) {
      shapes.push(shapeOf(condition));
      return point;
    }
    if (condition.kind === 'token-text' || walk.bound() <= BODIES_MAX) {
      const which = lookFor(condition);
      if (isHere) {
        judges.push((row, look) => look.meets(which, row.body));
        return undefined;
      }
      return (key) => bodyMeets(which, sql`(select r.body from resource r where r.key = ${key})`);
    }
    const isNot = condition.kind === 'token-system' && condition.not;
    const rows = rowsOf(isNot ? { ...condition, not: false } : condition, type, names);
    isUnbounded ||= countOf(condition, type, probe) > ROWS_MAX;
    const isIn = isNot ? sql`not in` : sql`in`;
    shapes.push(`${shapeOf(condition)} in`);
    // The plus keeps SQLite from entering an index by each pair of two such lists, of thousands each.
    return (key) => sql`+${key} ${isIn} (${sql.join(rows?.selects ?? [], sql` union all `)})`;
  };
  const limitTest = ({ patient, conditions }: NumberedLimit): Test => {
    shapes.push(`limit ${patient !== undefined} ${conditions.length}`);
    const all = [
      ...(patient === undefined ? [] : [ofPatientOnly(patient, names)]),
      ...conditions.map(testOf).filter((it) => it !== undefined),
    ];
    return (key) => sql`(${sql.join([sql`true`, ...all.map((test) => test(key))], sql` and `)})`;
  };
  tests.push(...rest.map(testOf).filter((it) => it !== undefined));
  if (isOneLimit) {
    if (limit.patient !== undefined) tests.push(limitTest({ patient: limit.patient, conditions: [] }));
  } else if (search.limits !== undefined && isHere) {
    const any = search.limits.map((limit) => ({ limit, which: limit.conditions.map(lookFor) }));
    judges.push((row, look) =>
      any.some(({ limit, which }) => isWithin(limit, row) && which.every((it) => look.meets(it, row.body))),
    );
  } else if (search.limits !== undefined) {
    const any = search.limits.map(limitTest);
    tests.push((key) => anyOf(any.map((test) => test(key))));
  }
  const isTested = tests.length > untold || judges.length > 0;
  const admission = admit(search, walk.patient?.number, names, (condition) => looks.push(condition) - 1, isHere); // prettier-ignore
  tests.push(...admission.tests);
  judges.push(...admission.judges);
  const isAdmitted = admission.tests.length + admission.judges.length === 0;
  return {
    typeName: search.typeName,
    timed,
    shape: `${shapes.join(';')};${admission.shape}${timed && !isHere ? ' timed' : ''}`,
    values: names.values,
    names,
    looks,
    ...(walk.patient && { patient: walk.patient }),
    walk: walk.shape,
    bound: walk.bound,
    isTested: isTested || (walk.patient === undefined && !isAdmitted),
    isOrdered: walk.rows.ordered,
    isPure: walk.rows.ordered && !isTested && isAdmitted,
    isUnbounded,
    conceals: admission.conceals,
    keys: (where, inOrder = false) =>
      merged(walk.rows, where === undefined ? tests : [...tests, where], inOrder),
    tests,
    judges,
    judgesBodies: judges.length > 0 && (looks.length > 0 || admission.judgesBodies),
  };
}

function ofPatientOnly(patient: number, names: Names): Test {
  const only = sql<SqlBool>`(r.patient = 0 or (r.patient = ${names.bind(patient)} and r.labels < ${sql.lit(SEVERAL)}))`;
  return (key) => sql`exists (select 1 from resource r where r.key = ${key} and ${only})`;
}

// Of one patient's dates there are few enough to gather all that match.
function datesOfPatient(
  condition: NumberedCondition,
  patient: PatientWalk | undefined,
  names: Names,
): Test | undefined {
  if (condition.kind !== 'date' || patient === undefined) return undefined;
  const select = datesSelect(condition, names.bind(patient.number), names);
  return (key) => sql`${key} in (${select})`;
}

// Selects that come in order are merged as they are read: a limit ends the reading.
function merged({ selects, ordered }: Rows, tests: readonly Test[], inOrder: boolean): Keys {
  const key = column('m.key');
  const where =
    tests.length === 0
      ? sql``
      : sql` where ${sql.join(
          tests.map((test) => test(key)),
          sql` and `,
        )}`;
  const distinct = ordered && selects.length === 1 ? sql`` : selects.length === 1 ? sql`distinct ` : sql``;
  const each = selects.map((select) => sql`select ${distinct}m.key as key from (${select}) m${where}`);
  return sql`${sql.join(each, sql` union `)}${inOrder ? sql` order by 1` : sql``}`;
}
