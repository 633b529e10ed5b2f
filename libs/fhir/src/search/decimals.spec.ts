import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberComparison } from './decimals.ts';

describe('numberComparison', () => {
  it.each([
    ['100', 'eq', 100, 99.5, 100.5],
    ['100.00', 'eq', 100, 99.995, 100.005],
    ['1e2', 'eq', 100, 95, 105],
    ['1.0e2', 'eq', 100, 95, 105],
    ['1e0', 'eq', 1, 0.95, 1.05],
    ['0e+0', 'eq', 0, -0.05, 0.05],
    ['12e2', 'eq', 1200, 1150, 1250],
    ['5.40e-3', 'eq', 0.0054, 0.005395, 0.005405],
    ['0.1', 'eq', 0.1, 0.05, 0.15],
    ['-0.5', 'eq', -0.5, -0.55, -0.45],
    ['+2', 'eq', 2, 1.5, 2.5],
    ['0', 'eq', 0, -0.5, 0.5],
    ['gt5.4', 'gt', 5.4, 5.35, 5.45],
    ['ne007', 'ne', 7, 6.5, 7.5],
    ['0.30', 'eq', 0.3, 0.295, 0.305],
  ])('%s is %s %d, from %d up to %d', (text, prefix, value, low, high) => {
    expect(numberComparison(text)).toEqual({ prefix, value, low, high });
  });

  it.each([
    ['ap100', 90, 110],
    ['ap5.4', 4.86, 5.94],
    ['ap-100', -110, -90],
    ['ap1', 0.5, 1.5],
    ['ap0', -0.5, 0.5],
    ['ap0.05', 0.045, 0.055],
  ])('%s holds %d and %d, and nothing beyond', (text, lowest, highest) => {
    const { low, high } = numberComparison(text)!;
    expect(low).toBe(lowest);
    expect(highest).toBeLessThan(high);
    expect(high - highest).toBeLessThan(1e-12);
  });

  it('finds a number of as many digits as a double has, and of more', () => {
    for (const text of ['158.80319518654815', '0.1000000000000000055511151231257827'])
      expect(numberComparison(text)).toSatisfy(
        ({ low, high }: { low: number; high: number }) => low <= Number(text) && Number(text) < high,
      );
  });

  it.each(['', 'gt', '1,5', '1.', '.5', '0x10', 'NaN', 'Infinity', '1e999', '5 ', ' 5', 'eq-', '1e', 'xx5'])(
    '%j is no number',
    (text) => expect(numberComparison(text)).toBeUndefined(),
  );

  it('refuses more digits than a decimal can need', () => {
    expect(numberComparison('1'.repeat(40))).toBeDefined();
    expect(numberComparison('1'.repeat(41))).toBeUndefined();
  });

  it('holds every number that is written the same to its precision, and no other', () => {
    const digits = fc.nat({ max: 999_999 });
    const places = fc.nat({ max: 6 });
    const further = fc.integer({ min: -80, max: 80 });
    fc.assert(
      fc.property(digits, places, further, (number, scale, hundredths) => {
        const text = scale === 0 ? String(number) : decimal(number, scale);
        const near = Number(`${number * 100 + hundredths}e${-scale - 2}`);
        const { low, high } = numberComparison(text)!;
        expect(near >= low && near < high).toBe(hundredths >= -50 && hundredths < 50);
      }),
    );
  });
});

function decimal(digits: number, scale: number): string {
  const padded = String(digits).padStart(scale + 1, '0');
  return `${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}
