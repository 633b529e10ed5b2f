/**
 * The tables of the record. A resource's key is the position of its first event, so keys follow the log and stay the same
 * through a rebuild. Index rows hold interned numbers only, each table in the order its questions scan it.
 */

/** Changes when the tables or what is put in them change; a file of another version is built anew. */
export const RECORD_VERSION = 1;

export const STATE = { live: 0, deleted: 1, erased: 2 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

/**
 * Why a resource stands in a patient's compartment: another element names the patient; it lies in the patient's
 * partition; its `patient` or `subject` is the patient.
 */
export const ROLE = { named: 0, owned: 1, subject: 2 } as const;

export interface RecordTables {
  /** `position`: of the current version's event. `patient`: the first of its compartments, 0 for none. `body`: as served. */
  resource: {
    key: number;
    stream: string;
    type: number;
    patient: number;
    version: number;
    position: number;
    updated: number;
    state: State;
    body: string | null;
  };
  /** Versions that were replaced: current from `position` until `until`. */
  version: {
    position: number;
    resource: number;
    version: number;
    until: number;
    updated: number;
    state: State;
    body: string | null;
  };
  type: { id: number; name: string };
  parameter: { id: number; type: number; code: string };
  /** An empty `system` is none; an empty `code` stands for every code of the system. */
  token_value: { code: string; system: string; id: number };
  /** What references point at: `Type/id`, or an absolute URL. A patient's number is that of its `Patient/id`. */
  target: { id: number; name: string };
  compartment: { patient: number; type: number; resource: number; role: number };
  token: { parameter: number; value: number; resource: number };
  patient_token: { patient: number; parameter: number; value: number; resource: number; role: number };
  reference: { parameter: number; target: number; resource: number };
  date: { parameter: number; low: number; high: number; resource: number };
  patient_date: {
    patient: number;
    parameter: number;
    resource: number;
    low: number;
    high: number;
    role: number;
  };
  /** Resources outside every compartment that a patient's resources refer to. */
  patient_target: { patient: number; target: number; resource: number };
  person: { partition: string; patient: number };
  parked: { partition: string; position: number; reason: string };
  set_aside: { stream: string; partition: string };
  checkpoint: { id: number; position: number; epoch: string };
  /** One row: changes when all numbers were given anew, because the record was emptied or replaced. */
  generation: { id: string };
}

/** Tables of whole numbers whose rows come and go with a resource's content. */
export const INDEX_COLUMNS = {
  compartment: ['patient', 'type', 'resource', 'role'],
  token: ['parameter', 'value', 'resource'],
  patient_token: ['patient', 'parameter', 'value', 'resource', 'role'],
  reference: ['parameter', 'target', 'resource'],
  date: ['parameter', 'low', 'high', 'resource'],
  patient_date: ['patient', 'parameter', 'resource', 'low', 'high', 'role'],
  patient_target: ['patient', 'target', 'resource'],
} as const;
export type IndexTable = keyof typeof INDEX_COLUMNS;

export const CREATE_TABLES = `
CREATE TABLE resource (
  key INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, type INTEGER NOT NULL, patient INTEGER NOT NULL,
  version INTEGER NOT NULL, position INTEGER NOT NULL, updated INTEGER NOT NULL, state INTEGER NOT NULL, body TEXT);
CREATE INDEX resource_of_type ON resource (type, key) WHERE state = 0;
CREATE INDEX resource_by_update ON resource (type, updated, key) WHERE state = 0;
CREATE TABLE version (
  position INTEGER PRIMARY KEY, resource INTEGER NOT NULL, version INTEGER NOT NULL, until INTEGER NOT NULL,
  updated INTEGER NOT NULL, state INTEGER NOT NULL, body TEXT);
CREATE UNIQUE INDEX version_of_resource ON version (resource, version);
CREATE TABLE type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE parameter (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, code TEXT NOT NULL, UNIQUE (type, code));
CREATE TABLE token_value (code TEXT, system TEXT, id INTEGER NOT NULL, PRIMARY KEY (code, system)) WITHOUT ROWID;
CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE compartment (
  patient INTEGER, type INTEGER, resource INTEGER, role INTEGER NOT NULL,
  PRIMARY KEY (patient, type, resource)) WITHOUT ROWID;
CREATE TABLE token (
  parameter INTEGER, value INTEGER, resource INTEGER, PRIMARY KEY (parameter, value, resource)) WITHOUT ROWID;
CREATE TABLE patient_token (
  patient INTEGER, parameter INTEGER, value INTEGER, resource INTEGER, role INTEGER NOT NULL,
  PRIMARY KEY (patient, parameter, value, resource)) WITHOUT ROWID;
CREATE TABLE reference (
  parameter INTEGER, target INTEGER, resource INTEGER, PRIMARY KEY (parameter, target, resource)) WITHOUT ROWID;
CREATE TABLE date (
  parameter INTEGER, low INTEGER, high INTEGER, resource INTEGER,
  PRIMARY KEY (parameter, low, high, resource)) WITHOUT ROWID;
CREATE TABLE patient_date (
  patient INTEGER, parameter INTEGER, resource INTEGER, low INTEGER, high INTEGER, role INTEGER NOT NULL,
  PRIMARY KEY (patient, parameter, resource, low, high)) WITHOUT ROWID;
CREATE TABLE patient_target (
  patient INTEGER, target INTEGER, resource INTEGER, PRIMARY KEY (patient, target, resource)) WITHOUT ROWID;
CREATE TABLE person (partition TEXT PRIMARY KEY, patient INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE parked (partition TEXT PRIMARY KEY, position INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE set_aside (stream TEXT PRIMARY KEY, partition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, epoch TEXT NOT NULL);
CREATE TABLE generation (id TEXT PRIMARY KEY) WITHOUT ROWID;
`;

/** Every table, for a rebuild in place. */
export const ALL_TABLES: readonly (keyof RecordTables)[] = [
  ...(Object.keys(INDEX_COLUMNS) as IndexTable[]),
  ...(['resource', 'version', 'type', 'parameter', 'token_value', 'target'] as const),
  ...(['person', 'parked', 'set_aside', 'checkpoint', 'generation'] as const),
];
