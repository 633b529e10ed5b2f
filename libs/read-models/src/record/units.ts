/** Which units compare, and how a value in one reads in the other. https://ucum.org/ucum */
import type { ucum as Ucum } from '@atomic-ehr/ucum';
import type { NumberComparison, QuantityComparison } from '@carelog/fhir';

/** A unit as a resource has it; empty texts are none. */
export interface WrittenUnit {
  readonly system: string;
  readonly code: string;
  readonly unit: string;
}

/** As a search has it: a code of a system, or without a system what is a code or a written unit. */
export interface AskedUnit {
  readonly system: string | undefined;
  readonly unit: string | undefined;
}

export const UCUM = 'http://unitsofmeasure.org';

/** Must have resolved before units of UCUM are converted; the units cost some 30 ms to load, so only who asks pays. */
export async function loadUnits(): Promise<void> {
  library ??= await import('@atomic-ehr/ucum');
}

/** The comparison in the terms of the written unit; undefined where the two do not compare. Without a unit it is as asked. */
export function inUnit(asked: QuantityComparison, written: WrittenUnit): NumberComparison | undefined {
  const { system, unit, prefix, value, low, high } = asked;
  if (system === undefined && unit === undefined) return { prefix, value, low, high };
  const convert = conversion(asked, written);
  return convert && { prefix, value: convert(value), low: convert(low), high: convert(high) };
}

/** Takes a value in the unit asked for to the written one; undefined where the two do not compare. */
export function conversion(asked: AskedUnit, written: WrittenUnit): ((value: number) => number) | undefined {
  const { system, unit } = asked;
  if (system === undefined) return unit === written.code || unit === written.unit ? same : undefined;
  if (system !== written.system) return undefined;
  if (unit === undefined || unit === written.code) return same;
  return system === UCUM && written.code !== '' ? converted(plain(unit), plain(written.code)) : undefined;
}

let library: { ucum: typeof Ucum } | undefined;
const same = (value: number) => value;
// What stands in braces says nothing to UCUM; the library stumbles over digits in it (`mL/min/{1.73_m2}`).
const plain = (unit: string) => unit.replace(/\{[^}]*\}/g, '{}');
const conversions = new Map<string, ((value: number) => number) | null>();
const CACHED_MAX = 20_000;

function converted(from: string, to: string): ((value: number) => number) | undefined {
  const name = `${from} ${to}`;
  let known = conversions.get(name);
  if (known === undefined) {
    known = comparable(from, to) ? (value) => convert(value, from, to) : null;
    if (conversions.size >= CACHED_MAX) conversions.clear();
    conversions.set(name, known);
  }
  return known ?? undefined;
}

/** More digits than a measurement has, fewer than a conversion in binary arithmetic gets wrong. */
const DIGITS = 12;

// The library refuses what is colder than can be. Whoever asks is to get an answer: the scale goes on, mirrored at zero.
function convert(value: number, from: string, to: string): number {
  const at = (amount: number) => library?.ucum.convert(amount, from, to) ?? Number.NaN;
  return Number((value < 0 ? 2 * at(0) - at(-value) : at(value)).toPrecision(DIGITS));
}

function comparable(from: string, to: string): boolean {
  if (library === undefined) throw new Error('The units were not loaded before they were compared.');
  const { ucum } = library;
  if (!ucum.isConvertible(from, to)) return false;
  const [one, other] = [atomsOf(from), atomsOf(to)];
  // Logarithms and the like do not keep a range a range; only temperatures are worth their own rule.
  if ([...one, ...other].some((atom) => ucum.isSpecialUnit(atom) && !TEMPERATURES.has(atom))) return false;
  // An arbitrary unit compares with nothing but itself: https://ucum.org/ucum#section-Arbitrary-Units
  const arbitrary = (atoms: readonly string[]) =>
    atoms
      .filter((atom) => ucum.isArbitraryUnit(atom))
      .map((atom) => atom.slice(atom.indexOf('[')).toLowerCase())
      .toSorted()
      .join();
  return arbitrary(one) === arbitrary(other);
}

const TEMPERATURES = new Set(['Cel', '[degF]', '[degRe]']);

/** The units in a unit: `[iU]` and `mL` in `[iU]/mL`. */
function atomsOf(unit: string): string[] {
  return unit.replaceAll('{}', '').match(/\[[^\]]*\]|[A-Za-z%'"_]+(?:\[[^\]]*\])?/g) ?? [];
}
