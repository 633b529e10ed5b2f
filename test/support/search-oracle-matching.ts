/**
 * Whether one element of a resource is what one value of a search asks for, by type of parameter.
 * https://hl7.org/fhir/R4/search.html#ptypes
 */
import type { Element, Parameter } from './search-oracle-definitions.ts';
import {
  compare,
  exact,
  minus,
  parseDate,
  parseNumber,
  plus,
  times,
  type Exact,
  type Span,
} from './search-oracle-ranges.ts';
import { inBaseUnits, parseUnit } from './search-oracle-units.ts';

export interface Asking {
  /** Own base URL, without a slash at its end. */
  readonly base: string;
  readonly now: number;
  /** What part of a number, or of the time since a date, counts as near. */
  readonly near: Exact;
}

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

/** At separators that no backslash stands before; the parts stay escaped. */
export function split(text: string, separator: ',' | '|'): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/\\.|[^\\]|\\$/gsu))
    if (piece === separator) parts.push('');
    else parts[parts.length - 1] += piece;
  return parts;
}

export function unescape(text: string): string {
  return text.replace(/\\([\\,|$])/g, '$1');
}

/** Without case, accents and needless white space. */
export function normal(text: string): string {
  const bare = text.normalize('NFKD').replace(/\p{M}/gu, '');
  return bare.toLowerCase().replaceAll('ß', 'ss').replace(/\s+/g, ' ').trim();
}

export interface Coded {
  readonly system?: string | undefined;
  readonly code?: string | undefined;
  readonly anyCase: boolean;
}

/**
 * Case counts where the code system says so, and when in doubt it does not. HL7 says so of those that it publishes, but for the
 * tables of v2, and UCUM of itself.
 */
export function anyCase(system: string | undefined): boolean {
  if (system === undefined) return true;
  if (/^http:\/\/(terminology\.hl7\.org\/CodeSystem\/v2-|hl7\.org\/fhir\/sid\/)/.test(system)) return true;
  return !/^http:\/\/(hl7\.org\/fhir\/|terminology\.hl7\.org\/CodeSystem\/|unitsofmeasure\.org$)/.test(
    system,
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** What a token search sees in an element. */
export function codes({ type, value }: Element): Coded[] {
  const { coding, system, code, value: inner } = value as Record<string, unknown> & { coding?: Fields[] };
  const coded = (of: unknown, what: unknown, any = anyCase(of as string | undefined)): Coded[] =>
    of === undefined && what === undefined
      ? []
      : [{ system: of as string | undefined, code: what as string | undefined, anyCase: any }];
  switch (type) {
    case 'CodeableConcept':
      return (coding ?? []).flatMap((each) => coded(each['system'], each['code']));
    case 'Coding':
      return coded(system, code);
    case 'Identifier':
      return coded(system, inner, true);
    case 'ContactPoint':
      return coded(undefined, inner, true);
    case 'string':
      return coded(undefined, value, true);
    default:
      return coded(undefined, String(value), false);
  }
}

function isToken(element: Element, value: string): boolean {
  return isCoded(codes(element), value);
}

function isCoded(all: readonly Coded[], value: string): boolean {
  const parts = split(value, '|').map(unescape);
  const [system, code] = parts.length === 1 ? [undefined, parts[0]!] : [parts[0]!, parts.slice(1).join('|')];
  return all.some((each) => {
    const sameCode = each.anyCase ? each.code?.toLowerCase() === code.toLowerCase() : each.code === code;
    // Codes without a system may be found in lower case too, whatever their system says: in doubt more is found.
    if (system === undefined)
      return sameCode || (each.system !== undefined && each.code === code.toLowerCase());
    if (system === '') return each.system === undefined && sameCode;
    return each.system === system && (code === '' || sameCode);
  });
}

function hasText({ type, value }: Element, searched: string): boolean {
  const {
    text,
    display,
    coding,
    type: kind,
  } = value as Record<string, string | undefined> & {
    coding?: Record<string, string>[];
    type?: { text?: string };
  };
  const texts =
    type === 'Identifier'
      ? [kind?.text]
      : [text, display, ...(coding ?? []).map(({ display: each }) => each)];
  return texts.some((each) => each !== undefined && normal(each).startsWith(normal(unescape(searched))));
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

function isIdentifiedReference({ type, value }: Element, searched: string): boolean {
  const { identifier } = value as { identifier?: { system?: string; value?: string } };
  if (type !== 'Reference' || !identifier) return false;
  return isCoded([{ system: identifier.system, code: identifier.value, anyCase: true }], searched);
}

/** A canonical is found without its version too. */
function isUri({ type, value: held }: Element, value: string): boolean {
  const wanted = unescape(value);
  return held === wanted || (type === 'canonical' && String(held).replace(/\|.*$/, '') === wanted);
}

function prefixed(value: string): [prefix: string, rest: string] {
  const [, prefix = 'eq', rest = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s.exec(value) ?? [];
  return [prefix, rest];
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

function isQuantity(element: Element, value: string, { near }: Asking): boolean {
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

/** The middle of what is meant, to sort by. */
export function sizeOf({ low, high }: Amount): number {
  const [a, b] = [low ?? high, high ?? low].map((end) => (end ? Number(end.n) / Number(end.d) : 0));
  return (a! + b!) / 2;
}
