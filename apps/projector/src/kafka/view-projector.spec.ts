import { createMemoryEventStore, type EventStore } from '@carelog/event-store';
import type { Checkpoint, LaneWork, Projection, SharedReadModel } from '@carelog/projection';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ViewProjector } from './view-projector.ts';

const positions: Projection<number> = { name: 'positions', version: 1, evolve: ({ position }) => position };

/** Lists the positions that were applied in each lane. */
class Positions implements SharedReadModel<number> {
  readonly applied: number[] = [];
  readonly reached = new Map<number, Checkpoint>();
  failures = 0;

  async checkpoints() {
    return this.reached;
  }
  async parked() {
    return [];
  }
  async apply(lane: number, work: LaneWork<number>) {
    const batch = await work(this.reached.get(lane), []);
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the database is away');
    }
    if (batch === undefined) return new Set<string>();
    this.applied.push(...batch.changes.map(({ change }) => change));
    this.reached.set(lane, batch.checkpoint);
    return new Set<string>();
  }
  async clear(lane: number) {
    this.reached.delete(lane);
  }
  async close() {}
}

let store: EventStore;
let readModel: Positions;
let projector: ViewProjector<number>;
const said: string[] = [];

beforeEach(() => {
  said.length = 0;
  store = createMemoryEventStore();
  readModel = new Positions();
  const note = (_facts: unknown, text: string) => void said.push(text);
  projector = new ViewProjector(
    { name: 'positions_v1', projection: positions, readModel },
    {
      store,
      laneOf: (partition) => (partition === 'a' ? 0 : 1),
      open: ({ content }) => ({ kind: 'opened', bytes: content }),
      log: { info: note, warn: note, error: note } as never,
    },
  );
});

async function record(partition: string): Promise<void> {
  const { position } = store.head();
  const id = `01a1fdf0-ab8c-7000-807f-${String(position).padStart(12, '0')}`;
  await store.append([
    {
      stream: `Text/${position}`,
      expectedRevision: 'any',
      events: [
        {
          id,
          type: 'text.recorded',
          schemaVersion: 1,
          partition,
          occurredAt: '2026-01-01T00:00:00Z',
          publisher: { organisation: 'A12345', system: 'test' },
          careSetting: 'acute',
          action: 'new',
          labels: [],
          correlationId: id,
          keyId: 'none',
          content: new Uint8Array(1),
        },
      ],
    },
  ]);
}

async function message(position: number, previous: number) {
  const [event] = await store.readAll({ after: position - 1, limit: 1 });
  return { kind: 'event', epoch: store.head().epoch, previous, event: event! } as const;
}

const batchOf = (lane: number, ...messages: Awaited<ReturnType<typeof message>>[]) =>
  ({ kind: 'batch', lane, messages, behind: 0, signal: new AbortController().signal }) as const;

describe('a view in a projector', () => {
  it('is brought to where the log is before anything of a lane is taken from Kafka, and is ready then', async () => {
    for (const partition of ['a', 'b', 'a']) await record(partition);
    expect(projector.isReady()).toBe(false);
    await projector.deliver({ kind: 'lanes', lanes: [0] });
    await projector.deliver(batchOf(0, await message(3, 1)));
    expect(projector.isReady()).toBe(true);
    expect(readModel.applied).toEqual([1, 3]);
  });

  it('is ready without a lane too: there are more projectors than lanes', async () => {
    await projector.deliver({ kind: 'lanes', lanes: [] });
    expect(projector.isReady()).toBe(true);
  });

  it('is tried again with the next batch where it could not be caught up', async () => {
    await record('a');
    readModel.failures = 1;
    await projector.deliver({ kind: 'lanes', lanes: [0] });
    await vi.waitUntil(() => said.includes('the database is away'));
    expect(projector.isReady()).toBe(false);
    await projector.deliver(batchOf(0, await message(1, 0)));
    expect(projector.isReady()).toBe(true);
    expect(readModel.applied).toEqual([1]);
  });

  it('passes a fault on, so that the batch is brought again, and says in which lane', async () => {
    await projector.deliver({ kind: 'lanes', lanes: [0] });
    await vi.waitUntil(() => projector.isReady());
    await record('a');
    readModel.failures = 1;
    await expect(projector.deliver(batchOf(0, await message(1, 0)))).rejects.toThrow('away');
    expect(said.at(-1)).toBe('the database is away');
    await projector.deliver(batchOf(0, await message(1, 0)));
    expect(readModel.applied).toEqual([1]);
  });

  it('leaves out what cannot be read, says so, and counts what it had to read from the log', async () => {
    await projector.deliver({ kind: 'lanes', lanes: [0] });
    await vi.waitUntil(() => projector.isReady());
    await record('a');
    await record('a');
    const unreadable = { kind: 'unreadable', reason: 'its digest is another' } as const;
    await projector.deliver({ ...batchOf(0), messages: [unreadable] });
    expect(readModel.applied).toEqual([]);
    await projector.deliver(batchOf(0, await message(2, 1), await message(2, 1)));
    expect(readModel.applied).toEqual([1, 2]);
    expect(said).toContain('A message was left out: its digest is another.');
    const samples = new Map(projector.samples(5).map(({ name, value }) => [name, value]));
    expect(samples.get('carelog_events_refilled_total')).toBe(2);
    expect(samples.get('carelog_projection_lag_events')).toBe(3);
    expect(samples.get('carelog_lane_position')).toBe(2);
  });

  it('does not begin what it was told to end', async () => {
    await projector.deliver({ kind: 'lanes', lanes: [0] });
    await vi.waitUntil(() => projector.isReady());
    await record('a');
    const over = AbortSignal.abort(new Error('the lane is somebody else’s'));
    const batch = { ...batchOf(0, await message(1, 0)), signal: over };
    await expect(projector.deliver(batch)).rejects.toThrow('somebody else');
    expect(readModel.applied).toEqual([]);
  });
});
