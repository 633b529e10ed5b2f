import type { NumberComparison, Prefix, QuantityComparison } from '@carelog/fhir';
import fc from 'fast-check';
import { SqliteDatabase } from './database.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meetsNumber, Names } from './comparisons.ts';
import { rowsOf } from './search-tests.ts';
import { Statement, written } from './statement.ts';
import { CREATE_TABLES } from './tables.ts';

const PREFIXES: readonly Prefix[] = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];
const [PARAMETER, UNIT] = [1, 1];

// Few numbers, so that ends often meet.
const number = fc.constantFrom(-Number.MAX_VALUE, -2, -1, 0, 0.5, 1, 2, Number.MAX_VALUE);
const range = fc.tuple(number, number).map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }));
const comparison: fc.Arbitrary<NumberComparison> = fc
  .record({ prefix: fc.constantFrom(...PREFIXES), value: fc.constantFrom(-2, -1, 0, 0.5, 1, 2) })
  .map((it) => ({ ...it, low: it.value - 0.5, high: it.value + 0.5 }));

let db: SqliteDatabase;
beforeAll(() => {
  db = new SqliteDatabase(':memory:');
  db.exec(`${CREATE_TABLES} INSERT INTO unit VALUES (${UNIT}, '', '', '');`);
});
afterAll(() => db.close());

function selectsOf(asked: NumberComparison) {
  const names = new Names();
  const value: QuantityComparison = { ...asked, system: undefined, unit: undefined };
  const rows = rowsOf(
    {
      asked: { kind: 'quantity', parameter: 'value-quantity', values: [value] },
      kind: 'quantity',
      parameters: [PARAMETER],
      comparisons: [{ ...asked, units: [UNIT] }],
    },
    0,
    names,
  )!;
  return rows.selects.map((select) => ({ query: written(select), values: names.values }));
}

const found = (asked: NumberComparison) =>
  selectsOf(asked)
    .flatMap(({ query, values }) => new Statement<{ key: number }>(db, query).all(values))
    .map(({ key }) => key)
    .sort((a, b) => a - b);

describe('quantities', () => {
  it('are the same ranges to the index and to a look into the body', () => {
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 20 }), comparison, (ranges, asked) => {
        db.exec('DELETE FROM quantity; DELETE FROM quantity_range');
        const insert = db.prepare('INSERT INTO quantity_range VALUES (?, ?, ?, ?, ?)');
        for (const [key, { low, high }] of ranges.entries()) insert.run(PARAMETER, UNIT, high, low, key);
        const expected = ranges.flatMap(({ low, high }, key) => (meetsNumber(asked, low, high) ? key : []));
        expect(found(asked)).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('are found alike whether a number is kept as one or as a range of no width', () => {
    const numbers = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2];
    db.exec('DELETE FROM quantity; DELETE FROM quantity_range');
    const insert = db.prepare('INSERT INTO quantity VALUES (?, ?, ?, ?)');
    for (const [key, value] of numbers.entries()) insert.run(PARAMETER, UNIT, value, key);
    for (const prefix of PREFIXES)
      for (const value of numbers) {
        const asked = { prefix, value, low: value - 0.5, high: value + 0.5 };
        const expected = numbers.flatMap((it, key) => (meetsNumber(asked, it, it) ? key : []));
        expect(found(asked), `${prefix}${value}`).toEqual(expected);
      }
  });

  it.each<[Prefix, string]>([
    ['eq', 'low>? AND low<?'],
    ['gt', 'high>?'],
    ['lt', 'low<?'],
    ['ge', 'high>?'],
    ['le', 'low<?'],
    ['sa', 'low>?'],
    ['eb', 'high<?'],
  ])('of %s are entered in the index at the end that counts: %s', (prefix, end) => {
    const [numbers, ranges] = selectsOf({ prefix, value: 1, low: 0.5, high: 1.5 }).map(({ query }) =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${query.compile().sql}`)
        .all()
        .map((it) => String(it['detail'])),
    );
    expect(numbers).toEqual([expect.stringMatching(/^SEARCH .*parameter=\? AND unit=\? AND value[<>]\?/)]);
    expect(ranges).toEqual([expect.stringContaining(`parameter=? AND unit=? AND ${end}`)]);
  });
});
