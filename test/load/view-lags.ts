/** How long events took into every view, until the last view's notification is here. */
import { laneOf } from '@carelog/distribution';
import { openPostgresEventStore } from '@carelog/event-store';
import { PROJECTED_CHANNEL } from '@carelog/read-models';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
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

/** Notifications leave a moment after the commit of a view. */
export async function watchViews({ ownerUrl, views }: BenchCluster): Promise<ViewWatch> {
  const client = new Client(ownerUrl);
  /** Of each view and lane. */
  const notices = views.map(() =>
    Array.from({ length: LANES }, (): { position: number; at: number }[] => []),
  );
  client.on('notification', ({ payload = '' }) => {
    const [schema = '', lane, position] = payload.split(' ');
    notices[views.indexOf(schema)]?.[Number(lane)]!.push({
      position: Number(position),
      at: performance.timeOrigin + performance.now(),
    });
  });
  await client.connect();
  await client.query(`LISTEN ${PROJECTED_CHANNEL}`);
  return {
    // Hints come a moment after what they tell of.
    async stop() {
      await delay(100);
      await client.end();
    },
    async lags(after, loggedAt) {
      const store = await openPostgresEventStore({ url: ownerUrl });
      const lags: Lag[] = [];
      const next = notices.map((lanes) => lanes.map(() => 0));
      for (let from = after; ;) {
        const page = await store.readAll({ after: from, limit: 1_000 });
        for (const { partition, position, recordedAt } of page) {
          const lane = laneOf(partition, LANES);
          const heard = notices.map((lanes, view) => {
            const own = lanes[lane]!;
            while (next[view]![lane]! < own.length && own[next[view]![lane]!]!.position < position) next[view]![lane]! += 1; // prettier-ignore
            const notice = own[next[view]![lane]!];
            if (notice === undefined) throw new Error(`Nothing was heard of event ${position} in ${views[view]}.`); // prettier-ignore
            return notice.at;
          });
          const there = Math.max(...heard);
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
