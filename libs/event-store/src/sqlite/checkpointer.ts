/**
 * Keeps the write-ahead log short without making a commit wait for it: a worker thread copies pages back while the writer
 * goes on, and the writer itself copies only the last few, when the file has grown so far that it should start again from
 * its beginning. The thread starts with the first need for it.
 */
import { Worker } from 'node:worker_threads';
import { reservedFrames } from './reserve-wal.ts';

export interface Checkpointer {
  /** After each commit, with the bytes of events in it. */
  committed(bytes: number): void;
  /** Resolves when the thread has let go of the log. */
  close(): Promise<void>;
}

/** Of events; the pages that they lie in are about as many bytes again. */
const bytesBetweenCheckpoints = 8 * 1024 * 1024;

/** `finish` copies what is left on the writer's own connection. */
export function startCheckpointer(path: string, finish: () => void): Checkpointer {
  let worker: Worker | undefined;
  let running = false;
  let bytes = 0;

  function start(): Worker {
    const started = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), { workerData: path });
    started.unref();
    started.on('message', (frames: number) => {
      running = false;
      if (frames > reservedFrames / 2) finish();
    });
    started.on('error', () => {});
    started.on('exit', () => {
      // Another is started at the next need; a fault that lasts shows at the commits.
      running = false;
      if (worker === started) worker = undefined;
    });
    return started;
  }

  return {
    committed(count) {
      bytes += count;
      if (running || bytes < bytesBetweenCheckpoints) return;
      bytes = 0;
      running = true;
      worker ??= start();
      worker.postMessage('checkpoint');
    },
    async close() {
      const closing = worker;
      if (!closing) return;
      const { promise: exited, resolve } = Promise.withResolvers<void>();
      closing.once('exit', () => resolve());
      closing.ref();
      closing.postMessage('close');
      await exited;
    },
  };
}
