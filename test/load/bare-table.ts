/** The floor of everything that is kept: one SQLite table of bytes, nothing known about them. */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface BareTable {
  /** One transaction. */
  insert(rows: readonly Uint8Array[]): void;
  /** Closes, and gives the size of the file. */
  close(): number;
}

/** `durable`: every transaction is on disk when `insert` returns. */
export function openBareTable(path: string, { durable }: { durable: boolean }): BareTable {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  db.exec('CREATE TABLE IF NOT EXISTS row (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  const statement = db.prepare('INSERT INTO row (bytes) VALUES (?)');
  return {
    insert(rows) {
      db.exec('BEGIN IMMEDIATE');
      for (const bytes of rows) statement.run(bytes);
      db.exec('COMMIT');
    },
    close() {
      db.close();
      return statSync(path).size;
    },
  };
}
