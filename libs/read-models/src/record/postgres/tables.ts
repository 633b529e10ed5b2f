/** The tables of the record in a schema of PostgreSQL: those of `../tables.ts`, with the lane that each row came by. */
import { defaultPolicy, type Policy } from '@carelog/access';
import { sampledLittle } from '@carelog/postgres';
import type { ClientBase } from 'pg';
import { randomUUID } from 'node:crypto';
import { digestOfRules } from '../access-facts.ts';

export interface MigrateRecordOptions {
  readonly schema: string;
  /** Roles that exist: the gateway's, which reads, and the projector's, which writes. */
  readonly reader?: string;
  readonly writer?: string;
  /** That of the projection; the shipped one unless told. */
  readonly policy?: Policy;
}

/** Makes the schema and its tables where they are not there yet; may be called again, and by several at once. */
export async function migrateRecord(owner: ClientBase, options: MigrateRecordOptions): Promise<void> {
  const schema = owner.escapeIdentifier(options.schema);
  await owner.query('BEGIN');
  try {
    await owner.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`carelog ${options.schema}`]);
    await owner.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET LOCAL search_path = ${schema}`);
    const { rows } = await owner.query('SELECT to_regclass($1) AS made', [`${schema}.rules`]);
    if (rows[0]?.made === null) {
      await owner.query(CREATE_TABLES);
      await owner.query('INSERT INTO generation VALUES ($1)', [randomUUID()]);
      await owner.query('INSERT INTO rules VALUES ($1)', [digestOfRules(options.policy ?? defaultPolicy())]);
    }
    const { rows: versions } = await owner.query(
      `SELECT current_setting('server_version_num')::int AS number`,
    );
    const mayAnalyse = versions[0]?.number >= 170_000;
    for (const [role, rights] of [
      [options.reader, 'SELECT'],
      [options.writer, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'],
    ] as const) {
      if (role === undefined) continue;
      const name = owner.escapeIdentifier(role);
      await owner.query(`GRANT USAGE ON SCHEMA ${schema} TO ${name}`);
      await owner.query(`GRANT ${rights} ON ALL TABLES IN SCHEMA ${schema} TO ${name}`);
      if (role === options.writer && mayAnalyse)
        await owner.query(`GRANT MAINTAIN ON ALL TABLES IN SCHEMA ${schema} TO ${name}`);
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

/** Strings are found by so many characters of their beginning: an entry of an index has a bound. */
export const STRING_ENTERED_BY = 400;

// Texts compare by their bytes, as they do in SQLite, whatever the locale of the database is.
const TEXT = 'text COLLATE "C"';

const CREATE_TABLES = `
CREATE TABLE resource (
  key bigint PRIMARY KEY, stream ${TEXT} NOT NULL UNIQUE, type bigint NOT NULL, patient bigint NOT NULL,
  labels bigint NOT NULL, version bigint NOT NULL, position bigint NOT NULL, updated bigint NOT NULL,
  state smallint NOT NULL, present bigint NOT NULL, lane int NOT NULL, body ${TEXT}) WITH (fillfactor = 85);
${sampledLittle('resource', 'key stream type patient labels version position updated state present lane', 'body')}
CREATE INDEX resource_of_type ON resource (type, key) WHERE state = 0;
CREATE INDEX resource_by_update ON resource (type, updated, key) WHERE state = 0;
CREATE TABLE version (
  until bigint PRIMARY KEY, resource bigint NOT NULL, patient bigint NOT NULL, labels bigint NOT NULL,
  version bigint NOT NULL, position bigint NOT NULL, updated bigint NOT NULL, state smallint NOT NULL, body ${TEXT});
${sampledLittle('version', 'until resource patient labels version position updated state', 'body')}
CREATE UNIQUE INDEX version_of_resource ON version (resource, version);
CREATE TABLE more_patient (position bigint, patient bigint, PRIMARY KEY (position, patient));
CREATE TABLE type_labels (type bigint PRIMARY KEY, labels bigint NOT NULL);
CREATE TABLE patient_labels (patient bigint PRIMARY KEY, labels bigint NOT NULL);
CREATE TABLE relationship (
  patient bigint, party bigint, basis bigint, begins bigint, ended bigint, ends bigint, resource bigint,
  PRIMARY KEY (patient, party, basis, begins, ended, ends, resource));
CREATE INDEX relationship_of_party ON relationship (party, patient);
CREATE TABLE part_of (part bigint, whole bigint, resource bigint, PRIMARY KEY (part, whole, resource));
CREATE INDEX part_of_whole ON part_of (whole);
CREATE TABLE decision (
  patient bigint NOT NULL, kind bigint NOT NULL, begins bigint NOT NULL, ends bigint NOT NULL, detail ${TEXT} NOT NULL,
  resource bigint NOT NULL);
CREATE INDEX decision_of_patient ON decision (patient, kind);
CREATE TABLE proxy (
  who bigint, patient bigint, begins bigint, ends bigint, resource bigint,
  PRIMARY KEY (who, patient, begins, ends, resource));
CREATE TABLE type (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name ${TEXT} NOT NULL UNIQUE);
CREATE TABLE parameter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type bigint NOT NULL, code ${TEXT} NOT NULL, UNIQUE (type, code));
CREATE TABLE token_value (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code ${TEXT} NOT NULL, system ${TEXT} NOT NULL, UNIQUE (code, system));
CREATE TABLE target (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name ${TEXT} NOT NULL UNIQUE);
CREATE TABLE unit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, system ${TEXT} NOT NULL, code ${TEXT} NOT NULL, unit ${TEXT} NOT NULL,
  UNIQUE (system, code, unit));
CREATE TABLE compartment (
  patient bigint, type bigint, resource bigint, role smallint NOT NULL,
  PRIMARY KEY (patient, type, resource) INCLUDE (role));
CREATE TABLE token (parameter bigint, value bigint, resource bigint, PRIMARY KEY (parameter, value, resource));
CREATE TABLE patient_token (
  patient bigint, parameter bigint, value bigint, resource bigint, role smallint NOT NULL,
  PRIMARY KEY (patient, parameter, value, resource) INCLUDE (role));
CREATE TABLE reference (parameter bigint, target bigint, resource bigint, PRIMARY KEY (parameter, target, resource));
CREATE TABLE date (
  parameter bigint, high bigint, low bigint, resource bigint, PRIMARY KEY (parameter, high, low, resource));
CREATE TABLE patient_date (
  patient bigint, parameter bigint, low bigint, resource bigint, high bigint, role smallint NOT NULL,
  edge smallint NOT NULL, PRIMARY KEY (patient, parameter, low, resource, high) INCLUDE (role, edge));
CREATE TABLE string (
  parameter bigint NOT NULL, value ${TEXT} NOT NULL, resource bigint NOT NULL, exact ${TEXT} NOT NULL);
CREATE INDEX string_by_value ON string (parameter, left(value, ${STRING_ENTERED_BY}), resource);
CREATE TABLE number (
  parameter bigint, value double precision, resource bigint, PRIMARY KEY (parameter, value, resource));
CREATE TABLE quantity (
  parameter bigint, unit bigint, value double precision, resource bigint,
  PRIMARY KEY (parameter, unit, value, resource));
CREATE TABLE quantity_range (
  parameter bigint, unit bigint, high double precision, low double precision, resource bigint,
  PRIMARY KEY (parameter, unit, high, low, resource));
CREATE INDEX quantity_range_by_low ON quantity_range (parameter, unit, low);
CREATE TABLE patient_target (
  patient bigint, target bigint, resource bigint, PRIMARY KEY (patient, target, resource));
CREATE TABLE person (partition ${TEXT} PRIMARY KEY, patient bigint NOT NULL, lane int NOT NULL);
CREATE TABLE parked (
  partition ${TEXT} PRIMARY KEY, position bigint NOT NULL, reason ${TEXT} NOT NULL, lane int NOT NULL);
CREATE TABLE set_aside (stream ${TEXT} PRIMARY KEY, partition ${TEXT} NOT NULL);
CREATE INDEX set_aside_of_partition ON set_aside (partition);
CREATE TABLE checkpoint (lane int PRIMARY KEY, position bigint NOT NULL, epoch text NOT NULL);
CREATE TABLE generation (id text PRIMARY KEY);
CREATE TABLE rules (digest text PRIMARY KEY);
`;
