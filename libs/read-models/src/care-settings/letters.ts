/** Letters and other documents: the one that stands where several were sent of the same. */
import type { Placed, Section } from './care-setting.ts';
import { saidAt, type Told } from './matching.ts';
import { HEADING, isCoded, lineOf, ofKind, section, sortedBy } from './sections.ts';

/** Newest first, without what was replaced. The same letter as words and as a file is one. */
export function lettersIn(facts: readonly Placed[]): readonly Told[] {
  const documents = sortedBy(ofKind(facts, 'document'), saidAt);
  const replaced = new Set(documents.flatMap(({ fact }) => fact.refs['replaces'] ?? []));
  const standing = documents.filter(({ stream, fact }) => !replaced.has(stream) && fact.status !== 'superseded'); // prettier-ignore
  return [...Map.groupBy(standing, letterOf).values()].map(([first, ...others]): Told => [first!, ...others]);
}

/** The newest 20. */
export function letterSection(facts: readonly Placed[], title = 'Letters and documents'): Section {
  const items = lettersIn(facts).slice(0, 20).map((sources) => lineOf(sources[0], { sources, ...(!isSigned(sources) && { inTransit: true as const }) })); // prettier-ignore
  return section(HEADING.documents, title, items);
}

/** Whether nothing more is to come of it. */
export const isSigned = (letter: Told) => letter.some(({ fact }) => fact.status !== 'preliminary' && fact.grade !== 'preliminary'); // prettier-ignore

/** Sent to somebody: discharge summaries, letters of out-patients and others, reports of encounters. SNOMED CT, LOINC. */
export const isLetter = ([{ fact }]: Told) => isCoded(fact.codes, LETTERS);
const LETTERS = new Set([
  '373942005',
  '823681000000100',
  '823691000000103',
  '371531000',
  '18842-5',
  '34105-7',
  '11488-4',
  '34111-5',
  '51852-2',
  '68609-7',
]);

/** Of one organisation about one encounter there is one letter of a type; what is of no encounter stands for itself. */
function letterOf({ stream, source, fact }: Placed): string {
  const [encounter] = fact.refs['encounter'] ?? [];
  if (encounter === undefined || fact.codes[0] === undefined) return stream;
  return `${source.organisation} ${encounter} ${fact.codes[0].code}`;
}
