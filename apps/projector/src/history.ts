/** Everything that the log holds of one person, read again for a view that had let go of them. */
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import type { OpenedContent, Projection } from '@carelog/projection';

export interface HistoryOptions<Change> {
  readonly store: Pick<EventStore, 'readPartition'>;
  readonly open: (event: RecordedEvent) => OpenedContent;
  readonly projection: Pick<Projection<Change>, 'evolve'>;
  /** Resolves when the keys of these events are known. */
  readonly prefetch?: (events: readonly RecordedEvent[]) => Promise<void>;
}

/** What a partition's events up to a position say, in order; up to the first that the projection cannot handle. */
export function historyFrom<Change>({
  store,
  open,
  projection,
  prefetch = async () => {},
}: HistoryOptions<Change>) {
  return async (
    partition: string,
    until: number,
  ): Promise<readonly { told: Change; partition: string }[]> => {
    const history: { told: Change; partition: string }[] = [];
    for (let after = 0; ;) {
      const page = await store.readPartition(partition, { after });
      await prefetch(page);
      for (const event of page) {
        if (event.position > until) return history;
        try {
          const told = projection.evolve(event, open(event));
          if (told !== undefined) history.push({ told, partition });
        } catch {
          // The partition is parked there, and goes on when it is taken up again.
          return history;
        }
      }
      if (page.length === 0) return history;
      after = page.at(-1)!.position;
    }
  };
}
