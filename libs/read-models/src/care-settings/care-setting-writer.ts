/** Writes one care setting's read model in its own SQLite file: facts, then the work that they make, in one transaction. */
import type { Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection';
import type { CareSetting, Placed, Worklist } from './care-setting.ts';
import type { Told } from './care-settings-projection.ts';
import { SqliteDatabase } from '../record/database.ts';
import { placed, prepareWriting } from './statements.ts';
import { CREATE_TABLES } from './tables.ts';

export interface CareSettingWriter extends ReadModel<Told> {
  close(): void;
}

/** Opens the read model in this file, made if it is not there; a file of another version is emptied and built anew. */
export function openCareSettingWriter(path: string, setting: CareSetting): CareSettingWriter {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    // The log is the truth: what a power cut takes from this file is projected again.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;');
    createTables(db, setting.version);
    return new SqliteCareSettingWriter(db, setting);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

function createTables(db: SqliteDatabase, version: number): void {
  const { user_version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (user_version === version) return;
  db.exec('BEGIN IMMEDIATE');
  for (const { name } of db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all())
    db.exec(`DROP TABLE "${String(name)}"`);
  db.exec(`${CREATE_TABLES} PRAGMA user_version = ${version}; COMMIT`);
}

class SqliteCareSettingWriter implements CareSettingWriter {
  readonly #db: SqliteDatabase;
  readonly #setting: CareSetting;
  readonly #statements: ReturnType<typeof prepareWriting>;

  constructor(db: SqliteDatabase, setting: CareSetting) {
    this.#db = db;
    this.#setting = setting;
    this.#statements = prepareWriting(db);
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  async apply({ changes, parked, checkpoint }: ProjectedBatch<Told>): Promise<Touched> {
    const touched = new Map<string, Set<Worklist>>();
    this.#transaction(() => {
      const reached = this.#statements.checkpoint.get();
      const after = reached?.epoch === checkpoint.epoch ? reached.position : 0;
      for (const { change } of changes) {
        if (change.source.position > after && this.#setting.kinds.has(change.kind))
          this.#applyOne(change, touched);
      }
      for (const [patient, lists] of touched) for (const list of lists) this.#putWork(patient, list);
      for (const { partition, position, reason } of parked)
        this.#statements.park.run({ partition, position, reason });
      if (checkpoint.position > after) this.#statements.moveCheckpoint.run({ ...checkpoint });
    });
    return parked.length > 0 ? 'all' : new Set(touched.keys());
  }

  async clear(): Promise<void> {
    this.#transaction(() => {
      for (const table of ['fact', 'link', 'work', 'checkpoint', 'parked'])
        this.#db.exec(`DELETE FROM ${table}`);
    });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #applyOne(told: Told, touched: Map<string, Set<Worklist>>): void {
    const { stream, version, issued, kind, patients, fact, source } = told;
    const before = version === 1 ? [] : this.#statements.before.all({ stream });
    const newest = before[0];
    if (newest !== undefined && (newest.issued > issued || (newest.issued === issued && newest.version > version))) return; // prettier-ignore
    if (before.length > 0) this.#statements.forget.run({ stream });
    const text = fact === undefined ? null : JSON.stringify({ fact, source });
    // What is gone stays known, under nobody.
    for (const patient of fact === undefined ? [''] : patients)
      this.#statements.keep.run({ stream, patient, kind, version, issued, told: text });
    if (kind === 'person') this.#link(stream, fact?.refs['linked'] ?? []);
    const lists = this.#setting.worklists.filter((list) => list.kinds.has(kind));
    if (lists.length === 0) return;
    for (const patient of new Set([...patients, ...before.map((it) => it.patient)])) {
      if (patient === '') continue;
      const known = touched.get(patient);
      if (known === undefined) touched.set(patient, new Set(lists));
      else for (const list of lists) known.add(list);
    }
  }

  #link(patient: string, others: readonly string[]): void {
    this.#statements.unlink.run({ patient });
    for (const other of others) this.#statements.link.run({ patient, other });
  }

  #putWork(patient: string, list: Worklist): void {
    const rows = this.#statements.factsOf.all({ patient });
    const facts = rows.filter(({ kind }) => list.kinds.has(kind)).map(placed);
    this.#statements.done.run({ list: list.name, patient });
    for (const item of list.items(facts)) {
      const due = item.due === undefined ? null : Date.parse(item.due);
      const { stream, since } = item;
      this.#statements.put.run({ list: list.name, patient, stream, since: Date.parse(since), due, item: JSON.stringify(item) }); // prettier-ignore
    }
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (fault) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw fault;
    }
  }
}
