/**
 * Which observations make up one NEWS2, and what it comes to. Sources send a total with its members, a total alone, or single
 * measurements; what was measured is scored here, and where the source's own total says otherwise both are shown.
 */
import type { Item, Placed } from './care-setting.ts';
import { PARTS, PART_NAMES, responseTo, scoreOf, type Part, type Response, type SaturationScale, type Score } from './news2.ts'; // prettier-ignore
import { sayingOf, targetOf, toldBy, wordsOf, type Target, type Told } from './news2-observations.ts';

export interface ObservationSet {
  /** Milliseconds UTC. */
  readonly at: number;
  /** The same whichever of its observations came first. */
  readonly stream: string;
  readonly sources: readonly [Placed, ...Placed[]];
  /** Of all that tells of it, also of what says again what a source says. */
  readonly streams: readonly string[];
  readonly recordedFirst: Placed;
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
 * (or, without one, of one organisation), within a quarter of an hour, and no measurement is there twice; a measurement may be
 * alone. None for who is under 16. Observations before `since` (milliseconds UTC) are left out, but for targets of
 * saturation, which stand until there is another.
 */
export function observationSets(facts: readonly Placed[], since = 0): readonly ObservationSet[] {
  const recent = facts.filter((it) => (sayingOf(it)?.at ?? -Infinity) >= since);
  const told = recent.flatMap(toldBy).toSorted(oldestFirst);
  const targets = facts.flatMap(targetOf).toSorted(oldestFirst);
  const births = facts.flatMap(({ fact }) => (fact.kind === 'person' && fact.from !== undefined ? [fact.from] : [])); // prettier-ignore
  return groups(told)
    .filter((group) => !isChildAt(births, group.at))
    .map((group) => scored(group, targets))
    .toSorted((a, b) => b.at - a.at || (a.stream < b.stream ? -1 : 1));
}

/**
 * Whether it is a score and not a routine measurement or two: three measurements, a total or the consciousness scale, or
 * what asks for somebody by itself.
 */
export function isScore({ score: { parts }, recorded, response }: ObservationSet): boolean {
  return Object.keys(parts).length >= 3 || recorded !== undefined || 'consciousness' in parts || response !== 'routine'; // prettier-ignore
}

/** Whether the score may be higher: something was not measured, and nobody says what it came to. */
export function isAtLeast({ score, recorded }: ObservationSet): boolean {
  return score.missing.length > 0 && recorded === undefined;
}

/** One line: the score, what went before, each measurement with its points, what is missing. */
export function setLine(set: ObservationSet, before: ObservationSet | undefined): Item {
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
    text: `NEWS2 ${isAtLeast(set) ? 'at least ' : ''}${set.total}`,
    sources: set.sources,
    detail: detail.filter((it) => it !== '').join('; '),
    ...(set.differs !== undefined && { differs: set.differs }),
    ...(set.response !== 'routine' && { urgent: true as const }),
  };
}

/** Empty where what was not measured could make it another. */
function trend(set: ObservationSet, before: ObservationSet | undefined): string {
  if (before === undefined) return '';
  if (set.total > before.total) return isAtLeast(before) ? '' : `rising from ${before.total}`;
  if (isAtLeast(set)) return '';
  if (set.total < before.total) return `falling from ${before.total}`;
  return isAtLeast(before) ? '' : 'as before';
}

/** What is said once, or again in the same words: a device that repeats itself makes nobody read more. */
interface Said extends Told {
  /** Of those that say it, the one that was recorded first. */
  recordedFirst: Placed;
  /** Streams of what says it again. */
  readonly again: string[];
}

interface Group {
  readonly key: string;
  readonly at: number;
  readonly told: Said[];
  /** But for a total and what it names. */
  readonly byWords: Map<string, Said>;
  /** When each was measured. */
  readonly has: Map<Part | 'total', Set<number>>;
}

/** `told`: oldest first. */
function groups(told: readonly Told[]): readonly Group[] {
  const totals = told.filter(({ members }) => members.length > 0);
  const all = totals.map(begun);
  const byMember = new Map<string, Group>();
  for (const [at, { members }] of totals.entries())
    for (const member of members) if (!byMember.has(member)) byMember.set(member, all[at]!);
  const seeds = new Set(totals);
  const loose: Told[] = [];
  for (const one of told) {
    if (seeds.has(one)) continue;
    const group = byMember.get(one.placed.stream);
    if (group === undefined) loose.push(one);
    else join(group, one);
  }
  const ofTotals = new InTime(all);
  const ofLoose = new InTime();
  const put = new Map<string, { readonly group: Group; readonly among: number }>();
  for (const one of loose) {
    const words = wordsOf(one);
    const same = put.get(words);
    // Where no group was begun since, it belongs to the one that has these words.
    if (same?.among === all.length) {
      joinOnce(same.group, one, words);
      continue;
    }
    const near = [...ofTotals.near(one), ...ofLoose.near(one)].filter((group) => fits(group, one));
    const nearest = near.toSorted((a, b) => Math.abs(a.at - one.at) - Math.abs(b.at - one.at) || a.at - b.at)[0]; // prettier-ignore
    const group = nearest ?? emptyFor(one);
    if (nearest === undefined) {
      all.push(group);
      ofLoose.add(group);
    }
    joinOnce(group, one, words);
    put.set(words, { group, among: all.length });
  }
  return all;
}

/** Groups by their keys, added and asked for oldest first: what is long before one is long before whatever comes after it. */
class InTime {
  readonly #byKey = new Map<string, { readonly groups: Group[]; first: number }>();

  constructor(groups: readonly Group[] = []) {
    for (const group of groups) this.add(group);
  }

  add(group: Group): void {
    const same = this.#byKey.get(group.key);
    if (same === undefined) this.#byKey.set(group.key, { groups: [group], first: 0 });
    else same.groups.push(group);
  }

  /** Those of the same key within a quarter of an hour. */
  near({ placed, at }: Told): readonly Group[] {
    const same = this.#byKey.get(keyOf(placed));
    if (same === undefined) return [];
    while (same.groups[same.first] !== undefined && same.groups[same.first]!.at < at - WITHIN_MS) same.first += 1; // prettier-ignore
    let end = same.first;
    while (same.groups[end] !== undefined && same.groups[end]!.at <= at + WITHIN_MS) end += 1;
    return same.groups.slice(same.first, end);
  }
}

const WITHIN_MS = 15 * 60_000;

const emptyFor = (one: Told): Group => ({ key: keyOf(one.placed), at: one.at, told: [], byWords: new Map(), has: new Map() }); // prettier-ignore

function begun(one: Told): Group {
  const group = emptyFor(one);
  join(group, one);
  return group;
}

function join(group: Group, one: Told): Said {
  const said = { ...one, recordedFirst: one.placed, again: [] };
  group.told.push(said);
  for (const part of tellsOf(one)) {
    const moments = group.has.get(part);
    if (moments === undefined) group.has.set(part, new Set([one.at]));
    else moments.add(one.at);
  }
  return said;
}

function joinOnce(group: Group, one: Told, words: string): void {
  const said = group.byWords.get(words);
  if (said === undefined) {
    group.byWords.set(words, join(group, one));
    return;
  }
  said.again.push(one.placed.stream);
  said.recordedFirst = recordedEarlier(said.recordedFirst, one.placed);
}

/** Measured again later is another set; told twice of the same moment is not. */
function fits({ has }: Group, one: Told): boolean {
  return tellsOf(one).every((part) => has.get(part)?.has(one.at) ?? true);
}

const tellsOf = ({ measured, recorded }: Told): readonly (Part | 'total')[] => [
  ...measured.keys(),
  ...(recorded === undefined ? [] : (['total'] as const)),
];

const keyOf = ({ fact, source }: Placed): string => fact.refs['encounter']?.[0] ?? source.organisation;

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
  const recordedParts = new Map<Part, number>();
  for (const [part, points] of told.flatMap((it) => [...it.recordedParts])) recordedParts.set(part, Math.max(points, recordedParts.get(part) ?? points)); // prettier-ignore
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
    streams: told.flatMap((it) => [it.placed.stream, ...it.again]),
    recordedFirst: told.map((it) => it.recordedFirst).reduce(recordedEarlier),
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

/** By the last target before it; scale 1 where nobody prescribed one. */
function scaleAt(at: number, targets: readonly Target[]): SaturationScale {
  return targets.findLast((it) => it.at <= at)?.isLow === true ? 2 : 1;
}

/** Only where everybody who tells of the birth agrees: a doubt must not hide a score. */
function isChildAt(births: readonly string[], at: number): boolean {
  const sixteenth = (birth: string) => Date.parse(`${Number(birth.slice(0, 4)) + 16}${birth.slice(4)}`);
  return births.length > 0 && births.every((birth) => at < sixteenth(birth));
}

export const recordedEarlier = (a: Placed, b: Placed): Placed =>
  b.source.position < a.source.position ? b : a;

const oldestFirst = (a: { at: number; placed: Placed }, b: { at: number; placed: Placed }) =>
  a.at - b.at || (a.placed.stream < b.placed.stream ? -1 : a.placed.stream > b.placed.stream ? 1 : 0);
