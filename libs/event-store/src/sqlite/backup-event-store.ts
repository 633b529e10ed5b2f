/** A consistent copy of a log, made while writing goes on, also from another process. */
import { chmodSync, existsSync, linkSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { newEventId } from '../event-id.ts';
import type { Head } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import { LogQueries } from './log-queries.ts';
import { refuseForeignFile } from './verify-log.ts';
import { faultOf } from './sqlite-fault.ts';
import { syncFolder } from './sync-folder.ts';

/**
 * Copies the log at `path`, as it was at one moment, to the file `target`, which opens as a log of a new epoch. Resolves
 * with its head once it is on disk. Throws a `StoreFault`: `io` when the target exists or cannot be written, `full` when
 * it does not fit, `damaged` when the log is; then there is no target.
 */
export async function backupEventStore(path: string, target: string): Promise<Head> {
  if (!existsSync(path)) throw new StoreFault('io', `There is no log at ${path}. Name the file of one.`);
  refuseExisting(target);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const draft = `${target}.${newEventId()}.partial`;
  try {
    await copy(path, draft);
    const head = beginEpoch(draft);
    publish(draft, target);
    return head;
  } catch (error) {
    const fault = faultOf(error, path);
    if (!(fault instanceof StoreFault) || fault.code !== 'full') throw fault;
    throw new StoreFault(
      'full',
      `The backup was not made: there is no room for it at ${target}. Name another place.`,
      { cause: error },
    );
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(draft + suffix, { force: true });
  }
}

async function copy(path: string, draft: string): Promise<void> {
  const source = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    refuseForeignFile(source, path);
    // A snapshot of our own: without it each commit meanwhile would make the copy begin again.
    source.exec('BEGIN; SELECT 1 FROM event LIMIT 1');
    await backup(source, draft, { rate: 2_048 });
  } finally {
    source.close();
  }
}

function beginEpoch(draft: string): Head {
  chmodSync(draft, 0o600);
  const db = new DatabaseSync(draft);
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const { position } = new LogQueries(db, draft).head();
    const epoch = newEventId();
    db.prepare('INSERT INTO epoch SELECT 1 + max(number), ?, ?, ? FROM epoch').run(
      epoch,
      new Date().toISOString(),
      position,
    );
    return { position, epoch };
  } finally {
    // The last connection: what it wrote moves into the one file.
    db.close();
  }
}

/** A link, not a rename: it fails where somebody made the target meanwhile. */
function publish(draft: string, target: string): void {
  try {
    linkSync(draft, target);
  } catch (error) {
    refuseExisting(target);
    throw error;
  }
  syncFolder(dirname(target));
}

function refuseExisting(target: string): void {
  if (existsSync(target)) {
    throw new StoreFault(
      'io',
      `The backup was not made: ${target} exists already. Name a file that does not exist.`,
    );
  }
}
