import { expect, it } from 'vitest';
import { generatePopulation } from './index.ts';

// The codes as they are sent, wherever in the resources they stand.
const population = [...generatePopulation({ seed: 3, people: 200 })];

it('uses SNOMED CT identifiers whose check digits are right', () => {
  const codes = new Set(
    JSON.stringify(population)
      .matchAll(/"http:\/\/snomed\.info\/sct","code":"([^"]*)"/g)
      .map((match) => match[1]!),
  );
  expect(codes.size).toBeGreaterThan(60);
  expect([...codes].filter((code) => !/^\d{6,18}$/.test(code) || verhoeff(code) !== 0)).toEqual([]);
});

/** https://confluence.ihtsdotools.org/display/DOCRELFMT/6.8+Check-digit : 0 for a valid identifier. */
function verhoeff(code: string): number {
  return [...code]
    .reverse()
    .reduce((sum, digit, place) => multiplied(sum, permuted(Number(digit), place)), 0);
}

function multiplied(a: number, b: number): number {
  if (a < 5) return b < 5 ? (a + b) % 5 : ((a + b - 5) % 5) + 5;
  return b < 5 ? ((a - 5 - b + 5) % 5) + 5 : (a - b + 5) % 5;
}

function permuted(digit: number, place: number): number {
  let result = digit;
  for (let i = 0; i < place % 8; i++) result = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][result]!;
  return result;
}
