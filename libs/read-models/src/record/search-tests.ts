/** The conditions of a search as SQL: as a test on the key of a resource, and as the rows that match. */
import { normaliseString } from '@carelog/fhir';
import { sql, type Expression, type RawBuilder, type SqlBool } from 'kysely';
import { anyOf, compareDates, compareNumberRanges, compareNumbers, type Names } from './comparisons.ts';
import { contains, either, numbersIn, textsIn } from './dialect.ts';
import type { NumberedCondition } from './numbers.ts';
import { STRING_ENTERED_BY } from './postgres/tables.ts';
import { LIST_MAX } from './search-shape.ts';
import { ROLE, STATE } from './tables.ts';
import type { UnitComparison } from './unit-ranges.ts';

/** One condition as a predicate on the key of a resource. */
export type Test = (key: RawBuilder<number>) => Expression<SqlBool>;

/** A select of keys, named `key`. */
export type Keys = RawBuilder<{ key: number }>;

/** What an index answers for one resource with a single look; undefined where only the resource itself can tell. */
export function pointTest(condition: NumberedCondition, type: number, names: Names): Test | undefined {
  switch (condition.kind) {
    case 'streams': {
      const is = isOneOf(column('r.stream'), condition.streams, names);
      return (key) => ofResource(key, is);
    }
    case 'updated': {
      const updated = column('r.updated');
      const during = anyOf(condition.comparisons.map((it) => compareDates(it, updated, updated, names)));
      return (key) => ofResource(key, during);
    }
    case 'token': {
      const has = hasValue('token', 'value', condition.parameters, condition.values, names);
      return condition.not ? (key) => sql<SqlBool>`not ${has(key)}` : has;
    }
    case 'reference': {
      const { parameters, patients, targets } = condition;
      const either: Test[] = [];
      if (patients.length > 0) either.push(inCompartment(patients, ROLE.subject, type, names));
      if (targets.length > 0) either.push(hasValue('reference', 'target', parameters, targets, names));
      return (key) => anyOf(either.map((test) => test(key)));
    }
    case 'compartment': {
      const { patient, bySubject, parameters } = condition;
      const named = inCompartment([patient], bySubject ? 'not-owned' : ROLE.named, type, names);
      const refers = hasValue('reference', 'target', parameters, [patient], names);
      return (key) => anyOf(bySubject ? [named(key), refers(key)] : [refers(key)]);
    }
    case 'missing': {
      const bit = sql<SqlBool>`(r.present >> ${names.bind(condition.bit)}) & 1 = ${names.bind(condition.missing ? 0 : 1)}`;
      return (key) => ofResource(key, bit);
    }
    default:
      return undefined;
  }
}

/** In one of these patients' compartments, for at least this reason; or for any but lying in the patient's partition. */
export function inCompartment(
  patients: readonly number[],
  role: number | 'not-owned',
  type: number,
  names: Names,
): Test {
  const of = isOneOf(column('i.patient'), patients, names);
  const bound = names.bind(type);
  const because =
    role === 'not-owned' ? sql`i.role <> ${sql.lit(ROLE.owned)}` : sql`i.role >= ${names.bind(role)}`;
  return (key) =>
    sql<SqlBool>`exists (select 1 from compartment i where ${of} and i.type = ${bound} and i.resource = ${key} and ${because})`;
}

/**
 * The keys of the resources that match, one select for each value. `ordered`: each select gives its keys in order, each
 * once. Undefined where no index holds them.
 */
export interface Rows {
  readonly selects: readonly Keys[];
  readonly ordered: boolean;
}

/** More values than this are looked for in one select: SQLite merges few selects well. */
const SELECTS_MAX = 8;

export function rowsOf(condition: NumberedCondition, type: number, names: Names): Rows | undefined {
  switch (condition.kind) {
    case 'streams': {
      const is = isOneOf(column('d.stream'), condition.streams, names);
      const keys = sql<{
        key: number;
      }>`select d.key from resource d where ${is} and d.type = ${names.bind(type)} and ${live('d')}`;
      return { selects: [keys], ordered: false };
    }
    case 'updated': {
      const updated = column('d.updated');
      const of = names.bind(type);
      return unordered(condition.comparisons, (some) => {
        const during = anyOf(some.map((it) => compareDates(it, updated, updated, names)));
        return sql`select d.key from resource d where d.type = ${of} and ${live('d')} and ${during}`;
      });
    }
    case 'token':
      return condition.not
        ? undefined
        : equal('token', 'value', condition.parameters, condition.values, names);
    case 'token-system': {
      const { parameters, values, systems, not } = condition;
      if (not) return undefined;
      const ofSystem = sql<SqlBool>`d.value in (select id from token_value where ${isOneOf(sql.ref('system'), systems, names)})`;
      const known = values.length === 0 ? [] : [isOneOf(column('d.value'), values, names)];
      return { selects: [from('token', parameters, anyOf([ofSystem, ...known]), names)], ordered: false };
    }
    case 'reference': {
      const { patients, targets, parameters } = condition;
      const referring =
        targets.length === 0 ? undefined : equal('reference', 'target', parameters, targets, names);
      if (patients.length === 0) return referring;
      const of = names.bind(type);
      const keys = (some: readonly number[]) =>
        sql<{
          key: number;
        }>`select d.resource as key from compartment d where ${isOneOf(column('d.patient'), some, names)} and d.type = ${of} and d.role >= ${names.bind(ROLE.subject)}`;
      const about = patients.length > SELECTS_MAX ? [keys(patients)] : patients.map((it) => keys([it]));
      return {
        selects: [...about, ...(referring?.selects ?? [])],
        ordered: about.length === patients.length && referring?.ordered !== false,
      };
    }
    case 'date':
      return unordered(condition.comparisons, (some) => {
        const [low, high] = [column('d.low'), column('d.high')];
        const during = anyOf(some.map((it) => compareDates(it, low, high, names)));
        return from('date', condition.parameters, during, names);
      });
    case 'number':
      return unordered(condition.comparisons, (some) => {
        const is = anyOf(some.map((it) => compareNumbers(it, column('d.value'), names)));
        return from('number', condition.parameters, is, names);
      });
    case 'quantity': {
      const { parameters, comparisons } = condition;
      const numbers = unordered(comparisons, (some) =>
        from('quantity', parameters, anyOf(some.map((it) => measures(it, names))), names),
      );
      const ranges = unordered(comparisons, (some) =>
        from('quantity_range', parameters, anyOf(some.map((it) => spans(it, names))), names),
      );
      return { selects: [...numbers.selects, ...ranges.selects], ordered: false };
    }
    case 'string':
      return unordered(condition.values, (some) => {
        const is = anyOf(some.map((it) => says(condition.match, it, names)));
        return from('string', condition.parameters, is, names);
      });
    default:
      return undefined;
  }
}

function says(match: 'prefix' | 'exact' | 'contains', text: string, names: Names): RawBuilder<SqlBool> {
  const value = column('d.value');
  if (match === 'contains') return contains(value, names.bind(text));
  // The last of all characters: whatever begins with the text lies before it.
  if (match === 'prefix') {
    const [from, to] = [names.bind<string>(text), names.bind<string>(`${text}\u{10ffff}`)];
    const isWithin = sql<SqlBool>`${value} >= ${from} and ${value} < ${to}`;
    const begins = beginning(value);
    return sql`(${either(isWithin, sql`${begins} >= ${beginning(from)} and ${begins} <= ${beginning(to)} and ${isWithin}`)})`;
  }
  const normalised = normaliseString(text);
  const asked = names.bind<string>(normalised);
  const is = sql<SqlBool>`${value} = ${asked}`;
  return sql`(${either(is, sql`${beginning(value)} = ${beginning(asked)} and ${is}`)} and d.exact = ${names.bind(normalised === text ? '' : text)})`;
}

// What the index of strings has in PostgreSQL, where an entry has a bound.
const beginning = (text: RawBuilder<unknown>) => sql`left(${text}, ${sql.lit(STRING_ENTERED_BY)})`;

function measures({ units, ...comparison }: UnitComparison, names: Names): RawBuilder<SqlBool> {
  const is = compareNumbers(comparison, column('d.value'), names);
  return sql`(${isIn(units, names)} and ${is})`;
}

function spans({ units, ...comparison }: UnitComparison, names: Names): RawBuilder<SqlBool> {
  const is = compareNumberRanges(comparison, column('d.low'), column('d.high'), names);
  return sql`(${isIn(units, names)} and ${is})`;
}

// Naming every unit lets the index be entered at the value of each.
const isIn = (units: UnitComparison['units'], names: Names) =>
  units === undefined ? sql`d.unit in (select id from unit)` : isOneOf(column('d.unit'), units, names);

function unordered<Value>(values: readonly Value[], keys: (some: readonly Value[]) => Keys): Rows {
  const selects = values.length > SELECTS_MAX ? [keys(values)] : values.map((it) => keys([it]));
  return { selects, ordered: false };
}

function from(table: string, parameters: readonly number[], where: Expression<SqlBool>, names: Names): Keys {
  const parameter = isOneOf(column('d.parameter'), parameters, names);
  return sql`select d.resource as key from ${sql.table(table)} d where ${parameter} and ${where}`;
}

function equal(
  table: 'token' | 'reference',
  valueColumn: 'value' | 'target',
  parameters: readonly number[],
  values: readonly number[],
  names: Names,
): Rows {
  const is = (some: readonly number[]) => isOneOf(column(`d.${valueColumn}`), some, names);
  const few = parameters.length * values.length <= SELECTS_MAX;
  const selects = few
    ? parameters.flatMap((parameter) => values.map((value) => from(table, [parameter], is([value]), names)))
    : [from(table, parameters, is(values), names)];
  return { selects, ordered: few };
}

function hasValue(
  table: 'token' | 'reference',
  valueColumn: 'value' | 'target',
  parameters: readonly number[],
  values: readonly number[],
  names: Names,
): Test {
  const parameter = isOneOf(column('i.parameter'), parameters, names);
  const value = isOneOf(column(`i.${valueColumn}`), values, names);
  return (key) =>
    sql<SqlBool>`exists (select 1 from ${sql.table(table)} i where ${parameter} and ${value} and i.resource = ${key})`;
}

const ofResource = (key: RawBuilder<number>, where: Expression<SqlBool>) =>
  sql<SqlBool>`exists (select 1 from resource r where r.key = ${key} and ${where})`;

export const column = (name: string): RawBuilder<number> => sql.ref(name);
export const live = (alias: string) => sql<SqlBool>`${sql.ref(`${alias}.state`)} = ${sql.lit(STATE.live)}`;

export function isOneOf(
  value: RawBuilder<unknown>,
  values: readonly (number | string)[],
  names: Names,
): RawBuilder<SqlBool> {
  const [only] = values;
  // PostgreSQL knows no empty list.
  if (values.length === 0) return sql<SqlBool>`false`;
  if (values.length === 1 && only !== undefined) return sql`${value} = ${names.bind(only)}`;
  if (values.length > LIST_MAX)
    return sql`${value} in ${(typeof only === 'string' ? textsIn : numbersIn)(names.bind(JSON.stringify(values)))}`;
  return sql`${value} in (${sql.join(values.map((it) => names.bind(it)))})`;
}
