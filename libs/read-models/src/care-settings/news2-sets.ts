/**
 * Which observations make up one NEWS2, and what it comes to. Sources send a total with its members, a total alone, or single
 * measurements; what was measured is scored here, and where the source's own total says otherwise both are shown.
 * https://simplifier.net/guide/nhsdigital-clinical-observations
 */
import type { Item, Placed } from './care-setting.ts';
import type { Code, Fact } from './fact.ts';
import { PARTS, PART_NAMES, responseTo, scoreOf, type Part, type Response, type SaturationScale, type Score } from './news2.ts'; // prettier-ignore
import { timeOf } from './sections.ts';

export interface ObservationSet {
  /** Milliseconds UTC. */
  readonly at: number;
  /** The same whichever of its observations came first. */
  readonly stream: string;
  readonly sources: readonly [Placed, ...Placed[]];
  readonly score: Score;
  /** The source's own. */
  readonly recorded?: number;
  readonly scale: SaturationScale;
  /** Of the higher one, where the recorded total is not what was measured. */
  readonly total: number;
  readonly response: Response;
  /** In words, where sources do not agree. */
  readonly differs?: string;
}

/**
 * Newest first. Observations belong together where a total names them as its members; else where they are of one encounter
 * (or, without one, of one organisation), within a quarter of an hour, and no measurement is there twice. Fewer than three
 * measurements are no set, unless a total or the consciousness scale is among them. None for who is under 16. Observations
 * before `since` (milliseconds UTC) are left out, but for targets of saturation, which stand until there is another.
 */
export function observationSets(facts: readonly Placed[], since = 0): readonly ObservationSet[] {
  const recent = facts.filter((it) => it.fact.kind === 'observation' && timeOf(it) >= since);
  const told = recent.flatMap(toldBy).toSorted(oldestFirst);
  const targets = facts.flatMap(targetOf).toSorted(oldestFirst);
  return groups(told)
    .filter((group) => isScored(group) && !isChildAt(facts, group.at))
    .map((group) => scored(group, targets))
    .toSorted((a, b) => b.at - a.at || (a.stream < b.stream ? -1 : 1));
}

/** One line: the score, what went before, each measurement with its points, what is missing. */
export function setLine(set: ObservationSet, before: ObservationSet | undefined): Item {
  const atLeast = set.score.missing.length > 0 && set.recorded === undefined ? 'at least ' : '';
  const points = PART_NAMES.flatMap((part) => {
    const score = set.score.parts[part];
    return score === undefined || score === 0 ? [] : [`${PARTS[part]} ${score}`];
  });
  const missing = set.score.missing.map((part) => PARTS[part]);
  const detail = [
    new Date(set.at).toISOString().slice(0, 16).replace('T', ' '),
    trend(set, before),
    set.response === 'routine' ? '' : `${set.response} response`,
    points.join(', '),
    set.scale === 2 ? 'saturation on scale 2' : '',
    missing.length === 0 ? '' : `not measured: ${missing.join(', ')}`,
  ];
  return {
    text: `NEWS2 ${atLeast}${set.total}`,
    sources: set.sources,
    detail: detail.filter((it) => it !== '').join('; '),
    ...(set.differs !== undefined && { differs: set.differs }),
    ...(set.response !== 'routine' && { urgent: true as const }),
  };
}

function trend(set: ObservationSet, before: ObservationSet | undefined): string {
  if (before === undefined) return '';
  if (set.total === before.total) return 'as before';
  return `${set.total > before.total ? 'rising' : 'falling'} from ${before.total}`;
}

/** What one observation says of the score. */
interface Told {
  readonly placed: Placed;
  readonly at: number;
  readonly measured: ReadonlyMap<Part, number>;
  readonly recorded?: number;
  readonly recordedParts: ReadonlyMap<Part, number>;
  readonly scale?: SaturationScale;
  readonly members: readonly string[];
}

function toldBy(placed: Placed): Told[] {
  const { fact } = placed;
  if (fact.status === 'cancelled') return [];
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
  const isTotal = fact.codes.some(({ code }) => code === TOTAL);
  const recorded = isTotal && fact.value?.kind === 'quantity' ? fact.value.number : undefined;
  if (measured.size === 0 && recordedParts.size === 0 && recorded === undefined) return [];
  const members = isTotal ? (fact.refs['members'] ?? []) : [];
  return [{ placed, at: timeOf(placed), measured, recordedParts, members, ...(recorded !== undefined && { recorded }), ...(scale && { scale }) }]; // prettier-ignore
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

interface Group {
  readonly key: string;
  readonly at: number;
  readonly told: Told[];
  readonly has: Set<Part | 'total'>;
}

function groups(told: readonly Told[]): readonly Group[] {
  const byMember = new Map<string, Group>();
  const all: Group[] = [];
  for (const one of told.filter(({ members }) => members.length > 0)) {
    const group = begun(one);
    all.push(group);
    for (const member of one.members) if (!byMember.has(member)) byMember.set(member, group);
  }
  const seeds = new Set(all.flatMap((group) => group.told));
  const loose: Told[] = [];
  for (const one of told) {
    if (seeds.has(one)) continue;
    const group = byMember.get(one.placed.stream);
    if (group === undefined) loose.push(one);
    else join(group, one);
  }
  const byKey = new Map<string, Group[]>();
  for (const group of all) listed(byKey, group);
  for (const one of loose) {
    const near = (byKey.get(keyOf(one.placed)) ?? []).filter((group) => Math.abs(group.at - one.at) <= WITHIN_MS && fits(group, one)); // prettier-ignore
    const nearest = near.toSorted((a, b) => Math.abs(a.at - one.at) - Math.abs(b.at - one.at) || a.at - b.at)[0]; // prettier-ignore
    if (nearest !== undefined) join(nearest, one);
    else {
      const group = begun(one);
      all.push(group);
      listed(byKey, group);
    }
  }
  return all;
}

const WITHIN_MS = 15 * 60_000;

function listed(byKey: Map<string, Group[]>, group: Group): void {
  const same = byKey.get(group.key);
  if (same === undefined) byKey.set(group.key, [group]);
  else same.push(group);
}

function begun(one: Told): Group {
  const group: Group = { key: keyOf(one.placed), at: one.at, told: [], has: new Set() };
  join(group, one);
  return group;
}

function join(group: Group, one: Told): void {
  group.told.push(one);
  for (const part of tellsOf(one)) group.has.add(part);
}

/** Measured again later is another set; told twice of the same moment is not. */
function fits(group: Group, one: Told): boolean {
  return !tellsOf(one).some(
    (part) =>
      group.has.has(part) &&
      !group.told.some((other) => other.at === one.at && tellsOf(other).includes(part)),
  );
}

const tellsOf = ({ measured, recorded }: Told): readonly (Part | 'total')[] => [
  ...measured.keys(),
  ...(recorded === undefined ? [] : (['total'] as const)),
];

const keyOf = ({ fact, source }: Placed): string => fact.refs['encounter']?.[0] ?? source.organisation;

const isScored = ({ has }: Group) => has.size >= 3 || has.has('total') || has.has('consciousness');

function scored({ at, told }: Group, targets: readonly Target[]): ObservationSet {
  const scale = told.find((it) => it.scale !== undefined)?.scale ?? scaleAt(at, targets);
  const disagreeing: string[] = [];
  const measured: Partial<Record<Part, number>> = {};
  // Air or oxygen first: by it saturation is scored.
  for (const part of ['oxygen', ...PART_NAMES] as const) {
    const values = new Set(told.flatMap((it) => it.measured.get(part) ?? []));
    // The one that weighs more: of two that disagree neither may hide the other.
    const weighed = [...values].map((value) => ({ value, points: scoreOf({ ...measured, [part]: value }, scale).parts[part] ?? -1 })); // prettier-ignore
    const worst = weighed.toSorted((a, b) => b.points - a.points || a.value - b.value)[0];
    if (worst !== undefined) measured[part] = worst.value;
    if (values.size > 1) disagreeing.push(PARTS[part]);
  }
  const recordedParts = new Map(told.flatMap((it) => [...it.recordedParts]));
  const score = withRecorded(scoreOf(measured, scale), recordedParts);
  const recorded = told.flatMap((it) => it.recorded ?? []).toSorted((a, b) => b - a)[0];
  const total = Math.max(score.total, recorded ?? 0);
  const differs = [
    ...[...new Set(disagreeing)].map((part) => `${part} is recorded in two ways`),
    ...PART_NAMES.filter((part) => score.parts[part] !== undefined && recordedParts.has(part) && recordedParts.get(part) !== score.parts[part]).map((part) => `${PARTS[part]} is recorded as ${recordedParts.get(part)} and scores ${score.parts[part]}`), // prettier-ignore
    ...(recorded !== undefined && (score.missing.length === 0 ? recorded !== score.total : recorded < score.total) ? [`recorded as ${recorded}, the measurements make ${score.total}`] : []), // prettier-ignore
  ];
  const [first, ...others] = told.map(({ placed }) => placed).toSorted((a, b) => (a.stream < b.stream ? -1 : 1)); // prettier-ignore
  return {
    at,
    stream: first!.stream,
    sources: [first!, ...others],
    score,
    scale,
    total,
    response: responseTo(total, score.parts),
    ...(recorded !== undefined && { recorded }),
    ...(differs.length > 0 && { differs: differs.join('; ') }),
  };
}

/** What was not sent as a measurement is taken as its source scored it. */
function withRecorded(score: Score, recorded: ReadonlyMap<Part, number>): Score {
  const parts = { ...Object.fromEntries(recorded), ...score.parts };
  const missing = PART_NAMES.filter((part) => parts[part] === undefined);
  return { parts, missing, total: PART_NAMES.reduce((sum, part) => sum + (parts[part] ?? 0), 0) };
}

/** Whether it may be part of a set, or says how one is scored. */
export function isForScore({ codes, parts = [] }: Fact): boolean {
  const isKnown = (it: readonly Code[]) =>
    known(MEASURED, it) !== undefined || known(POINTS, it) !== undefined;
  const isTold = codes.some(({ code }) => code === TOTAL || TARGETS.has(code));
  return isTold || isKnown(codes) || parts.some((part) => isKnown(part.codes));
}

/** A target for saturation, as it was prescribed. */
interface Target {
  readonly placed: Placed;
  readonly at: number;
  readonly isLow: boolean;
}

function targetOf(placed: Placed): Target[] {
  const { codes, value, kind } = placed.fact;
  if (kind !== 'observation' || value?.kind !== 'quantity') return [];
  if (!codes.some(({ code }) => TARGETS.has(code))) return [];
  return [{ placed, at: timeOf(placed), isLow: value.number >= 88 && value.number <= 92 }];
}

/** By the last target before it; scale 1 where nobody prescribed one. */
function scaleAt(at: number, targets: readonly Target[]): SaturationScale {
  return targets.findLast((it) => it.at <= at)?.isLow === true ? 2 : 1;
}

/** Only where everybody who tells of the birth agrees: a doubt must not hide a score. */
function isChildAt(facts: readonly Placed[], at: number): boolean {
  const births = facts.flatMap(({ fact }) => (fact.kind === 'person' && fact.from !== undefined ? [fact.from] : [])); // prettier-ignore
  const sixteenth = (birth: string) => Date.parse(`${Number(birth.slice(0, 4)) + 16}${birth.slice(4)}`);
  return births.length > 0 && births.every((birth) => at < sixteenth(birth));
}

const oldestFirst = (a: { at: number; placed: Placed }, b: { at: number; placed: Placed }) =>
  a.at - b.at || (a.placed.stream < b.placed.stream ? -1 : a.placed.stream > b.placed.stream ? 1 : 0);

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
