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
import type { ProjectorThread } from './projector-worker.ts';
import { besideOf, removeRecord, type Rebuilding } from './rebuild.ts';
import { SupervisedThread } from './supervised-thread.ts';
import type { Rebuilt } from './up-to-head.ts';

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
  const data: ProjectorThread = { paths, headSignal, policy, positionMemory: signal.memory };
  const thread = new SupervisedThread(
    new URL('./projector-worker.ts', import.meta.url),
    data,
    'The projector',
    log,
  );
  await thread.start();
  let rebuilding: Promise<Rebuilt> | undefined;
  return {
    position: () => signal.position(),
    moves: (stream) => signal.moves(stream),
    waitFor: (position, timeoutMs) => signal.reached(position, timeoutMs),
    lag: () => Math.max(0, signalledHead(headSignal) - signal.position()),
    rebuild() {
      rebuilding ??= rebuildOnline({ paths, policy, headSignal }, thread, signal).finally(
        () => (rebuilding = undefined),
      );
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
