/** Moves committed pages from the write-ahead log into the main file, beside the thread that commits. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const db = new DatabaseSync(workerData as string, { timeout: 1_000 });
db.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0');
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort!.on('message', (message: 'checkpoint' | 'close') => {
  if (message === 'close') {
    db.close();
    parentPort!.close();
    return;
  }
  let frames = 0;
  try {
    frames = (checkpoint.get() as { log: number }).log;
  } catch {
    // A full disk or a failing one: the commits will say so, with somebody there to hear it.
  }
  parentPort!.postMessage(frames);
});
