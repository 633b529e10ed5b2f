/**
 * The 24-hour discharge clock: who was in hospital (in-patient, day case, emergency department) has a discharge summary on
 * record within a day of the end. https://www.england.nhs.uk/digitaltechnology/info-revolution/interoperability/transfer-of-care-edischarge/guidance/
 * https://digital.nhs.uk/services/transfer-of-care-initiative/emergency-care-discharge-summaries
 */
import type { Placed } from './care-setting.ts';
import { DAY_MS, isCoded, newestFirst, ofKind, timeOf } from './sections.ts';

export type SpellKind = 'in-patient' | 'day case' | 'attendance';

/** Being in one hospital once, with what is on record of its end. */
export interface Spell {
  readonly kind: SpellKind;
  /** First the one that is shown. */
  readonly sources: readonly [Placed, ...Placed[]];
  /** `handed-on`: the attendance became a stay, whose summary tells of both. */
  readonly state: 'admitted' | 'ended' | 'summary-recorded' | 'handed-on';
  /** Milliseconds UTC. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** When the summary must be on record. */
  readonly dueAt?: number;
  /** On record and signed. */
  readonly summary?: Placed;
  /** On record, not signed. */
  readonly draft?: Placed;
  /** In words, where sources do not agree. */
  readonly differs?: string;
}

/** Newest first. What is planned or was cancelled never began. */
export function spells(facts: readonly Placed[]): readonly Spell[] {
  const encounters = ofKind(facts, 'encounter').filter(isInHospital);
  const streams = new Set(encounters.map(({ stream }) => stream));
  // Time on a ward is part of a stay: the stay has the clock.
  const whole = encounters.filter(({ fact }) => !(fact.refs['partOf'] ?? []).some((it) => streams.has(it)));
  const begun = sameOnes(whole).map(spellOf);
  const summaries = ofKind(facts, 'document').filter(({ fact }) => isCoded(fact.codes, SUMMARY));
  const partOf = new Map(encounters.flatMap(({ stream, fact }) => (fact.refs['partOf'] ?? []).map((it) => [stream, it] as const))); // prettier-ignore
  const answered = answersTo(begun, summaries, partOf);
  return begun.map((spell) => withSummary(spell, answered.get(spell) ?? [], begun));
}

/** Ended, nothing on record, and the day is over at `now` (milliseconds UTC). */
export function isOverdue({ state, dueAt }: Spell, now: number): boolean {
  return state === 'ended' && dueAt !== undefined && dueAt < now;
}

/** Classes of encounter in hospital. https://terminology.hl7.org/ValueSet-v3-ActEncounterCode.html */
const KINDS: Readonly<Record<string, SpellKind>> = {
  IMP: 'in-patient',
  ACUTE: 'in-patient',
  NONAC: 'in-patient',
  OBSENC: 'in-patient',
  SS: 'day case',
  EMER: 'attendance',
};

const BEGUN = new Set(['arrived', 'triaged', 'in-progress', 'onleave', 'finished', 'unknown']);

const isInHospital = ({ fact: { grade, status } }: Placed) =>
  Object.hasOwn(KINDS, grade ?? '') && BEGUN.has(status);

/** Discharge summary in SNOMED CT; in LOINC of any discharge, of a physician's, of a hospital's, of an emergency department's. */
const SUMMARY = new Set(['373942005', '18842-5', '11490-0', '28655-9', '34105-7', '59258-4']);

/** Two sources tell of one spell where they share its business identifier; nothing less makes two spells one. */
function sameOnes(encounters: readonly Placed[]): readonly (readonly [Placed, ...Placed[]])[] {
  const groups: [Placed, ...Placed[]][] = [];
  const byIdentifier = new Map<string, [Placed, ...Placed[]]>();
  for (const encounter of encounters) {
    const known = encounter.fact.identifiers.map((it) => byIdentifier.get(`${kindOf(encounter)}|${it}`)).find((it) => it !== undefined); // prettier-ignore
    const group = known ?? [encounter];
    if (known === undefined) groups.push(group);
    else known.push(encounter);
    for (const it of encounter.fact.identifiers) byIdentifier.set(`${kindOf(encounter)}|${it}`, group);
  }
  return groups;
}

const kindOf = ({ fact }: Placed): SpellKind => KINDS[fact.grade!]!;

function spellOf(told: readonly [Placed, ...Placed[]]): Spell {
  const ended = told.filter(hasEnded);
  const shown = ended[0] ?? told[0];
  const sources = [shown, ...told.filter((it) => it !== shown)] as const;
  const startedAt = Math.min(...told.map(timeOf));
  if (ended[0] === undefined) return { kind: kindOf(shown), sources, state: 'admitted', startedAt };
  const ends = [...new Set(ended.map(endOf))].toSorted((a, b) => a - b);
  const differs = ended.length < told.length ? 'not every source says that it has ended' : ends.length > 1 ? 'sources tell of different ends' : undefined; // prettier-ignore
  return { kind: kindOf(shown), sources, state: 'ended', startedAt, endedAt: ends[0]!, dueAt: ends[0]! + DAY_MS, ...(differs && { differs }) }; // prettier-ignore
}

const hasEnded = ({ fact: { status, to } }: Placed) =>
  status === 'finished' || (status === 'unknown' && to !== undefined);

/** When it is not said, it is when the source said that it had ended. */
function endOf({ fact, source }: Placed): number {
  const said = Date.parse(fact.to ?? source.occurredAt);
  return Number.isNaN(said) ? Date.parse(source.occurredAt) : said;
}

/** Each summary by the encounter that it names; then those that name none, in the order in which they were written. */
function answersTo(
  begun: readonly Spell[],
  summaries: readonly Placed[],
  partOf: ReadonlyMap<string, string>,
): ReadonlyMap<Spell, readonly Placed[]> {
  const answered = new Map<Spell, Placed[]>();
  const toldOf = new Map<string, Spell>();
  const give = (summary: Placed, spell: Spell | undefined) => {
    if (spell === undefined) return;
    answered.set(spell, [...(answered.get(spell) ?? []), summary]);
    toldOf.set(summary.stream, spell);
  };
  for (const it of summaries.filter(namesOne)) {
    const named = it.fact.refs['encounter']!.map((ref) => partOf.get(ref) ?? ref);
    give(it, begun.find(({ sources }) => sources.some(({ stream }) => named.includes(stream)))); // prettier-ignore
  }
  const isAnswered = (spell: Spell) => answered.get(spell)?.some(isSigned) === true;
  const nameless = summaries.filter((it) => !namesOne(it)).toReversed();
  for (const same of Map.groupBy(nameless, occasionOf).values()) {
    const replaced = same.flatMap(({ fact }) => fact.refs['replaces'] ?? []).map((it) => toldOf.get(it));
    const spell = replaced.find((it) => it !== undefined) ?? lastToTellOf(same[0]!, begun, isAnswered);
    for (const it of same) give(it, spell);
  }
  return answered;
}

const namesOne = ({ fact }: Placed) => fact.refs['encounter'] !== undefined;

/** The same summary as words and as a file answers for one spell, not for two. */
const occasionOf = (summary: Placed) => `${summary.source.organisation} ${timeOf(summary)}`;

/** A day is written on until it is over. */
const writtenBy = (summary: Placed) =>
  timeOf(summary) + ((summary.fact.from ?? '').length === DAY_LENGTH ? DAY_MS - 1 : 0);
const DAY_LENGTH = '2026-03-30'.length;

/**
 * Which spell in its own organisation a summary tells of that names none: the last one that had ended and lacks one, else one
 * that ended within a day after it, else the last that had ended, which has one already. Of who is still there it is none.
 */
function lastToTellOf(
  summary: Placed,
  begun: readonly Spell[],
  isAnswered: (spell: Spell) => boolean,
): Spell | undefined {
  const writtenAt = writtenBy(summary);
  const own = begun.filter((it) => it.startedAt <= writtenAt && isOf(it, summary.source.organisation));
  const endedBy = (at: number) => own.filter(({ endedAt = Infinity }) => endedAt <= at).toSorted((a, b) => b.endedAt! - a.endedAt! || b.startedAt - a.startedAt); // prettier-ignore
  const [ended, soon] = [endedBy(writtenAt), endedBy(writtenAt + DAY_MS)];
  return ended.find((it) => !isAnswered(it)) ?? soon.find((it) => !isAnswered(it)) ?? ended[0];
}

const isOf = (spell: Spell, organisation: string) =>
  spell.sources.some(({ source }) => source.organisation === organisation);

function withSummary(spell: Spell, documents: readonly Placed[], all: readonly Spell[]): Spell {
  const signed = documents.filter(isSigned).toSorted(newestFirst).at(-1);
  const draft = documents.find(({ fact }) => UNSIGNED.has(fact.status) || UNSIGNED.has(fact.grade ?? ''));
  const told = {
    ...spell,
    ...(signed && { summary: signed }),
    ...(signed === undefined && draft && { draft }),
  };
  if (spell.state !== 'ended') return told;
  if (signed !== undefined) return { ...told, state: 'summary-recorded' };
  return all.some((stay) => becomes(spell, stay)) ? { ...told, state: 'handed-on' } : told;
}

const SIGNED = new Set(['final', 'amended']);
const UNSIGNED = new Set(['preliminary']);

/** A DocumentReference that does not say how far its document is, is of a finished one. */
const isSigned = ({ fact: { type, status, grade } }: Placed) =>
  type === 'Composition' ? SIGNED.has(status) : status === 'current' && (grade === undefined || SIGNED.has(grade)); // prettier-ignore

/** From the emergency department to a bed of the same hospital. */
function becomes(attendance: Spell, stay: Spell): boolean {
  if (attendance.kind !== 'attendance' || stay.kind === 'attendance') return false;
  if (!isOf(stay, attendance.sources[0].source.organisation)) return false;
  const { startedAt, endedAt } = attendance;
  return stay.startedAt >= startedAt && stay.startedAt <= endedAt! + BED_WITHIN_MS;
}

const BED_WITHIN_MS = 6 * 3_600_000;
