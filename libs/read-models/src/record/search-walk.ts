/** What a search walks: the rows of one patient, of the patients whose records may be seen, of one condition, or of the type. */
import { sql, type RawBuilder } from 'kysely';
import { anyOf, compareDates, Names } from './comparisons.ts';
import { numbersIn } from './dialect.ts';
import type { NumberedCondition, NumberedSearch } from './numbers.ts';
import { column, isOneOf, live, rowsOf, type Keys, type Rows } from './search-tests.ts';
import { shapeOf } from './search-shape.ts';
import { ROLE } from './tables.ts';

/** How many rows these conditions' selects have, told up to one more than `ROWS_MAX`. */
export type Probe = (shape: string, rows: Rows, names: Names) => number;

/** What may be walked while the caller's thread waits: index rows, and bodies, which cost some twenty times as much. */
export const ROWS_MAX = 2_000;
export const BODIES_MAX = 300;

/** An identifier names about one resource. */
const FEW = 100;

export interface PatientWalk {
  readonly number: number;
  readonly role: number;
}

/** Rows to walk: all that match, and others. */
export interface Walk {
  readonly shape: string;
  readonly rows: Rows;
  /** The one patient in whose compartment all of them are. */
  readonly patient?: PatientWalk;
  bound(): number;
}

// Takes out of `rest` the conditions that the walk itself fulfils.
export function chooseWalk(
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
    const keys: Keys = sql`select d.resource as key from compartment d where d.patient in ${numbersIn(listed)} and d.type = ${of}`;
    return { selects: [keys], ordered: false };
  };
  const counted = new Names();
  const count = probe('patients', rows(counted), counted);
  return count > most ? undefined : { shape: 'patients', rows: rows(names), bound: () => count };
}

export function walkType(type: number, names: Names, probe: Probe): Walk {
  const keys: Keys = sql`select d.key from resource d where d.type = ${names.bind(type)} and ${live('d')}`;
  const rows: Rows = { selects: [keys], ordered: true };
  return { shape: 'type', rows, bound: () => probe('type', rows, names) };
}

const isCategory = ({ asked }: NumberedCondition) => asked.kind === 'token' && asked.parameter === 'category';

const isOrdered = (condition: NumberedCondition) => rowsOf(condition, 0, new Names())?.ordered === true;

/** Infinity where counting would itself walk without bound, or where nobody needs the number. */
export function countOf(condition: NumberedCondition, type: number, probe: Probe, isAlone = false): number {
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

export function datesSelect(
  condition: NumberedCondition & { kind: 'date' },
  patient: RawBuilder<unknown>,
  names: Names,
): Keys {
  const during = anyOf(
    condition.comparisons.map((it) => compareDates(it, column('d.low'), column('d.high'), names)),
  );
  return sql`select d.resource as key from patient_date d where d.patient = ${patient} and ${isOneOf(column('d.parameter'), condition.parameters, names)} and ${during}`;
}

const NO_ROWS: Rows = { selects: [], ordered: true };

function take(
  conditions: NumberedCondition[],
  wanted: (condition: NumberedCondition) => boolean,
): NumberedCondition | undefined {
  const index = conditions.findIndex(wanted);
  return index < 0 ? undefined : conditions.splice(index, 1)[0];
}
