/**
 * How far views of the cluster have come, from what the relay and the projectors write down: what is in Kafka up to where,
 * with the last position in each lane, and how far each view is in each lane. All views of a process are looked at together.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readRelayCheckpoint } from '@carelog/distribution';
import type { Head } from '@carelog/event-store';
import type { Gateway } from '@carelog/query-gateway';
import { escapeIdentifier, Pool } from 'pg';
import { progressed, reached, type LaneProgress } from './lane-progress.ts';

export interface ViewsProgressOptions {
  readonly distributionUrl: string;
  readonly topic: string;
  readonly readModelsUrl: string;
  /** Of the log, as it is known here. */
  readonly head: () => Head;
  readonly log: { warn(text: string): void };
}

export interface ViewsProgress {
  /** `schema`: of the version that answers. Resolves when its tables were read once; rejects where they cannot be. */
  follow(schema: string): Promise<ViewProgress>;
  close(): Promise<void>;
}

type Projected = Gateway['projected'];

export interface ViewProgress extends Projected {
  /** Milliseconds since the tables were last read. */
  age(): number;
  /** Lets another version answer: resolves, and calls `take` in the same turn, once it is as far as the one before; or when `signal` is aborted. */
  turnTo(schema: string, take: () => void, signal: AbortSignal): Promise<void>;
}

/**
 * From one look to the next: while somebody waits, while a view is behind the log, and at all. Nobody is told when a view came
 * further: each telling would wake every session that listens to anything, a hundred times a second and mostly for nobody.
 */
const AWAITED_MS = 10;
const BEHIND_MS = 100;
const IDLE_MS = 250;

interface Waiter {
  readonly position: number;
  readonly done: () => void;
}

interface Followed {
  schema: string;
  progress: readonly LaneProgress[];
  position: number;
  readAt: number;
  /** In which it was looked at. */
  epoch: string;
  readonly waiting: Set<Waiter>;
}

/** Nothing is asked before a view is followed. */
export function openViewsProgress(options: ViewsProgressOptions): ViewsProgress {
  const { distributionUrl, readModelsUrl, topic, head, log } = options;
  const relays = poolOf(distributionUrl);
  const views = poolOf(readModelsUrl);
  const followed = new Set<Followed>();
  let looking: Promise<void> | undefined;
  let lookedAt = -Infinity;
  let isTroubled = false;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  /** Of each of these, with what was known before of those that answer now. */
  async function progressIn(
    asked: readonly Pick<Followed, 'schema' | 'progress'>[],
  ): Promise<readonly (readonly LaneProgress[])[]> {
    // The relay first: what it has sent by now a view can have by the time that it is asked.
    const relay = await readRelayCheckpoint(relays, topic);
    const lanes = await lanesIn(views, asked.map(({ schema }) => schema)); // prettier-ignore
    return asked.map(({ progress }, at) => progressed(progress, relay, lanes[at]!, head().epoch));
  }

  async function look(): Promise<void> {
    const asked = [...followed];
    const before = asked.map(({ schema, progress }) => ({ schema, progress }));
    const found = await progressIn(before);
    for (const [at, it] of asked.entries()) if (it.schema === before[at]!.schema) take(it, found[at]!);
  }

  function take(view: Followed, progress: readonly LaneProgress[]): void {
    view.progress = progress;
    view.position = reached(progress);
    view.readAt = performance.now();
    view.epoch = head().epoch;
    for (const waiter of view.waiting) if (waiter.position <= view.position) waiter.done();
  }

  const isAwaited = () => [...followed].some(({ waiting }) => waiting.size > 0);
  function isBehind(): boolean {
    const now = head();
    return [...followed].some(({ position, epoch }) => position < now.position || epoch !== now.epoch);
  }

  /** Looks now where it is time to, and else when it will be. One look at a time. */
  function goOn(): void {
    clearTimeout(timer);
    if (isClosed || looking !== undefined) return;
    const passed = performance.now() - lookedAt;
    const isPressing = isAwaited() && !isTroubled;
    const apart = isPressing ? AWAITED_MS : isAwaited() || isBehind() ? BEHIND_MS : IDLE_MS;
    if (passed < apart) {
      // Looks again before that whether it has become pressing.
      timer = setTimeout(goOn, Math.min(apart - passed, BEHIND_MS)).unref();
      return;
    }
    lookedAt = performance.now();
    looking = look()
      .then(() => void (isTroubled = false))
      .catch((fault: unknown) => {
        if (!isClosed && !isTroubled) log.warn(`How far the views are cannot be read: ${(fault as Error).name}.`); // prettier-ignore
        isTroubled = true;
      })
      .finally(() => {
        looking = undefined;
        goOn();
      });
  }

  function progressOf(view: Followed): ViewProgress {
    return {
      position: () => view.position,
      age: () => performance.now() - view.readAt,
      waitFor(wanted, timeoutMs) {
        if (view.position >= wanted) return Promise.resolve(true);
        return new Promise((resolve) => {
          const end = (isReached: boolean) => {
            clearTimeout(overdue);
            view.waiting.delete(waiter);
            resolve(isReached);
          };
          const waiter = { position: wanted, done: () => end(true) };
          const overdue = setTimeout(() => end(false), timeoutMs);
          view.waiting.add(waiter);
          goOn();
        });
      },
      async turnTo(schema, turn, signal) {
        for (let progress: readonly LaneProgress[] = []; ;) {
          const [found] = await progressIn([{ schema, progress }]);
          progress = found!;
          if (isClosed || signal.aborted) return;
          if (reached(progress) >= view.position) {
            view.schema = schema;
            take(view, progress);
            return turn();
          }
          await delay(AWAITED_MS);
        }
      },
    };
  }

  return {
    async follow(schema) {
      const view: Followed = { schema, progress: [], position: 0, readAt: -Infinity, epoch: '', waiting: new Set() }; // prettier-ignore
      take(view, (await progressIn([view]))[0]!);
      followed.add(view);
      goOn();
      return progressOf(view);
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await Promise.allSettled([relays.end(), views.end()]);
    },
  };
}

interface LaneCheckpointRow {
  readonly view: number;
  readonly lane: number;
  readonly position: string;
  readonly epoch: string;
}

/** Of each schema, how far it is in each of its lanes. */
async function lanesIn(asked: Pool, schemas: readonly string[]) {
  const parts = schemas.map((it, at) => `SELECT ${at} AS view, lane, position, epoch FROM ${escapeIdentifier(it)}.checkpoint`); // prettier-ignore
  const text = parts.join(' UNION ALL ');
  const { rows } = schemas.length === 0 ? { rows: [] } : await asked.query<LaneCheckpointRow>({ name: nameOf(text), text }); // prettier-ignore
  const byView = Map.groupBy(rows, ({ view }) => view);
  return schemas.map((_, at) => new Map((byView.get(at) ?? []).map(({ lane, position, epoch }) => [lane, { position: Number(position), epoch }]))); // prettier-ignore
}

/** There are as many statements as groups of views that are looked at together: a few. */
const names = new Map<string, string>();

function nameOf(text: string): string {
  const name = names.get(text) ?? `lanes ${names.size}`;
  names.set(text, name);
  return name;
}

function poolOf(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'carelog view progress',
    max: 2,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
    lock_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
    query_timeout: 6_000,
    keepAlive: true,
  });
  // A connection that breaks while nobody uses it is replaced when somebody does.
  pool.on('error', () => {});
  return pool;
}
