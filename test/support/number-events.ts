/** Numbers what subscriptions are to be told of, as the embedded server on this folder would, and tells nobody. */
import { join } from 'node:path';
import { openSqliteLogReader } from '@carelog/event-store';
import { openRecord } from '@carelog/read-models';
import { Feed, isWanted, openSqliteSubscriptionStore } from '@carelog/subscriptions';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { topics } from '../../apps/query-gateway/src/subscriptions/event-filter.ts';
import { feedSource } from '../../apps/query-gateway/src/subscriptions/feed-source.ts';
import { termsOf } from '../../apps/query-gateway/src/subscriptions/parse-subscription.ts';

const HOLDER = 'spec';
const HELD_MS = 60_000;

/** Everything that the log has by now, for every subscription on this folder. */
export async function numberEvents(folder: string): Promise<void> {
  const paths = dataPaths(folder);
  const log = openSqliteLogReader({ path: paths.log });
  const record = openRecord(paths.record);
  const store = openSqliteSubscriptionStore({ path: join(folder, 'subscriptions.sqlite') });
  const { position: head } = log.head();
  // As far as the server's own projector has come.
  const projected = { position: () => 0, waitFor: (position: number) => caughtUp(record, position) };
  const feed = new Feed(feedSource(log, { record, projected }), { warn: () => {} });
  try {
    const held = await store.lease(HOLDER, Date.now(), Date.now() + HELD_MS, 10_000);
    for (const { id, resource, position } of held) {
      const { filter } = termsOf(resource, topics);
      for (let at = position; at < head;) {
        const batch = await feed.read(at);
        const notices = batch.notices.filter((notice) => isWanted(notice, filter));
        const lost = await store.number(HOLDER, [{ id, position: batch.upTo, notices }]);
        if (lost.length > 0) throw new Error('Somebody else numbers already.');
        at = batch.upTo;
      }
    }
    await store.release(HOLDER);
  } finally {
    await feed.close();
    await store.close();
    record.close();
    await log.close();
  }
}

async function caughtUp(record: ReturnType<typeof openRecord>, position: number): Promise<boolean> {
  while (((await record.checkpoint())?.position ?? 0) < position) await new Promise((resolve) => setImmediate(resolve)); // prettier-ignore
  return true;
}
