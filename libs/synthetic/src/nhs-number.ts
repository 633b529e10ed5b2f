/** NHS numbers of the range that is never issued, each with a valid check digit (modulus 11). */
import { Random } from './random.ts';

const IN_RANGE = 1_000_000;

/** Endless until the test ranges are used up; every number once. The order depends on the seed only. */
export function* nhsNumbers(seed: number): Generator<string, never> {
  const random = new Random(seed, 'nhs-numbers');
  const start = random.whole(0, IN_RANGE - 1);
  // Odd and no multiple of five, so that the walk meets every number of the range once.
  const step = random.whole(10_000, 49_999) * 10 + random.pick([1, 3, 7, 9]);
  for (let range = 999; range >= 990; range--) {
    for (let k = 0; k < IN_RANGE; k++) {
      const body = `${range}${String((start + k * step) % IN_RANGE).padStart(6, '0')}`;
      const check = checkDigit(body);
      if (check !== undefined) yield body + check;
    }
  }
  throw new RangeError('The test ranges hold about nine million NHS numbers. Ask for fewer people.');
}

/** Of the first nine digits; `undefined` where no valid number begins so. */
function checkDigit(body: string): number | undefined {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += (body.charCodeAt(i) - 48) * (10 - i);
  const check = (11 - (sum % 11)) % 11;
  return check === 10 ? undefined : check;
}
