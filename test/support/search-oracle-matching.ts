/**
 * Whether one element of a resource is what one value of a search asks for, by type of parameter.
 * https://hl7.org/fhir/R4/search.html#ptypes
 */
import type { Asking, Element, Parameter } from './search-oracle-definitions.ts';
import { isQuantity } from './search-oracle-quantities.ts';
import { parseDate, type Span } from './search-oracle-ranges.ts';
import { normal, prefixed, unescape } from './search-oracle-text.ts';
import { hasText, isIdentifiedReference, isToken } from './search-oracle-tokens.ts';

export type Matcher = (element: Element, value: string, asking: Asking) => boolean;

/** Undefined where the parameter's type has no such modifier. */
export function matcherOf(parameter: Parameter, modifier: string | undefined): Matcher | undefined {
  switch (parameter.type) {
    case 'token':
      if (parameter.code === '_id')
        return modifier === undefined ? ({ value: id }, value) => id === unescape(value) : undefined;
      return { '': isToken, not: isToken, text: hasText }[modifier ?? ''];
    case 'string':
      return {
        '': (element: Element, value: string) =>
          strings(element).some((text) => normal(text).startsWith(normal(unescape(value)))),
        contains: (element: Element, value: string) =>
          strings(element).some((text) => normal(text).includes(normal(unescape(value)))),
        exact: (element: Element, value: string) => strings(element).includes(unescape(value)),
      }[modifier ?? ''];
    case 'uri':
      return modifier === undefined ? isUri : undefined;
    case 'date':
      return modifier === undefined ? isDate : undefined;
    case 'number':
      if (modifier !== undefined) return undefined;
      return (element, value, asking) =>
        typeof element.value === 'number' && isQuantity(element, value, asking);
    case 'quantity':
      return modifier === undefined ? isQuantity : undefined;
    case 'reference':
      if (modifier === 'identifier') return isIdentifiedReference;
      if (modifier === undefined)
        return (element, value, { base }) => isReference(element, unescape(value), parameter, base);
      return parameter.targets.includes(modifier)
        ? (element, value, { base }) =>
            isReference(element, `${modifier}/${unescape(value)}`, parameter, base)
        : undefined;
  }
}

const PARTS: Record<string, string[]> = {
  HumanName: ['text', 'family', 'given', 'prefix', 'suffix'],
  Address: ['text', 'line', 'city', 'district', 'state', 'postalCode', 'country'],
};

/** What a string search sees in an element. */
export function strings({ type, value }: Element): string[] {
  const parts = PARTS[type];
  if (!parts) return [String(value)];
  return parts.flatMap((part) => (value as Record<string, string | string[] | undefined>)[part] ?? []);
}

function isReference(element: Element, value: string, parameter: Parameter, base: string): boolean {
  const wanted = value.startsWith(`${base}/`) ? value.slice(base.length + 1) : value;
  const held = targetsOf(element, parameter, base);
  // An id alone is of any type that the parameter can point at.
  if (/^[A-Za-z0-9.-]{1,64}$/.test(wanted))
    return parameter.targets.some((type) => held.includes(`${type}/${wanted}`));
  return held.includes(wanted);
}

/** Addresses that a reference search sees in an element, those of this server as `Type/id`. */
export function targetsOf({ type, value }: Element, { targets }: Parameter, base: string): string[] {
  if (type === 'Reference') {
    const { reference } = value as { reference?: string };
    if (reference === undefined || reference.startsWith('#')) return [];
    const target = reference.startsWith(`${base}/`) ? reference.slice(base.length + 1) : reference;
    return [target, target.replace(/\/_history\/.*$/, '')];
  }
  if (typeof value === 'string') return value.startsWith('#') ? [] : [value, value.replace(/\|.*$/, '')];
  const { resourceType, id } = value as { resourceType?: string; id?: string };
  // A Bundle's composition is its first resource if that is a Composition.
  return targets.includes(String(resourceType)) && id !== undefined ? [`${resourceType}/${id}`] : [];
}

/** A canonical is found without its version too. */
function isUri({ type, value: held }: Element, value: string): boolean {
  const wanted = unescape(value);
  return held === wanted || (type === 'canonical' && String(held).replace(/\|.*$/, '') === wanted);
}

function isDate(element: Element, value: string, { now, near }: Asking): boolean {
  const [prefix, text] = prefixed(value);
  const asked = parseDate(text);
  const held = spanOf(element);
  if (!asked || !held) return false;
  const slack = (Math.abs(now - asked.low) * Number(near.n)) / Number(near.d);
  const within = asked.low <= held.low && held.high <= asked.high;
  return {
    eq: within,
    ne: !within,
    gt: held.high > asked.high,
    lt: held.low < asked.low,
    ge: held.high > asked.high || within,
    le: held.low < asked.low || within,
    sa: held.low > asked.high,
    eb: held.high < asked.low,
    ap: held.high >= asked.low - slack && held.low <= asked.high + slack,
  }[prefix]!;
}

/** Undefined for what is no time, or has no limits. */
export function spanOf({ type, value }: Element): Span | undefined {
  if (type === 'Period') {
    const { start, end } = value as { start?: string; end?: string };
    const low = start === undefined ? undefined : parseDate(start)?.low;
    const high = end === undefined ? undefined : parseDate(end)?.high;
    if (low === undefined && high === undefined) return undefined;
    return { low: low ?? -Infinity, high: high ?? Infinity };
  }
  if (type === 'Timing') {
    const { event = [], repeat } = value as { event?: string[]; repeat?: { boundsPeriod?: object } };
    const spans = event.map((value) => parseDate(value)!);
    if (repeat?.boundsPeriod) spans.push(spanOf({ type: 'Period', value: repeat.boundsPeriod })!);
    if (spans.length === 0) return undefined;
    return {
      low: Math.min(...spans.map(({ low }) => low)),
      high: Math.max(...spans.map(({ high }) => high)),
    };
  }
  if (!['date', 'dateTime', 'instant'].includes(type)) return undefined;
  return parseDate(String(value));
}
