import { expect, it } from 'vitest';
import { firstMoment, momentAfter } from './times.ts';

const at = Date.parse;
it.each<[unknown, number | undefined, number | undefined]>([
  ['2026', at('2026-01-01'), at('2027-01-01')],
  ['2026-12', at('2026-12-01'), at('2027-01-01')],
  ['2026-02-28', at('2026-02-28'), at('2026-03-01')],
  ['2026-02-28T23:30:00Z', at('2026-02-28T23:30:00Z'), at('2026-02-28T23:30:00Z')],
  ['2026-06-01T00:30:00.250+01:00', at('2026-05-31T23:30:00.250Z'), at('2026-05-31T23:30:00.250Z')],
  ['2026-1-1', undefined, undefined],
  ['1 June 2026', undefined, undefined],
  ['2026-06-01T10:00', undefined, undefined],
  ['2026-13', undefined, undefined],
  ['', undefined, undefined],
  [2026, undefined, undefined],
  [undefined, undefined, undefined],
])('%s', (value, first, after) => {
  expect([firstMoment(value), momentAfter(value)]).toEqual([first, after]);
});
