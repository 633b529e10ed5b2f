/**
 * Numbers and quantities, and whether they are what a search asks for.
 * https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/search.html#quantity
 */
import type { Asking, Element } from './search-oracle-definitions.ts';
import {
  compare,
  contains,
  exact,
  minus,
  overlaps,
  parseNumber,
  plus,
  times,
  type End,
  type Exact,
  type Interval,
} from './search-oracle-ranges.ts';
import { prefixed, split, unescape } from './search-oracle-text.ts';
import { inBaseUnits, parseUnit } from './search-oracle-units.ts';

export function isQuantity(element: Element, value: string, { near }: Asking): boolean {
  const [amount = '', system = '', unit = ''] = split(value, '|').map(unescape);
  const [prefix, digits] = prefixed(amount);
  const asked = parseNumber(digits);
  if (!asked) return false;
  const share = times(asked.value.n < 0n ? minus(exact(0), asked.value) : asked.value, near);
  const slack = compare(share, asked.half) > 0 ? share : asked.half;
  return amounts(element).some((held) => {
    const scale = scaleOf(held, system, unit);
    if (!scale) return false;
    const range = moved(held, scale.held);
    const around = (distance: Exact, highest: boolean): Interval => ({
      low: { at: scale.asked(minus(asked.value, distance)), inside: true },
      high: { at: scale.asked(plus(asked.value, distance)), inside: highest },
    });
    // Of these prefixes the number is meant, however precisely it was written.
    const point = around(exact(0), true);
    const above: Interval = { low: { ...point.low!, inside: false } };
    const below: Interval = { high: { ...point.high!, inside: false } };
    const implied = around(asked.half, false);
    return {
      eq: contains(implied, range),
      ne: !contains(implied, range),
      gt: overlaps(above, range),
      lt: overlaps(below, range),
      ge: overlaps(above, range) || contains(point, range),
      le: overlaps(below, range) || contains(point, range),
      sa: !overlaps(point, range) && contains(above, range),
      eb: !overlaps(point, range) && contains(below, range),
      ap: overlaps(around(slack, true), range),
    }[prefix]!;
  });
}

export interface Amount extends Interval {
  readonly system?: string | undefined;
  readonly code?: string | undefined;
  readonly unit?: string | undefined;
}

/** What a number or quantity search sees in an element. */
export function amounts({ type, value }: Element): Amount[] {
  if (typeof value === 'number') return [only(value)];
  const { value: number, comparator, currency, system, code, unit, low, high } = value as Fields;
  if (type === 'Range') return ranges(low, high);
  if (number === undefined) return [];
  if (type === 'Money') return [{ ...only(number), system: 'urn:iso:std:iso:4217', code: currency }];
  const end = (inside: boolean): End => ({ at: exactly(number), inside });
  const units = { system, code, unit };
  switch (comparator) {
    case '<':
    case '<=':
      return [{ high: end(comparator === '<='), ...units }];
    case '>':
    case '>=':
      return [{ low: end(comparator === '>='), ...units }];
    default:
      return [{ ...only(number), ...units }];
  }
}

/** By what an amount sorts: where it begins, or where it ends if it has no beginning. */
export function placeOf({ low, high }: Amount): number {
  const { at, inside } = (low ?? high)!;
  const place = Number(at.n) / Number(at.d);
  if (inside) return place;
  const least = Math.max(Math.abs(place) * Number.EPSILON, Number.MIN_VALUE);
  return low ? place + least : place - least;
}

interface Fields {
  readonly value?: number;
  readonly comparator?: string;
  readonly currency?: string;
  readonly system?: string;
  readonly code?: string;
  readonly unit?: string;
  readonly low?: Fields;
  readonly high?: Fields;
}

function exactly(value: number): Exact {
  return parseNumber(String(value))!.value;
}

function only(value: number): Interval {
  const end = { at: exactly(value), inside: true };
  return { low: end, high: end };
}

/** One, or a half of one for each limit where they are in different units. */
function ranges(low: Fields | undefined, high: Fields | undefined): Amount[] {
  const [from, to] = [low, high].map((limit): Amount[] =>
    limit?.value === undefined ? [] : amounts({ type: 'Quantity', value: limit }),
  ) as [Amount[], Amount[]];
  const [first, last] = [from[0], to[0]];
  const lower = first && { ...first, high: undefined };
  const upper = last && { ...last, low: undefined };
  if (!lower || !upper) return [lower ?? upper ?? []].flat();
  if (!isOneUnit(first, last)) return [lower, upper];
  const { system, code, unit } = isBare(lower) ? upper : lower;
  return [{ low: lower.low, high: upper.high, system, code, unit }];
}

const isBare = ({ system, code, unit }: Amount): boolean => !system && !code && !unit;

const isOneUnit = (a: Amount, b: Amount): boolean =>
  isBare(a) ||
  isBare(b) ||
  (a.system === b.system && a.code === b.code && (a.code !== undefined || a.unit === b.unit));

function moved({ low, high }: Interval, to: (value: Exact) => Exact): Interval {
  const at = (end: End | undefined): End | undefined => end && { ...end, at: to(end.at) };
  return { low: at(low), high: at(high) };
}

const UCUM = 'http://unitsofmeasure.org';
const same = (value: Exact): Exact => value;

/** How both sides become comparable; undefined where they are not. */
function scaleOf(
  held: Amount,
  system: string,
  unit: string,
): { held(value: Exact): Exact; asked(value: Exact): Exact } | undefined {
  if (unit === '' && system === '') return { held: same, asked: same };
  if (system === '')
    return held.code === unit || held.unit === unit ? { held: same, asked: same } : undefined;
  if (held.system !== system) return undefined;
  if (unit === '' || held.code === unit) return { held: same, asked: same };
  const [from, to] = system === UCUM ? [parseUnit(held.code ?? ''), parseUnit(unit)] : [];
  if (!from || !to || from.measures !== to.measures) return undefined;
  return { held: (value) => inBaseUnits(value, from), asked: (value) => inBaseUnits(value, to) };
}
