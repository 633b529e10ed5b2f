import type { RelayCheckpoint } from '@carelog/distribution';
import { createMemoryEventStore } from '@carelog/event-store';
import type { EventStore } from '@carelog/event-store';
import { anEvent } from '@carelog/testkit';
import { expect, it } from 'vitest';
import { LogBehindCheckpoint, startOf } from './resume.ts';

const aFew = Array.from({ length: 5 }, () => anEvent());
const others = Array.from({ length: 8 }, () => anEvent());

/** As it was when these events were relayed, in an epoch that is over. */
function checkpointAt(position: number, epoch = 'before the restore'): RelayCheckpoint {
  return { epoch, position, positions: [position, 2], eventId: aFew[position - 1]!.id };
}

it('begins at the first event where nothing was relayed', async () => {
  const store = await logOf(aFew);
  const fresh = { epoch: undefined, position: 0, positions: [0, 0], eventId: undefined };
  const { epoch } = store.head();
  expect(await startOf(fresh, store)).toEqual({ ...fresh, epoch, forked: false });
});

it('goes on at the checkpoint, under the epoch of the log', async () => {
  const store = await logOf(aFew);
  const { epoch } = store.head();
  for (const known of [checkpointAt(5, epoch), checkpointAt(3, epoch), checkpointAt(4)]) {
    expect(await startOf(known, store)).toEqual({ ...known, epoch, forked: false });
  }
});

it.each([
  ['ends before it', aFew.slice(0, 4)],
  ['has another event there', others],
  ['is empty', []],
])('begins again where a restored log %s', async (_, events) => {
  const store = await logOf(events);
  expect(await startOf(checkpointAt(5), store)).toEqual({
    epoch: store.head().epoch,
    position: 0,
    positions: [0, 0],
    eventId: undefined,
    forked: true,
  });
});

it.each([
  ['ends before it', aFew.slice(0, 4)],
  ['has another event there', others],
])('refuses a log of the same epoch that %s', async (_, events) => {
  const store = await logOf(events);
  await expect(startOf(checkpointAt(5, store.head().epoch), store)).rejects.toThrow(LogBehindCheckpoint);
});

async function logOf(events: readonly ReturnType<typeof anEvent>[]): Promise<EventStore> {
  const store = createMemoryEventStore();
  if (events.length > 0) await store.append([{ stream: 'all', expectedRevision: 'no-stream', events }]);
  return store;
}
