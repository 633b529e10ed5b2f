/**
 * What a single observation says of a NEWS2: measurements, the points that its source gave them, a total, a target of
 * saturation. In the codes of SNOMED CT and LOINC, as values or as components.
 * https://simplifier.net/guide/nhsdigital-clinical-observations
 */
import { notes } from '@carelog/projection';
import { hash } from 'node:crypto';
import type { Placed, Source } from './care-setting.ts';
import type { Code, Fact } from './fact.ts';
import type { Part, SaturationScale } from './news2.ts';
import { timeOf } from './sections.ts';

/** What an observation says by itself, whoever told of it. */
interface Saying {
  readonly at: number;
  readonly measured: ReadonlyMap<Part, number>;
  readonly recorded?: number;
  readonly recordedParts: ReadonlyMap<Part, number>;
  readonly scale?: SaturationScale;
  readonly members: readonly string[];
  /** A target of saturation, as it was prescribed. */
  readonly target?: 'low' | 'usual';
}

/** What one observation says of the score. */
export interface Told extends Saying {
  readonly placed: Placed;
}

const NOTHING: readonly never[] = [];
const noted = notes<Fact, Saying | undefined>('news2');
const digests = notes<Fact, string>('words');

/** Undefined where it says nothing of a score. Found out once: with each measurement that comes, all others are looked at again. */
export function sayingOf({ fact, source }: Pick<Placed, 'fact' | 'source'>): Saying | undefined {
  if (fact.kind !== 'observation') return undefined;
  const before = noted.of(fact);
  if (before !== undefined) return before.found;
  const saying = isForScore(fact) ? readSaying(fact, source) : undefined;
  noted.note(fact, saying);
  return saying;
}

/** The same for what a source says again of the same moment, with nothing else but business identifiers. */
export function wordsOf({ at, placed: { fact, source } }: Told): string {
  let digest = digests.of(fact)?.found;
  if (digest === undefined) {
    digest = hash('sha256', JSON.stringify({ ...fact, identifiers: [] }), 'base64');
    digests.note(fact, digest);
  }
  return `${digest} ${at} ${source.organisation} ${source.system}`;
}

/** Empty where it says nothing of it. */
export function toldBy(placed: Placed): readonly Told[] {
  const saying = sayingOf(placed);
  if (saying === undefined || placed.fact.status === 'cancelled') return NOTHING;
  const { measured, recordedParts, recorded } = saying;
  if (measured.size === 0 && recordedParts.size === 0 && recorded === undefined) return NOTHING;
  return [{ placed, ...saying }];
}

function readSaying(fact: Fact, source: Source): Saying {
  const measured = new Map<Part, number>();
  const recordedParts = new Map<Part, number>();
  let scale: SaturationScale | undefined;
  for (const { codes, value } of [fact, ...(fact.parts ?? [])]) {
    const part = known(MEASURED, codes);
    const found = part === undefined ? undefined : measurement(part, codes, value);
    if (part !== undefined && found !== undefined) measured.set(part, found);
    const points = known(POINTS, codes);
    if (points === undefined || value?.kind !== 'quantity') continue;
    recordedParts.set(points, value.number);
    if (points === 'saturation') scale = codes.some(({ code }) => code === SCALE_2_POINTS) ? 2 : 1;
  }
  const { codes, value, refs } = fact;
  const isTotal = codes.some(({ code }) => code === TOTAL);
  const recorded = isTotal && value?.kind === 'quantity' ? value.number : undefined;
  const at = timeOf({ fact, source });
  return {
    at,
    measured,
    recordedParts,
    members: isTotal ? (refs['members'] ?? []) : [],
    ...(recorded !== undefined && { recorded }),
    ...(scale && { scale }),
    ...targetIn(fact),
  };
}

/** Whether it may be part of a set, or says how one is scored. */
export function isForScore({ codes, parts = [] }: Fact): boolean {
  const isKnown = (it: readonly Code[]) =>
    known(MEASURED, it) !== undefined || known(POINTS, it) !== undefined;
  const isTold = codes.some(({ code }) => code === TOTAL || TARGETS.has(code));
  return isTold || isKnown(codes) || parts.some((part) => isKnown(part.codes));
}

/** A target for saturation, as it was prescribed. */
export interface Target {
  readonly placed: Placed;
  readonly at: number;
  readonly isLow: boolean;
}

/** Empty where it is none. */
export function targetOf(placed: Placed): readonly Target[] {
  const { at, target } = sayingOf(placed) ?? {};
  return at === undefined || target === undefined ? NOTHING : [{ placed, at, isLow: target === 'low' }];
}

function targetIn({ codes, value }: Fact): Pick<Saying, 'target'> {
  if (value?.kind !== 'quantity' || !codes.some(({ code }) => TARGETS.has(code))) return {};
  return { target: value.number >= 88 && value.number <= 92 ? 'low' : 'usual' };
}

function measurement(part: Part, codes: readonly Code[], value: Placed['fact']['value']): number | undefined {
  if (part === 'oxygen') return oxygenGiven(codes, value);
  if (value?.kind === 'code') return part === 'consciousness' ? known(ACVPU, value.codes) : undefined;
  if (value?.kind !== 'quantity' || part === 'consciousness') return undefined;
  return value.unit === '[degF]' ? ((value.number - 32) * 5) / 9 : value.number;
}

/** Said by the code itself, by the value, by the flow in litres a minute, or by the share inspired (of 1 or of 100). */
function oxygenGiven(codes: readonly Code[], value: Placed['fact']['value']): number | undefined {
  const said = known(OXYGEN_GIVEN, value?.kind === 'code' ? [...value.codes, ...codes] : codes);
  if (said !== undefined || value?.kind !== 'quantity') return said;
  if (codes.some(({ code }) => code === OXYGEN_FLOW)) return value.number > 0 ? 1 : 0;
  return (value.number <= 1 ? value.number * 100 : value.number) > 21 ? 1 : 0;
}

function known<T>(table: ReadonlyMap<string, T>, codes: readonly Code[]): T | undefined {
  for (const { code } of codes) {
    const found = table.get(code);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Royal College of Physicians NEWS2 total score, SNOMED CT. */
const TOTAL = '1104051000000101';
const SCALE_2_POINTS = '1104321000000108';
/** Points of each part. */
const POINTS: ReadonlyMap<string, Part> = new Map([
  ['1104301000000104', 'respiration'],
  ['1104311000000102', 'saturation'],
  [SCALE_2_POINTS, 'saturation'],
  ['1104331000000105', 'oxygen'],
  ['1104341000000101', 'systolic'],
  ['1104351000000103', 'pulse'],
  ['1104361000000100', 'consciousness'],
  ['1104371000000107', 'temperature'],
]);
/** LOINC: inhaled oxygen flow rate. */
const OXYGEN_FLOW = '3151-8';
/** Measurements in SNOMED CT and LOINC. */
const MEASURED: ReadonlyMap<string, Part> = new Map([
  ['86290005', 'respiration'],
  ['9279-1', 'respiration'],
  ['103228002', 'saturation'],
  ['431314004', 'saturation'],
  ['2708-6', 'saturation'],
  ['59408-5', 'saturation'],
  ['722742002', 'oxygen'],
  ['371825009', 'oxygen'],
  ['315041000', 'oxygen'],
  ['9999016', 'oxygen'],
  [OXYGEN_FLOW, 'oxygen'],
  ['3150-6', 'oxygen'],
  ['72313002', 'systolic'],
  ['271649006', 'systolic'],
  ['8480-6', 'systolic'],
  ['364075005', 'pulse'],
  ['78564009', 'pulse'],
  ['8867-4', 'pulse'],
  ['1104441000000107', 'consciousness'],
  ['703421000', 'temperature'],
  ['276885007', 'temperature'],
  ['386725007', 'temperature'],
  ['8310-5', 'temperature'],
]);
/** Breathing room air; on oxygen, high concentration, high flow. */
const OXYGEN_GIVEN: ReadonlyMap<string, number> = new Map([
  ['722742002', 0],
  ['371825009', 1],
  ['315041000', 1],
  ['9999016', 1],
]);
/** Alert; new confusion, responds to voice, to pain, unresponsive. Who sleeps is not scored. */
const ACVPU: ReadonlyMap<string, number> = new Map([
  ['248234008', 0],
  ['130987000', 1],
  ['300202002', 1],
  ['450847001', 1],
  ['422768004', 1],
]);
/** Target, and maximum, peripheral oxygen saturation. */
const TARGETS = new Set(['852641000000103', '852651000000100']);
