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

/**
 * Position up to which a view certainly reflects the log of this epoch: where the relay is when the view has everything that
 * the relay sent, else where the lane is that is furthest behind.
 */
export function reached(
  relay: RelayCheckpoint | undefined,
  lanes: ReadonlyMap<number, LaneCheckpoint>,
  epoch: string,
): number {
  if (relay?.epoch !== epoch) return 0;
  let position = relay.position;
  for (const [lane, sent] of relay.positions.entries()) {
    const at = lanes.get(lane);
    const has = at?.epoch === epoch ? at.position : 0;
    if (has < sent) position = Math.min(position, has);
  }
  return position;
}

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
  /** Another version answers from now on: resolves, and calls `take` in the same turn, once it is as far as the one before. */
  turnTo(schema: string, take: () => void): Promise<void>;
  close(): Promise<void>;
}

/** While somebody waits, or nothing was heard, the tables are read so often; notifications are only hints. */
const WAITING_MS = 20;
const IDLE_MS = 1_000;
/** What is heard while nobody waits is looked at together. */
const REST_MS = 50;

/** Resolves when the tables were read once. */
export async function followView(options: ViewProgressOptions): Promise<ViewProgress> {
  const { distributionUrl, readModelsUrl, topic, epoch, log } = options;
  const relays = poolOf(distributionUrl);
  const views = poolOf(readModelsUrl);
  const waiting = new Set<{ readonly position: number; readonly done: () => void }>();
  let schema = options.schema;
  let position = 0;
  let readAt = -Infinity;
  let looking: Promise<void> | undefined;
  let isAskedAgain = false;
  let isClosed = false;

  async function reachedIn(asked: string): Promise<number> {
    // The relay first: what it has sent by now the view can have by the time that it is asked.
    const relay = await readRelayCheckpoint(relays, topic);
    const { rows } = await views.query<{ lane: number; position: string; epoch: string }>(
      `SELECT lane, position, epoch FROM ${escapeIdentifier(asked)}.checkpoint`,
    );
    const lanes = new Map(
      rows.map((row) => [row.lane, { position: Number(row.position), epoch: row.epoch }]),
    );
    return reached(relay, lanes, epoch());
  }

  async function look(): Promise<void> {
    const asked = schema;
    const found = await reachedIn(asked);
    if (asked !== schema) return;
    position = found;
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
    isAskedAgain = false;
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
  const listening = [listenTo(distributionUrl, RELAYED, hear), listenTo(readModelsUrl, PROJECTED_CHANNEL, hear)]; // prettier-ignore

  async function close(): Promise<void> {
    isClosed = true;
    clearInterval(ticking);
    clearTimeout(resting);
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
    async turnTo(next, take) {
      for (;;) {
        const found = await reachedIn(next);
        if (isClosed) return;
        if (found >= position) {
          schema = next;
          position = found;
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
