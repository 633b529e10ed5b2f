import {
  createMemoryEventStore,
  newEventId,
  type EventStore,
  type RecordedEvent,
} from '@carelog/event-store';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  behind,
  catchUpLanes,
  LaneHeld,
  projectLane,
  retryPartition,
  type Checkpoint,
  type LanesOptions,
  type LaneWork,
  type Parked,
  type Projection,
  type SharedReadModel,
  type Stretch,
} from './index.ts';

const LANES = 3;
const laneOf = (partition: string) => partition.charCodeAt(0) % LANES;

/** What each stream holds: positions and texts, in the order applied. */
const listing: Projection<string> = {
  name: 'listing',
  version: 1,
  evolve(event, content) {
    if (content.kind === 'unreadable') return content.reason;
    const text = new TextDecoder().decode(content.bytes);
    if (text.startsWith('poison')) throw new TypeError('cannot be read');
    return `${event.position} ${text}`;
  },
};

interface Lane {
  reached: Checkpoint | undefined;
  lines: { partition: string; line: string }[];
  parked: Parked[];
  setAside: { partition: string; stream: string }[];
}

/** Everything in memory, but with one writer at a time in each lane, and all or nothing. */
class SharedList implements SharedReadModel<string> {
  lanes = new Map<number, Lane>();
  /** How many transactions from now one is rolled back, and one is lost after it was kept. */
  failures: ('before' | 'after')[] = [];
  #locks = new Map<number, Promise<unknown>>();

  async checkpoints() {
    const reached = [...this.lanes].map(([lane, it]) => [lane, it.reached] as const);
    return new Map(reached.filter((it): it is [number, Checkpoint] => it[1] !== undefined));
  }
  async parked(lane: number) {
    return this.lane(lane).parked;
  }
  apply(lane: number, work: LaneWork<string>) {
    const turn = (this.#locks.get(lane) ?? Promise.resolve())
      .catch(() => {})
      .then(() => this.#apply(lane, work));
    this.#locks.set(lane, turn);
    return turn;
  }
  async #apply(number: number, work: LaneWork<string>) {
    const lane = this.lane(number);
    const batch = await work(lane.reached, [...lane.parked]);
    const failure = this.failures.pop();
    if (failure === 'before') throw new Error('the connection broke');
    if (batch !== undefined) {
      const released = new Set(batch.released);
      lane.parked = lane.parked.filter(({ partition }) => !released.has(partition)).concat(batch.parked);
      lane.setAside = lane.setAside
        .filter(({ partition }) => !released.has(partition))
        .concat(batch.setAside.map(({ partition, stream }) => ({ partition, stream })));
      lane.lines.push(
        ...batch.changes.map(({ event, change }) => ({ partition: event.partition, line: change })),
      );
      lane.reached = batch.checkpoint;
    }
    if (failure === 'after') throw new Error('the answer to COMMIT was lost');
    return new Set(batch?.changes.map(({ event }) => event.stream));
  }
  async clear(lane?: number) {
    if (lane === undefined) this.lanes.clear();
    else this.lanes.delete(lane);
  }
  async close() {}

  lane(lane: number): Lane {
    let found = this.lanes.get(lane);
    if (found === undefined)
      this.lanes.set(lane, (found = { reached: undefined, lines: [], parked: [], setAside: [] }));
    return found;
  }
  lines(lane: number) {
    return this.lane(lane).lines.map(({ line }) => line);
  }
  view() {
    return Array.from({ length: LANES }, (_, lane) => ({
      lines: this.lines(lane),
      parked: this.lane(lane).parked,
    }));
  }
}

let log: EventStore;
let readModel: SharedList;
let notices: string[];
let pages: number;

beforeEach(() => {
  log = createMemoryEventStore();
  readModel = new SharedList();
  notices = [];
  pages = 0;
});

function options(
  special: Partial<LanesOptions<string>> = {},
): LanesOptions<string> & { store: EventStore & LanesOptions<string>['store'] } {
  return {
    projection: listing,
    readModel,
    laneOf,
    open: ({ content }) => ({ kind: 'opened', bytes: content }),
    onNotice: (notice) => notices.push(notice),
    ...special,
    store: Object.assign(Object.create(log) as EventStore, {
      freshHead: async () => log.head(),
      readAll: (asked: { after?: number; limit?: number } = {}) => ((pages += 1), log.readAll(asked)),
    }),
  };
}

async function record(partition: string, ...texts: string[]): Promise<void> {
  const events = texts.map((text) => ({
    id: newEventId(),
    type: 'text.recorded',
    schemaVersion: 1,
    partition,
    occurredAt: '2026-01-01T00:00:00Z',
    publisher: { organisation: 'A12345', system: 'test' },
    careSetting: 'acute',
    action: 'new' as const,
    labels: [],
    correlationId: newEventId(),
    keyId: 'none',
    content: new TextEncoder().encode(text),
  }));
  await log.append([{ stream: `Text/${partition}`, expectedRevision: 'any', events }]);
}

/** One lane as a relay sends it: an event at a time, each naming the one before. */
async function sent(lane: number, epoch = log.head().epoch): Promise<Stretch[]> {
  const events = (await log.readAll()).filter(({ partition }) => laneOf(partition) === lane);
  return events.map((event, index) => ({
    epoch,
    after: events[index - 1]?.position ?? 0,
    until: event.position,
    events: [event],
  }));
}

async function heartbeat(lane: number): Promise<Stretch> {
  const { position, epoch } = log.head();
  return { epoch, after: (await sent(lane)).at(-1)?.until ?? 0, until: position, events: [] };
}

async function freshView(): Promise<ReturnType<SharedList['view']>> {
  const fresh = new SharedList();
  await catchUpLanes([0, 1, 2], { ...options(), readModel: fresh });
  return fresh.view();
}

/** Letters of lanes 0, 1 and 2. */
const LETTERS = ['c', 'f', 'a', 'd', 'b', 'e'];

describe('projectLane', () => {
  it('applies what follows on the checkpoint, without asking the store for events', async () => {
    await record('a', '1', '2');
    await record('b', '3');
    await record('a', '4');
    expect(await projectLane(1, await sent(1), options())).toMatchObject({
      applied: 3,
      repeated: 0,
      refilled: 0,
    });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2', '4 4']);
    expect(readModel.lane(1).reached).toEqual({ position: 4, epoch: log.head().epoch });
    expect(pages).toBe(0);
  });

  it('asks again while the read model waits for another lane, and misses nothing then', async () => {
    await record('a', '1', '2', '3');
    let held = 2;
    const waiting = Object.assign(Object.create(readModel) as SharedList, {
      async apply(lane: number, work: LaneWork<string>) {
        if (held === 0) return readModel.apply(lane, work);
        held -= 1;
        throw new LaneHeld('Lane 1 waits.', { touched: new Set(['Text/z']), position: 1 });
      },
    });
    const { touched } = await projectLane(1, await sent(1), options({ readModel: waiting }));
    expect(readModel.lines(1)).toEqual(['1 1', '2 2', '3 3']);
    expect(touched).toEqual(new Set(['Text/z', 'Text/a']));
  });

  it('gives up on an event that goes on waiting, however many waited before it', async () => {
    await record('a', '1');
    let asked = 0;
    const waiting = Object.assign(Object.create(readModel) as SharedList, {
      apply: () => {
        asked += 1;
        return Promise.reject(new LaneHeld('Lane 1 waits.', { touched: new Set(), position: Math.min(asked, 4) })); // prettier-ignore
      },
    });
    const projected = projectLane(1, await sent(1), options({ readModel: waiting, heldMs: 0 }));
    await expect(projected).rejects.toThrow(LaneHeld);
    expect(asked).toBe(5);
  });

  it('stops asking when it is told to stop', async () => {
    await record('a', '1');
    const waiting = Object.assign(Object.create(readModel) as SharedList, {
      apply: () => Promise.reject(new LaneHeld('Lane 1 waits.', { touched: new Set(), position: 1 })),
    });
    const onStep = () => Promise.reject(new Error('stopped'));
    await expect(projectLane(1, await sent(1), options({ readModel: waiting, onStep }))).rejects.toThrow(
      'stopped',
    );
    expect(readModel.lines(1)).toEqual([]);
  });

  it('leaves out what it has, whoever applied it', async () => {
    await record('a', '1', '2', '3');
    await projectLane(1, (await sent(1)).slice(0, 2), options());
    expect(await projectLane(1, await sent(1), options())).toMatchObject({ applied: 1, repeated: 2 });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2', '3 3']);
  });

  it('reads from the store what did not come, its own lane only', async () => {
    await record('a', '1', '2');
    await record('b', 'x');
    await record('d', '3');
    await record('a', '4', '5');
    const [first, , , , last] = await sent(1);
    expect(await projectLane(1, [first!, last!], options())).toMatchObject({
      applied: 5,
      refilled: 4,
      repeated: 1,
    });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2', '4 3', '5 4', '6 5']);
    expect(readModel.lines(2)).toEqual([]);
  });

  it('reads a long hole in pages, a transaction each', async () => {
    await record('a', ...Array.from({ length: 25 }, (_, index) => String(index)));
    let steps = 0;
    const stepping = { ...options(), batchSize: 10, onStep: async () => void (steps += 1) };
    await projectLane(1, [(await sent(1)).at(-1)!], stepping);
    expect(readModel.lines(1)).toHaveLength(25);
    expect([pages, steps]).toEqual([3, 4]);
  });

  it('learns of a lost end from a heartbeat', async () => {
    await record('a', '1', '2', '3');
    await projectLane(1, (await sent(1)).slice(0, 1), options());
    expect(await projectLane(1, [await heartbeat(1)], options())).toMatchObject({ refilled: 2 });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2', '3 3']);
    expect(await projectLane(1, [await heartbeat(1)], options())).toMatchObject({ applied: 0 });
  });

  it('drops what was sent before a restore', async () => {
    await record('a', '1', '2');
    await projectLane(1, (await sent(1)).slice(0, 1), options());
    const old = await sent(1, 'before the restore');
    expect(await projectLane(1, [old[1]!], options())).toMatchObject({ applied: 0, stale: 1, restarts: 0 });
    expect(readModel.lines(1)).toEqual(['1 1']);
  });

  it.each([
    ['of another epoch', 'before the restore', 2, 'the log was restored from a copy'],
    ['beyond the log', '', 9, 'the log ends at 2, before the checkpoint 9'],
  ])('builds the lane again from a checkpoint %s', async (_, epoch, position, why) => {
    await record('a', '1', '2');
    readModel.lane(1).reached = { position, epoch: epoch || log.head().epoch };
    readModel.lane(1).lines.push({ partition: 'a', line: 'forked' });
    const beats = [await heartbeat(1)];
    expect(await projectLane(1, beats, options())).toMatchObject({
      restarts: 1,
      refilled: 2,
      touched: 'all',
    });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2']);
    expect(notices).toEqual([`Projection listing builds lane 1 again from the first event: ${why}.`]);
  });

  it('refuses what the store does not hold, and keeps what it has', async () => {
    await record('a', '1');
    await projectLane(1, await sent(1), options());
    const [event] = await log.readAll();
    const unknown = { epoch: log.head().epoch, after: 7, until: 8, events: [{ ...event!, position: 8 }] };
    await expect(projectLane(1, [unknown], options())).rejects.toThrow(
      'The log ends at event 1, but lane 1 was sent word of event 7.',
    );
    expect(readModel.lines(1)).toEqual(['1 1']);
  });

  it.each([
    ['this lane’s last event', 1],
    ['an event that nobody has', 7],
  ])('believes no heartbeat beyond the log, after %s: what comes later is not left out', async (_, after) => {
    await record('a', '1');
    await projectLane(1, await sent(1), options());
    const beat = { epoch: log.head().epoch, after, until: 7, events: [] };
    expect(await projectLane(1, [beat], options())).toMatchObject({ stale: 1, restarts: 0 });
    expect(notices).toEqual([
      expect.stringContaining('The log ends at event 1, but lane 1 was sent word of event 7.'),
    ]);
    await record('a', '2');
    expect(await projectLane(1, await sent(1), options())).toMatchObject({ applied: 1 });
    expect(readModel.lines(1)).toEqual(['1 1', '2 2']);
  });

  it('parks the partition of a poison event, leaves it parked, and goes on with others', async () => {
    await record('a', '1', 'poison');
    await record('d', '2');
    await projectLane(1, await sent(1), options());
    await record('a', '3');
    await projectLane(1, await sent(1), options());
    expect(readModel.lines(1)).toEqual(['1 1', '3 2']);
    expect(readModel.lane(1).parked).toEqual([{ partition: 'a', position: 2, reason: 'TypeError' }]);
    expect(readModel.lane(1).setAside).toHaveLength(2);
    expect(notices).toEqual(['Projection listing parked partition a at event 2: TypeError.']);
  });

  it('steps over a poison event that an operator decided to skip', async () => {
    await record('a', '1', 'poison', '2');
    await projectLane(1, await sent(1), options({ skipped: async () => new Set([2]) }));
    expect(readModel.lines(1)).toEqual(['1 1', '3 2']);
    expect(readModel.lane(1).parked).toEqual([]);
  });

  it('fetches the keys of a batch at once, before it opens the first', async () => {
    await record('a', '1', '2');
    const asked: number[] = [];
    await projectLane(
      1,
      await sent(1),
      options({ prefetch: async (events) => void asked.push(events.length) }),
    );
    expect(asked).toEqual([2]);
  });

  it('ends between transactions when it is told to', async () => {
    await record('a', '1', '2', '3');
    const lost = async () => {
      throw new Error('the lane is no longer ours');
    };
    await expect(projectLane(1, await sent(1), options({ batchSize: 1, onStep: lost }))).rejects.toThrow(
      'no longer ours',
    );
    expect(readModel.lines(1)).toEqual(['1 1']);
  });

  it('comes to the same view whatever is doubled, lost, out of order, replayed or broken off', async () => {
    const perturbed = fc.record({
      recorded: fc.array(fc.tuple(fc.constantFrom(...LETTERS), fc.constantFrom('x', 'x', 'x', 'poison')), {
        maxLength: 40,
      }),
      /** Which deliveries of each lane come, in which order: numbers of messages, out of range for heartbeats. */
      deliveries: fc.array(
        fc.tuple(
          fc.nat(LANES - 1),
          fc.array(fc.nat(45), { maxLength: 12 }),
          fc.constantFrom('none', 'none', 'before', 'after'),
        ),
        { maxLength: 30 },
      ),
      batchSize: fc.integer({ min: 1, max: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(perturbed, async ({ recorded, deliveries, batchSize }) => {
        log = createMemoryEventStore();
        readModel = new SharedList();
        for (const [letter, text] of recorded) await record(letter, text);
        const lanes = await Promise.all([0, 1, 2].map((lane) => sent(lane)));
        const beats = await Promise.all([0, 1, 2].map((lane) => heartbeat(lane)));
        const seen = new Map<number, number>();
        for (const [lane, picked, failure] of deliveries) {
          if (failure !== 'none') readModel.failures.push(failure);
          const stretches = picked.map((index) => lanes[lane]![index] ?? beats[lane]!);
          await projectLane(lane, stretches, options({ batchSize })).catch(() => {});
          const { lines, reached } = readModel.lane(lane);
          const expected = (await freshView())[lane]!.lines.slice(0, lines.length);
          expect(lines.map(({ line }) => line)).toEqual(expected);
          expect(reached?.position ?? 0).toBeGreaterThanOrEqual(seen.get(lane) ?? 0);
          seen.set(lane, reached?.position ?? 0);
        }
        readModel.failures = [];
        for (const [lane, beat] of beats.entries()) await projectLane(lane, [beat], options({ batchSize }));
        expect(readModel.view()).toEqual(await freshView());
      }),
      { numRuns: 150 },
    );
  });

  it('comes to the same view when two believe that they have the lane', async () => {
    await record('a', ...'123456789');
    const all = await sent(1);
    const [first, second] = [options({ batchSize: 2 }), options({ batchSize: 3 })];
    await Promise.all([
      projectLane(1, all, first),
      projectLane(1, all, second),
      projectLane(1, all.slice(4), first),
    ]);
    expect(readModel.lines(1)).toEqual((await freshView())[1]!.lines);
  });
});

describe('catchUpLanes', () => {
  it('brings every lane to the head, in one pass, from wherever each stands', async () => {
    for (const [index, letter] of [...LETTERS, ...LETTERS].entries()) await record(letter, String(index));
    await projectLane(1, (await sent(1)).slice(0, 3), options());
    await catchUpLanes([0, 1, 2], options({ batchSize: 5 }));
    expect(readModel.view()).toEqual(await freshView());
    expect((await readModel.checkpoints()).get(0)).toEqual(log.head());
    expect(pages).toBe(3 + 1);
  });

  it('takes up only the lanes that it is told to', async () => {
    for (const letter of LETTERS) await record(letter, '1');
    await catchUpLanes([2], options());
    expect(readModel.lines(0)).toEqual([]);
    expect(readModel.lines(2)).toEqual(['5 1', '6 1']);
  });

  it('makes a checkpoint where there is nothing', async () => {
    await catchUpLanes([0], options());
    expect(await readModel.checkpoints()).toEqual(new Map([[0, log.head()]]));
  });

  it.each([
    ['of another epoch', { position: 1, epoch: 'before the restore' }],
    ['beyond the log', { position: 99, epoch: '' }],
  ])('begins again where a checkpoint is %s, there only', async (_, { position, epoch }) => {
    for (const letter of LETTERS) await record(letter, '1');
    await catchUpLanes([0, 1, 2], options());
    readModel.lane(1).reached = { position, epoch: epoch || log.head().epoch };
    readModel.lane(1).lines.push({ partition: 'a', line: 'forked' });
    await catchUpLanes([0, 1, 2], options());
    expect(readModel.view()).toEqual(await freshView());
    expect(notices).toHaveLength(1);
  });
});

describe('retryPartition', () => {
  beforeEach(async () => {
    await record('a', '1', 'poison', '2');
    await record('d', '3');
    await record('a', '4');
    await catchUpLanes([1], options());
  });
  const mended = { ...listing, evolve: ({ position }: RecordedEvent) => `${position} mended` };

  it('applies what was set aside, in order, and only that', async () => {
    const outcome = await retryPartition('a', { ...options(), projection: mended });
    expect(outcome).toEqual({ kind: 'retried', applied: 3 });
    expect(readModel.lines(1)).toEqual(['1 1', '4 3', '2 mended', '3 mended', '5 mended']);
    expect(readModel.lane(1)).toMatchObject({ parked: [], setAside: [] });
  });

  it('parks it again where it still cannot be handled', async () => {
    const outcome = await retryPartition('a', options());
    expect(outcome).toEqual({
      kind: 'retried',
      applied: 0,
      stopped: { partition: 'a', position: 2, reason: 'TypeError' },
    });
    expect(readModel.lane(1).parked).toHaveLength(1);
    expect(readModel.lane(1).setAside).toHaveLength(3);
  });

  it('steps over what was skipped, and keeps in mind that the stream holds more', async () => {
    await retryPartition('a', { ...options(), skipped: async () => new Set([2]) });
    expect(readModel.lines(1)).toEqual(['1 1', '4 3', '3 2', '5 4']);
    expect(readModel.lane(1)).toMatchObject({ parked: [], setAside: [{ stream: 'Text/a' }] });
  });

  it('says so where the partition is not parked', async () => {
    expect(await retryPartition('d', options())).toEqual({ kind: 'not-parked' });
  });

  it('leaves to the projector what lies beyond the checkpoint', async () => {
    await record('a', 'later');
    const [parked] = readModel.lane(1).parked;
    const events = await behind(parked!, readModel.lane(1).reached!, log);
    expect(events.map(({ position }) => position)).toEqual([2, 3, 5]);
  });
});
