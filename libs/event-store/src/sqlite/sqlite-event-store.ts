/** The log in one SQLite file with a write-ahead log, which the one writing process flushes itself. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newEventId } from '../event-id.ts';
import { StoreFault } from '../store-fault.ts';
import { schema } from './schema.ts';
import { reserveWal } from './reserve-wal.ts';
import { faultOf } from './sqlite-fault.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import type { SqliteEventStore } from './sqlite-writer.ts';
import { lockStore } from './store-lock.ts';
import { syncFolder } from './sync-folder.ts';
import { refuseForeignFile, refuseLostFile, verifyLog } from './verify-log.ts';
import type { Verification } from './verify-log.ts';
import { refuseDamagedWal } from './wal-scan.ts';

export interface SqliteEventStoreOptions {
  /** The log's file; its folder is made when it is missing. */
  readonly path: string;
  /** Log time in milliseconds; the machine's clock unless told. */
  readonly now?: () => number;
  /** How much is checked at opening: every event (the default; 5 to 10 µs each), or the last thousand. */
  readonly verify?: Verification;
}

/**
 * Opens the log, or begins it where there is none. Throws a `StoreFault`: `locked` when another process has it (or this
 * one, already), `damaged` when what is on disk is not what was written, `full` or `io` when it cannot be opened.
 */
export function openSqliteEventStore(options: SqliteEventStoreOptions): SqliteEventStore {
  const { path, now = Date.now, verify = 'all' } = options;
  let lock: { release(): void } | undefined;
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    lock = lockStore(path);
    refuseLostFile(path);
    refuseDamagedWal(path);
    if (!existsSync(path)) beginLog(path);
    db = new DatabaseSync(path, { timeout: 5_000 });
    refuseForeignFile(db, path);
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
       PRAGMA cache_size = -32000; PRAGMA trusted_schema = OFF`,
    );
    verifyLog(db, path, verify);
    reserveWal(path);
    copyLeftOver(db, path);
    return new SqliteWriter(db, path, now, lock);
  } catch (error) {
    db?.close();
    lock?.release();
    throw faultOf(error, path);
  }
}

/**
 * What the write-ahead log holds after a flush that failed may be lost, though the next flush of it succeeds: it is copied to the
 * main file, as far as no other process reads an older state of it and there is room.
 */
function copyLeftOver(db: DatabaseSync, path: string): void {
  try {
    db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  } catch (error) {
    const fault = faultOf(error, path);
    if (!(fault instanceof StoreFault) || fault.code !== 'full') throw fault;
  }
}

/** Made under another name and then renamed: a log's file is whole from its first moment, so an empty one is damage. */
function beginLog(path: string): void {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  closeSync(openSync(draft, 'wx', 0o600));
  const db = new DatabaseSync(draft);
  try {
    db.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; BEGIN; ${schema}`);
    db.prepare('INSERT INTO epoch VALUES (1, ?, ?, 0)').run(newEventId(), new Date().toISOString());
    db.exec('COMMIT');
  } finally {
    db.close();
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
  syncFolder(dirname(dirname(path)));
}
