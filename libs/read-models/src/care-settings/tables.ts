/** The tables of all care settings' read models: the facts of each person, and what waits on the worklists. */
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';

import type { Kind } from './fact.ts';

export interface CareSettingTables {
  /**
   * The newest version of each resource, once for each person it is about. `issued` (milliseconds), `mark` (JSON)
   * and `version` say what is newest. `told`: `{fact, source}` as JSON; null where it is gone, which is kept so that nothing older comes back.
   */
  fact: {
    stream: string;
    patient: string;
    kind: Kind;
    version: number;
    issued: number;
    mark: string | null;
    told: string | null;
  };
  /** Which Patient says that it is the same person as another. */
  link: { patient: string; other: string };
  /**
   * What waits, of the facts as they are: on the list from `opens` until `until`. Times in milliseconds UTC; `item`: JSON.
   * `changed`: position of the log up to which the batch went that put it there; bookkeeping.
   */
  work: {
    list: string;
    patient: string;
    stream: string;
    since: number;
    due: number | null;
    opens: number | null;
    until: number | null;
    item: string;
    changed: number;
  };
  checkpoint: { id: number; position: number; epoch: string };
  parked: { partition: string; position: number; reason: string };
}

/** Writes queries over the tables; it never runs one. */
export const careSetting = new Kysely<CareSettingTables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

export const CREATE_TABLES = `
  CREATE TABLE fact (
    stream TEXT NOT NULL, patient TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, issued INTEGER NOT NULL,
    mark TEXT, told TEXT, UNIQUE (stream, patient)
  );
  CREATE INDEX fact_of_patient ON fact (patient, kind) WHERE told IS NOT NULL;
  CREATE TABLE link (patient TEXT NOT NULL, other TEXT NOT NULL, PRIMARY KEY (patient, other)) WITHOUT ROWID;
  CREATE INDEX link_back ON link (other);
  CREATE TABLE work (
    list TEXT NOT NULL, patient TEXT NOT NULL, stream TEXT NOT NULL, since INTEGER NOT NULL, due INTEGER,
    opens INTEGER, until INTEGER, item TEXT NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY (list, patient, stream)
  ) WITHOUT ROWID;
  CREATE INDEX work_in_order ON work (list, since, stream, patient);
  CREATE INDEX work_due ON work (list, due) WHERE due IS NOT NULL;
  CREATE INDEX work_changed ON work (list, changed);
  CREATE INDEX work_of_patient ON work (patient);
  CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, epoch TEXT NOT NULL);
  CREATE TABLE parked (partition TEXT PRIMARY KEY, position INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
`;
