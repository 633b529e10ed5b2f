import { validateResource } from '@carelog/fhir';
import { indicators, type CaseGroup } from '@carelog/read-models';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { disclosed, measureOf, reportOf } from './measure-report.ts';

const from = Date.UTC(2026, 4, 1);
const until = Date.UTC(2026, 5, 1);
const [indicator] = indicators;
const report = (groups: readonly CaseGroup[], reporter?: string) => reportOf(indicator!, { groups, from, until, now: until, ...(reporter !== undefined && { reporter }) }) as Report; // prettier-ignore
interface Numbers {
  readonly population: readonly { readonly count?: number; readonly _count?: object }[];
  readonly measureScore?: { readonly value: number };
}
interface Report {
  readonly group: readonly [
    Numbers & { readonly stratifier: readonly { readonly stratum?: readonly Numbers[] }[] },
  ];
}
const group = (count: number, more: Partial<CaseGroup> = {}): CaseGroup => ({ count, state: 'met', isOpen: false, owner: 'RX9', ...more }); // prettier-ignore
const numbersIn = ({ group: [whole] }: Report) => [whole, ...whole.stratifier.flatMap(({ stratum = [] }) => stratum)]; // prettier-ignore

describe('small numbers', () => {
  it.each([
    [0, 0],
    [1, undefined],
    [7, undefined],
    [8, 10],
    [12, 10],
    [13, 15],
    [1_002, 1_000],
  ])('%i is told as %s', (count, told) => {
    expect(disclosed(count)).toBe(told);
  });

  it('are nowhere in a report, whatever was counted; and it is valid', () => {
    const anyGroup = fc.record({
      count: fc.integer({ min: 1, max: 40 }),
      state: fc.constantFrom('met' as const, 'missed' as const, 'excluded' as const),
      isOpen: fc.boolean(),
      owner: fc.constantFrom('RX9', 'Organization/trust', ''),
      practice: fc.constantFrom('Y01', 'Y02'),
      sex: fc.constantFrom('female', 'male'),
      bornIn: fc.constantFrom('1930', '1950', '1990', '2020'),
    });
    fc.assert(
      fc.property(fc.array(anyGroup, { maxLength: 12 }), (groups) => {
        const made = report(groups);
        expect(validateResource(made)).toEqual([]);
        for (const { population, measureScore } of numbersIn(made)) {
          for (const { count, _count } of population)
            expect(count === undefined ? _count !== undefined : count % 5 === 0).toBe(true);
          const [, , , numerator] = population;
          if (numerator!.count === undefined) expect(measureScore).toBeUndefined();
          else expect(measureScore?.value ?? 0).toBeLessThanOrEqual(100);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('a report', () => {
  const counts = (made: Report) => made.group[0].population.map(({ count }) => count);

  it('leaves out what is excluded and what is not over, met or not', () => {
    const made = report([group(20), group(20, { state: 'missed' }), group(10, { isOpen: true }), group(10, { state: 'excluded' })]); // prettier-ignore
    expect([counts(made), made.group[0].measureScore?.value]).toEqual([[60, 60, 20, 20], 50]);
  });

  it('of an organisation has what it does and whom it has registered', () => {
    const groups = [group(10), group(15, { owner: 'RX1', practice: 'RX9' }), group(20, { owner: 'RX1' })];
    expect(counts(report(groups, 'RX9'))[0]).toBe(25);
    expect(counts(report(groups, 'RX'))[0]).toBe(0);
  });
});

it.each(indicators.map((it) => [it.name, it] as const))('%s is a valid Measure', (_, it) => {
  expect(validateResource(measureOf(it))).toEqual([]);
});
