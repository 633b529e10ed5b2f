/** Answers what care settings' pages and worklists are made from, over one read-only connection. */
import type { Checkpoint, Parked } from '@carelog/projection';
import { SqliteDatabase, type Database } from '../record/database.ts';
import type { CareSetting, Placed, WorkItem } from './care-setting.ts';
import type { Kind } from './fact.ts';
import { ParsedFacts } from './parsed-facts.ts';
import { asOne, ofOnePerson, prepareAsking } from './statements.ts';

export interface WorkRow {
  /** `Patient/id`. */
  readonly patient: string;
  readonly item: WorkItem;
}

/** After which item the next page of a worklist begins: the same thing may wait for several people, since one time. */
export interface WorkCursor {
  /** Milliseconds UTC; before 1970 it is negative. */
  readonly since: number;
  readonly stream: string;
  /** `Patient/id`. */
  readonly patient: string;
}

/** Where the page after this row begins. */
export const cursorAfter = ({ patient, item: { since, stream } }: WorkRow): WorkCursor => ({ since: Date.parse(since), stream, patient }); // prettier-ignore

/** Before whatever any calendar can say. */
export const FROM_THE_FIRST: WorkCursor = { since: Number.MIN_SAFE_INTEGER, stream: '', patient: '' };

export interface WorkPage {
  readonly count: number;
  /** Milliseconds UTC: what is not open then is left out. */
  readonly now: number;
  readonly after?: WorkCursor;
}

/** What is new on a worklist: by the events that changed it, or by the time alone, which made something due. */
export interface NewPage {
  readonly by: 'changed' | 'due';
  readonly after: NewCursor;
  /** Up to this position of the log, or this time in milliseconds UTC. */
  readonly upTo: number;
  /** Milliseconds UTC: what waits since before it is left out. */
  readonly since: number;
  /** Milliseconds UTC: what is not open then is left out. */
  readonly now: number;
  readonly count: number;
}

/** `at`: the position of the log up to which the batch went that put the row there, or when it is due, in milliseconds UTC. */
export interface NewCursor {
  readonly at: number;
  readonly patient: string;
  readonly stream: string;
}

export interface NewRow extends WorkRow {
  readonly at: number;
}

export interface CareSettingQueries {
  /** Of this person, and of whoever is linked as the same one; in no order. */
  facts(patient: string): Promise<readonly Placed[]>;
  /** Whether this record is linked with more others than are read as one, and so is read alone. */
  isReadAlone(patient: string): Promise<boolean>;
  /** At most `count`, oldest first; what waits since the same time by its stream, then by patient. */
  work(list: string, page: WorkPage): Promise<readonly WorkRow[]>;
  /** At most `count`, in the order of cursors: page after page each row once, whatever is changed meanwhile. */
  newWork(list: string, page: NewPage): Promise<readonly NewRow[]>;
  /** The last event that every answer from now on reflects; undefined before the first. */
  checkpoint(): Promise<Checkpoint | undefined>;
  parked(): Promise<readonly Parked[]>;
}

export interface OpenCareSettings {
  /** By the settings' names. */
  readonly of: ReadonlyMap<string, CareSettingQueries>;
  close(): void;
}

/** Throws where there are no read models at this path: the projector makes them. */
export function openCareSettings(path: string, settings: readonly CareSetting[]): OpenCareSettings {
  const db = new SqliteDatabase(path, { readOnly: true, timeout: 5_000 });
  const parsed = new ParsedFacts();
  return {
    of: new Map(settings.map(({ name, kinds }) => [name, new CareSettingReader(db, kinds, parsed)])),
    close() {
      if (db.isOpen) db.close();
    },
  };
}

class CareSettingReader implements CareSettingQueries {
  readonly #parsed: ParsedFacts;
  readonly #statements: ReturnType<typeof prepareAsking>;

  constructor(db: Database, kinds: ReadonlySet<Kind>, parsed: ParsedFacts) {
    this.#parsed = parsed;
    this.#statements = prepareAsking(db, kinds);
  }

  async facts(patient: string): Promise<readonly Placed[]> {
    const same = asOne(patient, this.#linked(patient));
    return ofOnePerson(same.flatMap((it) => this.#statements.factsOf.all({ patient: it }).map((row) => this.#parsed.of(row)))); // prettier-ignore
  }

  async isReadAlone(patient: string): Promise<boolean> {
    const linked = this.#linked(patient);
    return asOne(patient, linked) !== linked;
  }

  async work(list: string, { count, now, after = FROM_THE_FIRST }: WorkPage): Promise<readonly WorkRow[]> {
    const rows = this.#statements.work.all({ list, ...after, now, limit: count });
    return rows.map(({ patient, item }) => ({ patient, item: JSON.parse(item) as WorkItem }));
  }

  async newWork(list: string, { by, after, count, ...page }: NewPage): Promise<readonly NewRow[]> {
    const rows = this.#statements[by].all({ list, ...page, ...after, limit: count });
    return rows.map(({ patient, item, at }) => ({ patient, item: JSON.parse(item) as WorkItem, at }));
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  #linked(patient: string): readonly string[] {
    // Most are linked with nobody, and to follow no links costs as much as to read the facts.
    if (this.#statements.isLinked.get({ patient }) === undefined) return [patient];
    return this.#statements.samePerson.all({ patient }).map((it) => it.patient);
  }
}
