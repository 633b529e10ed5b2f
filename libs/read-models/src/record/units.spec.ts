import { beforeAll, describe, expect, it } from 'vitest';
import { conversion, loadUnits, UCUM } from './units.ts';

beforeAll(loadUnits);

const written = (code: string, system = UCUM, unit = '') => ({ system, code, unit });

describe('conversion', () => {
  it.each([
    ['mg', 'g', 5, 0.005],
    ['mmol/L', 'mol/L', 5.5, 0.0055],
    ['Cel', '[degF]', 37, 98.6],
    ['[degF]', 'Cel', 98.6, 37],
    ['[degF]', 'Cel', -40, -40],
    ['Cel', 'K', -300, -26.85],
    ['K', '[degF]', -3.5, -465.97],
    ['/min', '/s', 90, 1.5],
    ['{beats}/min', '/min', 72, 72],
    ['mm[Hg]', 'kPa', 120, 15.99864],
    ['10*3/uL', '10*9/L', 7.2, 7.2],
    ['mg/dL', 'g/L', 10, 0.1],
    ['[iU]/L', 'm[iU]/mL', 5, 5],
    ['[in_i]', 'cm', 1, 2.54],
    ['mL/min/{1.73_m2}', 'mL/min', 90, 90],
    ['{score}', '{points}', 3, 3],
  ])('takes %s to %s: %d is %d', (from, to, value, right) => {
    expect(conversion({ system: UCUM, unit: from }, written(to))?.(value)).toBe(right);
  });

  it.each([
    ['mg', 'mL'],
    ['mmol/L', 'mg/dL'],
    ['[iU]', "[arb'U]"],
    ['B', '1'],
    ['mg', 'no such unit'],
    ['no such unit', 'mg'],
    ['mg', ''],
  ])('knows that %s and %s do not compare', (from, to) => {
    expect(conversion({ system: UCUM, unit: from }, written(to))).toBeUndefined();
  });

  it('compares codes of other systems, and units without one, as they are written', () => {
    expect(conversion({ system: 'urn:s', unit: 'a' }, written('a', 'urn:s'))?.(3)).toBe(3);
    expect(conversion({ system: 'urn:s', unit: 'a' }, written('a', 'urn:t'))).toBeUndefined();
    expect(conversion({ system: undefined, unit: 'tablet' }, written('t', 'urn:t', 'tablet'))?.(3)).toBe(3);
    expect(conversion({ system: undefined, unit: 'mg' }, written('g'))).toBeUndefined();
    expect(conversion({ system: UCUM, unit: 'not of UCUM' }, written('not of UCUM'))?.(3)).toBe(3);
  });
});
