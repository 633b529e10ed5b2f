/** Writes the read models of all care settings in one SQLite file: facts, each once, then the work that they make, in one transaction. */
import type { Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection';
import type { CareSetting, KeptByCareSetting, Placed } from './care-setting.ts';
import { keptByAll, versionOf } from './care-settings.ts';
import type { Told } from './care-settings-projection.ts';
import { SqliteDatabase } from '../record/database.ts';
import type { Kind } from './fact.ts';
import { KnownFacts } from './known-facts.ts';
import { BatchOfFacts, markIn, type Kept } from './facts-of-batch.ts';
import { RecentPeople } from './recent-people.ts';
import { asOne, placed, prepareWriting } from './statements.ts';
import { CREATE_TABLES } from './tables.ts';

export interface CareSettingsWriter extends ReadModel<Told> {
  close(): void;
}

/** Opens the read models in this file, made if it is not there; a file of another version of one of them is emptied and built anew. */
export function openCareSettingsWriter(path: string, settings: readonly CareSetting[]): CareSettingsWriter {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    // The log is the truth: what a power cut takes from this file is projected again.
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;',
    );
    // 32 bits, of which SQLite keeps the sign.
    db.makeTables(Number.parseInt(versionOf(settings), 16) | 0, CREATE_TABLES);
    return new SqliteCareSettingsWriter(db, keptByAll(settings));
  } catch (fault) {
    db.close();
    throw fault;
  }
}

class SqliteCareSettingsWriter implements CareSettingsWriter {
  readonly #db: SqliteDatabase;
  readonly #keeps: KeptByCareSetting;
  readonly #known = new KnownFacts();
  readonly #people = new RecentPeople();
  readonly #statements: ReturnType<typeof prepareWriting>;
  /** Whoever is linked with somebody, or was: nobody else has to be asked about. */
  readonly #linked = new Set<string>();

  constructor(db: SqliteDatabase, keeps: KeptByCareSetting) {
    this.#db = db;
    this.#keeps = keeps;
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
      touched = this.#put(new BatchOfFacts(this.#keeps, told), checkpoint.position);
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

  #transaction(work: () => void): void {
    try {
      this.#db.transaction(work);
    } catch (fault) {
      this.#people.forget();
      throw fault;
    }
  }

  #forget(): void {
    this.#known.forget();
    this.#people.forget();
    for (const table of ['fact', 'link', 'work', 'checkpoint', 'parked'])
      this.#db.exec(`DELETE FROM ${table}`);
  }

  /** Gives the patients whose work may be another. `position`: up to which the batch goes. */
  #put(facts: BatchOfFacts, position: number): Set<string> {
    const { before, forget, keep, linksOf, unlink, link, samePerson, waiting, done, put } = this.#statements;
    const whoIs = (patient: string) =>
      this.#linked.has(patient) ? asOne(patient, samePerson.all({ patient }).map((it) => it.patient)) : [patient]; // prettier-ignore
    facts.make(
      facts.streams.flatMap((stream) =>
        before.all({ stream }).map((it) => ({ ...it, mark: markIn(it.mark) })),
      ),
    );
    for (const patient of facts.relinked)
      facts.parted.push(...linksOf.all({ patient }).map((it) => it.other));
    if (facts.relinked.length > 0) facts.join(whoIs);
    for (const stream of facts.gone) forget.run({ stream });
    for (const row of facts.rows) keep.run({ ...row });
    for (const patient of facts.relinked) unlink.run({ patient });
    for (const it of facts.links) link.run({ ...it });
    this.#noteLinks(facts.links);
    facts.join(whoIs);
    this.#remember(facts);
    const work = facts.work((patient, kinds) => this.#factsOf(patient, kinds));
    const stands = facts.askedLists().flatMap((it) => waiting.all(it).map((row) => ({ ...it, ...row })));
    const changed = facts.changedWork(work, stands);
    for (const it of changed.done) done.run(it);
    for (const it of changed.put) put.run({ ...it, changed: position });
    return new Set(facts.touched.keys());
  }

  /** As it was written. */
  #remember({ replaced, kept, rows }: BatchOfFacts): void {
    for (const { patient, stream } of replaced) this.#people.remove(patient, stream);
    const byStream = new Map<string, Kept>();
    for (const it of kept) {
      const { stream, version, fact, source } = it;
      byStream.set(stream, it);
      this.#known.keep(stream, { version, fact, source });
    }
    for (const { patient, stream } of rows) {
      const its = byStream.get(stream);
      if (its !== undefined) this.#people.put({ ...its, patient });
    }
  }

  #factsOf(patient: string, kinds: ReadonlySet<Kind>): Placed[] {
    return this.#people.factsOf(patient, kinds, (missing) => this.#storedOf(patient, missing));
  }

  #storedOf(patient: string, kinds: ReadonlySet<Kind>): Placed[] {
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
}
