/**
 * The tables of the record. A resource's key is the position of its first event, so keys follow the log and stay the same
 * through a rebuild. Index rows hold interned numbers wherever texts repeat, each table in the order its questions scan it.
 */

/** Changes when the tables or what is put in them change; a file of another version is built anew. */
export const RECORD_VERSION = 4;

export const STATE = { live: 0, deleted: 1, erased: 2 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

/**
 * Why a resource stands in a patient's compartment: another element names the patient; it lies in the patient's
 * partition; its `patient` or `subject` is the patient.
 */
export const ROLE = { named: 0, owned: 1, subject: 2 } as const;

/** Stands among the labels of what names more than one patient, behind the bits of labels and record classes. */
export const SEVERAL = 2 ** 31;

/** When what has no end ends; milliseconds. */
export const NEVER = Number.MAX_SAFE_INTEGER;

export const BASIS = { registered: 0, referral: 1, encounter: 2, caseload: 3, appointment: 4 } as const;
export const DECISION = { sharing: 0, 'opt-out': 1, review: 2, 's-flag': 3 } as const;

/** Whether a date is the one its resource is sorted by going up, going down, both, or neither. */
export const EDGE = { inner: 0, first: 1, last: 2, only: 3 } as const;

export interface RecordTables {
  /**
   * `position`: of the current version's event. `patient`: the first of its compartments, 0 for none. `labels`: why it may
   * be hidden, its record class, and `SEVERAL`; what ended keeps its last. `present`: a bit for each search parameter that
   * has a value. `body`: as served.
   */
  resource: {
    key: number;
    stream: string;
    type: number;
    patient: number;
    labels: number;
    version: number;
    position: number;
    updated: number;
    state: State;
    present: number;
    body: string | null;
  };
  /** Versions that were replaced: current from `position` until `until`, where the next one's event stands. */
  version: {
    until: number;
    resource: number;
    patient: number;
    labels: number;
    version: number;
    position: number;
    updated: number;
    state: State;
    body: string | null;
  };
  /** Patients that a version names beyond the first; `position` is that of its event. */
  more_patient: { position: number; patient: number };
  /** Every bit that was ever among the labels of a resource of the type, or of the patient without record classes. */
  type_labels: { type: number; labels: number };
  patient_labels: { patient: number; labels: number };
  /**
   * Whose business a patient is, in milliseconds from `begins` until before `ends`; `ended` is when an encounter did.
   * Left out where it was over before it was recorded.
   */
  relationship: {
    patient: number;
    party: number;
    basis: number;
    begins: number;
    ended: number;
    ends: number;
    resource: number;
  };
  /** A party, and what it is one step up a part of: a Location of its Organization, that of its ODS code. */
  part_of: { part: number; whole: number; resource: number };
  /** `detail`: of sharing the decision as JSON, of a review whether it is `pending`; else empty. */
  decision: {
    patient: number;
    kind: number;
    begins: number;
    ends: number;
    detail: string;
    resource: number;
  };
  proxy: { who: number; patient: number; begins: number; ends: number; resource: number };
  type: { id: number; name: string };
  parameter: { id: number; type: number; code: string };
  /** An empty `system` or `code` is none. */
  token_value: { code: string; system: string; id: number };
  /** What references and URIs say: `Type/id`, or an absolute URL. A patient's number is that of its `Patient/id`. */
  target: { id: number; name: string };
  /** A unit as it was written; empty texts are none. */
  unit: { id: number; system: string; code: string; unit: string };
  compartment: { patient: number; type: number; resource: number; role: number };
  /** Under `<parameter>:identifier` stand the identifiers that references carry. */
  token: { parameter: number; value: number; resource: number };
  patient_token: { patient: number; parameter: number; value: number; resource: number; role: number };
  reference: { parameter: number; target: number; resource: number };
  date: { parameter: number; high: number; low: number; resource: number };
  patient_date: {
    patient: number;
    parameter: number;
    low: number;
    resource: number;
    high: number;
    role: number;
    edge: number;
  };
  /** `value` is normalised; `exact` is as written, empty where that is the same. */
  string: { parameter: number; value: string; resource: number; exact: string };
  number: { parameter: number; value: number; resource: number };
  quantity: { parameter: number; unit: number; value: number; resource: number };
  /** Quantities that are no one number, but all between two, open ends included: few, so that two orders cost little. */
  quantity_range: { parameter: number; unit: number; high: number; low: number; resource: number };
  /** Resources outside every compartment that a patient's resources refer to. */
  patient_target: { patient: number; target: number; resource: number };
  person: { partition: string; patient: number };
  parked: { partition: string; position: number; reason: string };
  set_aside: { stream: string; partition: string };
  checkpoint: { id: number; position: number; epoch: string };
  /** One row: changes when all numbers were given anew, because the record was emptied or replaced. */
  generation: { id: string };
  /** One row: of the rules by which labels, relationships and decisions were read. */
  rules: { digest: string };
}

/** Tables whose rows come and go with a resource's content. */
export const INDEX_COLUMNS = {
  compartment: ['patient', 'type', 'resource', 'role'],
  token: ['parameter', 'value', 'resource'],
  patient_token: ['patient', 'parameter', 'value', 'resource', 'role'],
  reference: ['parameter', 'target', 'resource'],
  date: ['parameter', 'high', 'low', 'resource'],
  patient_date: ['patient', 'parameter', 'low', 'resource', 'high', 'role', 'edge'],
  string: ['parameter', 'value', 'resource', 'exact'],
  number: ['parameter', 'value', 'resource'],
  quantity: ['parameter', 'unit', 'value', 'resource'],
  quantity_range: ['parameter', 'unit', 'high', 'low', 'resource'],
  patient_target: ['patient', 'target', 'resource'],
  relationship: ['patient', 'party', 'basis', 'begins', 'ended', 'ends', 'resource'],
  part_of: ['part', 'whole', 'resource'],
  decision: ['patient', 'kind', 'begins', 'ends', 'detail', 'resource'],
  proxy: ['who', 'patient', 'begins', 'ends', 'resource'],
} as const;
export type IndexTable = keyof typeof INDEX_COLUMNS;

export const CREATE_TABLES = `
CREATE TABLE resource (
  key INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, type INTEGER NOT NULL, patient INTEGER NOT NULL,
  labels INTEGER NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, updated INTEGER NOT NULL,
  state INTEGER NOT NULL, present INTEGER NOT NULL, body TEXT);
CREATE INDEX resource_of_type ON resource (type, key) WHERE state = 0;
CREATE INDEX resource_by_update ON resource (type, updated, key) WHERE state = 0;
CREATE TABLE version (
  until INTEGER PRIMARY KEY, resource INTEGER NOT NULL, patient INTEGER NOT NULL, labels INTEGER NOT NULL,
  version INTEGER NOT NULL, position INTEGER NOT NULL, updated INTEGER NOT NULL, state INTEGER NOT NULL, body TEXT);
CREATE UNIQUE INDEX version_of_resource ON version (resource, version);
CREATE TABLE more_patient (position INTEGER, patient INTEGER, PRIMARY KEY (position, patient)) WITHOUT ROWID;
CREATE TABLE type_labels (type INTEGER PRIMARY KEY, labels INTEGER NOT NULL);
CREATE TABLE patient_labels (patient INTEGER PRIMARY KEY, labels INTEGER NOT NULL);
CREATE TABLE relationship (
  patient INTEGER, party INTEGER, basis INTEGER, begins INTEGER, ended INTEGER, ends INTEGER, resource INTEGER,
  PRIMARY KEY (patient, party, basis, begins, ended, ends, resource)) WITHOUT ROWID;
CREATE INDEX relationship_of_party ON relationship (party, patient);
CREATE TABLE part_of (
  part INTEGER, whole INTEGER, resource INTEGER, PRIMARY KEY (part, whole, resource)) WITHOUT ROWID;
CREATE INDEX part_of_whole ON part_of (whole);
CREATE TABLE decision (
  patient INTEGER, kind INTEGER, begins INTEGER, ends INTEGER, detail TEXT, resource INTEGER,
  PRIMARY KEY (patient, kind, begins, ends, detail, resource)) WITHOUT ROWID;
CREATE TABLE proxy (
  who INTEGER, patient INTEGER, begins INTEGER, ends INTEGER, resource INTEGER,
  PRIMARY KEY (who, patient, begins, ends, resource)) WITHOUT ROWID;
CREATE TABLE type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE parameter (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, code TEXT NOT NULL, UNIQUE (type, code));
CREATE TABLE token_value (code TEXT, system TEXT, id INTEGER NOT NULL, PRIMARY KEY (code, system)) WITHOUT ROWID;
CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE unit (
  id INTEGER PRIMARY KEY, system TEXT NOT NULL, code TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (system, code, unit));
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
  parameter INTEGER, high INTEGER, low INTEGER, resource INTEGER,
  PRIMARY KEY (parameter, high, low, resource)) WITHOUT ROWID;
CREATE TABLE patient_date (
  patient INTEGER, parameter INTEGER, low INTEGER, resource INTEGER, high INTEGER, role INTEGER NOT NULL,
  edge INTEGER NOT NULL, PRIMARY KEY (patient, parameter, low, resource, high)) WITHOUT ROWID;
CREATE TABLE string (
  parameter INTEGER, value TEXT, resource INTEGER, exact TEXT,
  PRIMARY KEY (parameter, value, resource, exact)) WITHOUT ROWID;
CREATE TABLE number (
  parameter INTEGER, value REAL, resource INTEGER, PRIMARY KEY (parameter, value, resource)) WITHOUT ROWID;
CREATE TABLE quantity (
  parameter INTEGER, unit INTEGER, value REAL, resource INTEGER,
  PRIMARY KEY (parameter, unit, value, resource)) WITHOUT ROWID;
CREATE TABLE quantity_range (
  parameter INTEGER, unit INTEGER, high REAL, low REAL, resource INTEGER,
  PRIMARY KEY (parameter, unit, high, low, resource)) WITHOUT ROWID;
CREATE INDEX quantity_range_by_low ON quantity_range (parameter, unit, low);
CREATE TABLE patient_target (
  patient INTEGER, target INTEGER, resource INTEGER, PRIMARY KEY (patient, target, resource)) WITHOUT ROWID;
CREATE TABLE person (partition TEXT PRIMARY KEY, patient INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE parked (partition TEXT PRIMARY KEY, position INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE set_aside (stream TEXT PRIMARY KEY, partition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, epoch TEXT NOT NULL);
CREATE TABLE generation (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rules (digest TEXT PRIMARY KEY) WITHOUT ROWID;
`;

/** Every table, for a rebuild in place. */
export const ALL_TABLES: readonly (keyof RecordTables)[] = [
  ...(Object.keys(INDEX_COLUMNS) as IndexTable[]),
  ...(['resource', 'version', 'more_patient', 'type_labels', 'patient_labels'] as const),
  ...(['type', 'parameter', 'token_value', 'target', 'unit'] as const),
  ...(['person', 'parked', 'set_aside', 'checkpoint', 'generation'] as const),
];
