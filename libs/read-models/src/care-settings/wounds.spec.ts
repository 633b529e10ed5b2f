import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trendOf } from './wounds.ts';

const day = (days: number) => Date.UTC(2026, 0, 1) + days * 86_400_000;

describe('the trend of a wound', () => {
  it.each<[string, readonly (readonly [day: number, size: number])[], string | undefined]>([
    ['nothing measured', [], undefined],
    ['measured once', [[0, 40]], undefined],
    ['a tenth less', [[0, 40], [7, 36]], 'healing'],
    ['a little less, a week on', [[0, 40], [7, 38]], undefined],
    ['a little less, two weeks on', [[0, 40], [14, 38]], 'not healing'],
    ['a tenth more', [[0, 40], [4, 44]], 'growing'],
    ['smaller than four weeks ago, though larger than last week', [[0, 60], [20, 30], [27, 33]], 'healing'],
    ['what lies more than four weeks back is not compared with', [[0, 20], [30, 60], [40, 45]], 'healing'],
    ['but for where there is nothing newer', [[0, 60], [40, 45]], 'healing'],
  ])('%s', (_what, sizes, trend) => {
    expect(trendOf(sizes.map(([at, size]) => ({ at: day(at), size })))).toBe(trend);
  }); // prettier-ignore

  const sizes = fc.uniqueArray(fc.record({ at: fc.integer({ min: 0, max: 90 }).map(day), size: fc.integer({ min: 1, max: 200 }) }), { selector: ({ at }) => at, maxLength: 8 }); // prettier-ignore

  it('does not depend on the order in which measurements came', () => {
    fc.assert(fc.property(sizes, (measured) => trendOf([...measured].reverse()) === trendOf(measured)));
  });

  it('is the same in millimetres and in centimetres', () => {
    fc.assert(fc.property(sizes, (measured) => trendOf(measured.map(({ at, size }) => ({ at, size: size * 16 }))) === trendOf(measured))); // prettier-ignore
  });
});
