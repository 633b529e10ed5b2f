/** Takes a parked partition up again: the event it stopped at and all that were set aside behind it, in order. */
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import { evolveAll } from './evolve-all.ts';
import type { LanesOptions } from './project-lane.ts';
import type { Checkpoint, Parked } from './projection.ts';

export interface RetryOptions<Change> extends Pick<
  LanesOptions<Change>,
  'readModel' | 'laneOf' | 'projection' | 'open' | 'prefetch' | 'skipped'
> {
  readonly store: Pick<EventStore, 'readPartition'>;
}

export type Retried =
  | { readonly kind: 'not-parked' }
  /** `stopped`: where it is parked now, when an event still could not be handled. */
  | { readonly kind: 'retried'; readonly applied: number; readonly stopped?: Parked };

/**
 * Reads the partition from the store and applies it up to its lane's checkpoint, in one transaction: a projector that is at
 * work in the lane goes on behind it. Rejects on a fault of store or read model; then the partition stays as it was.
 */
export async function retryPartition<Change>(
  partition: string,
  options: RetryOptions<Change>,
): Promise<Retried> {
  const { readModel, laneOf, prefetch = async () => {}, skipped = async () => new Set<number>() } = options;
  let outcome: Retried = { kind: 'not-parked' };
  await readModel.apply(laneOf(partition), async (checkpoint, parked) => {
    const at = parked.find((it) => it.partition === partition);
    if (at === undefined || checkpoint === undefined) return undefined;
    const events = await behind(at, checkpoint, options.store);
    await prefetch(events);
    const evolved = evolveAll(events, new Set(), options, await skipped());
    const [stopped] = evolved.parked;
    outcome = { kind: 'retried', applied: evolved.changes.length, ...(stopped && { stopped }) };
    return { ...evolved, checkpoint, released: [partition] };
  });
  return outcome;
}

/** Events of a parked partition that are not in the view, in order: the one that could not be handled comes first. */
export async function behind(
  { partition, position }: Parked,
  checkpoint: Checkpoint,
  store: RetryOptions<unknown>['store'],
): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after = position - 1; ;) {
    const page = await store.readPartition(partition, { after });
    for (const event of page) {
      if (event.position > checkpoint.position) return events;
      events.push(event);
    }
    if (page.length === 0) return events;
    after = page.at(-1)!.position;
  }
}
