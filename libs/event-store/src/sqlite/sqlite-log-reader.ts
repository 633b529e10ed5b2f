/** The log read-only, for worker threads beside the process's store and for other processes beside the one that writes. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { EventStore } from '../event-store.ts';
import { signalledHead } from '../head-signal.ts';
import { StoreFault } from '../store-fault.ts';
import { subscribeTo } from '../subscription.ts';
import { LogQueries } from './log-queries.ts';
import { faultOf } from './sqlite-fault.ts';

export type LogReader = Omit<EventStore, 'append'>;

export interface SqliteLogReaderOptions {
  readonly path: string;
  /** That of the store in this process; without it a subscription looks for more 20 times a second. */
  readonly headSignal?: SharedArrayBuffer;
}

/** Opens a log that exists. Throws a `StoreFault`: `io` where there is none, `damaged` where it is not a log. */
export function openSqliteLogReader({ path, headSignal }: SqliteLogReaderOptions): LogReader {
  if (!existsSync(path)) {
    throw new StoreFault(
      'io',
      `There is no log at ${path}. Start Carelog on this folder once, or name the right folder.`,
    );
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    return readerOver(db, path, headSignal);
  } catch (error) {
    db?.close();
    throw faultOf(error, path);
  }
}

function readerOver(db: DatabaseSync, path: string, headSignal: SharedArrayBuffer | undefined): LogReader {
  const queries = new LogQueries(db, path, headSignal && (() => signalledHead(headSignal)));
  const epoch = queries.epoch();
  const closing = new AbortController();

  function read<T>(query: () => T): T {
    if (closing.signal.aborted)
      throw new StoreFault('closed', `The log at ${path} was closed. Open it again to use it.`);
    try {
      return query();
    } catch (error) {
      throw faultOf(error, path);
    }
  }

  const head = () =>
    headSignal ? { position: signalledHead(headSignal), epoch } : read(() => queries.head());

  return {
    readEvent: async (id) => read(() => queries.event(id)),
    readStream: async (stream, options) => read(() => queries.stream(stream, options)),
    readPartition: async (partition, options) => read(() => queries.partition(partition, options)),
    readAll: async (options) => read(() => queries.all(options)),
    subscribe: (after, options) =>
      subscribeTo({
        after,
        options,
        headSignal,
        closed: closing.signal,
        read: (from, limit) => read(() => queries.all({ after: from, limit })),
      }),
    head,
    freshHead: async () => head(),
    epochs: async () => read(() => queries.epochs()),
    close: async () => {
      if (closing.signal.aborted) return;
      closing.abort();
      db.close();
    },
  };
}
