/**
 * Turns a search into one ordered walk over an index and tests on what it meets. The walk always goes by resource key, so
 * a page begins where the last one ended whatever was written in between.
 */
import type { DateComparison } from '@carelog/fhir';
import { sql, type Expression, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import { given, record } from './statement.ts';
import { ROLE, STATE, type RecordTables } from './tables.ts';

/** A search whose names were exchanged for the record's numbers. Every list holds at least one. */
export interface NumberedSearch {
  readonly type: number;
  readonly conditions: readonly NumberedCondition[];
  /** The one patient whose record the caller may see. */
  readonly restrictTo?: number;
}

export type NumberedCondition =
  | { readonly kind: 'streams'; readonly streams: readonly string[] }
  | { readonly kind: 'updated'; readonly comparisons: readonly DateComparison[] }
  /** `by-patient`: each value has rows by patient too; `few`: a value names few resources, whoever they belong to. */
  | {
      readonly kind: 'token';
      readonly parameter: number;
      readonly values: readonly number[];
      readonly rows: 'by-patient' | 'few' | 'many';
    }
  /** `patients` by their compartment, `targets` by reference; one of the lists may be empty. */
  | {
      readonly kind: 'reference';
      readonly parameter: number;
      readonly patients: readonly number[];
      readonly targets: readonly number[];
    }
  | { readonly kind: 'date'; readonly parameter: number; readonly comparisons: readonly DateComparison[] };

export interface SearchPlan {
  /** Equal for plans whose SQL is equal. */
  readonly shape: string;
  readonly values: Readonly<Record<string, SQLInputValue>>;
  /** Keys that match, each once, in no order yet. */
  keys(): KeyQuery;
}

export type KeyQuery = SelectQueryBuilder<{ matches: { key: number } }, 'matches', { key: number }>;

/** Chooses the walk that meets the fewest rows: an id, one patient's rows, one value's rows, a range, or the whole type. */
export function planSearch(search: NumberedSearch): SearchPlan {
  const names = new Names();
  const rest = [...search.conditions];
  const walk = chooseWalk(search, rest, names);
  const tests = rest.map((condition) => test(condition, search, walk, names));
  const { restrictTo } = search;
  if (restrictTo !== undefined && walk.patient?.id !== restrictTo) {
    tests.push(inCompartment([restrictTo], ROLE.owned, search.type, names));
  }
  return {
    shape: [walk.shape, ...tests.map((it) => it.shape)].join(';'),
    values: names.values,
    keys() {
      let keys = walk.from();
      for (const { where } of tests) keys = keys.where(where(walk.key));
      return keys;
    },
  };
}

interface Walk {
  readonly shape: string;
  readonly key: RawBuilder<number>;
  /** The patient whose rows alone are walked. */
  readonly patient?: { readonly id: number; readonly name: string };
  from(): KeyQuery;
}

interface Test {
  readonly shape: string;
  where(key: RawBuilder<number>): Expression<SqlBool>;
}

/** Hands out a name for each value, in order; equal shapes take equal names. */
class Names {
  readonly values: Record<string, SQLInputValue> = {};
  #count = 0;

  name(value: SQLInputValue): string {
    const name = `p${(this.#count += 1)}`;
    this.values[name] = value;
    return name;
  }

  all(values: readonly SQLInputValue[]): readonly string[] {
    return values.map((value) => this.name(value));
  }
}

// Takes out of `rest` the conditions that the walk itself fulfils.
function chooseWalk(search: NumberedSearch, rest: NumberedCondition[], names: Names): Walk {
  const streams = take(rest, (it) => it.kind === 'streams');
  if (streams?.kind === 'streams') return walkStreams(search.type, streams.streams, names);
  const exact = take(rest, (it) => it.kind === 'token' && it.rows === 'few');
  if (exact?.kind === 'token') return walkValues('token', 'value', exact.parameter, exact.values, names);
  const subject = take(
    rest,
    (it) => it.kind === 'reference' && it.patients.length === 1 && it.targets.length === 0,
  );
  const patient = subject?.kind === 'reference' ? subject.patients[0] : search.restrictTo;
  if (patient !== undefined) {
    const role = subject === undefined ? ROLE.owned : ROLE.subject;
    return walkPatient(search.type, patient, role, rest, names);
  }
  return walkEverybody(search.type, rest, names);
}

function walkPatient(
  type: number,
  patient: number,
  role: number,
  rest: NumberedCondition[],
  names: Names,
): Walk {
  const name = names.name(patient);
  const roleName = names.name(role);
  const token = take(rest, (it) => it.kind === 'token' && it.rows === 'by-patient' && it.values.length === 1);
  const at = { key: column('d.resource'), patient: { id: patient, name } };
  if (token?.kind === 'token') {
    const [parameter, value] = names.all([token.parameter, token.values[0] ?? 0]);
    return {
      ...at,
      shape: 'patient-token',
      from: () =>
        record
          .selectFrom('patient_token as d')
          .select('d.resource as key')
          .where('d.patient', '=', given(name))
          .where('d.parameter', '=', given(parameter ?? ''))
          .where('d.value', '=', given(value ?? ''))
          .where('d.role', '>=', given(roleName)) as unknown as KeyQuery,
    };
  }
  const date = take(rest, (it) => it.kind === 'date');
  if (date?.kind === 'date') {
    const parameter = names.name(date.parameter);
    const ranges = comparisons(date.comparisons, names);
    return {
      ...at,
      shape: `patient-date ${ranges.shape}`,
      from: () =>
        record
          .selectFrom('patient_date as d')
          .select('d.resource as key')
          .distinct()
          .where('d.patient', '=', given(name))
          .where('d.parameter', '=', given(parameter))
          .where('d.role', '>=', given(roleName))
          .where(ranges.on(column('d.low'), column('d.high'))) as unknown as KeyQuery,
    };
  }
  const typeName = names.name(type);
  return {
    ...at,
    shape: 'compartment',
    from: () =>
      record
        .selectFrom('compartment as d')
        .select('d.resource as key')
        .where('d.patient', '=', given(name))
        .where('d.type', '=', given(typeName))
        .where('d.role', '>=', given(roleName)) as unknown as KeyQuery,
  };
}

function walkEverybody(type: number, rest: NumberedCondition[], names: Names): Walk {
  const token = take(rest, (it) => it.kind === 'token');
  if (token?.kind === 'token') {
    return walkValues('token', 'value', token.parameter, token.values, names);
  }
  const reference = take(rest, (it) => it.kind === 'reference' && it.patients.length === 0);
  if (reference?.kind === 'reference') {
    return walkValues('reference', 'target', reference.parameter, reference.targets, names);
  }
  const date = take(rest, (it) => it.kind === 'date');
  if (date?.kind === 'date') {
    const parameter = names.name(date.parameter);
    const ranges = comparisons(date.comparisons, names);
    return {
      shape: `date ${ranges.shape}`,
      key: column('d.resource'),
      from: () =>
        record
          .selectFrom('date as d')
          .select('d.resource as key')
          .distinct()
          .where('d.parameter', '=', given(parameter))
          .where(ranges.on(column('d.low'), column('d.high'))) as unknown as KeyQuery,
    };
  }
  const typeName = names.name(type);
  return {
    shape: 'type',
    key: column('d.key'),
    from: () =>
      record
        .selectFrom('resource as d')
        .select('d.key as key')
        .where('d.type', '=', given(typeName))
        .where(live('d')) as unknown as KeyQuery,
  };
}

function walkStreams(type: number, streams: readonly string[], names: Names): Walk {
  const typeName = names.name(type);
  const list = names.all(streams);
  return {
    shape: `streams ${list.length}`,
    key: column('d.key'),
    from: () =>
      record
        .selectFrom('resource as d')
        .select('d.key as key')
        .where(
          'd.stream',
          'in',
          list.map((name) => given<string>(name)),
        )
        .where('d.type', '=', given(typeName))
        .where(live('d')) as unknown as KeyQuery,
  };
}

function walkValues(
  table: 'token' | 'reference',
  valueColumn: 'value' | 'target',
  parameter: number,
  values: readonly number[],
  names: Names,
): Walk {
  const parameterName = names.name(parameter);
  const list = names.all(values);
  return {
    shape: `${table} ${list.length}`,
    key: column('d.resource'),
    from() {
      const rows = record
        .selectFrom(`${table} as d` as 'token as d')
        .select('d.resource as key')
        .where('d.parameter', '=', given(parameterName));
      const matching = rows.where(isOneOf(column(`d.${valueColumn}`), list)) as unknown as KeyQuery;
      return list.length === 1 ? matching : matching.distinct();
    },
  };
}

function test(condition: NumberedCondition, search: NumberedSearch, walk: Walk, names: Names): Test {
  switch (condition.kind) {
    case 'streams': {
      const list = names.all(condition.streams);
      return {
        shape: `is ${list.length}`,
        where: (key) => resourceRow(key, isOneOf(column('r.stream'), list)),
      };
    }
    case 'updated': {
      const ranges = comparisons(condition.comparisons, names);
      const where = ranges.on(column('r.updated'), column('r.updated'));
      return { shape: `updated ${ranges.shape}`, where: (key) => resourceRow(key, where) };
    }
    case 'token':
      return hasValue('token', 'value', condition.parameter, condition.values, names);
    case 'reference': {
      const { parameter, patients, targets } = condition;
      const either = [
        ...(patients.length > 0 ? [inCompartment(patients, ROLE.subject, search.type, names)] : []),
        ...(targets.length > 0 ? [hasValue('reference', 'target', parameter, targets, names)] : []),
      ];
      return {
        shape: either.map((it) => it.shape).join(' or '),
        where: (key) => anyOf(either.map((it) => it.where(key))),
      };
    }
    case 'date':
      return hasDate(condition.parameter, condition.comparisons, walk, names);
  }
}

function hasValue(
  table: 'token' | 'reference',
  valueColumn: 'value' | 'target',
  parameter: number,
  values: readonly number[],
  names: Names,
): Test {
  const parameterName = names.name(parameter);
  const list = names.all(values);
  return {
    shape: `has ${table} ${list.length}`,
    where: (key) =>
      exists(
        record
          .selectFrom(`${table} as i` as 'token as i')
          .select(sql.lit(1).as('one'))
          .where('i.parameter', '=', given(parameterName))
          .where(isOneOf(column(`i.${valueColumn}`), list))
          .where('i.resource', '=', key),
      ),
  };
}

function inCompartment(patients: readonly number[], role: number, type: number, names: Names): Test {
  const [typeName, roleName] = names.all([type, role]);
  const list = names.all(patients);
  return {
    shape: `of ${list.length}`,
    where: (key) =>
      exists(
        record
          .selectFrom('compartment as i')
          .select(sql.lit(1).as('one'))
          .where(isOneOf(column('i.patient'), list))
          .where('i.type', '=', given(typeName ?? ''))
          .where('i.resource', '=', key)
          .where('i.role', '>=', given(roleName ?? '')),
      ),
  };
}

// Dates of one resource lie with its patient's; where the walk does not say whose, the resource does.
function hasDate(parameter: number, values: readonly DateComparison[], walk: Walk, names: Names): Test {
  const parameterName = names.name(parameter);
  const ranges = comparisons(values, names);
  return {
    shape: `on ${ranges.shape}${walk.patient === undefined ? '' : ' of patient'}`,
    where(key) {
      const patient = walk.patient === undefined ? homeOf(key) : sql<number>`${given(walk.patient.name)}`;
      return exists(
        record
          .selectFrom('patient_date as i')
          .select(sql.lit(1).as('one'))
          .where('i.patient', '=', patient)
          .where('i.parameter', '=', given(parameterName))
          .where('i.resource', '=', key)
          .where(ranges.on(column('i.low'), column('i.high'))),
      );
    },
  };
}

const homeOf = (key: RawBuilder<number>) =>
  sql<number>`(${record.selectFrom('resource as r').select('r.patient').where('r.key', '=', key)})`;

const resourceRow = (key: RawBuilder<number>, where: Expression<SqlBool>) =>
  exists(
    record.selectFrom('resource as r').select(sql.lit(1).as('one')).where('r.key', '=', key).where(where),
  );

/** How ranges compare: https://hl7.org/fhir/R4/search.html#prefix. Both ends of a range lie inside it. */
function comparisons(values: readonly DateComparison[], names: Names) {
  const parts = values.map(({ prefix, low, high }) => ({
    prefix,
    low: names.name(low),
    high: names.name(high),
  }));
  return {
    shape: parts.map((it) => it.prefix).join(),
    on: (rowLow: RawBuilder<number>, rowHigh: RawBuilder<number>) =>
      anyOf(
        parts.map((part) =>
          compare(part.prefix, rowLow, rowHigh, sql`${given(part.low)}`, sql`${given(part.high)}`),
        ),
      ),
  };
}

function compare(
  prefix: DateComparison['prefix'],
  rowLow: RawBuilder<number>,
  rowHigh: RawBuilder<number>,
  low: RawBuilder<unknown>,
  high: RawBuilder<unknown>,
): RawBuilder<SqlBool> {
  switch (prefix) {
    case 'eq':
      return sql`(${rowLow} >= ${low} and ${rowHigh} <= ${high})`;
    case 'ne':
      return sql`(${rowLow} < ${low} or ${rowHigh} > ${high})`;
    case 'gt':
      return sql`${rowHigh} > ${high}`;
    case 'lt':
      return sql`${rowLow} < ${low}`;
    case 'ge':
      return sql`(${rowLow} >= ${low} or ${rowHigh} > ${high})`;
    case 'le':
      return sql`(${rowHigh} <= ${high} or ${rowLow} < ${low})`;
    case 'sa':
      return sql`${rowLow} > ${high}`;
    case 'eb':
      return sql`${rowHigh} < ${low}`;
    case 'ap':
      return sql`(${rowLow} <= ${high} and ${rowHigh} >= ${low})`;
  }
}

function take(
  conditions: NumberedCondition[],
  wanted: (condition: NumberedCondition) => boolean,
): NumberedCondition | undefined {
  const index = conditions.findIndex(wanted);
  return index < 0 ? undefined : conditions.splice(index, 1)[0];
}

const column = (name: string): RawBuilder<number> => sql.ref(name);
const live = (alias: string) => sql<SqlBool>`${sql.ref(`${alias}.state`)} = ${sql.lit(STATE.live)}`;
const exists = (query: SelectQueryBuilder<never, never, unknown> | object) => sql<SqlBool>`exists ${query}`;
const anyOf = (parts: readonly Expression<SqlBool>[]) => sql<SqlBool>`(${sql.join(parts, sql` or `)})`;
const isOneOf = (value: RawBuilder<unknown>, names: readonly string[]): RawBuilder<SqlBool> =>
  names.length === 1
    ? sql`${value} = ${given(names[0] ?? '')}`
    : sql`${value} in (${sql.join(names.map((name) => sql`${given(name)}`))})`;
