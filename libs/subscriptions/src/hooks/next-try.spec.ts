import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIVE_UP_AFTER_MS, nextTry } from './next-try.ts';

const NOW = Date.parse('2026-11-21T09:00:00Z');
const MINUTE = 60_000;
const middle = () => 0.5;

describe('the next try', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [7, 64_000],
    [12, 2_048_000],
    [13, 50 * MINUTE],
    [5_000, 50 * MINUTE],
  ])('after %i failures in a row is in %i ms, a fifth more or less', (failures, wait) => {
    expect(nextTry(failures, NOW, NOW, middle)).toBe(NOW + wait);
    expect(nextTry(failures, NOW, NOW, () => 0)).toBe(NOW + wait * 0.8);
    expect(nextTry(failures, NOW, NOW, () => 0.999_999_999)).toBe(NOW + wait * 1.2);
  });

  it.each([
    ['just before seven days have gone by', GIVE_UP_AFTER_MS - 1, true],
    ['when they have', GIVE_UP_AFTER_MS, false],
    ['long after', 10 * GIVE_UP_AFTER_MS, false],
  ])('%s', (_, since, isThere) => {
    expect(nextTry(200, NOW - since, NOW, middle) !== undefined).toBe(isThere);
  });

  it('is later than now, and within an hour, whatever chance says', () => {
    const times = fc.record({ failures: fc.integer({ min: 1, max: 10_000 }), chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) }); // prettier-ignore
    fc.assert(
      fc.property(times, ({ failures, chance }) => {
        const wait = nextTry(failures, NOW, NOW, () => chance)! - NOW;
        expect(wait).toBeGreaterThanOrEqual(800);
        expect(wait).toBeLessThanOrEqual(60 * MINUTE);
      }),
    );
  });
});
