/**
 * How far a view of the cluster has come, from what the relay and the projectors write down: what is in Kafka up to where,
 * with the last position in each lane, and how far the view is in each lane.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readRelayCheckpoint, RELAYED, type RelayCheckpoint } from '@carelog/distribution';
import type { Gateway } from '@carelog/query-gateway';
import { PROJECTED_CHANNEL } from '@carelog/read-models';
import { escapeIdentifier, Pool } from 'pg';
import { listenTo } from './listen.ts';

export interface LaneCheckpoint {
  readonly position: number;
  readonly epoch: string;
}

/** How far a view certainly reflects one lane. */
export interface LaneProgress {
  readonly epoch: string;
  /** Its last event there, or what a heartbeat said. */
  readonly at: number;
  /** It has everything of the lane up to this position of the log. */
  readonly complete: number;
}

/**
 * What is known of each lane now, with what was known `before`. A view that has the last event that was sent to a lane has all
 * of the lane up to where the relay is; and it keeps that when more is sent, unless the lane itself went back. Empty while
 * the relay is in another epoch of the log.
 */
export function progressed(
  before: readonly LaneProgress[],
  relay: RelayCheckpoint | undefined,
  lanes: ReadonlyMap<number, LaneCheckpoint>,
  epoch: string,
): readonly LaneProgress[] {
  if (relay?.epoch !== epoch) return [];
  return relay.positions.map((sent, lane) => {
    const known = lanes.get(lane);
    const at = known?.epoch === epoch ? known.position : 0;
    if (at >= sent) return { epoch, at, complete: Math.max(at, relay.position) };
    const last = before[lane];
    const isKept = last?.epoch === epoch && last.at <= at;
    return { epoch, at, complete: isKept ? Math.max(at, last.complete) : at };
  });
}

/** Position up to which the view certainly reflects the log. */
export const reached = (lanes: readonly LaneProgress[]): number =>
  lanes.length === 0 ? 0 : Math.min(...lanes.map(({ complete }) => complete));

export interface ViewProgressOptions {
  readonly distributionUrl: string;
  readonly topic: string;
  readonly readModelsUrl: string;
  /** Schema of the version that answers. */
  readonly schema: string;
  /** Of the log, as it is known here. */
  readonly epoch: () => string;
  readonly log: { warn(text: string): void };
}

type Projected = Gateway['projected'];

export interface ViewProgress extends Projected {
  /** Milliseconds since the tables were last read. */
  age(): number;
  /** Lets another version answer: resolves, and calls `take` in the same turn, once it is as far as the one before; or when `signal` is aborted. */
  turnTo(schema: string, take: () => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** While somebody waits, or nothing was heard, the tables are read so often; notifications are only hints. */
const WAITING_MS = 20;
const IDLE_MS = 1_000;
/** What is heard while nobody waits is looked at together. */
const REST_MS = 100;
/** From one look to the next, however much is heard between them. */
const APART_MS = 10;

/** Resolves when the tables were read once. */
export async function followView(options: ViewProgressOptions): Promise<ViewProgress> {
  const { distributionUrl, readModelsUrl, topic, epoch, log } = options;
  const relays = poolOf(distributionUrl);
  const views = poolOf(readModelsUrl);
  const waiting = new Set<{ readonly position: number; readonly done: () => void }>();
  let schema = options.schema;
  let progress: readonly LaneProgress[] = [];
  let position = 0;
  let readAt = -Infinity;
  let lookedAt = -Infinity;
  let apart: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let isAskedAgain = false;
  let isClosed = false;

  async function progressIn(asked: string, before: typeof progress): Promise<typeof progress> {
    // The relay first: what it has sent by now the view can have by the time that it is asked.
    const relay = await readRelayCheckpoint(relays, topic);
    const { rows } = await views.query<{ lane: number; position: string; epoch: string }>(
      `SELECT lane, position, epoch FROM ${escapeIdentifier(asked)}.checkpoint`,
    );
    const lanes = new Map(
      rows.map((row) => [row.lane, { position: Number(row.position), epoch: row.epoch }]),
    );
    return progressed(before, relay, lanes, epoch());
  }

  async function look(): Promise<void> {
    const asked = schema;
    const found = await progressIn(asked, progress);
    if (asked !== schema) return;
    progress = found;
    position = reached(found);
    readAt = performance.now();
    for (const waiter of waiting) if (waiter.position <= position) waiter.done();
  }

  /** One look at a time; what is asked for meanwhile is one more look after it. */
  function hint(): void {
    if (isClosed) return;
    if (looking !== undefined) {
      isAskedAgain = true;
      return;
    }
    const left = lookedAt + APART_MS - performance.now();
    if (left > 0) {
      apart ??= setTimeout(() => {
        apart = undefined;
        hint();
      }, left).unref();
      return;
    }
    isAskedAgain = false;
    lookedAt = performance.now();
    looking = look()
      .catch((fault: unknown) => {
        if (!isClosed) log.warn(`How far the view is cannot be read: ${(fault as Error).name}.`);
      })
      .finally(() => {
        looking = undefined;
        if (isAskedAgain) hint();
      });
  }

  let lastHint = 0;
  const ticking = setInterval(() => {
    const now = performance.now();
    if (waiting.size === 0 && now - lastHint < IDLE_MS) return;
    lastHint = now;
    hint();
  }, WAITING_MS).unref();
  let resting: NodeJS.Timeout | undefined;
  const hear = (): void => {
    if (waiting.size > 0) return hint();
    resting ??= setTimeout(() => {
      resting = undefined;
      hint();
    }, REST_MS).unref();
  };
  const hearOfViews = (said?: string): void => {
    if (said === undefined || said.startsWith(`${schema} `)) hear();
  };
  const listening = [listenTo(distributionUrl, RELAYED, () => hear()), listenTo(readModelsUrl, PROJECTED_CHANNEL, hearOfViews)]; // prettier-ignore

  async function close(): Promise<void> {
    isClosed = true;
    clearInterval(ticking);
    clearTimeout(resting);
    clearTimeout(apart);
    await Promise.allSettled([...listening.map((it) => it.close()), relays.end(), views.end()]);
  }

  try {
    await look();
  } catch (fault) {
    await close();
    throw fault;
  }
  return {
    position: () => position,
    age: () => performance.now() - readAt,
    waitFor(wanted, timeoutMs) {
      if (position >= wanted) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (isReached: boolean) => {
          clearTimeout(overdue);
          waiting.delete(waiter);
          resolve(isReached);
        };
        const waiter = { position: wanted, done: () => end(true) };
        const overdue = setTimeout(() => end(false), timeoutMs);
        waiting.add(waiter);
        hint();
      });
    },
    async turnTo(next, take, signal) {
      for (let found: typeof progress = []; ;) {
        found = await progressIn(next, found);
        if (isClosed || signal.aborted) return;
        if (reached(found) >= position) {
          schema = next;
          progress = found;
          position = reached(found);
          return take();
        }
        await delay(WAITING_MS);
      }
    },
    close,
  };
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
