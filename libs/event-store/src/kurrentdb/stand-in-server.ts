/**
 * What the adapter needs of a KurrentDB server, in memory, for specs: it stands in where no server can be had. It does what
 * the server's documentation says: one log of records, an append to several streams that is kept whole or not at all, expected
 * revisions, `$all` with a filter, an error for a stream that does not exist.
 */
import type { AllStreamResolvedEvent, EventData, ResolvedEvent } from '@kurrent/kurrentdb-client';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import type { KurrentClient } from './kurrent-client.ts';

export interface StandInServer {
  /** One of any number of clients. */
  connect(): KurrentClient;
  /** The next append fails as if the connection was lost, before the server has heard it or after. */
  loseNextAppend(when: 'unheard' | 'unanswered'): void;
  /** Ends every subscription as a lost connection does. */
  dropSubscriptions(): void;
}

type Resolved = AllStreamResolvedEvent & ResolvedEvent;

export function createStandInServer(): StandInServer {
  const all: Resolved[] = [];
  const streams = new Map<string, Resolved[]>();
  const subscriptions = new Set<Readable>();
  const appended = new EventEmitter().setMaxListeners(0);
  let lose: 'unheard' | 'unanswered' | undefined;

  function keep(streamName: string, record: EventData): void {
    const stream = streams.get(streamName) ?? [];
    streams.set(streamName, stream);
    const place = BigInt(all.length * 128);
    const isJson = record.contentType === 'application/json';
    const data = isJson ? JSON.parse(JSON.stringify(record.data)) : Uint8Array.from(record.data);
    const event = {
      ...structuredClone({ ...record, data }),
      streamId: streamName,
      isJson,
      revision: BigInt(stream.length),
      created: new Date(),
      position: { commit: place, prepare: place },
    };
    const resolved = { event } as unknown as Resolved;
    stream.push(resolved);
    all.push(resolved);
  }

  const multiStreamAppend: KurrentClient['multiStreamAppend'] = async (requests) => {
    await new Promise(setImmediate);
    const lost = lose;
    lose = undefined;
    if (lost === 'unheard') throw failure('unavailable');
    for (const { streamName, expectedState } of requests) {
      const length = streams.get(streamName)?.length ?? 0;
      const actual = length === 0 ? 'no_stream' : BigInt(length - 1);
      const exists = expectedState === 'stream_exists' && length > 0;
      if (!exists && expectedState !== 'any' && expectedState !== actual) {
        throw failure('wrong-expected-version');
      }
    }
    for (const { streamName, events } of requests) events.forEach((record) => keep(streamName, record));
    appended.emit('records');
    if (lost === 'unanswered') throw failure('unavailable');
    return { position: BigInt(all.length * 128), responses: [] };
  };

  async function* readStream(
    name: string,
    {
      direction = 'forwards',
      fromRevision = 'start',
      maxCount = 1_000,
    }: Parameters<KurrentClient['readStream']>[1] = {},
  ) {
    await new Promise(setImmediate);
    const stream = streams.get(name);
    if (!stream) throw failure('stream-not-found');
    const forwards = direction === 'forwards';
    const from = typeof fromRevision === 'bigint' ? Number(fromRevision) : forwards ? 0 : stream.length - 1;
    const selected = forwards ? stream.slice(from) : stream.slice(0, from + 1).reverse();
    yield* selected.slice(0, Number(maxCount));
  }

  const subscribeToAll: KurrentClient['subscribeToAll'] = ({ fromPosition, filter } = {}) => {
    const wanted = new RegExp((filter as { regex: string }).regex);
    const after = typeof fromPosition === 'object' ? fromPosition.commit : -1n;
    let next = 0;
    const subscription = Object.assign(
      new Readable({
        objectMode: true,
        read: () => pushMore(),
        destroy(error, done) {
          appended.off('records', pushMore);
          subscriptions.delete(subscription);
          done(error);
        },
      }),
      { unsubscribe: async () => void subscription.destroy() },
    );
    function pushMore(): void {
      for (let more = true; more && next < all.length;) {
        const resolved = all[next++]!;
        const { position, streamId } = resolved.event!;
        if (position.commit > after && wanted.test(streamId)) more = subscription.push(resolved);
      }
    }
    appended.on('records', pushMore);
    subscriptions.add(subscription);
    return subscription;
  };

  return {
    connect: () => ({
      multiStreamAppend,
      readStream: readStream as unknown as KurrentClient['readStream'],
      subscribeToAll,
      dispose: async () => {},
    }),
    loseNextAppend: (when) => (lose = when),
    dropSubscriptions() {
      for (const subscription of subscriptions) subscription.destroy(failure('unavailable'));
    },
  };
}

/** As the client's errors are: a class for each kind, and the kind in `type`. */
function failure(type: string): Error {
  return Object.assign(new Error(`stand-in: ${type}`), { type });
}
