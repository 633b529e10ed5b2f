/**
 * Where in the access log to look: for each event, who is in it, about whom and when. It holds no record itself, so what
 * was asked and shown stays sealed; it is a view and can be built again from the log.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { EventStore } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import { isHiddenFromPatients, type RecordedAccess, type Who } from './access-record.ts';
import { recordsOf } from './take-over.ts';

/** Changes when the tables or what is put in them change; an index of another version is built anew. */
const INDEX_VERSION = 4;
const EVENTS_AT_ONCE = 200;

/** What records can be looked for by. */
export type Term = `patient ${string}` | `hidden ${string}` | `agent ${string}` | `interaction ${string}`;

/** `hidden`: about this patient, but not for the patient to see. */
export function termsOf(record: RecordedAccess): Term[] {
  const { patients, who, interaction } = record;
  const about = isHiddenFromPatients(record) ? 'hidden' : 'patient';
  const terms: Term[] = [...agentsOf(who)].map((agent): Term => `agent ${agent}`);
  if (interaction === 'break-glass') terms.push('interaction break-glass');
  for (const patient of new Set(patients)) terms.push(`${about} ${patient}`);
  return terms;
}

/** What somebody can be looked for by: codes are compared without regard to case. */
export function agentsOf({ subject, organisation }: Who): ReadonlySet<string> {
  return new Set([subject.toLowerCase(), organisation.toLowerCase()]);
}

/** When the first and the last record of an event were taken. */
export interface IndexedEvent {
  readonly event: number;
  readonly first: number;
  readonly last: number;
}

export interface Counted {
  readonly count: number;
  readonly inPart: readonly number[];
}

export class AccessIndex {
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  /** Opens the index, or begins it. One that is damaged or of another version is thrown away. */
  constructor(path: string) {
    this.#db = openOrBegin(path);
    this.#statements = prepare(this.#db);
  }

  /** Forgets everything, so that what can still be opened of the log is taken in anew. */
  clear(): void {
    this.#inTransaction(() => this.#db.exec(EMPTY));
    // What was forgotten is not to lie in the file any more.
    this.#db.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Takes in what the log has and the index has not; resolves when there is nothing more. */
  async follow(store: EventStore, keyring: Pick<Keyring, 'open' | 'know'>): Promise<void> {
    const { epoch, position: head } = await store.freshHead();
    const at = this.#statements.checkpoint.get() as { position: number; epoch: string } | undefined;
    if (at !== undefined && at.epoch !== epoch) this.#db.exec(EMPTY);
    for (let after = at?.epoch === epoch ? at.position : 0; after < head;) {
      const events = await store.readAll({ after, limit: EVENTS_AT_ONCE });
      await keyring.know(events.map(({ partition }) => partition));
      const opened = events.map((event) => [event.position, recordsOf(event, keyring) ?? []] as const);
      after = events.at(-1)?.position ?? head;
      this.#inTransaction(() => {
        for (const [position, records] of opened) this.#add(position, records);
        this.#statements.move.run(after, epoch);
      });
    }
  }

  /**
   * Events of a term, or all, that have a record between two instants (milliseconds, both inclusive): at most `limit` after
   * `below`, by their last records, latest first.
   */
  events(
    term: Term | undefined,
    since: number,
    until: number,
    below: IndexedEvent | undefined,
    limit: number,
  ): IndexedEvent[] {
    const about = term === undefined ? [] : [term];
    const statement = this.#statements[term === undefined ? 'allEvents' : 'events'];
    // An event that begins by then ends no later than the longest of them lasts.
    const { longest } = this.#statements.longest.get() as { longest: number };
    const from = below ?? { last: Math.min(until + longest, Number.MAX_SAFE_INTEGER), event: Number.MAX_SAFE_INTEGER }; // prettier-ignore
    return statement.all(...about, from.last, from.event, since, until, limit) as unknown as IndexedEvent[];
  }

  /**
   * How many accesses a term has, or the whole log, between two instants: counted where an event lies between them whole; the
   * events that do so in part only, as far as there are `limit`, have to be looked into.
   */
  count(term: Term | undefined, since: number, until: number, limit: number): Counted {
    const about = term === undefined ? [] : [term];
    const [counting, cutting] = term === undefined ? (['countAll', 'cutAll'] as const) : (['count', 'cut'] as const); // prettier-ignore
    const { count } = this.#statements[counting].get(...about, since, until) as { count: number };
    const cut = this.#statements[cutting].all(...about, since, until, since, until, limit) as unknown as {
      event: number;
    }[];
    return { count, inPart: cut.map(({ event }) => event) };
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #inTransaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (fault) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw fault;
    }
  }

  #add(event: number, records: readonly RecordedAccess[]): void {
    if (records.length === 0) return;
    const byTerm = new Map<Term, number>();
    let accesses = 0;
    for (const record of records) {
      const ofRecord = Math.max(1, record.patients.length);
      accesses += ofRecord;
      for (const term of termsOf(record))
        byTerm.set(term, (byTerm.get(term) ?? 0) + (isOfPatient(term) ? 1 : ofRecord));
    }
    const times = records.map(({ at }) => at);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    for (const [term, count] of byTerm) {
      this.#statements.addTerm.run(term);
      this.#statements.addPosting.run(last, event, first, count, term);
    }
    this.#statements.addSpan.run(last, event, first, accesses);
  }
}

/** A record that is about several patients is an access of each. */
const isOfPatient = (term: Term): boolean => term.startsWith('patient ') || term.startsWith('hidden ');

const SCHEMA = `
CREATE TABLE term (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE posting (term INTEGER NOT NULL, last INTEGER NOT NULL, event INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (term, last, event)) STRICT, WITHOUT ROWID;
CREATE TABLE span (last INTEGER NOT NULL, event INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (last, event)) STRICT, WITHOUT ROWID;
CREATE INDEX span_length ON span (last - first);
CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, epoch TEXT NOT NULL) STRICT;
PRAGMA user_version = ${INDEX_VERSION};
`;
const EMPTY = 'DELETE FROM term; DELETE FROM posting; DELETE FROM span; DELETE FROM checkpoint;';

const OF_TERM = 'term = (SELECT id FROM term WHERE name = ?)';
const WHOLE = 'first >= ? AND last <= ?';
const LATEST_FIRST =
  '(last, event) < (?, ?) AND last >= ? AND first <= ? ORDER BY last DESC, event DESC LIMIT ?';
const IN_PART =
  'last >= ? AND first <= ? AND NOT (first >= ? AND last <= ?) ORDER BY last DESC, event DESC LIMIT ?';

function prepare(db: DatabaseSync) {
  return {
    checkpoint: db.prepare('SELECT position, epoch FROM checkpoint'),
    move: db.prepare('INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)'),
    addTerm: db.prepare('INSERT INTO term (name) VALUES (?) ON CONFLICT DO NOTHING'),
    addPosting: db.prepare('INSERT OR REPLACE INTO posting SELECT id, ?, ?, ?, ? FROM term WHERE name = ?'),
    addSpan: db.prepare('INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?)'),
    longest: db.prepare('SELECT coalesce(max(last - first), 0) AS longest FROM span'),
    events: db.prepare(`SELECT event, first, last FROM posting WHERE ${OF_TERM} AND ${LATEST_FIRST}`),
    allEvents: db.prepare(`SELECT event, first, last FROM span WHERE ${LATEST_FIRST}`),
    count: db.prepare(`SELECT coalesce(sum(count), 0) AS count FROM posting WHERE ${OF_TERM} AND ${WHOLE}`),
    cut: db.prepare(`SELECT event FROM posting WHERE ${OF_TERM} AND ${IN_PART}`),
    countAll: db.prepare(`SELECT coalesce(sum(count), 0) AS count FROM span WHERE ${WHOLE}`),
    cutAll: db.prepare(`SELECT event FROM span WHERE ${IN_PART}`),
  };
}

// 11: the file is malformed; 26: it is no database. https://sqlite.org/rescode.html
const DAMAGED = new Set([11, 26]);

function openOrBegin(path: string): DatabaseSync {
  try {
    const db = open(path);
    if (db !== undefined) return db;
  } catch (fault) {
    if (!DAMAGED.has((fault as { errcode?: number }).errcode ?? 0)) throw fault;
  }
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  return open(path)!;
}

/** Undefined where it is of another version. */
function open(path: string): DatabaseSync | undefined {
  const db = new DatabaseSync(path);
  try {
    // A view: what a power cut takes of it is followed again from the log.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF');
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version === 0) db.exec(`BEGIN; ${SCHEMA} COMMIT;`);
    if (version === 0 || version === INDEX_VERSION) return db;
  } catch (fault) {
    db.close();
    throw fault;
  }
  db.close();
  return undefined;
}
