/** The chart of NEWS2, boundary by boundary. https://www.rcp.ac.uk/resources/national-early-warning-score-news-2/ */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { PART_NAMES, responseTo, scoreOf, type Measurements, type Part } from './news2.ts';

const WELL: Measurements = { respiration: 16, saturation: 98, oxygen: 0, systolic: 125, pulse: 72, consciousness: 0, temperature: 37 }; // prettier-ignore

describe('each measurement scores as the chart says', () => {
  it.each<[Part, readonly (readonly [number, number])[]]>([
    ['respiration', [[8, 3], [9, 1], [11, 1], [12, 0], [20, 0], [21, 2], [24, 2], [25, 3]]], // prettier-ignore
    ['saturation', [[91, 3], [92, 2], [93, 2], [94, 1], [95, 1], [96, 0], [100, 0]]], // prettier-ignore
    ['oxygen', [[0, 0], [1, 2]]], // prettier-ignore
    ['systolic', [[90, 3], [91, 2], [100, 2], [101, 1], [110, 1], [111, 0], [219, 0], [220, 3]]], // prettier-ignore
    ['pulse', [[40, 3], [41, 1], [50, 1], [51, 0], [90, 0], [91, 1], [110, 1], [111, 2], [130, 2], [131, 3]]], // prettier-ignore
    ['consciousness', [[0, 0], [1, 3]]], // prettier-ignore
    ['temperature', [[35, 3], [35.1, 1], [36, 1], [36.1, 0], [38, 0], [38.1, 1], [39, 1], [39.1, 2]]], // prettier-ignore
  ])('%s', (part, rows) => {
    const found = rows.map(([value]) => [value, scoreOf({ ...WELL, [part]: value }, 1).parts[part]]);
    expect(found).toEqual(rows);
  });

  it.each<[string, 0 | 1, readonly (readonly [number, number])[]]>([
    ['on air', 0, [[83, 3], [84, 2], [85, 2], [86, 1], [87, 1], [88, 0], [92, 0], [93, 0], [100, 0]]], // prettier-ignore
    ['on oxygen', 1, [[83, 3], [84, 2], [85, 2], [86, 1], [87, 1], [88, 0], [92, 0], [93, 1], [94, 1], [95, 2], [96, 2], [97, 3]]], // prettier-ignore
  ])('saturation on scale 2, %s', (_, oxygen, rows) => {
    const found = rows.map(([value]) => [value, scoreOf({ ...WELL, saturation: value, oxygen }, 2).parts.saturation]); // prettier-ignore
    expect(found).toEqual(rows);
  });

  it('rounds as the chart is filled in: whole numbers, tenths of a degree', () => {
    expect(scoreOf({ respiration: 20.4, temperature: 38.04 }, 1).total).toBe(0);
    expect(scoreOf({ respiration: 20.5, temperature: 38.05 }, 1).parts).toEqual({ respiration: 2, temperature: 1 }); // prettier-ignore
  });

  it('takes what nobody can have as not measured', () => {
    expect(scoreOf({ ...WELL, temperature: 98.6, saturation: 0 }, 1).missing).toEqual(['saturation', 'temperature']); // prettier-ignore
  });
});

describe('the response', () => {
  it.each([
    [0, {}, 'routine'],
    [4, { pulse: 2, systolic: 2 }, 'routine'],
    [3, { consciousness: 3 }, 'urgent'],
    [5, { pulse: 2, systolic: 2, respiration: 1 }, 'urgent'],
    [6, { consciousness: 3, respiration: 3 }, 'urgent'],
    [7, {}, 'emergency'],
    [20, {}, 'emergency'],
  ] as const)('to %i of %o is %s', (total, parts, response) => {
    expect(responseTo(total, parts)).toBe(response);
  });
});

describe('whatever is measured', () => {
  const measured: fc.Arbitrary<Measurements> = fc.record(
    {
      respiration: fc.integer({ min: 0, max: 60 }),
      saturation: fc.integer({ min: 60, max: 100 }),
      oxygen: fc.integer({ min: 0, max: 1 }),
      systolic: fc.integer({ min: 50, max: 260 }),
      pulse: fc.integer({ min: 20, max: 200 }),
      consciousness: fc.integer({ min: 0, max: 1 }),
      temperature: fc.double({ min: 33, max: 42, noNaN: true }),
    },
    { requiredKeys: [] },
  );
  const scale = fc.constantFrom(1 as const, 2 as const);

  it('the score is the sum of its parts, 0 to 20, and what is not scored is missing', () => {
    fc.assert(
      fc.property(measured, scale, (it, on) => {
        const { total, parts, missing } = scoreOf(it, on);
        expect(total).toBe(Object.values(parts).reduce((a, b) => a + b, 0));
        expect(total).toBeGreaterThanOrEqual(0);
        expect(total).toBeLessThanOrEqual(20);
        expect([...missing, ...Object.keys(parts)].toSorted()).toEqual([...PART_NAMES].toSorted());
      }),
    );
  });

  it('one measurement more never lowers the score, but for oxygen, which changes what saturation means on scale 2', () => {
    const parts = fc.constantFrom(...PART_NAMES.filter((part) => part !== 'oxygen'));
    fc.assert(
      fc.property(measured, scale, parts, (it, on, part) => {
        const { [part]: _, ...fewer } = it;
        expect(scoreOf(fewer, on).total).toBeLessThanOrEqual(scoreOf(it, on).total);
      }),
    );
  });
});
