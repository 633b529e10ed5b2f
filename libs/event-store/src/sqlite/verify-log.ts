/** Whether what is on disk is what was written: asked when a log is opened, before anybody reads or appends. */
import { existsSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { StoreFault } from '../store-fault.ts';
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
 * Positions dense, every event's checksum right, every event filed where its envelope says, each index complete. Throws a
 * `damaged` `StoreFault` that names the first position where this fails.
 */
export function verifyLog(db: DatabaseSync, path: string, what: Verification): void {
  const head = scalar(db, 'SELECT coalesce(max(position), 0) FROM event');
  verifyEvents(db, path, what === 'all' ? 0 : Math.max(0, head - tailLength), head);
  if (what === 'all') verifyIndexes(db, path, head);
}

/** The checksum covers the envelope; the columns that the indexes are made of must say the same. */
const filedAsItSays = `
  unhex(substr(envelope, 14, 36), '-') = id AND instr(envelope, '","stream":' || json_quote(stream) || ',"revision":' || revision
    || ',"position":' || position || ',"partition":' || json_quote(partition) || ',') = 50`;

const listedAtOnce = 200;
const bytesAtOnce = 1024 * 1024;

function verifyEvents(db: DatabaseSync, path: string, after: number, head: number): void {
  const list = db.prepare(
    `SELECT position, octet_length(envelope) + octet_length(content) AS length, checksum, ${filedAsItSays} AS filed
     FROM event WHERE position > ? ORDER BY position LIMIT ${listedAtOnce}`,
  );
  // One value for many events: fetching each as its own costs as much again as all the rest.
  const fetch = db.prepare(
    `SELECT CAST(group_concat(envelope || content, '') AS BLOB) AS bytes
     FROM (SELECT envelope, content FROM event WHERE position BETWEEN ? AND ? ORDER BY position)`,
  );
  for (let verified = after; verified < head;) {
    const listed = list.all(verified) as unknown as readonly ListedEvent[];
    if (listed.length === 0) throw damagedAt(path, verified + 1, 'is missing');
    for (const group of inGroups(listed)) {
      const { bytes } = fetch.get(group[0]!.position, group.at(-1)!.position) as { bytes: Uint8Array };
      let start = 0;
      for (const { position, length, checksum, filed } of group) {
        if (position !== ++verified) throw damagedAt(path, verified, 'is missing');
        if (crc32(bytes.subarray(start, (start += length))) !== checksum) {
          throw damagedAt(path, position, 'is not what was written: its checksum differs');
        }
        if (filed !== 1)
          throw damagedAt(
            path,
            position,
            'is filed under another id, stream, revision or partition than its own',
          );
      }
    }
  }
}

interface ListedEvent {
  readonly position: number;
  readonly length: number;
  readonly checksum: number;
  readonly filed: number;
}

function* inGroups(listed: readonly ListedEvent[]): Generator<readonly ListedEvent[]> {
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < listed.length; index++) {
    bytes += listed[index]!.length;
    if (bytes < bytesAtOnce && index < listed.length - 1) continue;
    yield listed.slice(from, index + 1);
    from = index + 1;
    bytes = 0;
  }
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
