/** How long events took into every view, until a look at the last view's checkpoints has found them. */
import { laneOf } from '@carelog/distribution';
import { openPostgresEventStore } from '@carelog/event-store';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import { LANES, type BenchCluster } from './bench-cluster.ts';

/** In milliseconds. */
export interface Lag {
  /** From the time in its envelope, which an event gets as its turn in the log begins: the log's commit is in here too. */
  readonly begun: number;
  /** From when the log said that it has it. */
  readonly logged: number;
}

export interface ViewWatch {
  stop(): Promise<void>;
  /**
   * Of each event after this position, in their order. The views had them all when the watch was stopped. `loggedAt`: milliseconds
   * since 1970, by position; where it is not told, `logged` is NaN.
   */
  lags(after: number, loggedAt?: ReadonlyMap<number, number>): Promise<Lag[]>;
}

/** From one look at the checkpoints to the next: a lag is longer than it was by half of that. More looks take from what is measured. */
const LOOK_EVERY_MS = 20;

export async function watchViews({ ownerUrl, views }: BenchCluster): Promise<ViewWatch> {
  const client = new Client(ownerUrl);
  /** When each view and lane was first seen at a position. */
  const seen = views.map(() => Array.from({ length: LANES }, (): { position: number; at: number }[] => []));
  const text = views.map((it, view) => `SELECT ${view} AS view, lane, position FROM ${escapeIdentifier(it)}.checkpoint`).join(' UNION ALL '); // prettier-ignore
  async function look(): Promise<void> {
    const { rows } = await client.query<{ view: number; lane: number; position: string }>({ name: 'look', text }); // prettier-ignore
    const at = performance.timeOrigin + performance.now();
    for (const { view, lane, position } of rows) {
      const own = seen[view]![lane]!;
      if (own.at(-1)?.position !== Number(position)) own.push({ position: Number(position), at });
    }
  }
  await client.connect();
  const ending = new AbortController();
  const looking = (async () => {
    for (; !ending.signal.aborted; await delay(LOOK_EVERY_MS)) await look();
    await look();
  })();
  return {
    async stop() {
      ending.abort();
      await looking;
      await client.end();
    },
    async lags(after, loggedAt) {
      const store = await openPostgresEventStore({ url: ownerUrl });
      const lags: Lag[] = [];
      const next = seen.map((lanes) => lanes.map(() => 0));
      for (let from = after; ;) {
        const page = await store.readAll({ after: from, limit: 1_000 });
        for (const { partition, position, recordedAt } of page) {
          const lane = laneOf(partition, LANES);
          const found = seen.map((lanes, view) => {
            const own = lanes[lane]!;
            while (next[view]![lane]! < own.length && own[next[view]![lane]!]!.position < position) next[view]![lane]! += 1; // prettier-ignore
            const first = own[next[view]![lane]!];
            if (first === undefined) throw new Error(`Event ${position} was not found in ${views[view]}.`); // prettier-ignore
            return first.at;
          });
          const there = Math.max(...found);
          lags.push({
            begun: there - Date.parse(recordedAt),
            logged: there - (loggedAt?.get(position) ?? NaN),
          });
        }
        if (page.length === 0) break;
        from = page.at(-1)!.position;
      }
      await store.close();
      return lags;
    },
  };
}
