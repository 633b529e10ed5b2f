/** Opens the file of subscriptions, begins it or copies it, and says what is wrong with it in the words of the stores. */
import { chmodSync, closeSync, existsSync, linkSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { newEventId, StoreFault, type StoreFaultCode } from '@carelog/event-store';
import { applicationId, schema, schemaVersion } from './schema.ts';

/** Throws a `StoreFault`: `damaged` where the file is not what was written or is of something else, `full` or `io`. */
export function openDatabase(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // It names who subscribes and where to: for its owner only, from its first moment.
    closeSync(openSync(path, 'a', 0o600));
    db = new DatabaseSync(path, { timeout: 5_000 });
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32000; PRAGMA trusted_schema = OFF',
    );
    begin(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw faultOf(error, path);
  }
}

/**
 * Copies the subscriptions at `path`, as they were at one moment, to the file `target`, while a server writes. Throws a
 * `StoreFault`: `io` when the target exists or cannot be written, `full` when it does not fit; then there is no target.
 */
export async function backupSubscriptions(path: string, target: string): Promise<void> {
  refuseExisting(target);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const draft = `${target}.${newEventId()}.partial`;
  try {
    const source = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    try {
      refuseForeign(source, path);
      // A snapshot of its own: without it each commit meanwhile would make the copy begin again.
      source.exec('BEGIN; SELECT 1 FROM progress LIMIT 1');
      await backup(source, draft, { rate: 2_048 });
    } finally {
      source.close();
    }
    chmodSync(draft, 0o600);
    settle(draft);
    publish(draft, target);
  } catch (error) {
    throw faultOf(error, target);
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(draft + suffix, { force: true });
  }
}

function begin(db: DatabaseSync, path: string): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    if (pragma(db, 'user_version') === 0 && isEmpty(db)) db.exec(schema);
    refuseForeign(db, path);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function refuseForeign(db: DatabaseSync, path: string): void {
  const [application, version] = [pragma(db, 'application_id'), pragma(db, 'user_version')];
  if (application === applicationId && version === schemaVersion) return;
  const what =
    application === applicationId
      ? `holds subscriptions of another version (${version}). Start the version of Carelog that made it`
      : 'holds something else than subscriptions. Move it away';
  throw new StoreFault('damaged', `${path} ${what}, or restore the file from a backup.`);
}

const isEmpty = (db: DatabaseSync): boolean =>
  db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;

function pragma(db: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name]!;
}

/** Nobody of the past holds a lease in what is restored; and all that was written is in the one file once it is closed. */
function settle(draft: string): void {
  const db = new DatabaseSync(draft);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      BEGIN; DELETE FROM holder; UPDATE progress SET holder = '' WHERE holder <> ''; COMMIT`);
  } finally {
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
}

function refuseExisting(target: string): void {
  if (!existsSync(target)) return;
  throw new StoreFault('io', `The backup was not made: ${target} exists already. Name a file that does not exist.`); // prettier-ignore
}

/** Of https://sqlite.org/rescode.html: those that have a name of their own here. */
const CODES: Readonly<Record<number, StoreFaultCode>> = {
  5: 'locked',
  6: 'locked',
  11: 'damaged',
  13: 'full',
  26: 'damaged',
};
/** Writes that a full disk, a quota or a size limit refused. */
const WRITE_REFUSED = [10 | (3 << 8), 10 | (19 << 8)];
const REMEDIES: Readonly<Partial<Record<StoreFaultCode, string>>> = {
  locked: 'Another Carelog runs on this folder: stop one of them.',
  damaged: 'Restore the file from a backup.',
  full: 'Nothing of this was kept. Make room, and it goes on by itself.',
};

/** The fault behind a thrown thing; a bug of ours is given back as it is. */
export function faultOf(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StoreFault) return error;
  const { errcode, code } = error as { readonly errcode?: number; readonly code?: string };
  const isOurs = errcode === undefined ? !('syscall' in error) : (errcode & 0xff) === CONSTRAINT;
  if (isOurs) return error;
  const isFull = WRITE_REFUSED.includes(errcode ?? 0) || /^(ENOSPC|EDQUOT|EFBIG)$/.test(code ?? '');
  const kind = isFull ? 'full' : (CODES[(errcode ?? 0) & 0xff] ?? 'io');
  const remedy = REMEDIES[kind] ?? 'Check that this user may read and write it, and the disk.';
  return new StoreFault(kind, `The subscriptions at ${path} cannot be used: "${error.message}". ${remedy}`, {
    cause: error,
  });
}
const CONSTRAINT = 19;
