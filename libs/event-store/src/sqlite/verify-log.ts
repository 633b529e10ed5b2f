/** Whether what is on disk is what was written: asked when a log is opened, before anybody reads or appends. */
import { existsSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { StoreFault } from '../store-fault.ts';
import { checksumOf } from './log-queries.ts';
import { applicationId, schemaVersion } from './schema.ts';

/** `all`: every event. `tail`: the last thousand. */
export type Verification = 'all' | 'tail';

const tailLength = 1_000;

/** Throws a `damaged` `StoreFault` where the file is not a log, or is one that only a newer program can read. */
export function refuseForeignFile(db: DatabaseSync, path: string): void {
  const id = pragma(db, 'application_id');
  if (id !== applicationId) {
    throw new StoreFault(
      'damaged',
      `${path} is a database of something else than this log. Name the log's own file, or restore it from a backup.`,
    );
  }
  const version = pragma(db, 'user_version');
  if (version !== schemaVersion) {
    throw new StoreFault(
      'damaged',
      `The log at ${path} has format ${version}, and this program reads ${schemaVersion}. Use the Carelog that wrote it.`,
    );
  }
}

/** Throws a `damaged` `StoreFault` where the main file is empty, or gone from beside its write-ahead log. */
export function refuseLostFile(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === 0) {
    throw new StoreFault('damaged', `The log's file ${path} is empty. Restore the log from a backup.`);
  }
  if (size === undefined && existsSync(`${path}-wal`)) {
    throw new StoreFault(
      'damaged',
      `The log's main file ${path} is gone, and its write-ahead log is still there. Put the file back, or restore the log from a backup.`,
    );
  }
}

/**
 * Positions dense, every event's checksum right, its columns those of its envelope, each index complete. Throws a
 * `damaged` `StoreFault` that names the first position where this fails.
 */
export function verifyLog(db: DatabaseSync, path: string, what: Verification): void {
  const head = scalar(db, 'SELECT coalesce(max(position), 0) FROM event');
  const after = what === 'all' ? 0 : Math.max(0, head - tailLength);
  verifyEvents(db, path, after, head);
  verifyColumns(db, path, after);
  if (what === 'all') verifyIndexes(db, path, head);
}

function verifyEvents(db: DatabaseSync, path: string, after: number, head: number): void {
  const rows = db.prepare(
    'SELECT position, envelope, content, checksum FROM event WHERE position > ? ORDER BY position',
  );
  rows.setReturnArrays(true);
  let expected = after;
  for (const row of rows.iterate(after)) {
    const [position, envelope, content, checksum] = row as unknown as [number, string, Uint8Array, number];
    if (position !== ++expected) throw damagedAt(path, expected, 'is missing');
    if (checksumOf(envelope, content) !== checksum)
      throw damagedAt(path, position, 'is not what was written: its checksum differs');
  }
  if (expected !== head) throw damagedAt(path, expected + 1, 'is missing');
}

/** The checksum covers the envelope; what the indexes are made of must say the same. */
function verifyColumns(db: DatabaseSync, path: string, after: number): void {
  const differing = db
    .prepare(
      `SELECT position FROM event WHERE position > ? AND instr(envelope, format('"id":"%s-%s-%s-%s-%s","stream":%s,"revision":%d,"position":%d,"partition":%s,"previousInPartition":',
         lower(hex(substr(id, 1, 4))), lower(hex(substr(id, 5, 2))), lower(hex(substr(id, 7, 2))), lower(hex(substr(id, 9, 2))), lower(hex(substr(id, 11))),
         json_quote(stream), revision, position, json_quote(partition))) <> 8 ORDER BY position LIMIT 1`,
    )
    .get(after) as { position: number } | undefined;
  if (differing)
    throw damagedAt(
      path,
      differing.position,
      'is filed under another id, stream, revision or partition than its own',
    );
}

function verifyIndexes(db: DatabaseSync, path: string, head: number): void {
  for (const index of ['event_id', 'event_stream', 'event_partition']) {
    const entries = scalar(db, `SELECT count(*) FROM event INDEXED BY ${index} WHERE ${indexed[index]} > ''`);
    if (entries !== head) {
      throw new StoreFault(
        'damaged',
        `The index ${index} of the log at ${path} has ${entries} entries for ${head} events. Restore the log from a backup.`,
      );
    }
  }
}
const indexed: Record<string, string> = {
  event_id: 'id',
  event_stream: 'stream',
  event_partition: 'partition',
};

function pragma(db: DatabaseSync, name: string): number {
  return scalar(db, `PRAGMA ${name}`);
}

function scalar(db: DatabaseSync, sql: string): number {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return (statement.get() as unknown as readonly [number])[0];
}

function damagedAt(path: string, position: number, what: string): StoreFault {
  return new StoreFault(
    'damaged',
    `The log at ${path} is damaged: event ${position} ${what}. Restore it from a backup.`,
  );
}
