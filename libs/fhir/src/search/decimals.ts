/**
 * Numbers as FHIR search sees them: a range as wide as the precision that was written, worked out in decimal arithmetic and
 * only then made a double. https://hl7.org/fhir/R4/search.html#number
 */
import type { NumberComparison, Prefix } from './query.ts';

/**
 * A number parameter's value: a prefix (`eq` unless written) and a decimal; undefined when it is none, or longer than 40 digits
 * or beyond 10^±100. `ap` is a tenth of the value either way, or the precision where that is wider.
 */
export function numberComparison(text: string): NumberComparison | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, prefix = 'eq', sign = '', whole = '', fraction = '', exponent] = match;
  if (whole.length + fraction.length > 40 || Math.abs(Number(exponent ?? 0)) > 100) return undefined;
  const digits = BigInt(sign + whole + fraction);
  const scale = Number(exponent ?? 0) - fraction.length;
  const size = digits < 0n ? -digits : digits;
  // R4 takes `1e2` for 95 up to 105: a single digit before an exponent counts as two (`1.0e2`).
  const single = exponent !== undefined && whole.length === 1 && fraction === '';
  // In hundredths of the last digit.
  const half = single ? 5n : 50n;
  const slack = prefix === 'ap' && size * 10n > half ? size * 10n : half;
  const at = (value: bigint) => Number(`${value}e${scale - 2}`);
  const value = at(digits * 100n);
  const high = at(digits * 100n + slack);
  return {
    prefix: prefix as Prefix,
    value,
    low: at(digits * 100n - slack),
    // `high` itself lies outside: of more digits than a double has, the value would; and a tenth more is still near.
    high: prefix === 'ap' || high === value ? nextAbove(high) : high,
  };
}

/** Stand for the open ends of a range of quantities; beyond every number that can be asked for. */
export const LOWEST = -Number.MAX_VALUE;
export const HIGHEST = Number.MAX_VALUE;

/** The smallest double above this one. */
export function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}

const NUMBER = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;
