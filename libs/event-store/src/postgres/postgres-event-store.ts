/** The log in a schema of a PostgreSQL database, which several processes read and append to at once. */
import { CoalescingAppender } from '../coalescing-appender.ts';
import type { AppendOutcome, EventStore, StreamAppend } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import { subscribeTo } from '../subscription.ts';
import { loadDriver, placeOf } from './connection.ts';
import { HeadWatch } from './head-watch.ts';
import { LogQueries } from './log-queries.ts';
import type { Run } from './log-queries.ts';
import { faultOf, isPassing } from './postgres-fault.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { checkedName } from './schema.ts';

export interface PostgresEventStoreOptions {
  /** `postgres://user:password@host:port/database`, of a role that the migration named as reader or writer. */
  readonly url: string;
  /** `log` unless told. */
  readonly schema?: string;
  /** Log time in milliseconds; the machine's clock unless told. */
  readonly now?: () => number;
  /** How long an append is tried again while the server cannot be reached; 10,000 unless told. */
  readonly patienceMilliseconds?: number;
  /** Connections for reading; 4 unless told. One more appends, once something is appended, and one listens. */
  readonly readers?: number;
  /** What the server calls these connections; `carelog log` unless told. */
  readonly applicationName?: string;
  /** Hears of what is put right by trying again. */
  readonly onTrouble?: (error: unknown) => void;
}

export interface PostgresEventStore extends EventStore {
  /** Holds the head as this process knows it; see `signalledHead`. */
  readonly headSignal: SharedArrayBuffer;
}

/** As often as this a subscription that waits looks for itself, since a notification is only a hint. */
const pollMilliseconds = 100;

/** Opens a log that the migration has made. Throws an `io` `StoreFault` where it cannot be reached or is not there. */
export async function openPostgresEventStore(
  options: PostgresEventStoreOptions,
): Promise<PostgresEventStore> {
  const { url, now = Date.now, patienceMilliseconds = 10_000, readers = 4, onTrouble = () => {} } = options;
  const schema = checkedName(options.schema ?? 'log');
  const place = placeOf(url, schema);
  const driver = await loadDriver(url, options.applicationName ?? 'carelog log');
  const pool = driver.pool({ max: readers });
  pool.on('error', onTrouble);
  const run: Run = (statement) => pool.query(statement);
  const queries = new LogQueries(schema, place);
  const ask = () => queries.head(run);
  const head = await ask().catch(async (error: unknown) => {
    await pool.end();
    throw faultOf(error, place);
  });
  const watch = new HeadWatch({ url, channel: `carelog_${schema}`, head, ask, onTrouble });
  const writer = new PostgresWriter({ driver, schema, place, queries, watch });
  const appender = new CoalescingAppender(writer, now, patienceMilliseconds);
  const closing = new AbortController();

  function refuseWhenClosed(): void {
    if (closing.signal.aborted)
      throw new StoreFault('closed', `The log at ${place} was closed. Open it again to use it.`);
  }

  async function read<T>(query: () => Promise<T>): Promise<T> {
    refuseWhenClosed();
    try {
      return await query();
    } catch (error) {
      throw faultOf(error, place);
    }
  }

  /** A subscription outlives the server's restart, and ends where the log becomes another one. */
  async function follow(epoch: string, after: number, limit: number) {
    for (;;) {
      try {
        const found = await queries.following(run, after, limit);
        if (found.epoch !== undefined && found.epoch !== epoch) throw restored(place);
        return found.events;
      } catch (error) {
        if (closing.signal.aborted) return [];
        if (!isPassing(error)) throw faultOf(error, place);
        onTrouble(error);
        await new Promise((resolve) => setTimeout(resolve, pollMilliseconds));
      }
    }
  }

  return {
    headSignal: watch.signal,
    async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
      refuseWhenClosed();
      return appender.append(appends);
    },
    readEvent: (id) => read(() => queries.event(run, id)),
    readStream: (stream, selected) => read(() => queries.stream(run, stream, selected)),
    readPartition: (partition, selected) => read(() => queries.partition(run, partition, selected)),
    readAll: (selected) => read(() => queries.all(run, selected)),
    subscribe(after, selected) {
      const { epoch } = watch.head();
      return subscribeTo({
        after,
        options: selected,
        headSignal: watch.signal,
        pollMilliseconds,
        closed: closing.signal,
        read: (from, limit) => follow(epoch, from, limit),
      });
    },
    head: () => watch.head(),
    freshHead: () => read(() => watch.fresh()),
    epochs: () => read(() => queries.epochs(run)),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      await appender.close();
      await watch.close();
      await pool.end();
    },
  };
}

function restored(place: string): StoreFault {
  return new StoreFault(
    'io',
    `The log at ${place} was restored or moved to another server while it was read: positions read before may mean other events now. Begin again, with the epoch that the head has now.`,
  );
}
