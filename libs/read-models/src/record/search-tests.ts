/** The conditions of a search as SQL on the key of a resource, each answered by one look into an index. */
import type { DateComparison } from '@carelog/fhir';
import { sql, type Expression, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import type { NumberedCondition } from './numbers.ts';
import { given, record } from './statement.ts';
import { ROLE, STATE } from './tables.ts';

/** One condition as a predicate on the key of a resource. */
export interface Test {
  readonly shape: string;
  where(key: RawBuilder<number>): Expression<SqlBool>;
}

/** Hands out a name for each value, in order; equal shapes take equal names. */
export class Names {
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

/** `patient` names the value of the one patient whose rows are walked. */
export function test(
  condition: NumberedCondition,
  type: number,
  patient: string | undefined,
  names: Names,
): Test {
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
        ...(patients.length > 0 ? [inCompartment(patients, ROLE.subject, type, names)] : []),
        ...(targets.length > 0 ? [hasValue('reference', 'target', parameter, targets, names)] : []),
      ];
      return {
        shape: either.map((it) => it.shape).join(' or '),
        where: (key) => anyOf(either.map((it) => it.where(key))),
      };
    }
    case 'date':
      return hasDate(condition.parameter, condition.comparisons, patient, names);
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

/** In one of these patients' compartments, for at least this reason. */
export function inCompartment(patients: readonly number[], role: number, type: number, names: Names): Test {
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
function hasDate(
  parameter: number,
  values: readonly DateComparison[],
  patient: string | undefined,
  names: Names,
): Test {
  const parameterName = names.name(parameter);
  const ranges = comparisons(values, names);
  return {
    shape: `on ${ranges.shape}${patient === undefined ? '' : ' of patient'}`,
    where(key) {
      const whose = patient === undefined ? homeOf(key) : sql<number>`${given(patient)}`;
      return exists(
        record
          .selectFrom('patient_date as i')
          .select(sql.lit(1).as('one'))
          .where('i.patient', '=', whose)
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
export function comparisons(values: readonly DateComparison[], names: Names) {
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

export const column = (name: string): RawBuilder<number> => sql.ref(name);
export const live = (alias: string) => sql<SqlBool>`${sql.ref(`${alias}.state`)} = ${sql.lit(STATE.live)}`;
const exists = (query: SelectQueryBuilder<never, never, unknown> | object) => sql<SqlBool>`exists ${query}`;
const anyOf = (parts: readonly Expression<SqlBool>[]) => sql<SqlBool>`(${sql.join(parts, sql` or `)})`;
export const isOneOf = (value: RawBuilder<unknown>, names: readonly string[]): RawBuilder<SqlBool> =>
  names.length === 1
    ? sql`${value} = ${given(names[0] ?? '')}`
    : sql`${value} in (${sql.join(names.map((name) => sql`${given(name)}`))})`;
