/** Writes one care setting's read model in its own SQLite file: facts, then the work that they make, in one transaction. */
import type { Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection';
import type { CareSetting } from './care-setting.ts';
import type { Told } from './care-settings-projection.ts';
import { SqliteDatabase } from '../record/database.ts';
import { BatchOfFacts } from './facts-of-batch.ts';
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
  /** Whoever is linked with somebody, or was: nobody else has to be asked about. */
  readonly #linked = new Set<string>();

  constructor(db: SqliteDatabase, setting: CareSetting) {
    this.#db = db;
    this.#setting = setting;
    this.#statements = prepareWriting(db);
    this.#noteLinks(this.#statements.links.all());
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  async apply({ changes, parked, checkpoint }: ProjectedBatch<Told>): Promise<Touched> {
    let touched = new Set<string>();
    this.#transaction(() => {
      const reached = this.#statements.checkpoint.get();
      // Made from another life of the log.
      if (reached !== undefined && reached.epoch !== checkpoint.epoch) this.#forget();
      const after = reached?.epoch === checkpoint.epoch ? reached.position : 0;
      const told = changes.map(({ change }) => change).filter(({ source }) => source.position > after);
      touched = this.#put(new BatchOfFacts(this.#setting, told));
      for (const { partition, position, reason } of parked)
        this.#statements.park.run({ partition, position, reason });
      if (checkpoint.position > after) this.#statements.moveCheckpoint.run({ ...checkpoint });
    });
    return parked.length > 0 ? 'all' : touched;
  }

  async clear(): Promise<void> {
    this.#transaction(() => this.#forget());
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #forget(): void {
    for (const table of ['fact', 'link', 'work', 'checkpoint', 'parked'])
      this.#db.exec(`DELETE FROM ${table}`);
  }

  /** Gives the patients whose work may be another. */
  #put(facts: BatchOfFacts): Set<string> {
    const { before, forget, keep, unlink, link, samePerson, done, put, factsOf } = this.#statements;
    const whoIs = (patient: string) =>
      this.#linked.has(patient) ? samePerson.all({ patient }).map((it) => it.patient) : [patient];
    facts.make(facts.streams.flatMap((stream) => before.all({ stream })));
    if (facts.relinked.length > 0) facts.join(whoIs);
    for (const stream of facts.gone) forget.run({ stream });
    for (const row of facts.rows) keep.run({ ...row });
    for (const patient of facts.relinked) unlink.run({ patient });
    for (const it of facts.links) link.run({ ...it });
    this.#noteLinks(facts.links);
    facts.join(whoIs);
    const work = facts.work((patient) => factsOf.all({ patient }).map(placed));
    for (const [patient, lists] of facts.touched)
      for (const list of lists) done.run({ list: list.name, patient });
    for (const it of work) put.run({ ...it });
    return new Set(facts.touched.keys());
  }

  #noteLinks(links: readonly { readonly patient: string; readonly other: string }[]): void {
    for (const { patient, other } of links) this.#linked.add(patient).add(other);
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
