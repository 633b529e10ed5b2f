/** A worker thread that is started again when it fails, until it is told to stop. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Log } from '@carelog/service-kit';

/** What a thread says. Faults arrive as the worker's own `error`. */
export type ThreadMessage = { readonly kind: 'notice'; readonly text: string } | { readonly kind: 'started' };

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Keeps one worker running until it is told to stop. */
export class SupervisedThread {
  readonly #program: URL;
  readonly #data: object;
  readonly #name: string;
  readonly #log: Pick<Log, 'warn' | 'error'>;
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE_MS;
  #wanted = false;

  /** The program says `ThreadMessage`s, and ends when it is told anything. `name` begins what is logged about it. */
  constructor(program: URL, data: object, name: string, log: Pick<Log, 'warn' | 'error'>) {
    this.#program = program;
    this.#data = data;
    this.#name = name;
    this.#log = log;
  }

  /** Resolves when the worker has begun, or has failed for the first time: it is tried again. */
  async start(): Promise<void> {
    this.#wanted = true;
    await new Promise<void>((begun) => this.#run(begun));
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = once(worker, 'exit');
    worker.postMessage('stop');
    await ended;
  }

  #run(begun: () => void): void {
    const worker = new Worker(this.#program, { workerData: this.#data });
    this.#worker = worker;
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'notice') this.#log.warn(message.text);
      else {
        this.#pause = FIRST_PAUSE_MS;
        begun();
      }
    });
    worker.on('error', (fault: Error) => {
      this.#log.error({ fault: fault.name, pauseMs: this.#pause }, `${this.#name} failed: ${fault.message}`);
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      begun();
      if (!this.#wanted) return;
      this.#restart = setTimeout(() => this.#run(() => {}), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    });
  }
}
