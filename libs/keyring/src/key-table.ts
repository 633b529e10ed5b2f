/**
 * `keys.sqlite`: one wrapped data key for each partition, and which partitions were erased. WAL with synchronous=FULL, so a
 * key is on disk before anything is sealed under it; secure_delete, so a destroyed key is overwritten.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { WrappedKey } from './data-key.ts';
import { KeyringFault } from './keyring-fault.ts';

const schema = `
CREATE TABLE master_key (id TEXT PRIMARY KEY) STRICT;  -- names the one that wraps the keys below; never the key
CREATE TABLE data_key (partition TEXT PRIMARY KEY, id TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE erasure (number INTEGER PRIMARY KEY, partition TEXT NOT NULL UNIQUE, erasedAt TEXT NOT NULL) STRICT;
PRAGMA user_version = 1;
`;

export class KeyTable {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #erasure: StatementSync;
  readonly #erasures: StatementSync;
  readonly #dataVersion: StatementSync;

  /** Opens the file, or makes it for this master key. Throws a `KeyringFault` when it belongs to another one. */
  constructor(path: string, masterKeyId: string, readOnly: boolean) {
    this.path = path;
    if (!existsSync(path)) {
      if (readOnly)
        throw new KeyringFault(
          'missing',
          `There is no keyring at ${path}. Start Carelog on this folder once, or name the right folder.`,
        );
      closeSync(openSync(path, 'a', 0o600));
    }
    this.#db = new DatabaseSync(path, { readOnly, timeout: 5_000 });
    try {
      if (!readOnly) this.#prepare(masterKeyId);
      this.#refuseOtherMaster(masterKeyId);
      this.#find = this.#db.prepare('SELECT id, wrapped FROM data_key WHERE partition = ?');
      this.#erasure = this.#db.prepare('SELECT 1 FROM erasure WHERE partition = ?');
      this.#erasures = this.#db.prepare('SELECT coalesce(max(number), 0) AS n FROM erasure');
      this.#dataVersion = this.#db.prepare('PRAGMA data_version');
      this.#dataVersion.setReturnArrays(true);
    } catch (error) {
      this.#db.close();
      throw keyTableFault(error, path);
    }
  }

  find(partition: string): Omit<WrappedKey, 'partition'> | undefined {
    return this.#run(() => this.#find.get(partition) as Omit<WrappedKey, 'partition'> | undefined);
  }

  isErased(partition: string): boolean {
    return this.#run(() => this.#erasure.get(partition) !== undefined);
  }

  /** Grows with each erasure, by whichever thread or process. */
  erasures(): number {
    return this.#run(() => (this.#erasures.get() as { n: number }).n);
  }

  /** Changes when another connection has written; cheap enough to ask each time. */
  dataVersion(): number {
    return this.#run(() => (this.#dataVersion.get() as unknown as readonly [number])[0]);
  }

  /** Adds keys of partitions that have none; a key that another process made meanwhile stays. On disk when this returns. */
  add(keys: readonly WrappedKey[]): void {
    this.#write(() => {
      const insert = this.#db.prepare(
        'INSERT INTO data_key SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM erasure WHERE partition = ?1) ON CONFLICT DO NOTHING',
      );
      for (const { partition, id, wrapped } of keys) insert.run(partition, id, wrapped);
    });
  }

  /** Destroys the key and remembers that; on disk, and the old pages overwritten, when this returns. */
  erase(partition: string): void {
    this.#write(() => {
      this.#db.prepare('DELETE FROM data_key WHERE partition = ?').run(partition);
      this.#db
        .prepare('INSERT INTO erasure (partition, erasedAt) VALUES (?, ?) ON CONFLICT DO NOTHING')
        .run(partition, new Date().toISOString());
    });
    const { busy } = this.#run(() => this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()) as {
      busy: number;
    };
    if (busy !== 0) {
      throw new KeyringFault(
        'io',
        `The key was erased, but an older copy of it may still lie in ${this.path}-wal because another program reads there. Close that program and erase again.`,
      );
    }
  }

  /** All of them, by partition. */
  *keys(): Generator<WrappedKey> {
    yield* this.#db.prepare('SELECT partition, id, wrapped FROM data_key ORDER BY partition').iterate() as Iterable<WrappedKey>; // prettier-ignore
  }

  /** Partitions that were erased, in the order in which they were. */
  *erased(): Generator<string> {
    const rows = this.#db.prepare('SELECT partition FROM erasure ORDER BY number').all();
    for (const { partition } of rows as { partition: string }[]) yield partition;
  }

  /** For a backup: the open connection. */
  get connection(): DatabaseSync {
    return this.#db;
  }

  close(): void {
    this.#db.close();
  }

  #prepare(masterKeyId: string): void {
    this.#db.exec(
      'PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF',
    );
    this.#write(() => {
      const { user_version: version } = this.#db.prepare('PRAGMA user_version').get() as {
        user_version: number;
      };
      if (version > 0) return;
      this.#db.exec(schema);
      this.#db.prepare('INSERT INTO master_key VALUES (?)').run(masterKeyId);
    });
  }

  #refuseOtherMaster(masterKeyId: string): void {
    const rows = this.#db.prepare('SELECT id FROM master_key').all() as { id: string }[];
    if (rows.some(({ id }) => id === masterKeyId)) return;
    throw new KeyringFault(
      'damaged',
      `The keys in ${this.path} were wrapped by another master key than the master.key beside them. Put back the two files that belong together.`,
    );
  }

  #write(change: () => void): void {
    this.#run(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        change();
        this.#db.exec('COMMIT');
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw keyTableFault(error, this.path);
    }
  }
}

function keyTableFault(error: unknown, path: string): unknown {
  if (!(error instanceof Error && 'errcode' in error && typeof error.errcode === 'number')) return error;
  const code = error.errcode & 0xff;
  if (code === 13 || error.errcode === 778) {
    return new KeyringFault(
      'full',
      `The keyring ${path} could not be written: the disk is full. Make room, and it goes on by itself.`,
      { cause: error },
    );
  }
  if (code === 11 || code === 26) {
    return new KeyringFault(
      'damaged',
      `The keyring ${path} is damaged: SQLite says "${error.message}". Put it back from its backup.`,
      { cause: error },
    );
  }
  return new KeyringFault(
    'io',
    `The keyring ${path} could not be used: SQLite says "${error.message}". Check the disk and who may read and write it.`,
    { cause: error },
  );
}
