/**
 * How far views of the cluster have come, from what the relay and the projectors write down: what is in Kafka up to where,
 * with the last position in each lane, and how far each view is in each lane. All views of a process are looked at together.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readRelayCheckpoint } from '@carelog/distribution';
import type { Gateway } from '@carelog/query-gateway';
import { listen } from '@carelog/postgres';
import { PROJECTED_CHANNEL } from '@carelog/read-models';
import { escapeIdentifier, Pool } from 'pg';
import { progressed, reached, type LaneProgress } from './lane-progress.ts';

export interface ViewsProgressOptions {
  readonly distributionUrl: string;
  readonly topic: string;
  readonly readModelsUrl: string;
  /** Of the log, as it is known here. */
  readonly epoch: () => string;
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

/** While somebody waits, or nothing was heard, the tables are read so often; notifications are only hints. */
const WAITING_MS = 20;
const IDLE_MS = 1_000;
/** What is heard while nobody waits is looked at together. */
const REST_MS = 100;
/** From one look to the next, however much is heard between them. */
const APART_MS = 10;

interface Waiter {
  readonly position: number;
  readonly done: () => void;
}

interface Followed {
  schema: string;
  progress: readonly LaneProgress[];
  position: number;
  readAt: number;
  /** Whether it may have come further since it was read. */
  isStale: boolean;
  readonly waiting: Set<Waiter>;
}

/** What a look found; `isAhead`: the view has what the relay has sent and not yet written down. */
interface Found {
  readonly progress: readonly LaneProgress[];
  readonly isAhead: boolean;
}

/** Nothing is asked before a view is followed. */
export function openViewsProgress(options: ViewsProgressOptions): ViewsProgress {
  const { distributionUrl, readModelsUrl, topic, epoch, log } = options;
  const relays = poolOf(distributionUrl);
  const views = poolOf(readModelsUrl);
  const followed = new Set<Followed>();
  let looking: Promise<void> | undefined;
  let lookedAt = -Infinity;
  let isAskedAgain = false;
  let isClosed = false;

  /** Of each of these, with what was known before of those that answer now. */
  async function progressIn(
    asked: readonly Pick<Followed, 'schema' | 'progress'>[],
  ): Promise<readonly Found[]> {
    // The relay first: what it has sent by now a view can have by the time that it is asked.
    const relay = await readRelayCheckpoint(relays, topic);
    const lanes = await lanesIn(views, asked.map(({ schema }) => schema)); // prettier-ignore
    return asked.map(({ progress: before }, at) => {
      const progress = progressed(before, relay, lanes[at]!, epoch());
      return { progress, isAhead: progress.some((lane) => lane.at > (relay?.position ?? 0)) };
    });
  }

  async function look(): Promise<void> {
    const asked = [...followed].filter((it) => it.isStale || it.waiting.size > 0);
    const before = asked.map(({ schema, progress }) => ({ schema, progress }));
    for (const it of asked) it.isStale = false;
    const found = await progressIn(before).catch((fault: unknown) => {
      for (const it of asked) it.isStale = true;
      throw fault;
    });
    for (const [at, it] of asked.entries()) if (it.schema === before[at]!.schema) take(it, found[at]!);
  }

  function take(view: Followed, { progress, isAhead }: Found): void {
    view.progress = progress;
    view.position = reached(progress);
    view.readAt = performance.now();
    // What the relay is about to write down nobody will tell of.
    if (isAhead) {
      view.isStale = true;
      resting.in(REST_MS);
    }
    for (const waiter of view.waiting) if (waiter.position <= view.position) waiter.done();
  }

  /** One look at a time; what is asked for meanwhile is one more look after it. */
  function hint(): void {
    if (isClosed) return;
    if (looking !== undefined) {
      isAskedAgain = true;
      return;
    }
    const left = lookedAt + APART_MS - performance.now();
    if (left > 0) return apart.in(left);
    isAskedAgain = false;
    lookedAt = performance.now();
    looking = look()
      .catch((fault: unknown) => {
        if (!isClosed) log.warn(`How far the views are cannot be read: ${(fault as Error).name}.`);
      })
      .finally(() => {
        looking = undefined;
        if (isAskedAgain) hint();
      });
  }

  const [apart, resting] = [onceIn(hint), onceIn(hint)];
  const isAwaited = () => [...followed].some(({ waiting }) => waiting.size > 0);
  const hear = (isOf: (view: Followed) => boolean): void => {
    const its = [...followed].filter(isOf);
    for (const it of its) it.isStale = true;
    if (its.some(({ waiting }) => waiting.size > 0)) hint();
    else if (its.length > 0) resting.in(REST_MS);
  };
  const everything = () => hear(() => true);
  const listening = listen({
    url: readModelsUrl,
    channel: PROJECTED_CHANNEL,
    onHint: (said) => hear(({ schema }) => said.startsWith(`${schema} `)),
    onConnected: everything,
  });
  const ticking = setInterval(() => {
    if (performance.now() - lookedAt >= IDLE_MS) everything();
    if (isAwaited()) hint();
  }, WAITING_MS).unref();

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
          hint();
        });
      },
      async turnTo(schema, turn, signal) {
        for (let progress: readonly LaneProgress[] = []; ;) {
          const [found] = await progressIn([{ schema, progress }]);
          progress = found!.progress;
          if (isClosed || signal.aborted) return;
          if (reached(progress) >= view.position) {
            view.schema = schema;
            take(view, found!);
            return turn();
          }
          await delay(WAITING_MS);
        }
      },
    };
  }

  return {
    async follow(schema) {
      const view: Followed = { schema, progress: [], position: 0, readAt: -Infinity, isStale: true, waiting: new Set() }; // prettier-ignore
      take(view, (await progressIn([view]))[0]!);
      followed.add(view);
      return progressOf(view);
    },
    async close() {
      isClosed = true;
      clearInterval(ticking);
      apart.never();
      resting.never();
      await Promise.allSettled([listening.close(), relays.end(), views.end()]);
    },
  };
}

/** Calls it once, however often it is asked to until then. */
function onceIn(call: () => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    in(milliseconds: number): void {
      timer ??= setTimeout(() => {
        timer = undefined;
        call();
      }, milliseconds).unref();
    },
    never(): void {
      clearTimeout(timer);
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
