import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isNhsNumber,
  looksLikeNhsNumber,
  nhsNumberVerificationStatus,
  nhsNumberVerificationStatusUrl,
} from './nhs-number.ts';

describe('isNhsNumber', () => {
  test.each(['9000000009', '9434765919', '4010232137', '9876543210'])('takes %s', (text) => {
    expect(isNhsNumber(text)).toBe(true);
  });

  test.each([
    ['a wrong check digit', '9000000008'],
    ['a number whose check digit would be 10', '9000000050'],
    ['nine digits', '900000000'],
    ['eleven digits', '90000000090'],
    ['blanks', '900 000 0009'],
    ['letters', '900000000X'],
    ['digits of another script', '９０００００００００'],
    ['nothing', ''],
    ['a number', 9000000009],
  ])('refuses %s', (_, value) => {
    expect(isNhsNumber(value)).toBe(false);
  });

  test('refuses every change of a single digit and every swap of neighbours that differ', () => {
    const valid = fc
      .stringMatching(/^\d{9}$/)
      .map(withCheckDigit)
      .filter((it) => it !== undefined);
    fc.assert(
      fc.property(valid, fc.nat(9), fc.integer({ min: 1, max: 9 }), (number, at, by) => {
        const digits = [...number];
        digits[at] = String((Number(digits[at]) + by) % 10);
        expect(isNhsNumber(number)).toBe(true);
        expect(isNhsNumber(digits.join(''))).toBe(false);
        const [a = '', b = ''] = [number[at % 9], number[(at % 9) + 1]];
        const swapped = number.slice(0, at % 9) + b + a + number.slice((at % 9) + 2);
        expect(isNhsNumber(swapped)).toBe(a === b);
      }),
    );
  });
});

test.each([
  ['9000000009', true],
  ['900-000-0009', true],
  ['900.000.0009', true],
  ['9000000008', false],
  ['patient-1', false],
  ['nhs9000000009', false],
])('an id of %s looks like an NHS number: %s', (id, expected) => {
  expect(looksLikeNhsNumber(id)).toBe(expected);
});

test('reads the verification status of an identifier, and nothing out of a broken one', () => {
  const extension = {
    url: nhsNumberVerificationStatusUrl,
    valueCodeableConcept: { coding: [{ code: '01' }] },
  };
  expect(nhsNumberVerificationStatus({ extension: [null, extension] })).toBe('01');
  for (const broken of [undefined, null, {}, { extension: 'x' }, { extension: [{ url: extension.url }] }]) {
    expect(nhsNumberVerificationStatus(broken)).toBeUndefined();
  }
});

/** The definition written differently from the code: try all ten digits against the weighted sum. */
function withCheckDigit(nine: string): string | undefined {
  const weighted = [...nine].reduce((sum, digit, i) => sum + Number(digit) * (10 - i), 0);
  const check = [...Array(10).keys()].find((digit) => (weighted + digit) % 11 === 0);
  return check === undefined ? undefined : `${nine}${check}`;
}
