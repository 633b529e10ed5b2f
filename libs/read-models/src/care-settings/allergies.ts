/**
 * Allergies and adverse reactions: each once with everybody who tells of it, active ones first. That somebody said "no known
 * allergies" is a line with who said it; a section without lines means that nobody said anything.
 */
import type { Item, Placed, Section } from './care-setting.ts';
import { differing, newestWordFirst, saidAt, things, type Told } from './matching.ts';
import { HEADING, isCoded, lineOf, section } from './sections.ts';

/** Of facts of every kind takes the allergies. What everybody who tells of it has refuted is left out. */
export function allergySection(facts: readonly Placed[], title = 'Allergies and adverse reactions'): Section {
  const told = facts.filter(({ fact }) => fact.kind === 'allergy' && !isCoded(fact.codes, NOBODY_KNOWS));
  const nones = told.filter(({ fact }) => isCoded(fact.codes, NONE_KNOWN));
  const allergies = things(told.filter((it) => !nones.includes(it)))
    .map((it) => mostAlarmingFirst(it))
    .filter(([shown]) => shown.fact.status !== 'refuted');
  const none = nones.filter(({ fact }) => isCoded(fact.codes, NONE_AT_ALL) && isStanding(fact.status));
  const items = allergies
    .toSorted(([a], [b]) => rankOf(a) - rankOf(b) || newestWordFirst(a, b))
    .map((it) => allergyLine(it, none));
  // Somebody who knows of one is believed rather than somebody who knows of none.
  const isSomeStanding = allergies.some(([{ fact }]) => isStanding(fact.status));
  const saidNone = isSomeStanding ? nones.filter((it) => !none.includes(it)) : nones;
  const saidLines = things(saidNone.filter(({ fact }) => isStanding(fact.status)));
  return section(HEADING.allergies, title, [...items, ...saidLines.map((it) => lineOf(it[0], { sources: it }))]); // prettier-ignore
}

/** SNOMED CT situations, and the code of the International Patient Summary. https://hl7.org/fhir/uv/ips/ */
const NONE_AT_ALL = new Set(['716186003', '160244002', 'no-known-allergies']);
/** Those, and those of one sort: no known allergy to drugs, latex, in the environment, to food, to an insect, to an animal. */
const NONE_KNOWN = new Set([
  ...NONE_AT_ALL,
  '409137002',
  '716184000',
  '428607008',
  '429625007',
  '428197003',
  '716220001',
  'no-known-medication-allergies',
  'no-known-environmental-allergies',
  'no-known-food-allergies',
]);
/** Says that nobody asked. https://hl7.org/fhir/uv/ips/ValueSet-absent-or-unknown-allergies-uv-ips.html */
const NOBODY_KNOWS = new Set(['no-allergy-info']);

const OVER = new Set(['inactive', 'resolved', 'refuted']);
const isStanding = (status: string) => !OVER.has(status);

/** Standing and high first, then other standing ones, then what is over; refuted last. */
function rankOf({ fact: { status, grade } }: Placed): number {
  if (status === 'refuted') return 3;
  if (!isStanding(status)) return 2;
  return grade === 'high' ? 0 : 1;
}

const mostAlarmingFirst = (told: Told): Told =>
  told.toSorted((a, b) => rankOf(a) - rankOf(b) || newestWordFirst(a, b)) as unknown as Told;

function allergyLine(sources: Told, none: readonly Placed[]): Item {
  const [shown] = sources;
  const { fact } = shown;
  const reactions = sources.flatMap((it) => it.fact.parts ?? []).map(({ text, value }) => (value?.kind === 'text' ? `${text} (${value.text})` : text)); // prettier-ignore
  const detail = [
    isStanding(fact.status) ? undefined : fact.status,
    fact.grade === undefined ? undefined : `criticality ${fact.grade}`,
    ...new Set(reactions),
    fact.note,
  ];
  const newer = none.filter((it) => saidAt(it) > saidAt(shown));
  const differs = [
    differing('status', sources, (it) => it.fact.status),
    differing('criticality', sources, (it) => it.fact.grade),
    ...newer.map((it) => `${it.source.organisation} says: ${it.fact.text}`),
  ].filter((it) => it !== undefined);
  return lineOf(shown, {
    sources,
    detail: detail.filter((it) => it !== undefined && it !== '').join('; '),
    ...(differs.length > 0 && isStanding(fact.status) && { differs: differs.join('; ') }),
    ...(isStanding(fact.status) && fact.grade === 'high' && { urgent: true as const }),
  });
}
