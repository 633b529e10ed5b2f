/** What lanes must not write at the same time: where a batch reaches what other lanes write too, it is written alone. */
import type { BatchOfFacts, Standing } from './facts-of-batch.ts';

/** Undoes what was written, which is to be written again while no other lane writes. */
export class ReachesOtherLanes extends Error {}

export type LaneFact = Pick<Standing, 'stream' | 'version'> & { readonly lane: number };

/**
 * Whether another lane brought a version of one of these resources, or may bring one: a resource that was moved to another person
 * comes by that person's lane from then on, and a version that is missing here may be on its way there.
 */
export function isBroughtByOthers(
  { told }: Pick<BatchOfFacts, 'told'>,
  standing: readonly LaneFact[],
  lane: number,
): boolean {
  if (standing.some((it) => it.lane !== lane)) return true;
  const seen = new Map(standing.map(({ stream, version }) => [stream, version]));
  for (const { stream, version } of told) {
    const before = seen.get(stream) ?? 0;
    if (version > before + 1) return true;
    seen.set(stream, Math.max(before, version));
  }
  return false;
}
