/** The floor of projecting: a thread that copies rows from one SQLite table to another, woken through shared memory. */
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openBareTable } from './bare-table.ts';

export interface BareFollower {
  /** One durable transaction; gives the position of its last row. */
  insert(rows: readonly Uint8Array[]): number;
  /** Resolves when the copy has this position. */
  waitFor(position: number): Promise<void>;
  stop(): Promise<void>;
}

const HEAD = 0;
const COPIED = 1;
const STOPPED = -1;

interface FollowerData {
  readonly folder: string;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

export async function startBareFollower(folder: string): Promise<BareFollower> {
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const table = openBareTable(join(folder, 'source.sqlite'), { durable: true });
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder, cells } });
  await once(worker, 'message');
  let head = 0;
  const publish = (position: number): void => {
    Atomics.store(cells, HEAD, position);
    Atomics.notify(cells, HEAD);
  };
  return {
    insert(rows) {
      table.insert(rows);
      head += rows.length;
      publish(head);
      return head;
    },
    async waitFor(position) {
      for (let seen = Atomics.load(cells, COPIED); seen < position; seen = Atomics.load(cells, COPIED)) {
        const waiting = Atomics.waitAsync(cells, COPIED, seen);
        if (waiting.async) await waiting.value;
      }
    },
    async stop() {
      const ended = once(worker, 'exit');
      publish(STOPPED);
      await ended;
      table.close();
    },
  };
}

function follow({ folder, cells }: FollowerData): void {
  const source = new DatabaseSync(join(folder, 'source.sqlite'), { readOnly: true });
  const read = source.prepare(
    'SELECT position, bytes FROM row WHERE position > ? ORDER BY position LIMIT 1000',
  );
  const copy = openBareTable(join(folder, 'copy.sqlite'), { durable: false });
  parentPort!.postMessage('started');
  for (let copied = 0; ;) {
    Atomics.wait(cells, HEAD, copied);
    if (Atomics.load(cells, HEAD) === STOPPED) break;
    const rows = read.all(copied) as { position: number; bytes: Uint8Array }[];
    copy.insert(rows.map(({ bytes }) => bytes));
    copied = rows.at(-1)?.position ?? copied;
    Atomics.store(cells, COPIED, copied);
    Atomics.notify(cells, COPIED);
  }
  source.close();
  copy.close();
}

if (!isMainThread) follow(workerData as FollowerData);
