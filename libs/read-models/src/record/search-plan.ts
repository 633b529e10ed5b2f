/**
 * Turns a search into rows to walk and tests on what is met, and tells whether that is quick. The walk goes by resource
 * key wherever it can, so that a page begins where the last one ended whatever was written in between.
 */
import type { SearchCondition } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import { bodyMeets, inTime } from './body-look.ts';
import { anyOf, compareDates, Names } from './comparisons.ts';
import type { NumberedCondition, NumberedLimit, NumberedSearch } from './numbers.ts';
import { admit } from './search-admission.ts';
import { column, isOneOf, live, pointTest, rowsOf, type Keys, type Rows, type Test } from './search-tests.ts'; // prettier-ignore
import { shapeOf } from './search-shape.ts';
import { ROLE, SEVERAL } from './tables.ts';

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
  /** The tests alone, asked of a resource that was met otherwise. */
  readonly tests: readonly Test[];
}

export interface PatientWalk {
  readonly number: number;
  readonly role: number;
}

/** How many rows these conditions' selects have, told up to one more than `ROWS_MAX`. */
export type Probe = (shape: string, rows: Rows, names: Names) => number;

/** What may be walked while the caller's thread waits: index rows, and bodies, which cost some twenty times as much. */
export const ROWS_MAX = 2_000;
export const BODIES_MAX = 300;

/** An identifier names about one resource. */
const FEW = 100;

export interface PlanOptions {
  /** Every row asks whether there is time left. */
  readonly timed?: boolean;
  /** Walk the whole type, whatever else there is: for an order that an index of the type has. */
  readonly byType?: boolean;
  /** Of an audience that sees the records of at most so many, their patients are walked one by one. */
  readonly patientsMax?: number;
}

export function planSearch(
  search: NumberedSearch,
  probe: Probe,
  { timed = false, byType = false, patientsMax = ROWS_MAX }: PlanOptions = {},
): SearchPlan {
  const names = new Names();
  const [limit, ...others] = search.limits ?? [];
  const isOneLimit = limit !== undefined && others.length === 0;
  const rest = [...search.conditions, ...(isOneLimit ? limit.conditions : [])];
  const walk = byType
    ? walkType(search.type, names, probe)
    : chooseWalk(search, patientsMax, rest, names, probe);
  const { type } = search;
  const tests: Test[] = timed ? [() => inTime] : [];
  const looks: SearchCondition[] = [];
  const shapes = [walk.shape];
  let isUnbounded = false;
  const testOf = (condition: NumberedCondition): Test => {
    const point = pointTest(condition, type, names) ?? datesOfPatient(condition, walk.patient, names);
    if (point !== undefined) {
      shapes.push(shapeOf(condition));
      return point;
    }
    if (condition.kind === 'token-text' || walk.bound() <= BODIES_MAX) {
      shapes.push(`${shapeOf(condition)} look`);
      const which = looks.push(condition.asked) - 1;
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
      ...conditions.map(testOf),
    ];
    return (key) => sql`(${sql.join([sql`1`, ...all.map((test) => test(key))], sql` and `)})`;
  };
  tests.push(...rest.map(testOf));
  if (isOneLimit) {
    if (limit.patient !== undefined) tests.push(limitTest({ patient: limit.patient, conditions: [] }));
  } else if (search.limits !== undefined) {
    const any = search.limits.map(limitTest);
    tests.push((key) => anyOf(any.map((test) => test(key))));
  }
  const isTested = tests.length > (timed ? 1 : 0);
  const admission = admit(search, walk.patient?.number, names, (condition) => looks.push(condition) - 1);
  tests.push(...admission.tests);
  return {
    typeName: search.typeName,
    timed,
    shape: `${shapes.join(';')};${admission.shape}${timed ? ' timed' : ''}`,
    values: names.values,
    names,
    looks,
    ...(walk.patient && { patient: walk.patient }),
    walk: walk.shape,
    bound: walk.bound,
    isTested: isTested || (walk.patient === undefined && admission.tests.length > 0),
    isOrdered: walk.rows.ordered,
    isPure: walk.rows.ordered && !isTested && admission.tests.length === 0,
    isUnbounded,
    conceals: admission.conceals,
    keys: (where, inOrder = false) =>
      merged(walk.rows, where === undefined ? tests : [...tests, where], inOrder),
    tests,
  };
}

function ofPatientOnly(patient: number, names: Names): Test {
  const only = sql<SqlBool>`(r.patient = 0 or (r.patient = ${names.bind(patient)} and r.labels < ${sql.lit(SEVERAL)}))`;
  return (key) => sql`exists (select 1 from resource r where r.key = ${key} and ${only})`;
}

interface Walk {
  readonly shape: string;
  readonly rows: Rows;
  readonly patient?: PatientWalk;
  bound(): number;
}

// Takes out of `rest` the conditions that the walk itself fulfils.
function chooseWalk(
  search: NumberedSearch,
  patientsMax: number,
  rest: NumberedCondition[],
  names: Names,
  probe: Probe,
): Walk {
  const { type, typeName, audience } = search;
  const few = take(rest, (it) => it.kind === 'streams') ?? take(rest, (it) => it.kind === 'token' && it.rows === 'few' && !it.not); // prettier-ignore
  if (few !== undefined) {
    const rows = rowsOf(few, type, names) ?? NO_ROWS;
    return {
      shape: `few ${shapeOf(few)}`,
      rows,
      bound: () => (few.kind === 'streams' ? few.streams.length : FEW),
    };
  }
  const subject = take(
    rest,
    (it) => it.kind === 'reference' && it.patients.length === 1 && it.targets.length === 0,
  );
  if (subject?.kind === 'reference')
    return walkPatient(type, { number: subject.patients[0] ?? 0, role: ROLE.subject }, rest, names, probe);
  const compartment = rest.find((it) => it.kind === 'compartment');
  if (compartment !== undefined)
    return walkPatient(type, { number: compartment.patient, role: ROLE.named }, rest, names, probe);
  const [only, ...others] = audience?.reach(typeName, 1) ?? [];
  if (only !== undefined && others.length === 0)
    return walkPatient(type, { number: only, role: ROLE.named }, rest, names, probe);
  const reach = (most: number) => audience?.reach(typeName, Math.min(most, patientsMax));
  return walkEverybody(type, rest, reach, names, probe);
}

function walkPatient(
  type: number,
  patient: PatientWalk,
  rest: NumberedCondition[],
  names: Names,
  probe: Probe,
): Walk {
  const [of, role] = [names.bind(patient.number), names.bind(patient.role)];
  const walk = (shape: string, rows: Rows): Walk => {
    let bound: number | undefined;
    return { shape, rows, patient, bound: () => (bound ??= probe(shape, rows, names)) };
  };
  // Of a category there are many, of a code few.
  rest.sort((a, b) => Number(isCategory(a)) - Number(isCategory(b)));
  const token = take(
    rest,
    (it) => it.kind === 'token' && !it.not && it.rows === 'by-patient' && it.values.length === 1 && it.parameters.length === 1, // prettier-ignore
  );
  if (token?.kind === 'token') {
    const [parameter, value] = [names.bind(token.parameters[0] ?? 0), names.bind(token.values[0] ?? 0)];
    const keys: Keys = sql`select d.resource as key from patient_token d where d.patient = ${of} and d.parameter = ${parameter} and d.value = ${value} and d.role >= ${role}`;
    return walk('patient-token', { selects: [keys], ordered: true });
  }
  const date = take(rest, (it) => it.kind === 'date');
  if (date?.kind === 'date') {
    const keys: Keys = sql`${datesSelect(date, of, names)} and d.role >= ${role}`;
    return walk(`patient-${shapeOf(date)}`, { selects: [keys], ordered: false });
  }
  const keys: Keys = sql`select d.resource as key from compartment d where d.patient = ${of} and d.type = ${names.bind(type)} and d.role >= ${role}`;
  return walk('compartment', { selects: [keys], ordered: true });
}

function walkEverybody(
  type: number,
  rest: NumberedCondition[],
  reach: (most: number) => readonly number[] | undefined,
  names: Names,
  probe: Probe,
): Walk {
  const counted = rest.map((condition) => ({
    condition,
    count: countOf(condition, type, probe, rest.length === 1),
  }));
  const fewest = counted.reduce<(typeof counted)[number] | undefined>(
    (best, it) => (best === undefined || it.count < best.count ? it : best),
    undefined,
  );
  const isFew = fewest !== undefined && fewest.count <= ROWS_MAX;
  const most = Math.min(fewest?.count ?? ROWS_MAX, ROWS_MAX);
  const within = most > FEW ? walkPatients(type, reach(most), names, probe, most) : undefined;
  if (within !== undefined) return within;
  const all = walkType(type, names, probe);
  if (!isFew && rest.length > 0 && all.bound() <= BODIES_MAX) return all;
  // Of many rows those that come in order are best: the walk may end with the page.
  const chosen = isFew || rest.length === 1 ? fewest?.condition : rest.find((it) => isOrdered(it));
  const rows = chosen && rowsOf(chosen, type, names);
  if (chosen !== undefined && rows !== undefined) {
    take(rest, (it) => it === chosen);
    const shape = `walk ${shapeOf(chosen)}`;
    return {
      shape,
      rows,
      bound: () => (isFew ? fewest.count : isEntered(chosen) ? probe(shape, rows, names) : Infinity),
    };
  }
  return all;
}

// Undefined where these patients have more than `most` of the type; then nothing was named.
function walkPatients(
  type: number,
  patients: readonly number[] | undefined,
  names: Names,
  probe: Probe,
  most: number,
): Walk | undefined {
  if (patients === undefined) return undefined;
  const rows = (names: Names): Rows => {
    const [listed, of] = [names.bind(JSON.stringify(patients)), names.bind(type)];
    const keys: Keys = sql`select d.resource as key from compartment d where d.patient in (select value from json_each(${listed})) and d.type = ${of}`;
    return { selects: [keys], ordered: false };
  };
  const counted = new Names();
  const count = probe('patients', rows(counted), counted);
  return count > most ? undefined : { shape: 'patients', rows: rows(names), bound: () => count };
}

function walkType(type: number, names: Names, probe: Probe): Walk {
  const keys: Keys = sql`select d.key from resource d where d.type = ${names.bind(type)} and ${live('d')}`;
  const rows: Rows = { selects: [keys], ordered: true };
  return { shape: 'type', rows, bound: () => probe('type', rows, names) };
}

const isCategory = ({ asked }: NumberedCondition) => asked.kind === 'token' && asked.parameter === 'category';

const isOrdered = (condition: NumberedCondition) => rowsOf(condition, 0, new Names())?.ordered === true;

/** Infinity where counting would itself walk without bound, or where nobody needs the number. */
function countOf(condition: NumberedCondition, type: number, probe: Probe, isAlone = false): number {
  const names = new Names();
  if (!isEntered(condition)) return Infinity;
  const rows = rowsOf(condition, type, names);
  if (rows === undefined || (isAlone && rows.ordered)) return Infinity;
  return probe(shapeOf(condition), rows, names);
}

// Whether the index is entered where the matches are, so that those before and behind cost nothing.
function isEntered(condition: NumberedCondition): boolean {
  const VALUES_MAX = 8;
  switch (condition.kind) {
    case 'token':
    case 'reference':
      return true;
    case 'date':
      return condition.comparisons.length <= VALUES_MAX && condition.comparisons.every(({ prefix }) => ['eq', 'gt', 'ge', 'sa', 'eb'].includes(prefix)); // prettier-ignore
    case 'quantity':
      return condition.comparisons.length <= VALUES_MAX && condition.comparisons.every(({ prefix }) => prefix !== 'ne' && prefix !== 'ap'); // prettier-ignore
    case 'updated':
    case 'number':
      return condition.comparisons.length <= VALUES_MAX && condition.comparisons.every(({ prefix }) => prefix !== 'ne'); // prettier-ignore
    case 'string':
      return condition.match !== 'contains' && condition.values.length <= VALUES_MAX;
    default:
      return false;
  }
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

function datesSelect(
  condition: NumberedCondition & { kind: 'date' },
  patient: RawBuilder<unknown>,
  names: Names,
): Keys {
  const during = anyOf(
    condition.comparisons.map((it) => compareDates(it, column('d.low'), column('d.high'), names)),
  );
  return sql`select d.resource as key from patient_date d where d.patient = ${patient} and ${isOneOf(column('d.parameter'), condition.parameters, names)} and ${during}`;
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

const NO_ROWS: Rows = { selects: [], ordered: true };

function take(
  conditions: NumberedCondition[],
  wanted: (condition: NumberedCondition) => boolean,
): NumberedCondition | undefined {
  const index = conditions.findIndex(wanted);
  return index < 0 ? undefined : conditions.splice(index, 1)[0];
}
