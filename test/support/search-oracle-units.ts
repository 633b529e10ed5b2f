/**
 * As much of UCUM as the test data and questions about it use: what a unit measures, and how much of it, exactly.
 * https://ucum.org/ucum
 */
import { divide, exact, parseNumber, plus, times, type Exact } from './search-oracle-ranges.ts';

/** `amount` of base units for one of the unit, above `zero` of them (temperatures). */
export interface Unit {
  /** Powers of the base units, as text: two units with the same can be compared. */
  readonly measures: string;
  readonly amount: Exact;
  readonly zero: Exact;
}

const BASE = ['m', 's', 'g', 'rad', 'K', 'C', 'cd'];
const PREFIXES: Record<string, number> = {
  f: -15,
  p: -12,
  n: -9,
  u: -6,
  m: -3,
  c: -2,
  d: -1,
  h: 2,
  k: 3,
  M: 6,
  G: 9,
};

// Each in the terms of others; metric ones take a prefix.
const METRIC: Record<string, [number: string, unit: string]> = {
  L: ['1', 'dm3'],
  l: ['1', 'dm3'],
  mol: ['6.0221367', '10*23'],
  eq: ['1', 'mol'],
  U: ['1', 'umol/min'],
  cal: ['4.184', 'J'],
  J: ['1', 'N.m'],
  N: ['1', 'kg.m/s2'],
  Pa: ['1', 'N/m2'],
  'm[Hg]': ['133.3220', 'kPa'],
};
const OTHER: Record<string, [number: string, unit: string]> = {
  min: ['60', 's'],
  h: ['60', 'min'],
  d: ['24', 'h'],
  wk: ['7', 'd'],
  mo: ['30.4375', 'd'],
  a: ['365.25', 'd'],
  '%': ['1', '10*-2'],
  '[in_i]': ['2.54', 'cm'],
  '[ft_i]': ['12', '[in_i]'],
  '[lb_av]': ['453.59237', 'g'],
  '[oz_av]': ['28.349523125', 'g'],
  // One gallon is 231 cubic inches and 128 fluid ounces.
  '[foz_us]': ['29.5735295625', 'cm3'],
  '[diop]': ['1', '/m'],
  deg: ['0.017453292519943295', 'rad'],
};
const ABOVE_ZERO: Record<string, [zero: Exact, amount: Exact]> = {
  Cel: [number('273.15'), exact(1)],
  '[degF]': [divide(times(number('459.67'), exact(5)), exact(9)), exact(5, 9)],
};

/** Undefined for what is no UCUM, or none that is known here. */
export function parseUnit(code: string): Unit | undefined {
  const special = ABOVE_ZERO[code];
  if (special) return { measures: 'K', amount: special[1], zero: special[0] };
  const product = parseTerms(code);
  if (!product) return undefined;
  const measures = BASE.map((unit, i) => (product.powers[i] ? `${unit}${product.powers[i]}` : '')).join('');
  return { measures: measures === 'K1' ? 'K' : measures, amount: product.amount, zero: exact(0) };
}

/** The value in base units, so that it can be compared with others of the same measure. */
export function inBaseUnits(value: Exact, unit: Unit): Exact {
  return plus(times(value, unit.amount), unit.zero);
}

interface Product {
  readonly amount: Exact;
  readonly powers: readonly number[];
}

const ONE: Product = { amount: exact(1), powers: BASE.map(() => 0) };

function parseTerms(code: string): Product | undefined {
  if (/[()\s]/.test(code) || code === '') return undefined;
  let product = ONE;
  const whole = code.startsWith('/') ? `1${code}` : code;
  for (const [, operator, term = ''] of whole.matchAll(/(^|[./])((?:\{[^}]*\}|[^./{])*)/g)) {
    const factor = parseFactor(term.replace(/\{[^}]*\}/g, ''), term.includes('{'));
    if (!factor) return undefined;
    product = multiply(product, factor, operator === '/' ? -1 : 1);
  }
  return product;
}

function parseFactor(text: string, annotated: boolean): Product | undefined {
  if (text === '') return annotated ? ONE : undefined;
  if (/^\d+$/.test(text)) return { ...ONE, amount: exact(BigInt(text)) };
  const [, symbol, power = '1'] = /^(10\*|\D+?)([+-]?\d+)?$/.exec(text) ?? [];
  if (symbol === undefined) return undefined;
  if (symbol === '10*') return { ...ONE, amount: number(`1e${Number(power)}`) };
  const atom = parseAtom(symbol);
  return atom && multiply(ONE, atom, Number(power));
}

function parseAtom(symbol: string): Product | undefined {
  const whole = metric(symbol) ?? defined(OTHER[symbol]);
  const exponent = PREFIXES[symbol.charAt(0)];
  if (whole || exponent === undefined) return whole;
  const rest = metric(symbol.slice(1));
  return rest && { ...rest, amount: times(rest.amount, number(`1e${exponent}`)) };
}

function metric(symbol: string): Product | undefined {
  if (BASE.includes(symbol)) return { ...ONE, powers: BASE.map((unit) => (unit === symbol ? 1 : 0)) };
  return defined(METRIC[symbol]);
}

function defined(definition: [string, string] | undefined): Product | undefined {
  if (!definition) return undefined;
  const product = parseTerms(definition[1])!;
  return { ...product, amount: times(product.amount, number(definition[0])) };
}

function multiply(product: Product, factor: Product, power: number): Product {
  let { amount } = product;
  for (let i = 0; i < Math.abs(power); i++)
    amount = power < 0 ? divide(amount, factor.amount) : times(amount, factor.amount);
  return { amount, powers: product.powers.map((own, i) => own + power * factor.powers[i]!) };
}

function number(text: string): Exact {
  return parseNumber(text)!.value;
}
