/**
 * Writes the record read model: one connection, one transaction a batch, rows changed only where a new version differs
 * from the one before.
 */
import { defaultPolicy, type Policy } from '@carelog/access';
import type { AppliedChange, Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection'; // prettier-ignore
import { randomUUID } from 'node:crypto';
import { SqliteDatabase } from './database.ts';
import { digestOfRules } from './access-facts.ts';
import { difference, factsOf, HIDING, type Facts, type Person } from './changing.ts';
import { indexRows, type IndexRow } from './index-rows.ts';
import { SqliteInterning } from './interning.ts';
import { indexOf, isPatient, type RecordChange, type ResourceIndex } from './record-projection.ts';
import { given, record, Statement } from './statement.ts';
import { ALL_TABLES, CREATE_TABLES, RECORD_VERSION, STATE } from './tables.ts';
import { prepareWriting } from './writing.ts';

export interface RecordWriter extends ReadModel<RecordChange> {
  close(): void;
}

export interface RecordWriterOptions {
  /** A file nobody else has open, to be thrown away if this process dies: faster, for a rebuild. */
  readonly disposable?: boolean;
  /** That of the projection; the shipped one unless told. */
  readonly policy?: Policy;
}

/**
 * Opens the record in this file, made if it is not there. A file of another version of the record, or in which access was
 * read by other rules, is emptied, so that the projection builds it anew. Throws where the file cannot be used.
 */
export function openRecordWriter(
  path: string,
  { disposable = false, policy = defaultPolicy() }: RecordWriterOptions = {},
): RecordWriter {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    db.exec(disposable ? 'PRAGMA journal_mode = OFF' : 'PRAGMA journal_mode = WAL');
    // The log is the truth: what a power cut takes from this file is projected again.
    db.exec(`PRAGMA synchronous = ${disposable ? 'OFF' : 'NORMAL'}; PRAGMA cache_size = -65536;`);
    createTables(db, digestOfRules(policy));
    return new SqliteRecordWriter(db, policy);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

function createTables(db: SqliteDatabase, digest: string): void {
  const { user_version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  const rules = record.selectFrom('rules').select('digest');
  if (user_version === RECORD_VERSION && new Statement(db, rules).get()?.digest === digest) return;
  db.transaction(() => {
    db.dropTables();
    db.exec(`${CREATE_TABLES} PRAGMA user_version = ${RECORD_VERSION}`);
    new Statement(db, record.insertInto('rules').values({ digest: given('digest') })).run({ digest });
    beginGeneration(db);
  });
}

function beginGeneration(db: SqliteDatabase): void {
  new Statement(db, record.insertInto('generation').values({ id: given('id') })).run({ id: randomUUID() });
}

class SqliteRecordWriter implements RecordWriter {
  readonly #db: SqliteDatabase;
  readonly #intern: SqliteInterning;
  readonly #statements: ReturnType<typeof prepareWriting>;
  readonly #persons = new Map<string, Person>();
  readonly #policy: Policy;
  readonly #ofTypes: LabelSums;
  readonly #ofPatients: LabelSums;
  #touched = new Set<string>();

  constructor(db: SqliteDatabase, policy: Policy) {
    this.#db = db;
    this.#policy = policy;
    this.#intern = new SqliteInterning(db);
    this.#statements = prepareWriting(db);
    const { typeLabels, addTypeLabels, patientLabels, addPatientLabels } = this.#statements;
    this.#ofTypes = new LabelSums(typeLabels, addTypeLabels);
    this.#ofPatients = new LabelSums(patientLabels, addPatientLabels);
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  async apply({ changes, parked, setAside, checkpoint }: ProjectedBatch<RecordChange>): Promise<Touched> {
    this.#touched = new Set();
    this.#transaction(() => {
      const reached = this.#statements.checkpoint.get();
      const after = reached?.epoch === checkpoint.epoch ? reached.position : 0;
      for (const change of changes) if (change.event.position > after) this.#applyOne(change);
      for (const it of parked) this.#statements.park.run({ ...it });
      for (const { stream, partition } of setAside) this.#statements.setAside.run({ stream, partition });
      if (checkpoint.position > after) this.#statements.moveCheckpoint.run({ ...checkpoint });
    });
    // Whoever is parked makes answers incomplete that name nobody.
    return parked.length > 0 || setAside.length > 0 ? 'all' : this.#touched;
  }

  async clear(): Promise<void> {
    this.#transaction(() => {
      for (const table of ALL_TABLES) this.#db.exec(`DELETE FROM "${table}"`);
      beginGeneration(this.#db);
    });
    this.#forget();
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #transaction(work: () => void): void {
    try {
      this.#db.transaction(work);
    } catch (fault) {
      this.#forget();
      throw fault;
    }
  }

  // What was known may have been rolled back or deleted.
  #forget(): void {
    this.#intern.forget();
    this.#persons.clear();
    this.#ofTypes.forget();
    this.#ofPatients.forget();
  }

  #applyOne({ event, change }: AppliedChange<RecordChange>): void {
    const { stream, partition, position, revision } = event;
    const { body, state, index } = change;
    const type = this.#intern.type(change.type);
    const before = revision === 1 ? undefined : this.#statements.current.get({ stream });
    const key = before?.key ?? position;
    const person = this.#personOf(partition, stream);
    const owner = person?.patient ?? 0;
    this.#touch(stream, person, index);
    const rows =
      state === STATE.live ? indexRows({ type: change.type, stream, key, owner, index }, this.#intern) : [];
    const facts =
      state === STATE.live || before === undefined ? factsOf(rows, owner, index) : this.#factsBefore(before);
    const current = {
      key,
      patient: facts.patients[0] ?? 0,
      labels: facts.labels,
      version: revision,
      position,
      updated: Date.parse(event.recordedAt),
      state,
      present: index.present,
      body,
    };
    for (const patient of facts.patients.slice(1)) this.#statements.addPatient.run({ position, patient });
    this.#ofTypes.add(type, facts.labels);
    const hiding = (facts.labels & HIDING) >>> 0;
    if (hiding !== 0) for (const patient of facts.patients) this.#ofPatients.add(patient, hiding);
    if (before === undefined) {
      this.#statements.insertResource.run({ ...current, stream, type });
      for (const { table, values } of rows) this.#statements.index[table].insert.runInOrder(values);
      return;
    }
    this.#statements.keepVersion.run({ ...before, until: position });
    this.#statements.updateResource.run(current);
    if (before.state !== STATE.live || before.body === null) return this.#replace([], rows);
    const indexBefore = indexOf(change.type, before.body, this.#policy);
    this.#touch(stream, person, indexBefore);
    const indexed = { type: change.type, stream, key, owner, index: indexBefore };
    this.#replace(indexRows(indexed, this.#intern), rows);
  }

  // What ended, or cannot be opened any more, is whose it was and as confidential.
  #factsBefore({ position, patient, labels }: { position: number; patient: number; labels: number }): Facts {
    const more = this.#statements.patientsOf.all({ position }).map((it) => it.patient);
    return { patients: patient === 0 ? [] : [patient, ...more], labels };
  }

  #touch(stream: string, person: Person | undefined, { patients }: ResourceIndex): void {
    this.#touched.add(stream);
    if (person !== undefined) this.#touched.add(person.stream);
    for (const name of patients.keys()) this.#touched.add(name);
  }

  #replace(before: readonly IndexRow[], after: readonly IndexRow[]): void {
    const { gone, come } = difference(before, after);
    for (const { table, values } of gone) this.#statements.index[table].delete.runInOrder(values);
    for (const { table, values } of come) this.#statements.index[table].insert.runInOrder(values);
  }

  // The patient whose partition this is: the first Patient recorded in it.
  #personOf(partition: string, stream: string): Person | undefined {
    if (partition === 'shared') return undefined;
    const known = this.#persons.get(partition);
    if (known !== undefined) return known;
    let person = this.#statements.person.get({ partition });
    if (person === undefined) {
      if (!isPatient(stream)) return undefined;
      person = { patient: this.#intern.target(stream), stream };
      this.#statements.insertPerson.run({ partition, patient: person.patient });
    }
    if (this.#persons.size >= 100_000) this.#persons.clear();
    this.#persons.set(partition, person);
    return person;
  }
}

const SUMS_MAX = 100_000;

/** Bits that were ever met, by number of a type or a patient, added to as new ones come. */
class LabelSums {
  readonly #known = new Map<number, number>();
  readonly #find: Statement<{ labels: number }>;
  readonly #put: Statement<unknown>;

  constructor(find: Statement<{ labels: number }>, put: Statement<unknown>) {
    this.#find = find;
    this.#put = put;
  }

  add(of: number, bits: number): void {
    const known = this.#known.get(of) ?? this.#find.get({ of })?.labels ?? 0;
    const labels = (known | bits) >>> 0;
    if (labels !== known) this.#put.run({ of, labels });
    if (this.#known.size >= SUMS_MAX) this.#known.clear();
    this.#known.set(of, labels);
  }

  forget(): void {
    this.#known.clear();
  }
}
