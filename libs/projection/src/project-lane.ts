/**
 * One lane of a log into a read model that several projectors write. Nothing is believed of a delivery but its events: what
 * the locked checkpoint has already is left out, what is missing before it is read from the store, and what was sent in
 * another life of the store is dropped. So a lane may be delivered twice, out of order, or with holes.
 */
import type { EventStore, Head, RecordedEvent } from '@carelog/event-store';
import { evolveAll, parkedNotice, type Evolving } from './evolve-all.ts';
import type { Checkpoint, LaneWork, Parked, ProjectedBatch, SharedReadModel, Touched } from './projection.ts';
import { setTimeout as delay } from 'node:timers/promises';

/** A stretch of a lane: all its events after `after` up to `until`, in order. A heartbeat says that there are none. */
export interface Stretch {
  readonly epoch: string;
  readonly after: number;
  readonly until: number;
  readonly events: readonly RecordedEvent[];
}

export interface LanesOptions<Change> extends Evolving<Change> {
  readonly readModel: SharedReadModel<Change>;
  readonly store: Pick<EventStore, 'readAll' | 'freshHead'>;
  readonly laneOf: (partition: string) => number;
  /** Called before events are opened, e.g. to fetch keys all at once. */
  readonly prefetch?: (events: readonly RecordedEvent[]) => Promise<void>;
  /** Positions that an operator decided to step over; asked only where an event cannot be handled. */
  readonly skipped?: () => Promise<ReadonlySet<number>>;
  /** Called with what an operator should know: a lane is built again, a partition was parked. Holds no content. */
  readonly onNotice?: (notice: string) => void;
  /** Called after each transaction; a throw ends the work there. */
  readonly onStep?: () => Promise<void>;
  /** At most about this many events in one transaction, and in one page of the store; 1,000 unless told. */
  readonly batchSize?: number;
  /** So long an event waits for another lane before it rejects with `LaneHeld`; 2 s unless told. */
  readonly heldMs?: number;
}

export interface LaneOutcome {
  readonly applied: number;
  /** Events that had been applied before. */
  readonly repeated: number;
  /** Events that were read from the store because they did not come; they count as applied too. */
  readonly refilled: number;
  /** Stretches of another epoch than the store's, or that claim more than the store has. */
  readonly stale: number;
  /** How often the lane was forgotten and begun again, because the store is not the one it was built from. */
  readonly restarts: number;
  readonly touched: Touched;
}

/** What was delivered contradicts the store. Nothing of it was applied. */
export class LaneFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LaneFault';
  }
}

/**
 * Thrown by a shared read model that has kept what comes before: the next event needs one that another lane has yet to bring,
 * such as the version before it of a resource that was moved to another person.
 */
export class LaneHeld extends Error {
  readonly touched: Touched;
  /** Of the event that waits. */
  readonly position: number;
  constructor(message: string, { touched, position }: { touched: Touched; position: number }) {
    super(message);
    this.name = 'LaneHeld';
    this.touched = touched;
    this.position = position;
  }
}

/** So long an event waits for another lane at a time; then it is brought again, and others may be worked on meanwhile. */
const HELD_MAX_MS = 2_000;
/** The same where all lanes are brought from the store at once: nobody else brings what it waits for. */
const HELD_IN_CATCHING_UP_MS = 60_000;
const HELD_AGAIN_MS = 10;

/**
 * Resolves when everything that the stretches span is in the read model. Rejects on a fault of store or read model, and with
 * a `LaneFault`; what was applied before stays, with its checkpoint, and the same stretches may be given again.
 */
export async function projectLane<Change>(
  lane: number,
  stretches: readonly Stretch[],
  options: LanesOptions<Change>,
): Promise<LaneOutcome> {
  const { readModel, projection, onNotice = () => {}, onStep = async () => {} } = options;
  const { heldMs = HELD_MAX_MS } = options;
  const outcome = { applied: 0, repeated: 0, refilled: 0, stale: 0, restarts: 0, touched: NOTHING };
  let held = { position: 0, until: Infinity };
  for (let done = 0; done < stretches.length;) {
    let plan: Plan | undefined;
    let parked: readonly Parked[] = [];
    const work: LaneWork<Change> = async (reached, before) => {
      plan = await planFrom(stretches, done, { lane, reached }, options);
      const batch = plan.kind === 'restart' ? undefined : await batchOf(plan, before, options);
      parked = batch?.parked ?? [];
      return batch;
    };
    const touched = await readModel.apply(lane, work).catch((fault: unknown) => {
      if (fault instanceof LaneHeld && (fault.position !== held.position || performance.now() < held.until)) return fault; // prettier-ignore
      throw fault;
    });
    if (touched instanceof LaneHeld) {
      if (touched.position !== held.position) held = { position: touched.position, until: performance.now() + heldMs }; // prettier-ignore
      outcome.touched = together(outcome.touched, touched.touched);
      await delay(HELD_AGAIN_MS);
      await onStep();
      continue;
    }
    // It was made under the lock, or `apply` would have thrown.
    const made = plan!;
    if (made.kind === 'restart') {
      onNotice(`Projection ${projection.name} builds lane ${lane} again from the first event: ${made.why}.`);
      await readModel.clear(lane);
      outcome.restarts += 1;
      outcome.touched = 'all';
    } else {
      for (const it of parked) onNotice(parkedNotice(projection, it));
      done = made.done;
      outcome.applied += made.events.length;
      outcome.repeated += made.repeated;
      outcome.stale += made.stale;
      if (made.kind === 'refill') outcome.refilled += made.events.length;
      outcome.touched = together(outcome.touched, touched);
    }
    await onStep();
  }
  return outcome;
}

/**
 * Brings lanes from the store to the head it has now, in one pass over the log, side by side: before a projector takes its lanes from
 * Kafka, and to build a read model. Resolves with that head.
 */
export async function catchUpLanes<Change>(
  lanes: readonly number[],
  options: LanesOptions<Change>,
): Promise<Head> {
  const { readModel, store, laneOf, batchSize = BATCH } = options;
  const head = await store.freshHead();
  const checkpoints = await readModel.checkpoints();
  const reached = new Map<number, number>();
  for (const lane of lanes) {
    const { position, epoch } = checkpoints.get(lane) ?? { position: 0, epoch: head.epoch };
    reached.set(lane, epoch === head.epoch && position <= head.position ? position : 0);
  }
  for (
    let after = Math.min(head.position, ...reached.values()), until = after;
    after < head.position;
    after = until
  ) {
    const page = await store.readAll({ after, limit: batchSize });
    until = page.at(-1)?.position ?? head.position;
    const byLane = Map.groupBy(page, ({ partition }) => laneOf(partition));
    const applying = lanes.map(async (lane) => {
      const from = reached.get(lane)!;
      if (until <= from) return;
      // A lane in which nothing came is moved too: others may wait to know that.
      const events = byLane.get(lane) ?? [];
      const stretch = { epoch: head.epoch, after: from, until, events };
      await projectLane(lane, [stretch], { ...options, heldMs: HELD_IN_CATCHING_UP_MS });
      reached.set(lane, until);
    });
    // All of them are waited for also where one fails: nothing is at work any more when this rejects.
    const failed = (await Promise.allSettled(applying)).find(({ status }) => status === 'rejected');
    if (failed !== undefined) await Promise.reject((failed as PromiseRejectedResult).reason);
  }
  // Lanes that were idle for long; and those that contradict the head, of whom nothing was applied here.
  for (const [lane, after] of reached) {
    await projectLane(lane, [{ epoch: head.epoch, after, until: head.position, events: [] }], options);
  }
  return head;
}

const BATCH = 1_000;
const NOTHING: Touched = new Set<string>();

type Plan = { readonly kind: 'restart'; readonly why: string } | Taking;

interface Taking {
  /** From the store where what was delivered does not follow on the checkpoint. */
  readonly kind: 'deliver' | 'refill';
  /** So many of the stretches are dealt with then. */
  readonly done: number;
  readonly events: readonly RecordedEvent[];
  readonly repeated: number;
  readonly stale: number;
  /** Undefined where it stays. */
  readonly checkpoint: Checkpoint | undefined;
}

interface Standing {
  readonly lane: number;
  readonly reached: Checkpoint | undefined;
}

/** What to do next, under the lock. */
async function planFrom<Change>(
  stretches: readonly Stretch[],
  from: number,
  { lane, reached }: Standing,
  { store, laneOf, batchSize = BATCH, onNotice = () => {} }: LanesOptions<Change>,
): Promise<Plan> {
  let asked: Head | undefined;
  const head = async () => (asked ??= await store.freshHead());
  const epoch = reached?.epoch ?? (await head()).epoch;
  let position = reached?.position ?? 0;
  let [repeated, stale] = [0, 0];
  let events: RecordedEvent[] = [];
  const taking = (kind: Taking['kind'], done: number): Taking => {
    const stays = reached !== undefined && position === reached.position;
    return { kind, done, events, repeated, stale, checkpoint: stays ? undefined : { position, epoch } };
  };
  for (let index = from; index < stretches.length; index += 1) {
    if (events.length >= batchSize) return taking('deliver', index);
    const stretch = stretches[index]!;
    if (stretch.epoch !== epoch) {
      const why = contradiction({ position, epoch }, await head());
      if (why !== undefined) return { kind: 'restart', why };
      stale += 1;
      continue;
    }
    // There is no event to show for it: where the log ends is for the log to say.
    if (stretch.events.length === 0 && stretch.until > position && stretch.until > (await head()).position) {
      const why = contradiction({ position, epoch }, await head());
      if (why !== undefined) return { kind: 'restart', why };
      onNotice(endsEarly(lane, (await head()).position, stretch.until).message);
      stale += 1;
      continue;
    }
    if (stretch.after > position) {
      if (events.length > 0) return taking('deliver', index);
      const why = contradiction({ position, epoch }, await head());
      if (why !== undefined) return { kind: 'restart', why };
      const { position: end } = await head();
      if (end < stretch.after) throw endsEarly(lane, end, stretch.after);
      while (position < stretch.after && events.length < batchSize) {
        const page = await store.readAll({ after: position, limit: batchSize });
        if (page.length === 0) throw endsEarly(lane, position, stretch.after);
        position = page.at(-1)!.position;
        events = events.concat(page.filter(({ partition }) => laneOf(partition) === lane));
      }
      return taking('refill', index);
    }
    // Who says less than the checkpoint has may speak of a log that was cut back.
    if (stretch.events.length === 0 && stretch.until < position) {
      const why = contradiction({ position, epoch }, await head());
      if (why !== undefined) return { kind: 'restart', why };
    }
    for (const event of stretch.events) {
      if (event.position <= position) {
        repeated += 1;
        continue;
      }
      events.push(event);
      position = event.position;
    }
    position = Math.max(position, stretch.until);
  }
  return taking('deliver', stretches.length);
}

async function batchOf<Change>(
  { events, checkpoint }: Taking,
  before: readonly Parked[],
  options: LanesOptions<Change>,
): Promise<ProjectedBatch<Change> | undefined> {
  if (checkpoint === undefined) return undefined;
  await options.prefetch?.(events);
  const evolve = (skipped?: ReadonlySet<number>) =>
    evolveAll(events, new Set(before.map(({ partition }) => partition)), options, skipped);
  const evolved = evolve();
  if (evolved.parked.length === 0 || options.skipped === undefined) return { ...evolved, checkpoint };
  return { ...evolve(await options.skipped()), checkpoint };
}

function contradiction({ position, epoch }: Checkpoint, head: Head): string | undefined {
  if (epoch !== head.epoch) return 'the log was restored from a copy';
  if (position > head.position) return `the log ends at ${head.position}, before the checkpoint ${position}`;
  return undefined;
}

function endsEarly(lane: number, end: number, named: number): LaneFault {
  return new LaneFault(
    `The log ends at event ${end}, but lane ${lane} was sent word of event ${named}. Look whether the projector reads the log that the relay sends from.`,
  );
}

function together(a: Touched, b: Touched): Touched {
  if (a === 'all' || b === 'all') return 'all';
  return a.size === 0 ? b : b.size === 0 ? a : new Set([...a, ...b]);
}
