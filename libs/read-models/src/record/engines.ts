/** For specs: the record on each engine that it runs on, made empty. */
import type { ReadModel, SharedReadModel } from '@carelog/projection';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { openRecord, openRecordWriter, type RecordChange, type RecordOptions, type RecordQueries } from '../index.ts'; // prettier-ignore
import { SqliteDatabase, type Database } from './database.ts';
import { PostgresDatabase } from './postgres/database.ts';
import { openPostgresRecord, openPostgresRecordHere } from './postgres/open-record.ts';
import { openPostgresRecordWriter } from './postgres/record-writer.ts';
import { migrateRecord } from './postgres/tables.ts';

export interface EmptyRecord {
  readonly writer: Pick<ReadModel<RecordChange>, 'apply' | 'clear'>;
  readonly record: RecordQueries;
  /** A connection of its own, as the reader has one. */
  connect(): Database;
  /** When nobody needs it any more: what it took is taken again. */
  release(): Promise<void>;
}

export interface RecordEngine {
  readonly name: 'sqlite' | 'postgres';
  /** `inThreads`: in PostgreSQL, read as a gateway reads it; else by the thread of the spec, which starts sooner. */
  make(options?: RecordOptions & { readonly inThreads?: boolean }): Promise<EmptyRecord>;
  /** Whatever was made on it. */
  close(): Promise<void>;
}

interface Postgres {
  url(): string;
  stop(): Promise<void>;
}

/** `start` is given a folder, and gives the server or the reason why this machine has none. */
export async function recordEngines(
  start: (folder: string) => Promise<Postgres | string>,
): Promise<readonly (RecordEngine | string)[]> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-record-'));
  const postgres = await start(join(folder, 'postgres'));
  return [onSqlite(folder), typeof postgres === 'string' ? postgres : onPostgres(postgres)];
}

/** Runs the suite on each engine. */
export function onEveryEngine(
  describe: { (name: string, suite: () => void): void; skip(name: string, suite: () => void): void },
  engines: readonly (RecordEngine | string)[],
  suite: (engine: RecordEngine) => void,
): void {
  for (const engine of engines) {
    if (typeof engine === 'string') describe.skip(`on PostgreSQL: ${engine}`, () => {});
    else describe(`on ${engine.name}`, () => suite(engine));
  }
}

function onSqlite(folder: string): RecordEngine {
  const open = new Set<{ close(): void }>();
  let files = 0;
  return {
    name: 'sqlite',
    async make(options) {
      const path = join(folder, `record-${(files += 1)}.sqlite`);
      const writer = openRecordWriter(path);
      const record = openRecord(path, options);
      open.add(writer).add(record);
      const connect = () => {
        const db = new SqliteDatabase(path);
        open.add({ close: () => db.isOpen && db.close() });
        return db;
      };
      return { writer, record, connect, release: async () => [record, writer].forEach((it) => it.close()) };
    },
    async close() {
      for (const it of open) it.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function onPostgres(postgres: Postgres): RecordEngine {
  const open = new Set<{ close(): unknown }>();
  const free: Made[] = [];
  const url = postgres.url();
  let schemas = 0;

  async function newSchema(): Promise<Made> {
    const schema = `record_${(schemas += 1)}`;
    const owner = new Client({ connectionString: url });
    await owner.connect();
    await migrateRecord(owner, { schema });
    await owner.end();
    const writer = openPostgresRecordWriter({ url, schema, connections: 1 });
    open.add(writer);
    return { schema, writer };
  }

  return {
    name: 'postgres',
    async make({ searchTimeLimit, now, inThreads = false } = {}) {
      // To empty a schema takes less than to make one.
      const made = free.pop() ?? (await newSchema());
      const { schema, writer } = made;
      const at = { url, schema, ...(searchTimeLimit !== undefined && { searchTimeLimit }) };
      const record = inThreads
        ? openPostgresRecord({ ...at, threads: 2 })
        : openPostgresRecordHere({ ...at, ...(now && { now }) });
      open.add(record);
      return {
        writer: { apply: (batch) => writer.apply(0, async () => batch), clear: () => writer.clear() },
        record,
        connect() {
          const db = new PostgresDatabase({ url, schema, name: 'spec', statementTimeout: 60_000 });
          open.add(db);
          return db;
        },
        async release() {
          record.close();
          open.delete(record);
          await writer.clear();
          free.push(made);
        },
      };
    },
    async close() {
      await Promise.all([...open].map((it) => it.close()));
      await postgres.stop();
    },
  };
}

interface Made {
  readonly schema: string;
  readonly writer: SharedReadModel<RecordChange>;
}
