/** How long events took from the log into every view: from the time in their envelopes until the last view's notification is here. */
import { laneOf } from '@carelog/distribution';
import { openPostgresEventStore } from '@carelog/event-store';
import { PROJECTED_CHANNEL } from '@carelog/read-models';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { LANES, type BenchCluster } from './bench-cluster.ts';

export interface ViewWatch {
  stop(): Promise<void>;
  /** Milliseconds of each event after this position, which the views had all when the watch was stopped. */
  lags(after: number): Promise<number[]>;
}

/** An event gets its time as its turn in the log begins, so its commit is in here too; notifications leave with the commit of the view. */
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
    async lags(after) {
      const store = await openPostgresEventStore({ url: ownerUrl });
      const lags: number[] = [];
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
          lags.push(Math.max(...heard) - Date.parse(recordedAt));
        }
        if (page.length === 0) break;
        from = page.at(-1)!.position;
      }
      await store.close();
      return lags.sort((a, b) => a - b);
    },
  };
}
