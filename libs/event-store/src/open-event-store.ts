/** The log that a URL names, in whichever engine. */
import type { EventStore } from './event-store.ts';
import { openKurrentEventStore } from './kurrentdb/kurrentdb-event-store.ts';
import { openPostgresEventStore } from './postgres/postgres-event-store.ts';
import { StoreFault } from './store-fault.ts';

export interface OpenEventStoreOptions {
  /** `postgres://…` or `kurrentdb://…` (also `postgresql:` and `esdb:`). */
  readonly url: string;
  /** The schema in PostgreSQL, what the streams' names begin with in KurrentDB; `log` unless told. */
  readonly name?: string;
  /** How long an append is tried again while the server cannot be reached; 10,000 unless told. */
  readonly patienceMilliseconds?: number;
  /** Hears of what is put right by trying again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** Opens a log on a server. Throws a `StoreFault`: `io` where it cannot be reached, `invalid` for a URL of another kind. */
export async function openEventStore({ name, ...options }: OpenEventStoreOptions): Promise<EventStore> {
  const { protocol } = new URL(options.url);
  switch (protocol) {
    case 'postgres:':
    case 'postgresql:':
      return openPostgresEventStore(name === undefined ? options : { ...options, schema: name });
    case 'kurrentdb:':
    case 'esdb:':
      return openKurrentEventStore(name === undefined ? options : { ...options, name });
    default:
      throw new StoreFault(
        'invalid',
        `A log cannot be opened at an address that begins with ${protocol}; use postgres: or kurrentdb:.`,
      );
  }
}
