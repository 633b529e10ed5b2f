/** Who has died, whether or not it is said on which day. */
import type { Placed } from './care-setting.ts';
import { DAY_MS, ofKind } from './sections.ts';

export const hasDied = (facts: readonly Placed[]): boolean =>
  facts.some(({ fact }) => fact.kind === 'person' && (fact.to !== undefined || fact.over !== undefined));

/**
 * Milliseconds UTC at the end of the day; where it is only said that they have died, of the day on which it was said. Never
 * (Infinity), where nobody said it.
 */
export function diedOn(facts: readonly Placed[]): number {
  const said = ofKind(facts, 'person').flatMap(
    ({ fact, source }) =>
      fact.to ?? (fact.over === undefined ? [] : source.occurredAt.slice(0, '2026-05-16'.length)),
  );
  return Math.min(Infinity, ...said.map((it) => Date.parse(it) + DAY_MS).filter((it) => !Number.isNaN(it)));
}
