import {
  createMemoryEventStore,
  newEventId,
  type EventStore,
  type RecordedEvent,
} from '@carelog/event-store';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  runProjection,
  type Checkpoint,
  type Parked,
  type ProjectedBatch,
  type Projection,
  type ReadModel,
  type RunProjectionOptions,
} from './index.ts';

/** Lists, for each partition, the texts that were applied. */
const listing: Projection<string> = {
  name: 'listing',
  version: 1,
  evolve(event, content) {
    if (event.stream.startsWith('alias/')) return undefined;
    if (content.kind === 'unreadable') return content.reason;
    const text = new TextDecoder().decode(content.bytes);
    if (text === 'poison') throw new TypeError('cannot be read');
    return text;
  },
};

class ListReadModel implements ReadModel<string> {
  readonly lists = new Map<string, string[]>();
  readonly batches: number[] = [];
  readonly setAside: string[] = [];
  parkedPartitions: Parked[] = [];
  reached: Checkpoint | undefined;
  failures = 0;

  async checkpoint() {
    return this.reached;
  }
  async parked() {
    return this.parkedPartitions;
  }
  async apply({ changes, parked, setAside, checkpoint }: ProjectedBatch<string>) {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the disk is full');
    }
    for (const { event, change } of changes) {
      this.lists.set(event.partition, [...(this.lists.get(event.partition) ?? []), change]);
    }
    this.parkedPartitions.push(...parked);
    this.setAside.push(...setAside.map((it) => it.stream));
    this.batches.push(changes.length);
    this.reached = checkpoint;
    return new Set(changes.map(({ event }) => event.stream));
  }
  async clear() {
    this.lists.clear();
    this.parkedPartitions = [];
    this.reached = undefined;
  }
}

let store: EventStore;
let readModel: ListReadModel;

beforeEach(() => {
  store = createMemoryEventStore();
  readModel = new ListReadModel();
});

async function record(partition: string, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    const id = newEventId();
    const event = {
      id,
      type: 'text.recorded',
      schemaVersion: 1,
      partition,
      occurredAt: '2026-01-01T00:00:00Z',
      publisher: { organisation: 'A12345', system: 'test' },
      careSetting: 'acute',
      action: 'new' as const,
      labels: [],
      correlationId: id,
      keyId: 'none',
      content: new TextEncoder().encode(text),
    };
    await store.append([{ stream: `Text/${partition}`, expectedRevision: 'any', events: [event] }]);
  }
}

/** Runs until the position is reached, or to the end of the fault. */
async function runTo(
  position: number,
  options: Partial<RunProjectionOptions<string>> = {},
): Promise<{ readonly notices: string[]; readonly positions: number[] }> {
  const stop = new AbortController();
  const notices: string[] = [];
  const positions: number[] = [];
  await runProjection({
    store,
    open: ({ content }) => ({ kind: 'opened', bytes: content }),
    projection: listing,
    readModel,
    signal: stop.signal,
    onNotice: (notice) => notices.push(notice),
    onProjected(reached) {
      positions.push(reached);
      if (reached >= position) stop.abort();
    },
    ...options,
  });
  return { notices, positions };
}

const lists = () => Object.fromEntries(readModel.lists);

describe('runProjection', () => {
  it('applies every event in order and tells how far it came', async () => {
    await record('a', '1', '2');
    await record('b', '3');
    const { positions } = await runTo(3);
    expect(lists()).toEqual({ a: ['1', '2'], b: ['3'] });
    expect(positions).toEqual([0, 3]);
    expect(readModel.reached?.position).toBe(3);
  });

  it('goes on from its checkpoint: nothing twice', async () => {
    await record('a', '1', '2');
    await runTo(2);
    await record('a', '3');
    await runTo(3);
    expect(lists()).toEqual({ a: ['1', '2', '3'] });
  });

  it('takes what has been recorded at once when it is behind, and no more than a batch', async () => {
    await record('a', ...'abcdefghij');
    await runTo(10, { batchSize: 4 });
    expect(readModel.batches).toEqual([4, 4, 2]);
  });

  it('comes to the same view wherever batches end and crashes fall', async () => {
    await record('a', ...'abcdef');
    await record('b', ...'ghij');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean())), async (runs) => {
        readModel = new ListReadModel();
        for (const [batchSize, fails] of runs) {
          readModel.failures = fails ? 1 : 0;
          const until = (readModel.reached?.position ?? 0) + batchSize;
          await runTo(Math.min(until, 10), { batchSize }).catch(() => {});
        }
        readModel.failures = 0;
        await runTo(10);
        expect(lists()).toEqual({ a: [...'abcdef'], b: [...'ghij'] });
      }),
      { numRuns: 50 },
    );
  });

  it('passes a fault of the read model on, and keeps its checkpoint', async () => {
    await record('a', '1');
    readModel.failures = 1;
    await expect(runTo(1)).rejects.toThrow('the disk is full');
    expect(readModel.reached).toBeUndefined();
  });

  it('parks the partition of a poison event, and that one only', async () => {
    await record('a', '1', 'poison', '2');
    await record('b', '3');
    const { notices } = await runTo(4, { batchSize: 2 });
    expect(lists()).toEqual({ a: ['1'], b: ['3'] });
    expect(readModel.parkedPartitions).toEqual([{ partition: 'a', position: 2, reason: 'TypeError' }]);
    expect(readModel.setAside).toEqual(['Text/a', 'Text/a']);
    expect(notices).toEqual(['Projection listing parked partition a at event 2: TypeError.']);
  });

  it('leaves it parked after a restart', async () => {
    await record('a', 'poison');
    await runTo(1);
    await record('a', '1');
    await record('b', '2');
    await runTo(3);
    expect(lists()).toEqual({ b: ['2'] });
    expect(readModel.parkedPartitions).toHaveLength(1);
  });

  it('takes content that cannot be opened for normal', async () => {
    await record('a', '1');
    await runTo(1, { open: () => ({ kind: 'unreadable', reason: 'erased' }) });
    expect(lists()).toEqual({ a: ['erased'] });
    expect(readModel.parkedPartitions).toEqual([]);
  });

  it.each([
    ['of another epoch', { position: 1, epoch: 'before the restore' }, 'the log was restored from a copy'],
    ['beyond the log', { position: 9, epoch: '' }, 'the log ends at 2, before the checkpoint 9'],
  ])('begins again from a checkpoint %s, and says so', async (_, reached, why) => {
    await record('a', '1', '2');
    readModel.reached = { ...reached, epoch: reached.epoch || store.head().epoch };
    readModel.lists.set('a', ['stale']);
    const { notices } = await runTo(2);
    expect(lists()).toEqual({ a: ['1', '2'] });
    expect(notices).toEqual([`Projection listing is rebuilt from the first event: ${why}.`]);
    expect(readModel.reached).toEqual({ position: 2, epoch: store.head().epoch });
  });

  it('never steps over a gap', async () => {
    await record('a', '1', '2', '3');
    const events = await store.readAll();
    async function* withoutTheSecond(): AsyncGenerator<readonly RecordedEvent[]> {
      yield events.filter((event) => event.position !== 2);
    }
    const gapped = { head: () => store.head(), subscribe: withoutTheSecond };
    await expect(runTo(3, { store: gapped })).rejects.toThrow('gave event 3 where 2 was due');
    expect(lists()).toEqual({});
  });

  it('ends at a signal while it waits for more', async () => {
    const stop = new AbortController();
    const running = runTo(1, { signal: stop.signal, onProjected: () => stop.abort() });
    await expect(running).resolves.toBeDefined();
  });
});
