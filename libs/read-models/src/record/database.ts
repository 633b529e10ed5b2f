/** What the record is read over: SQLite or PostgreSQL, asked one question after another by the thread that waits for it. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

export interface Database {
  readonly engine: 'sqlite' | 'postgres';
  /** The statement belongs to this connection. */
  prepare(sql: string): Prepared;
  /** For what begins and ends transactions. */
  exec(sql: string): void;
  readonly isTransaction: boolean;
  readonly isOpen: boolean;
  close(): void;
  /**
   * Makes a function known to the statements of this connection. PostgreSQL cannot call back: what a statement would ask such
   * a function is asked here of the rows that it gives.
   */
  function?: DatabaseSync['function'];
}

/** Values stand in the order of the statement's parameters. */
export interface Prepared {
  all(...values: SQLInputValue[]): unknown[];
  get(...values: SQLInputValue[]): unknown;
  /** Row by row, for what may be much. */
  iterate(...values: SQLInputValue[]): Iterable<unknown>;
  run(...values: SQLInputValue[]): unknown;
}

export class SqliteDatabase extends DatabaseSync implements Database {
  readonly engine = 'sqlite';

  /** What is thrown in it undoes it. */
  transaction(work: () => void): void {
    this.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.exec('COMMIT');
    } catch (fault) {
      if (this.isTransaction) this.exec('ROLLBACK');
      throw fault;
    }
  }

  dropTables(): void {
    const tables = this.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
    for (const { name } of tables) this.exec(`DROP TABLE "${String(name)}"`);
  }

  /** Fills the file with these tables where it holds another version of them (32 bits, not 0), or none. */
  makeTables(version: number, create: string): void {
    const { user_version } = this.prepare('PRAGMA user_version').get() as { user_version: number };
    if (user_version === version) return;
    this.transaction(() => {
      this.dropTables();
      this.exec(`${create} PRAGMA user_version = ${version}`);
    });
  }
}
