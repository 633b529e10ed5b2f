/** Writes one care setting's read model in its own SQLite file: facts, then the work that they make, in one transaction. */
import type { Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection';
import type { CareSetting, Placed } from './care-setting.ts';
import type { Told } from './care-settings-projection.ts';
import { SqliteDatabase } from '../record/database.ts';
import type { Kind } from './fact.ts';
import { KnownFacts } from './known-facts.ts';
import { BatchOfFacts, type NewWork } from './facts-of-batch.ts';
import { placed, prepareWriting } from './statements.ts';
import { CREATE_TABLES } from './tables.ts';

export interface CareSettingWriter extends ReadModel<Told> {
  close(): void;
}

/** Opens the read model in this file, made if it is not there; a file of another version is emptied and built anew. Those of one log may share what they know. */
export function openCareSettingWriter(
  path: string,
  setting: CareSetting,
  known = new KnownFacts(),
): CareSettingWriter {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    // The log is the truth: what a power cut takes from this file is projected again.
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;',
    );
    createTables(db, setting.version);
    return new SqliteCareSettingWriter(db, setting, known);
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
  readonly #known: KnownFacts;
  readonly #statements: ReturnType<typeof prepareWriting>;
  /** Whoever is linked with somebody, or was: nobody else has to be asked about. */
  readonly #linked = new Set<string>();

  constructor(db: SqliteDatabase, setting: CareSetting, known: KnownFacts) {
    this.#known = known;
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
      touched = this.#put(new BatchOfFacts(this.#setting, told), checkpoint.position);
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
    this.#known.forget();
    for (const table of ['fact', 'link', 'work', 'checkpoint', 'parked'])
      this.#db.exec(`DELETE FROM ${table}`);
  }

  /** Gives the patients whose work may be another. `position`: up to which the batch goes. */
  #put(facts: BatchOfFacts, position: number): Set<string> {
    const { before, forget, keep, unlink, link, samePerson, waiting, done, put } = this.#statements;
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
    for (const { stream, version, fact, source } of facts.kept)
      this.#known.keep(stream, { version, fact, source });
    const work = facts.work((patient, kinds) => this.#factsOf(patient, kinds));
    const made = Map.groupBy(work, ({ list, patient }) => `${list} ${patient}`);
    for (const [patient, lists] of facts.touched) {
      for (const { name: list } of lists) {
        const now = made.get(`${list} ${patient}`) ?? [];
        const before = waiting.all({ list, patient });
        if (isSameWork(before, now)) continue;
        if (before.length > 0) done.run({ list, patient });
        for (const it of now) put.run({ ...it, changed: position });
      }
    }
    return new Set(facts.touched.keys());
  }

  #factsOf(patient: string, kinds: ReadonlySet<Kind>): Placed[] {
    return this.#statements
      .versionsOf(kinds)
      .all({ patient })
      .map(({ stream, version }) => {
        const known = this.#known.of(stream, version);
        if (known !== undefined) return { stream, patient, version, fact: known.fact, source: known.source };
        const { told } = this.#statements.told.get({ stream, patient })!;
        const read = placed({ stream, patient, version, told });
        this.#known.keep(stream, read);
        return read;
      });
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

/** Most of what is told changes no item: what is the same is not written again. */
function isSameWork(before: readonly WaitingWork[], now: readonly WaitingWork[]): boolean {
  const items = new Map(before.map(({ stream, item }) => [stream, item]));
  return items.size === now.length && now.every(({ stream, item }) => items.get(stream) === item);
}

type WaitingWork = Pick<NewWork, 'stream' | 'item'>;
