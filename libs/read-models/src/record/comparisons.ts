/** How ranges and values compare, as SQL and in JavaScript alike. https://hl7.org/fhir/R4/search.html#prefix */
import type { DateComparison, NumberComparison } from '@carelog/fhir';
import { sql, type Expression, type RawBuilder, type SqlBool } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import { given } from './statement.ts';

/** Hands out a name for each value, in order; equal shapes take equal names. */
export class Names {
  readonly values: Record<string, SQLInputValue> = {};
  #count = 0;

  /** How many were handed out: what is named from here on is named otherwise than from elsewhere. */
  get count(): number {
    return this.#count;
  }

  name(value: SQLInputValue): string {
    const name = `p${(this.#count += 1)}`;
    this.values[name] = value;
    return name;
  }

  all(values: readonly SQLInputValue[]): readonly string[] {
    return values.map((value) => this.name(value));
  }

  /** The value itself, in a query. */
  bind<Type = unknown>(value: SQLInputValue): RawBuilder<Type> {
    return sql<Type>`${given(this.name(value))}`;
  }
}

/**
 * A range of dates against the one asked for; both ends of both lie inside. Where a comparison bounds an end of its own
 * accord that is said once more, plainly, so that an index in the order of that end is entered at the right place.
 */
export function compareDates(
  { prefix, low: from, high: to }: DateComparison,
  low: RawBuilder<unknown>,
  high: RawBuilder<unknown>,
  names: Names,
): RawBuilder<SqlBool> {
  const [lowest, highest] = [names.bind(from), names.bind(to)];
  switch (prefix) {
    case 'eq':
      return sql`(${low} between ${lowest} and ${highest} and ${high} between ${lowest} and ${highest})`;
    case 'ne':
      return sql`(${low} < ${lowest} or ${high} > ${highest})`;
    case 'gt':
      return sql`${high} > ${highest}`;
    case 'lt':
      return sql`${low} < ${lowest}`;
    case 'ge':
      return sql`(${high} >= ${lowest} and (${low} >= ${lowest} or ${high} > ${highest}))`;
    case 'le':
      return sql`(${low} <= ${highest} and (${high} <= ${highest} or ${low} < ${lowest}))`;
    case 'sa':
      return sql`(${low} > ${highest} and ${high} > ${highest})`;
    case 'eb':
      return sql`(${high} < ${lowest} and ${low} < ${lowest})`;
    case 'ap':
      return sql`(${low} <= ${highest} and ${high} >= ${lowest})`;
  }
}

export function meetsDate(
  { prefix, low: from, high: to }: DateComparison,
  low: number,
  high: number,
): boolean {
  switch (prefix) {
    case 'eq':
      return low >= from && high <= to;
    case 'ne':
      return low < from || high > to;
    case 'gt':
      return high > to;
    case 'lt':
      return low < from;
    case 'ge':
      return low >= from || high > to;
    case 'le':
      return high <= to || low < from;
    case 'sa':
      return low > to;
    case 'eb':
      return high < from;
    case 'ap':
      return low <= to && high >= from;
  }
}

/** A number against the one asked for; the range that its precision implies counts for `eq`, `ne` and `ap` alone. */
export function compareNumbers(
  { prefix, value: asked, low, high }: NumberComparison,
  value: RawBuilder<unknown>,
  names: Names,
): RawBuilder<SqlBool> {
  switch (prefix) {
    case 'eq':
    case 'ap':
      return sql`(${value} >= ${names.bind(low)} and ${value} < ${names.bind(high)})`;
    case 'ne':
      return sql`(${value} < ${names.bind(low)} or ${value} >= ${names.bind(high)})`;
    case 'gt':
    case 'sa':
      return sql`${value} > ${names.bind(asked)}`;
    case 'lt':
    case 'eb':
      return sql`${value} < ${names.bind(asked)}`;
    case 'ge':
      return sql`${value} >= ${names.bind(asked)}`;
    case 'le':
      return sql`${value} <= ${names.bind(asked)}`;
  }
}

/**
 * A range of numbers, both ends inside, against the one asked for. What follows for an end is said too where that lets an
 * index in the order of that end be entered on both sides.
 */
export function compareNumberRanges(
  { prefix, value: asked, low: from, high: to }: NumberComparison,
  low: RawBuilder<unknown>,
  high: RawBuilder<unknown>,
  names: Names,
): RawBuilder<SqlBool> {
  switch (prefix) {
    case 'eq': {
      const [lowest, above] = [names.bind(from), names.bind(to)];
      return sql`(${low} >= ${lowest} and ${low} < ${above} and ${high} >= ${lowest} and ${high} < ${above})`;
    }
    case 'ne':
      return sql`(${low} < ${names.bind(from)} or ${high} >= ${names.bind(to)})`;
    case 'gt':
      return sql`${high} > ${names.bind(asked)}`;
    case 'lt':
      return sql`${low} < ${names.bind(asked)}`;
    case 'ge': {
      const value = names.bind(asked);
      return sql`(${high} >= ${value} and (${high} > ${value} or ${low} >= ${value}))`;
    }
    case 'le': {
      const value = names.bind(asked);
      return sql`(${low} <= ${value} and (${low} < ${value} or ${high} <= ${value}))`;
    }
    case 'sa':
      return sql`${low} > ${names.bind(asked)}`;
    case 'eb':
      return sql`${high} < ${names.bind(asked)}`;
    case 'ap':
      return sql`(${low} < ${names.bind(to)} and ${high} >= ${names.bind(from)})`;
  }
}

/** Both, in JavaScript: a number is a range from itself to itself. */
export function meetsNumber(
  { prefix, value: asked, low: from, high: to }: NumberComparison,
  low: number,
  high: number,
): boolean {
  switch (prefix) {
    case 'eq':
      return low >= from && high < to;
    case 'ne':
      return low < from || high >= to;
    case 'gt':
      return high > asked;
    case 'lt':
      return low < asked;
    case 'ge':
      return high > asked || low >= asked;
    case 'le':
      return low < asked || high <= asked;
    case 'sa':
      return low > asked;
    case 'eb':
      return high < asked;
    case 'ap':
      return low < to && high >= from;
  }
}

/** One of them holds. As a tree of small depth: SQLite bounds how deep an expression goes. */
export function anyOf(parts: readonly Expression<SqlBool>[]): Expression<SqlBool> {
  const [first] = parts;
  if (first === undefined) return sql<SqlBool>`false`;
  if (parts.length === 1) return first;
  const middle = parts.length >> 1;
  return sql<SqlBool>`(${anyOf(parts.slice(0, middle))} or ${anyOf(parts.slice(middle))})`;
}
