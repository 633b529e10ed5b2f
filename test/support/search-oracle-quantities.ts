/**
 * Numbers and quantities, and whether they are what a search asks for.
 * https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/search.html#quantity
 */
import type { Asking, Element } from './search-oracle-definitions.ts';
import { compare, exact, minus, parseNumber, plus, times, type Exact } from './search-oracle-ranges.ts';
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
    const against = (value: Exact): number => compare(scale.held(held.value), scale.asked(value));
    const inside = against(minus(asked.value, asked.half)) >= 0 && against(plus(asked.value, asked.half)) < 0;
    const place = against(asked.value);
    return {
      eq: inside,
      ne: !inside,
      gt: place > 0,
      lt: place < 0,
      ge: place >= 0,
      le: place <= 0,
      sa: place > 0,
      eb: place < 0,
      ap: against(minus(asked.value, slack)) >= 0 && against(plus(asked.value, slack)) <= 0,
    }[prefix]!;
  });
}

export interface Amount {
  readonly value: Exact;
  readonly system?: string | undefined;
  readonly code?: string | undefined;
  readonly unit?: string | undefined;
}

/** What a number or quantity search sees in an element. */
export function amounts({ type, value }: Element): Amount[] {
  if (typeof value === 'number') return [{ value: exactly(value) }];
  const { value: number, currency, system, code, unit, low, high } = value as Fields;
  // R4 would have it a range; the record keeps its limits (docs/reference/search.md).
  if (type === 'Range')
    return [low, high].flatMap((limit) => (limit ? amounts({ type: 'Quantity', value: limit }) : []));
  if (number === undefined) return [];
  if (type === 'Money') return [{ value: exactly(number), system: 'urn:iso:std:iso:4217', code: currency }];
  return [{ value: exactly(number), system, code, unit }];
}

interface Fields {
  readonly value?: number;
  readonly currency?: string;
  readonly system?: string;
  readonly code?: string;
  readonly unit?: string;
  readonly low?: object;
  readonly high?: object;
}

function exactly(value: number): Exact {
  return parseNumber(String(value))!.value;
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
