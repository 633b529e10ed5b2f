/** The facts of a person as one caller may know them. */
import { factOf, type Placed } from '@carelog/read-models';
import type { Allowed } from '../access.ts';
import type { Gateway } from '../gateway.ts';

export interface Seen {
  readonly facts: readonly Placed[];
  /** Something about the person is kept from the caller. */
  readonly isWithheld: boolean;
}

/** Decided before anything is made of them, so that nothing is drawn from what is not shown. */
export async function seenBy(
  { record }: Pick<Gateway, 'record'>,
  facts: readonly Placed[],
  { seesAll, viewer }: Allowed,
): Promise<Seen> {
  if (seesAll) return { facts, isWithheld: false };
  const { bodies, withheld } = await record.theseVersions(facts, viewer);
  const seen = facts.flatMap((placed): Placed[] => {
    const shown = bodies.get(placed.stream);
    if (shown === undefined) return [];
    if (!shown.isConcealed) return [placed];
    const fact = factOf(JSON.parse(shown.body) as Record<string, unknown>);
    return fact === undefined ? [] : [{ ...placed, fact }];
  });
  return { facts: seen, isWithheld: withheld.length > 0 };
}
