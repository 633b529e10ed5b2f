/**
 * Brings the log to Kafka: one relay at a time, the others stand by. Whatever goes wrong ends its term, and it begins again
 * from the checkpoint, perhaps after another: so there is one way to recover, and it is taken often enough to be known.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SendDoubt, standBy } from '@carelog/distribution';
import type { KafkaSettings } from '@carelog/distribution';
import type { EventStore } from '@carelog/event-store';
import type { Log } from '@carelog/service-kit';
import { FenceLost, relayTerm } from './term.ts';

export interface RelayOptions {
  readonly kafka: KafkaSettings;
  /** PostgreSQL with the schema `distribution`, of a role that may relay. Sessions, not a pool of them by transaction. */
  readonly databaseUrl: string;
  /** Opened for each term, so that a log that was restored is seen as it is. */
  readonly openStore: () => EventStore | Promise<EventStore>;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Between two signs of life in each lane; 3 seconds unless told. */
  readonly heartbeatMilliseconds?: number;
  /** How long a relay that hangs keeps the others out; 30 seconds unless told. */
  readonly leaseMilliseconds?: number;
  /** How long one request to Kafka or the database may take; 10 seconds unless told. */
  readonly requestMilliseconds?: number;
  /** Events in one page at most; 500 unless told. */
  readonly pageEvents?: number;
}

export interface RelayStatus {
  /** `starting` until the database has said whether another one relays; `recovering` from a fault until it relays again. */
  readonly state: 'starting' | 'standing by' | 'relaying' | 'recovering';
  /** Everything up to here is in Kafka, as this relay last knew. */
  readonly position: number;
  /** Events in the log behind it. */
  readonly lag: number;
  /** Events sent, those sent again included. */
  readonly sent: number;
  /** Terms that ended in a doubt about what Kafka has: their last page was sent again. */
  readonly restarts: number;
  /** Terms that ended because another relay had taken over. */
  readonly fenceLosses: number;
  /** Class of the fault that it recovers from. */
  readonly fault: string | undefined;
}

export interface Relay {
  status(): RelayStatus;
  /** Lets another one take over. */
  close(): Promise<void>;
}

const pauseMilliseconds = { first: 100, longest: 5_000 };
const closeMilliseconds = 2_000;

export function startRelay(options: RelayOptions): Relay {
  const { log, heartbeatMilliseconds = 3_000, requestMilliseconds = 10_000, pageEvents = 500 } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const now = { position: 0, sent: 0, restarts: 0, fenceLosses: 0 };
  let state: RelayStatus['state'] = 'starting';
  let fault: string | undefined;
  let store: EventStore | undefined;
  let pause = pauseMilliseconds.first;
  const ended = work();
  return {
    status: () => ({
      ...now,
      state,
      fault,
      lag: Math.max(0, (store?.head().position ?? now.position) - now.position),
    }),
    async close() {
      closing.abort();
      await ended;
    },
  };

  async function work(): Promise<void> {
    while (!signal.aborted) {
      try {
        await term();
      } catch (error) {
        if (signal.aborted) return;
        recoverFrom(error as Error);
        await delay(pause, undefined, { signal }).catch(() => {});
        pause = Math.min(2 * pause, pauseMilliseconds.longest);
      }
    }
  }

  async function term(): Promise<void> {
    const { kafka, databaseUrl: url, openStore, leaseMilliseconds = 30_000 } = options;
    const onWait = (): void => {
      state = 'standing by';
      fault = undefined;
    };
    const { topic, lanes } = kafka;
    const patienceMilliseconds = requestMilliseconds;
    const lease = await standBy({ url, topic, lanes, leaseMilliseconds, patienceMilliseconds, signal, onWait }); // prettier-ignore
    if (!lease) return;
    try {
      store = await openStore();
      await relayTerm(lease, store, {
        kafka,
        heartbeatMilliseconds: Math.min(heartbeatMilliseconds, leaseMilliseconds / 3),
        requestMilliseconds,
        pageEvents,
        signal,
        onBegin({ position, epoch, forked }) {
          now.position = position;
          state = 'relaying';
          fault = undefined;
          log.info({ fence: lease.fence, position, epoch }, 'relaying');
          if (forked) log.warn({ epoch }, 'the log is not the one that was relayed: all of it is sent again');
        },
        onReached(position, events) {
          now.position = position;
          now.sent += events;
          pause = pauseMilliseconds.first;
        },
      });
    } finally {
      const closed = store?.close().catch(() => {});
      store = undefined;
      // One that cannot be reached is left to itself.
      await Promise.race([closed, delay(closeMilliseconds, undefined, { ref: false })]);
      await lease.release();
    }
  }

  function recoverFrom(error: Error): void {
    if (error instanceof SendDoubt) now.restarts += 1;
    if (error instanceof FenceLost) now.fenceLosses += 1;
    state = 'recovering';
    fault = error.name;
    // Messages of ours say what to do; those of drivers may have addresses in them.
    const said = ours.has(error.name) ? { why: error.message } : {};
    log.warn({ fault: error.name, ...said }, 'this term of relaying ended; beginning again');
  }
}

const ours = new Set([
  'FenceLost',
  'LogBehindCheckpoint',
  'RelayStateMismatch',
  'StoreFault',
  'TopicMismatch',
]);
