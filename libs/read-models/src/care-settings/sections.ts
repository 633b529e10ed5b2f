/**
 * The headings of a page, and what goes under each: one thing a line, with everybody who tells of it. Headings are those of
 * the PRSB, in SNOMED CT. https://theprsb.org/standards/coreinformationstandard/
 */
import type { Item, Placed, Section } from './care-setting.ts';
import type { Code, Kind } from './fact.ts';

const heading = (code: string, display: string): Code => ({
  system: 'http://snomed.info/sct',
  code,
  display,
});

export const HEADING = {
  allergies: heading('886921000000105', 'Allergies and adverse reactions'),
  medicines: heading('933361000000108', 'Medications and medical devices'),
  problems: heading('887151000000100', 'Problems and issues'),
  diagnoses: heading('887161000000102', 'Diagnoses'),
  procedures: heading('887171000000109', 'Procedures'),
  results: heading('1082101000000102', 'Investigation results'),
  observations: heading('715851000000102', 'Examination findings'),
  scores: heading('887141000000103', 'Assessment scales'),
  alerts: heading('886931000000107', 'Safety alerts'),
  safeguarding: heading('1077911000000105', 'Safeguarding'),
  legal: heading('886961000000102', 'Legal information'),
  plans: heading('887201000000105', 'Plan and requested actions'),
  contacts: heading('1077881000000105', 'Attendance details'),
  discharge: heading('886811000000106', 'Discharge details'),
  documents: heading('887181000000106', 'Clinical summary'),
  immunisations: heading('1102181000000102', 'Vaccinations'),
  social: heading('887051000000101', 'Social context'),
  people: heading('1077931000000102', 'Contact for further information'),
  requests: heading('1064471000000105', 'Investigations and procedures requested'),
} as const;

/** Facts of these kinds, newest first; what has no time comes last. */
export function ofKind(facts: readonly Placed[], ...kinds: readonly Kind[]): readonly Placed[] {
  return sortedBy(facts.filter(({ fact }) => kinds.includes(fact.kind)), timeOf); // prettier-ignore
}

/** Latest first; the same order for the same facts, however they came. */
export function sortedBy(facts: readonly Placed[], time: (placed: Placed) => number): readonly Placed[] {
  // Read once for each rather than at every comparison.
  const timed = facts.map((placed) => ({ placed, at: time(placed) }));
  timed.sort((a, b) => b.at - a.at || byStream(a.placed, b.placed));
  return timed.map(({ placed }) => placed);
}

/** The same order for the same facts, however they came. */
export function newestFirst(a: Placed, b: Placed): number {
  return timeOf(b) - timeOf(a) || byStream(a, b);
}

const byStream = (a: Placed, b: Placed) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0);

/** Milliseconds UTC: when it was so, else when it was done; a partial date is its first instant. */
export function timeOf({ fact, source }: Pick<Placed, 'fact' | 'source'>): number {
  const said = Date.parse(fact.from ?? fact.issued ?? source.occurredAt);
  return Number.isNaN(said) ? 0 : said;
}

/** One line for one fact; `sources` where more than it tell of the same thing. */
export function lineOf(placed: Placed, more: Partial<Omit<Item, 'text'>> = {}): Item {
  const { fact } = placed;
  const { detail = detailOf(placed), ...others } = more;
  return {
    text: fact.text === '' ? fact.type : fact.text,
    sources: [placed],
    ...(UNFINISHED.has(fact.status) && { inTransit: true as const }),
    ...others,
    ...(detail !== undefined && detail !== '' && { detail }),
  };
}

/** Statuses that say that more is to come. https://hl7.org/fhir/R4/valueset-observation-status.html */
const UNFINISHED = new Set(['preliminary', 'registered', 'partial']);

function detailOf({ fact: { value, parts, note } }: Placed): string | undefined {
  if (value !== undefined) return valueText(value);
  const measured = parts?.flatMap((part) => (part.value === undefined ? [] : [`${part.text} ${valueText(part.value)}`])); // prettier-ignore
  return measured !== undefined && measured.length > 0 ? measured.join(', ') : note;
}

/** What a plan says is to be done, and how far it is. */
export function activitiesText({ fact: { parts = [] } }: Placed): string {
  const lines = parts.map(({ text, value }) =>
    value === undefined ? text : `${text} (${valueText(value)})`,
  );
  return lines.filter((it) => it !== '').join('; ');
}

export function valueText(value: NonNullable<Placed['fact']['value']>): string {
  // An annotation of UCUM is no unit: https://ucum.org/ucum#section-Curly-Braces
  if (value.kind === 'quantity') return `${value.number} ${value.unit.replace(/^\{.*\}$/, '')}`.trim();
  return value.text;
}

/** A section of lines; where there are none it says why. */
export function section(
  code: Code,
  title: string,
  items: readonly Item[],
  empty: NonNullable<Section['empty']> = 'unavailable',
): Section {
  return items.length > 0 ? { code, title, items } : { code, title, items, empty };
}

/** Whether one of the codings is one of these. */
export function isCoded(codes: readonly Code[], known: ReadonlySet<string>): boolean {
  return codes.some(({ code }) => known.has(code));
}

export const DAY_MS = 86_400_000;
