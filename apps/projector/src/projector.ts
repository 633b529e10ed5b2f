/**
 * The projector beside a server in one process: a worker thread that is started again when it fails, and how others see how
 * far it has come.
 */
import { defaultPolicy, type Policy } from '@carelog/access';
import { signalledHead } from '@carelog/event-store';
import { openRecordWriter } from '@carelog/read-models';
import type { Log } from '@carelog/service-kit';
import { once } from 'node:events';
import { backup, DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { PositionSignal } from './position-signal.ts';
import type { ProjectorMessage, ProjectorThread } from './projector-worker.ts';
import { besideOf, removeRecord, type Rebuilding, type Rebuilt } from './rebuild.ts';

export interface ProjectorPaths {
  /** The log's file. */
  readonly log: string;
  /** The keyring's folder. */
  readonly keyring: string;
  /** The record's file; made when it is missing. */
  readonly record: string;
}

export interface Projector {
  /** Position of the last event that the record reflects. */
  position(): number;
  /** Changes whenever a question about this stream may be answered otherwise, also by a rebuild. */
  moves(stream: string): number;
  /** False when the record has not reached the position before the time runs out. */
  waitFor(position: number, timeoutMs: number): Promise<boolean>;
  /** Events of the log that the record does not reflect yet. */
  lag(): number;
  /** Builds the record again from the first event while the old one serves, then replaces its content in one transaction. */
  rebuild(): Promise<Rebuilt>;
  /** Resolves when the batch in hand is done and everything is closed. */
  stop(): Promise<void>;
}

export interface StartProjectorOptions {
  readonly paths: ProjectorPaths;
  /** That of the log in this process. */
  readonly headSignal: SharedArrayBuffer;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** By which resources are labelled, and relationships and decisions read; that which is shipped unless told. */
  readonly policy?: Policy;
}

/** Resolves when the record's file can be opened to read. A record that is damaged is thrown away and built again. */
export async function startProjector({
  paths,
  headSignal,
  log,
  policy = defaultPolicy(),
}: StartProjectorOptions): Promise<Projector> {
  const signal = new PositionSignal();
  prepareRecord(paths.record, policy, log);
  const thread = new SupervisedThread({ paths, headSignal, policy, positionMemory: signal.memory }, log);
  await thread.start();
  let rebuilding: Promise<Rebuilt> | undefined;
  return {
    position: () => signal.position(),
    moves: (stream) => signal.moves(stream),
    waitFor: (position, timeoutMs) => signal.reached(position, timeoutMs),
    lag: () => Math.max(0, signalledHead(headSignal) - signal.position()),
    rebuild() {
      rebuilding ??= rebuildOnline({ paths, policy }, thread, signal).finally(() => (rebuilding = undefined));
      return rebuilding;
    },
    async stop() {
      await rebuilding?.catch(() => {});
      await thread.stop();
    },
  };
}

// 11: the file is malformed; 26: it is no database. https://sqlite.org/rescode.html
const DAMAGED = new Set([11, 26]);

function prepareRecord(path: string, policy: Policy, log: StartProjectorOptions['log']): void {
  try {
    openRecordWriter(path, { policy }).close();
  } catch (fault) {
    if (!DAMAGED.has((fault as { errcode?: number }).errcode ?? 0)) throw fault;
    log.warn('The record is damaged. It is thrown away and built again from the log.');
    removeRecord(path);
    openRecordWriter(path, { policy }).close();
  }
}

async function rebuildOnline(
  rebuilding: Rebuilding,
  thread: SupervisedThread,
  signal: PositionSignal,
): Promise<Rebuilt> {
  const builder = new Worker(new URL('./rebuild-worker.ts', import.meta.url), { workerData: rebuilding });
  const { paths } = rebuilding;
  const [rebuilt] = (await once(builder, 'message')) as [Rebuilt];
  await thread.stop();
  try {
    // Readers that ask from here on wait until the new record has caught up.
    signal.publish(rebuilt.events, 'all');
    const source = new DatabaseSync(besideOf(paths), { readOnly: true });
    try {
      await backup(source, paths.record, { rate: 10_000 });
    } finally {
      source.close();
    }
    removeRecord(besideOf(paths));
  } finally {
    await thread.start();
  }
  return rebuilt;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Keeps one worker running until it is told to stop. */
class SupervisedThread {
  readonly #thread: ProjectorThread;
  readonly #log: StartProjectorOptions['log'];
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE_MS;
  #wanted = false;

  constructor(thread: ProjectorThread, log: StartProjectorOptions['log']) {
    this.#thread = thread;
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
    const worker = new Worker(new URL('./projector-worker.ts', import.meta.url), {
      workerData: this.#thread,
    });
    this.#worker = worker;
    worker.on('message', (message: ProjectorMessage) => {
      if (message.kind === 'notice') this.#log.warn(message.text);
      else {
        this.#pause = FIRST_PAUSE_MS;
        begun();
      }
    });
    worker.on('error', (fault: Error) => {
      this.#log.error({ fault: fault.name, pauseMs: this.#pause }, `The projector failed: ${fault.message}`);
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
