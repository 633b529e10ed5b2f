/** The tables of all care settings together in a schema of PostgreSQL: those of `../tables.ts`, with the lane that each row came by. */
import { sampledLittle } from '@carelog/postgres';
import type { ClientBase } from 'pg';
import { grantAs } from '../../versions/versions.ts';
import type { CareSetting } from '../care-setting.ts';
import { versionOf } from '../care-settings.ts';

export interface MigrateCareSettingOptions {
  /** Roles that exist: the gateway's, which reads, and the projector's, which writes. */
  readonly reader?: string;
  readonly writer?: string;
}

/** Of these tables: another one is another schema. */
const TABLES_VERSION = 2;

/** Where these settings lie, e.g. `care_settings_v2_1a2b3c4d`; another version of one of them is another such place. */
export const careSettingsSchema = (settings: readonly Pick<CareSetting, 'name' | 'version'>[]): string =>
  `care_settings_v${TABLES_VERSION}_${versionOf(settings)}`;

/** Where they are built again while the other serves. */
export const besideSchema = (settings: readonly CareSetting[]): string =>
  `${careSettingsSchema(settings)}_beside`;

/** Held by whoever writes lanes: shared, or alone where all lanes are to stand still. */
export const LANES_LOCK = 'carelog care settings lanes';

/** Makes the schema and its tables where they are not there yet; may be called again, and by several at once. */
export async function migrateCareSettings(
  owner: ClientBase,
  settings: readonly CareSetting[],
  { reader, writer }: MigrateCareSettingOptions,
): Promise<void> {
  const name = careSettingsSchema(settings);
  const schema = owner.escapeIdentifier(name);
  await owner.query('BEGIN');
  try {
    await owner.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`carelog ${name}`]);
    await owner.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET LOCAL search_path = ${schema}`);
    const { rows } = await owner.query('SELECT to_regclass($1) AS made', [`${schema}.fact`]);
    if (rows[0]?.made === null) await owner.query(CREATE_TABLES);
    for (const [role, rights] of [
      [reader, 'SELECT'],
      [writer, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'],
    ] as const) {
      if (role === undefined) continue;
      const grantee = owner.escapeIdentifier(role);
      await owner.query(`GRANT USAGE ON SCHEMA ${schema} TO ${grantee}`);
      await owner.query(`GRANT ${rights} ON ALL TABLES IN SCHEMA ${schema} TO ${grantee}`);
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

/** Makes empty tables to build the settings in beside those that serve, with the rights that these give. */
export async function makeBeside(owner: ClientBase, settings: readonly CareSetting[]): Promise<void> {
  const beside = besideSchema(settings);
  await owner.query(`DROP SCHEMA IF EXISTS ${beside} CASCADE; CREATE SCHEMA ${beside}`);
  await owner.query(`BEGIN; SET LOCAL search_path = ${beside}; ${CREATE_TABLES} COMMIT`);
  await grantAs(owner, careSettingsSchema(settings), beside);
}

/** Lets what was built beside take the place of what serves, in one transaction; projectors go on from where it is. */
export async function takePlace(owner: ClientBase, settings: readonly CareSetting[]): Promise<void> {
  const [live, beside] = [careSettingsSchema(settings), besideSchema(settings)];
  await owner.query('BEGIN');
  try {
    await owner.query('SELECT pg_advisory_xact_lock(hashtext($1))', [LANES_LOCK]);
    await owner.query(`DROP SCHEMA ${live} CASCADE; ALTER SCHEMA ${beside} RENAME TO ${live}; COMMIT`);
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

// Texts compare by their bytes, as they do in SQLite, whatever the locale of the database is.
const TEXT = 'text COLLATE "C"';

const CREATE_TABLES = `
CREATE TABLE fact (
  stream ${TEXT}, patient ${TEXT}, kind ${TEXT} NOT NULL, version bigint NOT NULL, issued bigint NOT NULL, mark ${TEXT},
  told ${TEXT}, lane int NOT NULL, PRIMARY KEY (stream, patient)) WITH (fillfactor = 85);
${sampledLittle('fact', 'stream patient kind version issued mark lane', 'told')}
CREATE INDEX fact_of_patient ON fact (patient, kind) WHERE told IS NOT NULL;
CREATE TABLE link (patient ${TEXT}, other ${TEXT}, lane int NOT NULL, PRIMARY KEY (patient, other));
CREATE INDEX link_back ON link (other);
CREATE TABLE work (
  list ${TEXT}, patient ${TEXT}, stream ${TEXT}, since bigint NOT NULL, due bigint, opens bigint, until bigint,
  item ${TEXT} NOT NULL, lane int NOT NULL, changed bigint NOT NULL, PRIMARY KEY (list, patient, stream));
CREATE INDEX work_in_order ON work (list, since, stream, patient);
CREATE INDEX work_due ON work (list, due) WHERE due IS NOT NULL;
CREATE INDEX work_changed ON work (list, changed);
CREATE INDEX work_of_patient ON work (patient);
CREATE TABLE parked (
  partition ${TEXT} PRIMARY KEY, position bigint NOT NULL, reason ${TEXT} NOT NULL, lane int NOT NULL);
CREATE TABLE checkpoint (lane int PRIMARY KEY, position bigint NOT NULL, epoch text NOT NULL);
`;
