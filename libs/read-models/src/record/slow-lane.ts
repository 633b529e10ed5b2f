/**
 * Where searches run that may walk much: one at a time, on a thread with a connection of its own, with a limit on how many
 * wait and on how long each takes. Nobody else's request waits for them.
 */
import type { SearchQuery } from '@carelog/fhir';
import { Worker } from 'node:worker_threads';
import type { Viewer } from './audience.ts';
import type { PostgresOptions } from './postgres/database.ts';
import type { SearchRefusal, SearchRequest } from './record.ts';
import type { Answered } from './searching.ts';

export interface SlowRequest {
  readonly query: SearchQuery;
  /** Undefined where only the number of matches is asked. */
  readonly request: SearchRequest | undefined;
  readonly viewer: Viewer | undefined;
  /** Milliseconds UTC at which it was asked. */
  readonly now: number;
}

/** What the thread is started with. */
export interface SlowLaneData {
  /** A file, or where in PostgreSQL. */
  readonly source: string | PostgresOptions;
  readonly timeLimit: number;
}

export type SlowAnswer =
  | { readonly kind: 'answered'; readonly answered: Answered }
  | { readonly kind: 'too-much' }
  | { readonly kind: 'fault'; readonly fault: unknown };

/** More than this wait for nothing: their callers have gone by then. */
const WAITING_MAX = 16;
/** Of one asker, the one that runs among them: the others must find room too. */
const OF_ONE_MAX = 8;
/** A statement that asks for the time too seldom is ended with its thread. */
const GRACE_MS = 2_000;
/** The thread reads the definitions of search and the units before its first search. */
const START_MS = 20_000;

interface Waiting {
  readonly asked: SlowRequest;
  readonly resolve: (answered: Answered | SearchRefusal) => void;
  readonly reject: (fault: unknown) => void;
}

/** Who answers what the asking thread does not wait for. */
export interface SlowAnswering {
  /** Rejects on a fault. */
  answer(asked: SlowRequest): Promise<Answered | SearchRefusal>;
  close(): void;
}

export class SlowLane implements SlowAnswering {
  readonly #source: SlowLaneData['source'];
  readonly #timeLimit: number;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #running: Waiting | undefined;
  #alarm: NodeJS.Timeout | undefined;

  constructor(source: SlowLaneData['source'], timeLimit: number) {
    this.#source = source;
    this.#timeLimit = timeLimit;
  }

  /** The thread is started with the first search. */
  answer(asked: SlowRequest): Promise<Answered | SearchRefusal> {
    if (this.#waiting.length >= WAITING_MAX) return Promise.resolve(BUSY);
    if (this.#countOf(asked.viewer?.asker) >= OF_ONE_MAX) return Promise.resolve(BUSY_WITH_YOURS);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked, resolve, reject });
      this.#next();
    });
  }

  close(): void {
    this.#end(new Error('The record was closed.'));
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('The record was closed.'));
  }

  #countOf(asker: string | undefined): number {
    if (asker === undefined) return 0;
    return [this.#running, ...this.#waiting].filter((it) => it?.asked.viewer?.asker === asker).length;
  }

  #next(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#waiting.shift();
    if (this.#running === undefined) {
      this.#worker?.unref();
      return;
    }
    const startMs = this.#worker === undefined ? START_MS : 0;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(this.#running.asked);
    this.#alarm = setTimeout(
      () => {
        const late = this.#running;
        this.#running = undefined;
        this.#end();
        late?.resolve(TOO_SLOW);
        this.#next();
      },
      this.#timeLimit + GRACE_MS + startMs,
    );
  }

  #start(): Worker {
    const workerData: SlowLaneData = { source: this.#source, timeLimit: this.#timeLimit };
    const worker = new Worker(new URL('slow-lane-worker.ts', import.meta.url), { workerData });
    worker.on('message', (answer: SlowAnswer) => {
      if (worker === this.#worker) this.#settle(answer);
    });
    worker.on('error', (fault) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      this.#settle({ kind: 'fault', fault });
    });
    return worker;
  }

  #settle(answer: SlowAnswer): void {
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(this.#alarm);
    if (answer.kind === 'answered') running?.resolve(answer.answered);
    else if (answer.kind === 'too-much') running?.resolve(TOO_SLOW);
    else running?.reject(answer.fault);
    this.#next();
  }

  #end(fault?: Error): void {
    clearTimeout(this.#alarm);
    void this.#worker?.terminate();
    this.#worker = undefined;
    if (fault !== undefined) this.#running?.reject(fault);
    this.#running = undefined;
  }
}

export const TOO_SLOW: SearchRefusal = {
  refused: 'too-slow',
  problem: {
    category: 'rejected',
    code: 'too-costly',
    message:
      'This search takes longer than a search may. Narrow it: name a patient, a code, an identifier or a shorter span of time; give fewer values; sort by _lastUpdated; ask for no total.',
  },
};

const BUSY: SearchRefusal = {
  refused: 'busy',
  problem: {
    category: 'busy',
    code: 'throttled',
    message:
      'Many searches that look through much are waiting already. Send this one again in a moment, or narrow it to a patient, a code or an identifier.',
  },
};

const BUSY_WITH_YOURS: SearchRefusal = {
  refused: 'busy',
  problem: {
    category: 'busy',
    code: 'throttled',
    message: `${OF_ONE_MAX} of your searches that look through much are waiting already. Send this one again when they are answered, or narrow it to a patient, a code or an identifier.`,
  },
};
