/**
 * Numbers and times as the ranges that search compares, computed exactly.
 * https://hl7.org/fhir/R4/search.html#prefix
 */

/** A fraction; numerator `undefined` is never used: what has no bound has none. */
export interface Exact {
  readonly n: bigint;
  /** Above zero. */
  readonly d: bigint;
}

export const exact = (n: bigint | number, d: bigint | number = 1): Exact => ({ n: BigInt(n), d: BigInt(d) });
export const plus = (a: Exact, b: Exact): Exact => exact(a.n * b.d + b.n * a.d, a.d * b.d);
export const minus = (a: Exact, b: Exact): Exact => plus(a, exact(-b.n, b.d));
export const times = (a: Exact, b: Exact): Exact => exact(a.n * b.n, a.d * b.d);
export const divide = (a: Exact, b: Exact): Exact =>
  b.n < 0n ? exact(-a.n * b.d, a.d * -b.n) : exact(a.n * b.d, a.d * b.n);
export const compare = (a: Exact, b: Exact): number => Number(sign(a.n * b.d - b.n * a.d));
const sign = (n: bigint): bigint => (n > 0n ? 1n : n < 0n ? -1n : 0n);

/** The number as written, and half of the unit of its last digit: `5.40` and 0.005. */
export function parseNumber(text: string): { readonly value: Exact; readonly half: Exact } | undefined {
  const [, minusSign, whole, fraction = '', power] =
    /^(-)?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const exponent = Number(power ?? 0) - fraction.length;
  const unit = exponent < 0 ? exact(1n, 10n ** BigInt(-exponent)) : exact(10n ** BigInt(exponent));
  const digits = BigInt(whole + fraction);
  // The specification's example: 1e2 is 95 up to 105.
  const single = power !== undefined && (whole + fraction).length === 1;
  return {
    value: times(exact(minusSign ? -digits : digits), unit),
    half: divide(unit, exact(single ? 20 : 2)),
  };
}

/** An end of an interval, and whether it belongs to it. */
export interface End {
  readonly at: Exact;
  readonly inside: boolean;
}

/** Open at an end that is not given. */
export interface Interval {
  readonly low?: End | undefined;
  readonly high?: End | undefined;
}

/** Whether all of the inner lies in the outer. */
export function contains(outer: Interval, inner: Interval): boolean {
  return reaches(outer.low, inner.low, -1) && reaches(outer.high, inner.high, 1);
}

/** Whether the outer ends at, or further out than, the inner; `way` is where out is. */
function reaches(outer: End | undefined, inner: End | undefined, way: 1 | -1): boolean {
  if (!outer || !inner) return !outer;
  const beyond = compare(outer.at, inner.at) * way;
  return beyond > 0 || (beyond === 0 && (outer.inside || !inner.inside));
}

/** Whether they have a number in common. */
export function overlaps(a: Interval, b: Interval): boolean {
  return startsBy(a.low, b.high) && startsBy(b.low, a.high);
}

function startsBy(low: End | undefined, high: End | undefined): boolean {
  if (!low || !high) return true;
  const gap = compare(high.at, low.at);
  return gap > 0 || (gap === 0 && low.inside && high.inside);
}

/** Milliseconds, both ends inside; infinite where open. */
export interface Span {
  readonly low: number;
  readonly high: number;
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** All the time that a date or dateTime of this precision may mean; without a zone it means UTC. */
export function parseDate(text: string): Span | undefined {
  const parts = DATE.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = parts;
  const from = [
    Number(year),
    Number(month ?? 1) - 1,
    Number(day ?? 1),
    Number(hour ?? 0),
    Number(minute ?? 0),
  ];
  const precision = [month, day, hour, second].findIndex((part) => part === undefined);
  const until = [...from];
  // A minute where there are an hour and no seconds: they come together.
  if (precision >= 0) until[precision === 3 ? 4 : precision]!++;
  const shift = offset(zone) - Number(second ?? 0) * 1000;
  if (precision >= 0) return { low: at(from) - shift, high: at(until) - shift - 1 };
  const digits = (fraction ?? '').slice(0, 3);
  const low = at(from) - shift + Number(digits.padEnd(3, '0'));
  return { low, high: low + 10 ** (3 - digits.length) - 1 };
}

function at([year, month, day, hour, minute]: number[]): number {
  // Date.UTC takes 0 to 99 for years of the last century.
  return new Date(0).setUTCFullYear(year!, month, day) + (hour! * 60 + minute!) * 60_000;
}

function offset(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
