/** What the log holds of one person, or of one resource, read again for a view that had let go of it. */
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import type { OpenedContent, Projection } from '@carelog/projection';

export interface HistoryOptions<Change> {
  readonly store: Pick<EventStore, 'readPartition' | 'readStream'>;
  readonly open: (event: RecordedEvent) => OpenedContent;
  readonly projection: Pick<Projection<Change>, 'evolve'>;
  /** Resolves when the keys of these events are known. */
  readonly prefetch?: (events: readonly RecordedEvent[]) => Promise<void>;
}

/** What events up to a position say, in order. */
export function historyFrom<Change>({
  store,
  open,
  projection,
  prefetch = async () => {},
}: HistoryOptions<Change>) {
  type Told = { readonly told: Change; readonly partition: string };

  /** `pageAfter`: of the last one that was read. */
  async function read(
    pageAfter: (last: RecordedEvent | undefined) => Promise<readonly RecordedEvent[]>,
    until: number,
    poison: 'ends it' | 'is passed over',
  ): Promise<readonly Told[]> {
    const history: Told[] = [];
    for (let last: RecordedEvent | undefined; ;) {
      const page = await pageAfter(last);
      await prefetch(page);
      for (const event of page) {
        if (event.position > until) return history;
        try {
          const told = projection.evolve(event, open(event));
          if (told !== undefined) history.push({ told, partition: event.partition });
        } catch {
          if (poison === 'ends it') return history;
        }
      }
      if (page.length === 0) return history;
      last = page.at(-1);
    }
  }

  return {
    /** Up to the first event that the projection cannot handle: there the partition is parked, and goes on when it is taken up again. */
    ofPartition: (partition: string, until: number) =>
      read((last) => store.readPartition(partition, { after: last?.position ?? 0 }), until, 'ends it'),
    /** But for what the projection cannot handle: a later version may be another person's, whose partition goes on. */
    ofStream: (stream: string, until: number) =>
      read((last) => store.readStream(stream, { from: (last?.revision ?? 0) + 1 }), until, 'is passed over'),
  };
}
