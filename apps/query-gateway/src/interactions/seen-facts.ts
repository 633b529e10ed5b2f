/** The facts of a person as one caller may know them. */
import { factOf, type Placed, type Source } from '@carelog/read-models';
import type { Allowed } from '../access.ts';
import { recordReached } from '../consistency.ts';
import type { Gateway } from '../gateway.ts';

export interface Seen {
  readonly facts: readonly Placed[];
  /** Something about the person is kept from the caller. */
  readonly isWithheld: boolean;
  /** Of these resources the caller is shown a part, or not who told of them. */
  readonly inPart: ReadonlySet<string>;
}

/**
 * Decided before anything is made of them, so that nothing is drawn from what is not shown. The record, which decides and has the
 * words, knows each of these versions by then: one that it does not have yet must not look like one that is kept from the caller.
 */
export async function seenBy(
  { record, projected }: Pick<Gateway, 'record' | 'projected'>,
  facts: readonly Placed[],
  { seesAll, viewer }: Allowed,
): Promise<Seen> {
  const newest = facts.reduce((at, { source }) => Math.max(at, source.position), 0);
  await recordReached({ projected }, newest);
  if (seesAll) return { facts, isWithheld: false, inPart: new Set() };
  const { bodies, withheld } = await record.theseVersions(facts, viewer);
  const hidesPlaces = bodies.values().some((it) => it.hidesPlaces);
  const unnamed = hidesPlaces ? unnamedOrganisations(facts) : (it: string) => it;
  const inPart = new Set<string>();
  const seen = facts.flatMap((placed): Placed[] => {
    const shown = bodies.get(placed.stream);
    if (shown === undefined) return [];
    if (shown.hidesPlaces || shown.isConcealed) inPart.add(placed.stream);
    const told = shown.hidesPlaces ? { ...placed, source: withoutPlace(placed.source, unnamed) } : placed;
    if (!shown.isConcealed) return [told];
    const fact = factOf(JSON.parse(shown.body) as Record<string, unknown>);
    return fact === undefined ? [] : [{ ...told, fact }];
  });
  return { facts: seen, isWithheld: withheld.length > 0, inPart };
}

/** Whoever knows an author knows where they work, and the id of an event is made of its organisation and what that calls it. */
function withoutPlace({ author: _, ...source }: Source, unnamed: (it: string) => string): Source {
  return { ...source, event: '', organisation: unnamed(source.organisation) };
}

/** Who publishes tells where the person is seen. That two things are of one organisation, or of two, may be known. */
function unnamedOrganisations(facts: readonly Placed[]): (organisation: string) => string {
  const inOrder = facts.toSorted((a, b) => a.source.position - b.source.position);
  const names = [...new Set(inOrder.map(({ source }) => source.organisation))];
  return (organisation) => `organisation ${names.indexOf(organisation) + 1}, withheld`;
}
