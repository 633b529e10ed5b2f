/**
 * One process writes a log. The lock is an exclusive transaction on a file beside it, which the operating system releases
 * when the process ends, however it ends; the file itself stays empty and means nothing.
 */
import { DatabaseSync } from 'node:sqlite';
import { isSqliteError, lockedFault } from './sqlite-fault.ts';

/** Throws a `locked` `StoreFault` when another process has the log, or this one has it open already. */
export function lockStore(path: string): { release(): void } {
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isSqliteError(error) && (error.errcode & 0xff) === 5) throw lockedFault(path, { cause: error });
    throw error;
  }
  return { release: () => lock.close() };
}
