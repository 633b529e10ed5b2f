/**
 * The log in KurrentDB 25.1 or later, which several processes read and append to at once. It passes the port's contract
 * against a stand-in for the server; against a real server it has not run yet.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CoalescingAppender } from '../coalescing-appender.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { EventStore, Head, SubscribeOptions } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import { connectToKurrentDB } from './kurrent-client.ts';
import type { KurrentClient } from './kurrent-client.ts';
import { faultOf, isPassing } from './kurrent-fault.ts';
import { KurrentLog } from './kurrent-log.ts';
import { KurrentWriter } from './kurrent-writer.ts';

export interface KurrentEventStoreOptions {
  /** `kurrentdb://user:password@host:port?tls=true`, or `esdb://`. */
  readonly url: string;
  /** What the names of the log's streams begin with; `log` unless told. */
  readonly name?: string;
  /** Log time in milliseconds; the machine's clock unless told. */
  readonly now?: () => number;
  /** How long an append is tried again while the server cannot be reached; 10,000 unless told. */
  readonly patienceMilliseconds?: number;
  /** Hears of what is put right by trying again. */
  readonly onTrouble?: (error: unknown) => void;
  /** Used instead of one that is connected to `url`. */
  readonly client?: KurrentClient;
}

/** Opens the log, or begins it where there is none. Throws an `io` `StoreFault` where the server cannot be reached. */
export async function openKurrentEventStore(options: KurrentEventStoreOptions): Promise<EventStore> {
  const { url, name = 'log', now = Date.now, patienceMilliseconds = 10_000, onTrouble = () => {} } = options;
  const place = `${new URL(url).host} (${name})`;
  const client = options.client ?? (await connectToKurrentDB(url));
  const log = new KurrentLog(client, name, place);
  let head: Head = await log
    .begin()
    .then(() => log.head())
    .catch(async (error: unknown) => {
      await client.dispose();
      throw faultOf(error, place);
    });
  const moved = (to: Head): Head => {
    if (to.epoch !== head.epoch || to.position > head.position) head = to;
    return { position: head.position, epoch: head.epoch };
  };
  const appender = new CoalescingAppender(new KurrentWriter(log, place, moved), now, patienceMilliseconds);
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

  /** Catches up on `$all`, where the server leaves out what is not an event of this log, and goes on as it grows. */
  async function* subscribe(after: number, { batchSize = 500, signal }: SubscribeOptions = {}) {
    const ending = signal ? AbortSignal.any([closing.signal, signal]) : closing.signal;
    const { epoch } = head;
    let reached = after;
    while (!ending.aborted) {
      try {
        if ((await log.head()).epoch !== epoch) throw restored(place);
        for await (const events of follow(reached, batchSize, ending)) {
          reached = events.at(-1)!.position;
          yield events;
        }
      } catch (error) {
        if (ending.aborted) return;
        if (!isPassing(error)) throw faultOf(error, place);
        onTrouble(error);
        await delay(100);
      }
    }
  }

  async function* follow(after: number, batchSize: number, ending: AbortSignal) {
    const subscription = client.subscribeToAll({
      fromPosition: await log.serverPosition(after),
      filter: {
        filterOn: 'streamName',
        regex: `^${log.events.replaceAll('.', '\\.')}$`,
        checkpointInterval: 1,
      },
    });
    const stop = () => subscription.destroy();
    ending.addEventListener('abort', stop, { once: true });
    if (ending.aborted) stop();
    let position = after;
    let batch: RecordedEvent[] = [];
    try {
      for await (const resolved of subscription) {
        const event = log.decode(resolved);
        if (event.position <= position) continue;
        if (event.position !== position + 1) throw missing(place, position + 1);
        position = event.position;
        batch.push(event);
        if (batch.length < batchSize && subscription.readableLength > 0) continue;
        yield batch;
        batch = [];
      }
    } finally {
      ending.removeEventListener('abort', stop);
      void subscription.unsubscribe().catch(onTrouble);
    }
  }

  return {
    async append(appends) {
      refuseWhenClosed();
      return appender.append(appends);
    },
    readEvent: (id) => read(() => log.event(id)),
    readStream: (stream, selected) => read(() => log.stream(stream, selected)),
    readPartition: (partition, selected) => read(() => log.partition(partition, selected)),
    readAll: (selected) => read(() => log.all(selected)),
    subscribe,
    head: () => ({ position: head.position, epoch: head.epoch }),
    epochs: () => read(() => log.epochs()),
    freshHead: () => read(async () => moved(await log.head())),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      await appender.close();
      await client.dispose();
    },
  };
}

/** Begins a new epoch, as whoever restores a log from a backup has to. Nobody may append meanwhile. */
export async function beginKurrentEpoch(
  options: Pick<KurrentEventStoreOptions, 'url' | 'name' | 'client'>,
): Promise<Head> {
  const { url, name = 'log' } = options;
  const place = `${new URL(url).host} (${name})`;
  const client = options.client ?? (await connectToKurrentDB(url));
  try {
    const log = new KurrentLog(client, name, place);
    await log.beginEpoch('stream_exists');
    const { position, epoch } = await log.head();
    return { position, epoch };
  } catch (error) {
    throw faultOf(error, place);
  } finally {
    await client.dispose();
  }
}

function missing(place: string, position: number): StoreFault {
  return new StoreFault(
    'damaged',
    `Event ${position} of the log at ${place} is missing. Restore the log from a backup.`,
  );
}

function restored(place: string): StoreFault {
  return new StoreFault(
    'io',
    `The log at ${place} was restored while it was read: positions read before may mean other events now. Begin again, with the epoch that the head has now.`,
  );
}
