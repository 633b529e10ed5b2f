/** The log in memory, for tests: the same promises, but for what a restart would keep. */
import { checkAppend } from './append-limits.ts';
import { Batch } from './batch.ts';
import type { RecordedEvent } from './envelope.ts';
import type { EventStore, ReadOptions, ReadStreamOptions, StreamAppend } from './event-store.ts';
import { newEventId } from './event-id.ts';
import { createHeadSignal, publishHead, wakeWaiters } from './head-signal.ts';
import { StoreFault } from './store-fault.ts';
import { subscribeTo } from './subscription.ts';

/** An empty log. `now` gives the log time in milliseconds; the machine's clock unless told. */
export function createMemoryEventStore(options: { readonly now?: () => number } = {}): EventStore {
  const now = options.now ?? Date.now;
  const epoch = newEventId();
  const all: RecordedEvent[] = [];
  const byId = new Map<string, RecordedEvent>();
  const byStream = new Map<string, RecordedEvent[]>();
  const byPartition = new Map<string, RecordedEvent[]>();
  const headSignal = createHeadSignal(0);
  const closing = new AbortController();

  const log = {
    get position() {
      return all.length;
    },
    get recordedAt() {
      return all.at(-1)?.recordedAt ?? '';
    },
    event: (id: string) => byId.get(id),
    streamRevision: (stream: string) => byStream.get(stream)?.length ?? 0,
    partitionTail: (partition: string) => byPartition.get(partition)?.at(-1)?.position ?? 0,
  };

  const store: EventStore = {
    async append(appends: readonly StreamAppend[]) {
      refuseWhenClosed();
      checkAppend(appends);
      const batch = new Batch(log, now());
      const outcome = batch.decide(appends);
      for (const event of batch.placed) keep({ ...event, content: event.content.slice() });
      if (batch.placed.length > 0) publishHead(headSignal, all.length);
      return outcome;
    },
    async readEvent(id: string) {
      refuseWhenClosed();
      return byId.get(id);
    },
    async readStream(
      stream: string,
      { from, direction = 'forwards', limit = 1_000 }: ReadStreamOptions = {},
    ) {
      refuseWhenClosed();
      const events = byStream.get(stream) ?? [];
      if (direction === 'forwards') return events.slice(Math.max(from ?? 1, 1) - 1).slice(0, limit);
      return events
        .slice(0, from ?? events.length)
        .reverse()
        .slice(0, limit);
    },
    async readPartition(partition: string, { after = 0, limit = 1_000 }: ReadOptions = {}) {
      refuseWhenClosed();
      return (byPartition.get(partition) ?? []).filter(({ position }) => position > after).slice(0, limit);
    },
    async readAll({ after = 0, limit = 1_000 }: ReadOptions = {}) {
      refuseWhenClosed();
      return all.slice(after, after + limit);
    },
    subscribe: (after, options) =>
      subscribeTo({
        after,
        options,
        headSignal,
        closed: closing.signal,
        read: (from, limit) => all.slice(from, from + limit),
      }),
    head: () => ({ position: all.length, epoch }),
    freshHead: async () => store.head(),
    epochs: async () => [{ id: epoch, position: 0 }],
    async close() {
      closing.abort();
      wakeWaiters(headSignal);
    },
  };
  return store;

  function keep(event: RecordedEvent): void {
    all.push(event);
    byId.set(event.id, event);
    listOf(byStream, event.stream).push(event);
    listOf(byPartition, event.partition).push(event);
  }

  function refuseWhenClosed(): void {
    if (closing.signal.aborted)
      throw new StoreFault('closed', 'This log in memory was closed. Create another.');
  }
}

function listOf(lists: Map<string, RecordedEvent[]>, key: string): RecordedEvent[] {
  let list = lists.get(key);
  if (!list) lists.set(key, (list = []));
  return list;
}
