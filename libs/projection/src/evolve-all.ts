/** Runs a projection's rule over events in order; what it cannot handle is set aside, and its partition from there on. */
import type { RecordedEvent } from '@carelog/event-store';
import type { AppliedChange, OpenedContent, Parked, ProjectedBatch, Projection } from './projection.ts';

export interface Evolving<Change> {
  readonly projection: Projection<Change>;
  /** Opens sealed content. Content that cannot be opened is an answer, not a fault. */
  readonly open: (event: RecordedEvent) => OpenedContent;
}

/** Adds to `parkedPartitions` what it parks. Events at `skipped` positions are stepped over where they cannot be handled. */
export function evolveAll<Change>(
  events: readonly RecordedEvent[],
  parkedPartitions: Set<string>,
  { open, projection }: Evolving<Change>,
  skipped: ReadonlySet<number> = NONE,
): Pick<ProjectedBatch<Change>, 'changes' | 'parked' | 'setAside'> {
  const changes: AppliedChange<Change>[] = [];
  const parked: Parked[] = [];
  const setAside: RecordedEvent[] = [];
  for (const event of events) {
    const { partition, position } = event;
    if (parkedPartitions.has(partition)) {
      setAside.push(event);
      continue;
    }
    const content = open(event);
    try {
      const change = projection.evolve(event, content);
      if (change !== undefined) changes.push({ event, change });
    } catch (fault) {
      setAside.push(event);
      if (skipped.has(position)) continue;
      parkedPartitions.add(partition);
      parked.push({ partition, position, reason: fault instanceof Error ? fault.name : typeof fault });
    }
  }
  return { changes, parked, setAside };
}

/** What an operator reads of a partition that was parked. */
export const parkedNotice = ({ name }: Projection<unknown>, { partition, position, reason }: Parked) =>
  `Projection ${name} parked partition ${partition} at event ${position}: ${reason}.`;

const NONE: ReadonlySet<number> = new Set();
