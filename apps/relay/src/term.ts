/** One relay's time as the only one: from taking the lease until a doubt, a fault or the end of the process. */
import { setTimeout as delay } from 'node:timers/promises';
import { ensureTopic, openLaneProducer } from '@carelog/distribution';
import type { KafkaSettings, RelayLease } from '@carelog/distribution';
import type { EventStore } from '@carelog/event-store';
import { spanIn } from '@carelog/service-kit';
import { failpoint } from './failpoint.ts';
import { heartbeatsAt, pagesOf } from './pages.ts';
import { startOf } from './resume.ts';
import type { Reached, Start } from './resume.ts';

/** Somebody else holds the lease: what this relay sent since is sent again by them. */
export class FenceLost extends Error {
  override readonly name = 'FenceLost';
}

/** How long a page that is not full is waited with after the one before. */
const gatherMilliseconds = 25;

export interface TermOptions {
  readonly kafka: KafkaSettings;
  readonly heartbeatMilliseconds: number;
  readonly requestMilliseconds: number;
  readonly pageEvents: number;
  readonly signal: AbortSignal;
  /** Told once, before the first event is sent. */
  readonly onBegin: (start: Start) => void;
  /** Told after each checkpoint: what is in the lanes for good, and how many events were sent for it. */
  readonly onReached: (position: number, events: number) => void;
}

/** Resolves when the signal is aborted. Rejects with `SendDoubt`, `FenceLost`, or a fault of Kafka, store or database. */
export async function relayTerm(
  lease: RelayLease,
  store: EventStore,
  { kafka, signal, pageEvents, ...options }: TermOptions,
): Promise<void> {
  await ensureTopic(kafka);
  const producer = await openLaneProducer(kafka, { patienceMilliseconds: options.requestMilliseconds });
  try {
    const start = await startOf(lease.checkpoint, store);
    options.onBegin(start);
    let reached: Reached = start;
    const subscribed = (ending: AbortSignal) =>
      gathered(store.subscribe(start.position, { batchSize: pageEvents, signal: ending }), pageEvents);
    for await (const events of orEvery(options.heartbeatMilliseconds, signal, subscribed)) {
      if (events === 'due') {
        await producer.send(heartbeatsAt(reached));
        held(await lease.keep());
        continue;
      }
      const traced = events.filter(({ trace }) => trace !== undefined);
      const spans = traced.map(({ trace }) => spanIn(trace, 'relayed'));
      for (const page of pagesOf(reached, events)) {
        await failpoint('before-send');
        const sending = producer.send(page.lanes);
        await failpoint('after-send');
        await sending;
        await failpoint('after-ack');
        held(await lease.keep(page.checkpoint));
        await failpoint('after-checkpoint');
        reached = page.checkpoint;
        options.onReached(reached.position, page.events);
      }
      for (const span of spans) span.end({ events: events.length });
    }
  } finally {
    await producer.close();
  }
}

function held(kept: boolean): void {
  if (!kept) throw new FenceLost('Another relay has taken over.');
}

/**
 * What comes by itself goes off at once; what comes close behind it waits a little for more. Every page costs a request, a
 * checkpoint, and in each lane a transaction of the projector's, however little it holds.
 */
async function* gathered<Item>(
  source: AsyncIterable<readonly Item[]>,
  full: number,
): AsyncGenerator<readonly Item[]> {
  for await (const items of source) {
    const pause = items.length < full ? delay(gatherMilliseconds) : undefined;
    yield items;
    await pause;
  }
}

/** What the source gives, and `due` whenever that much time has passed since the last time, whether or not it gives anything. */
async function* orEvery<Item>(
  milliseconds: number,
  signal: AbortSignal,
  source: (ending: AbortSignal) => AsyncIterable<Item>,
): AsyncGenerator<Item | 'due'> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const items = source(ending.signal)[Symbol.asyncIterator]();
  try {
    let dueAt = performance.now() + milliseconds;
    for (let next = settled(items.next()); ;) {
      const wait = dueAt - performance.now();
      if (wait <= 0 || !(await next.within(wait))) {
        yield 'due';
        dueAt = performance.now() + milliseconds;
        continue;
      }
      const { done, value } = await next.result;
      if (done) return;
      // Asked for now, so that reading goes on while this is dealt with.
      next = settled(items.next());
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', end);
    end();
    // Not waited for: the source may be waiting for a server that does not answer.
    items.return?.()?.catch(() => {});
  }
}

/** A promise that can be waited for again and again without gathering a reaction for each time. */
function settled<Value>(result: Promise<Value>) {
  let isSettled = false;
  let wake = (): void => {};
  const settle = (): void => {
    isSettled = true;
    wake();
  };
  result.then(settle, settle);
  return {
    result,
    within: async (milliseconds: number): Promise<boolean> => {
      if (isSettled) return true;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      return isSettled;
    },
  };
}
