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
    const against = (side: 'low' | 'high', value: Exact): number =>
      held[side] === undefined
        ? side === 'low'
          ? -1
          : 1
        : compare(scale.held(held[side]), scale.asked(value));
    const inside =
      against('low', minus(asked.value, asked.half)) >= 0 &&
      against('high', plus(asked.value, asked.half)) < 0;
    return {
      eq: inside,
      ne: !inside,
      gt: against('high', asked.value) > 0,
      lt: against('low', asked.value) < 0,
      ge: against('high', asked.value) >= 0,
      le: against('low', asked.value) <= 0,
      sa: against('low', asked.value) > 0,
      eb: against('high', asked.value) < 0,
      ap: against('high', minus(asked.value, slack)) >= 0 && against('low', plus(asked.value, slack)) <= 0,
    }[prefix]!;
  });
}

export interface Amount {
  /** Undefined where open. */
  readonly low: Exact | undefined;
  readonly high: Exact | undefined;
  readonly system?: string | undefined;
  readonly code?: string | undefined;
  readonly unit?: string | undefined;
}

/** What a number or quantity search sees in an element. */
export function amounts({ type, value }: Element): Amount[] {
  if (typeof value === 'number') return [{ low: numberOf(value), high: numberOf(value) }];
  const fields = value as Record<string, string | undefined> & {
    value?: number;
    low?: Fields;
    high?: Fields;
  };
  if (type === 'Range') {
    const { system, code, unit } = (fields.low ?? fields.high ?? {}) as Record<string, string>;
    const low = fields.low?.['value'] as number | undefined;
    const high = fields.high?.['value'] as number | undefined;
    return [{ low: numberOf(low), high: numberOf(high), system, code, unit }];
  }
  if (typeof fields.value !== 'number') return [];
  const point = numberOf(fields.value);
  if (type === 'Money')
    return [{ low: point, high: point, system: 'urn:iso:std:iso:4217', code: fields['currency'] }];
  const { system, code, unit } = fields;
  return [{ low: point, high: point, system, code, unit }];
}

function numberOf(value: number): Exact;
function numberOf(value: number | undefined): Exact | undefined;
function numberOf(value: number | undefined): Exact | undefined {
  return value === undefined ? undefined : parseNumber(String(value))!.value;
}

type Fields = Readonly<Record<string, unknown>>;

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
