import { createMemoryEventStore } from '@carelog/event-store';
import { decodeMessage, laneOf } from '@carelog/distribution';
import { anEvent } from '@carelog/testkit';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { heartbeatsAt, pagesOf } from './pages.ts';
import type { Reached } from './resume.ts';

const epoch = 'an epoch';

it('deals out every event once, each lane a chain, each page with the checkpoint that it leads to', async () => {
  const sizes = fc.array(fc.constantFrom(10, 1_000_000, 3_500_000), { minLength: 1, maxLength: 12 });
  const lanes = fc.integer({ min: 1, max: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, lanes, async (contents, count) => {
      const events = await recorded(contents);
      const start = { epoch, position: 0, positions: new Array<number>(count).fill(0), eventId: undefined };
      let reached: Reached = start;
      let told = 0;
      for (const page of pagesOf(start, events)) {
        const before = reached;
        reached = page.checkpoint;
        told += page.events;
        expect(reached.eventId).toBe(events[reached.position - 1]!.id);
        const sent = [...page.lanes].flatMap(([lane, messages]) => {
          let previous = before.positions[lane]!;
          for (const { headers } of messages) {
            expect(Number(headers['previousPositionInPartition'])).toBe(previous);
            previous = Number(headers['position']);
            expect(laneOf(events[previous - 1]!.partition, count)).toBe(lane);
          }
          expect(reached.positions[lane]).toBe(previous);
          return messages.map(({ headers }) => Number(headers['position']));
        });
        const span = Array.from(
          { length: reached.position - before.position },
          (_, n) => before.position + n + 1,
        );
        expect(sent.sort((one, other) => one - other)).toEqual(span);
        const bytes = [...page.lanes.values()].flat().reduce((sum, { value }) => sum + value.byteLength, 0);
        expect(bytes).toBeLessThan(3 * 1024 * 1024 + 3_600_000);
      }
      expect(told).toBe(events.length);
      expect(reached.position).toBe(events.length);
    }),
    { numRuns: 10 },
  );
});

it('says in every lane how far it is complete', () => {
  const beats = heartbeatsAt({ epoch, position: 9, positions: [4, 0, 9], eventId: 'x' });
  expect([...beats].map(([lane, [beat]]) => [lane, decodeMessage({ ...beat!, key: null })])).toEqual([
    [0, { kind: 'heartbeat', epoch, position: 9, previous: 4 }],
    [1, { kind: 'heartbeat', epoch, position: 9, previous: 0 }],
    [2, { kind: 'heartbeat', epoch, position: 9, previous: 9 }],
  ]);
});

async function recorded(contents: readonly number[]) {
  const store = createMemoryEventStore();
  for (const [n, size] of contents.entries()) {
    const event = anEvent({ partition: `partition ${n % 5}`, content: Buffer.alloc(size) });
    await store.append([{ stream: `stream ${n}`, expectedRevision: 'no-stream', events: [event] }]);
  }
  return store.readAll();
}
