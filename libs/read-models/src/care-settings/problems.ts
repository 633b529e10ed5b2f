/** Problems and vaccinations: each once, with everybody who tells of it. */
import type { Item, Placed, Section } from './care-setting.ts';
import { differing, newestWordFirst, things, type Told } from './matching.ts';
import { HEADING, isCoded, lineOf, ofKind, section, timeOf } from './sections.ts';

/** What the person has: first what is on a problem list, then what was found at a visit and is not over. Newest first in each. */
export function problemSection(facts: readonly Placed[], title = 'Problems'): Section {
  const standing = problemsIn(facts).filter(([{ fact }]) => isStanding(fact));
  const ordered = standing.toSorted(([a], [b]) => Number(isListed(b.fact)) - Number(isListed(a.fact)) || timeOf(b) - timeOf(a) || newestWordFirst(a, b)); // prettier-ignore
  return section(HEADING.problems, title, ordered.map(problemLine));
}

/** What the person had, newest first. */
export function pastProblemSection(facts: readonly Placed[], title = 'Past problems'): Section {
  const past = problemsIn(facts).filter(([{ fact }]) => isPast(fact));
  return section(HEADING.diagnoses, title, past.map(problemLine));
}

/** Each dose that was given, newest first, and what was not given with the reason. */
export function immunisationSection(facts: readonly Placed[], title = 'Vaccinations'): Section {
  const given = things(facts.filter(({ fact }) => fact.kind === 'immunisation'));
  const items = given
    .toSorted(([a], [b]) => timeOf(b) - timeOf(a) || newestWordFirst(a, b))
    .map((sources) => {
      const { status, reason, note } = sources[0].fact;
      const detail = status === 'not-done' ? ['not given', reason].filter((it) => it !== undefined).join(': ') : note; // prettier-ignore
      return lineOf(sources[0], { sources, ...(detail !== undefined && { detail }) });
    });
  return section(HEADING.immunisations, title, items);
}

/** https://hl7.org/fhir/R4/valueset-condition-clinical.html */
const OVER = new Set(['inactive', 'remission', 'resolved']);

/** By its status; where none is said, by whether it is said to have ended. */
export const isPast = ({ status, to, over }: Placed['fact']): boolean =>
  OVER.has(status) || (status === 'unknown' && (to !== undefined || over !== undefined));
const isStanding = (fact: Placed['fact']) => !isPast(fact) && fact.status !== 'refuted';
const isListed = ({ categories }: Placed['fact']) => isCoded(categories, new Set(['problem-list-item']));

/** Of each the one that still has it first: a problem that one source calls over and another does not is not over. */
function problemsIn(facts: readonly Placed[]): readonly Told[] {
  return things(ofKind(facts, 'problem')).map(
    (it) =>
      it.toSorted((a, b) => Number(isStanding(b.fact)) - Number(isStanding(a.fact)) || newestWordFirst(a, b)) as unknown as Told, // prettier-ignore
  );
}

function problemLine(sources: Told): Item {
  const [{ fact }] = sources;
  const sites = (fact.parts ?? []).map(({ text }) => text);
  const since = differing('since', sources, (it) => it.fact.from?.slice(0, 10));
  const status = differing('status', sources, (it) => it.fact.status);
  const differs = [status, since].filter((it) => it !== undefined);
  const detail = [...sites, isPast(fact) ? ended(fact) : undefined, fact.note].filter((it) => it !== undefined && it !== ''); // prettier-ignore
  return lineOf(sources[0], {
    sources,
    detail: detail.join('; '),
    ...(differs.length > 0 && { differs: differs.join('; ') }),
  });
}

/** How it is called, and when that was where somebody said it. */
const ended = ({ status, to, over }: Placed['fact']): string =>
  [status === 'unknown' ? 'ended' : status, to?.slice(0, 10) ?? over].filter((it) => it !== undefined).join(' '); // prettier-ignore
