/** The threads that read the record in PostgreSQL, and the queue before them. */
import { Worker } from 'node:worker_threads';
import type { RecordQueries, SearchPage } from '../record.ts';
import type { SlowAnswering } from '../slow-lane.ts';
import type { PostgresOptions } from './database.ts';
import type { Asked, Method, Told } from './reader-thread.ts';

interface Waiting {
  readonly asked: Asked;
  readonly resolve: (answer: never) => void;
  readonly reject: (fault: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  answering: Waiting | undefined;
}

export class ReaderThreads implements RecordQueries {
  readonly #options: PostgresOptions;
  readonly #threadsMax: number;
  readonly #slowLane: SlowAnswering;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Waiting[] = [];
  #isClosed = false;

  /** A thread is started when all that there are answer something. */
  constructor(options: PostgresOptions, threadsMax: number, slowLane: SlowAnswering) {
    this.#options = options;
    this.#threadsMax = threadsMax;
    this.#slowLane = slowLane;
  }

  read = this.#asked('read');
  vread = this.#asked('vread');
  theseVersions = this.#asked('theseVersions');
  patientsOf = this.#asked('patientsOf');
  history = this.#asked('history');
  search = this.#asked('search');
  count = this.#asked('count');
  everything = this.#asked('everything');
  resourceFacts = this.#asked('resourceFacts');
  patientFacts = this.#asked('patientFacts');
  standsFor = this.#asked('standsFor');
  ours = this.#asked('ours');
  stats = this.#asked('stats');
  checkpoint = this.#asked('checkpoint');
  parked = this.#asked('parked');
  parkedPartitionOf = this.#asked('parkedPartitionOf');
  hash = this.#asked('hash');

  close(): void {
    this.#isClosed = true;
    this.#slowLane.close();
    for (const { worker, answering } of this.#threads) {
      worker.postMessage('close');
      answering?.reject(closed());
    }
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
  }

  #asked<Name extends Method>(method: Name): RecordQueries[Name] {
    const ask = (...given: readonly unknown[]) =>
      new Promise((resolve, reject) => {
        if (this.#isClosed) return reject(closed());
        this.#waiting.push({ asked: { method, arguments: given }, resolve, reject });
        this.#next();
      });
    return ask as RecordQueries[Name];
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    let thread = [...this.#threads].find((it) => it.answering === undefined);
    if (thread === undefined && this.#threads.size < this.#threadsMax) thread = this.#start();
    if (thread === undefined) return;
    thread.answering = this.#waiting.shift();
    thread.worker.ref();
    thread.worker.postMessage(thread.answering?.asked);
  }

  #start(): Thread {
    const worker = new Worker(new URL('reader-thread.ts', import.meta.url), { workerData: this.#options });
    const thread: Thread = { worker, answering: undefined };
    this.#threads.add(thread);
    worker.on('message', (told: Told) => this.#settle(thread, told));
    worker.on('error', (fault) => this.#end(thread, fault));
    worker.on('exit', () => this.#end(thread, new Error('A thread that reads the record ended.')));
    return thread;
  }

  #settle(thread: Thread, told: Told): void {
    const { answering } = thread;
    thread.answering = undefined;
    thread.worker.unref();
    if (told.kind === 'answer') answering?.resolve(told.answer as never);
    else if (told.kind === 'fault') answering?.reject(told.fault);
    else if (answering !== undefined) void this.#answerSlowly(told, answering);
    this.#next();
  }

  async #answerSlowly({ asked, rest }: Told & { kind: 'slow' }, { resolve, reject }: Waiting): Promise<void> {
    try {
      const answered = await this.#slowLane.answer(asked);
      const { incomplete } = rest as SearchPage;
      resolve(('refused' in answered ? answered : { ...answered, incomplete }) as never);
    } catch (fault) {
      reject(fault);
    }
  }

  // Another is started with the next question.
  #end(thread: Thread, fault: unknown): void {
    if (!this.#threads.delete(thread)) return;
    thread.answering?.reject(fault);
    this.#next();
  }
}

const closed = () => new Error('The record was closed.');
