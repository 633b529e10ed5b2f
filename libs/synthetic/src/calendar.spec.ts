import { expect, it } from 'vitest';
import { stamp } from './calendar.ts';

it.each([
  ['2021-03-28T00:59:59Z', '2021-03-28T00:59:59+00:00'],
  ['2021-03-28T01:00:00Z', '2021-03-28T02:00:00+01:00'],
  ['2021-10-31T00:59:59Z', '2021-10-31T01:59:59+01:00'],
  ['2021-10-31T01:00:00Z', '2021-10-31T01:00:00+00:00'],
  ['2024-07-01T23:30:00Z', '2024-07-02T00:30:00+01:00'],
])('writes %s as the clocks in England showed it', (utc, local) => {
  expect(stamp(Date.parse(utc))).toBe(local);
});
