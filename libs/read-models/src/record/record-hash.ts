/** A digest of everything the record answers from, free of interned numbers, so that a rebuilt record can be compared. */
import { sql, type Expression } from 'kysely';
import { createHash } from 'node:crypto';
import type { Database } from './database.ts';
import { compileFor, type Query } from './dialect.ts';
import { nameOf, storable } from './postgres/texts.ts';
import { record } from './statement.ts';

/** Reads the whole file; takes seconds on a large one. */
export const hashOf = (db: Database): string => hashOfAll(tableHashes(db));

export const hashOfAll = (tables: ReadonlyMap<string, string>): string =>
  createHash('sha256')
    .update([...tables].join('\n'))
    .digest('hex');

/** Of each table by itself. */
export function tableHashes(db: Database): ReadonlyMap<string, string> {
  return new Map(Object.entries(contents).map(([table, query]) => [table, hashOfTable(db, query as Query<unknown>)])); // prettier-ignore
}

function hashOfTable(db: Database, query: Query<unknown>): string {
  const digest = createHash('sha256');
  const { sql } = compileFor(db.engine, query);
  for (const row of db.prepare(sql).iterate())
    digest.update(`${JSON.stringify(Object.entries(row as object).map(comparable))}\n`);
  return digest.digest('hex');
}

// Long texts, and what PostgreSQL cannot hold, as they stand there.
const comparable = ([column, value]: [string, unknown]) =>
  typeof value === 'string' && column !== 'body' ? nameOf(storable(value)) : value;

const patientOf = (column: string) => name('target', sql.ref(column));
const parameterOf = (column: string) =>
  sql<string>`(select t.name || '.' || p.code from parameter p join type t on t.id = p.type where p.id = ${sql.ref(column)})`;

function name(table: 'target' | 'type', id: Expression<unknown>) {
  return sql<string>`(select name from ${sql.table(table)} where id = ${id})`;
}

const contents = {
  resource: record
    .selectFrom('resource')
    .select(['key', 'stream', 'labels', 'version', 'position', 'updated', 'state', 'present', 'body'])
    .select(patientOf('resource.patient').as('home'))
    .orderBy('key'),
  version: record
    .selectFrom('version')
    .select(['resource', 'labels', 'version', 'position', 'until', 'updated', 'state', 'body'])
    .select(patientOf('version.patient').as('home'))
    .orderBy('position'),
  more_patient: record
    .selectFrom('more_patient')
    .select(['position', patientOf('more_patient.patient').as('patientName')])
    .orderBy('position')
    .orderBy('patientName'),
  relationship: record
    .selectFrom('relationship as i')
    .select(['resource', 'basis', 'begins', 'ended', 'ends'])
    .select([patientOf('i.patient').as('patientName'), name('target', sql.ref('i.party')).as('partyName')])
    .orderBy('resource')
    .orderBy('patientName')
    .orderBy('partyName')
    .orderBy('basis')
    .orderBy('begins')
    .orderBy('ended')
    .orderBy('ends'),
  part_of: record
    .selectFrom('part_of as i')
    .select(['resource', name('target', sql.ref('i.whole')).as('wholeName')])
    .orderBy('resource')
    .orderBy('wholeName'),
  decision: record
    .selectFrom('decision as i')
    .select(['resource', 'kind', 'begins', 'ends', 'detail', patientOf('i.patient').as('patientName')])
    .orderBy('resource')
    .orderBy('patientName')
    .orderBy('kind')
    .orderBy('begins')
    .orderBy('ends')
    .orderBy('detail'),
  proxy: record
    .selectFrom('proxy as i')
    .select(['resource', 'begins', 'ends', name('target', sql.ref('i.who')).as('whoName')])
    .select(patientOf('i.patient').as('patientName'))
    .orderBy('resource')
    .orderBy('whoName')
    .orderBy('begins')
    .orderBy('ends')
    .orderBy('patientName'),
  compartment: record
    .selectFrom('compartment')
    .select(['resource', 'role', patientOf('compartment.patient').as('patientName')])
    .orderBy('resource')
    .orderBy('patientName'),
  token: record
    .selectFrom('token')
    .innerJoin('token_value as v', 'v.id', 'token.value')
    .select(['resource', 'v.code', 'v.system', parameterOf('token.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('code')
    .orderBy('system'),
  patient_token: record
    .selectFrom('patient_token as i')
    .innerJoin('token_value as v', 'v.id', 'i.value')
    .select(['resource', 'role', 'v.code', 'v.system'])
    .select([patientOf('i.patient').as('patientName'), parameterOf('i.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('patientName')
    .orderBy('parameterName')
    .orderBy('code')
    .orderBy('system'),
  reference: record
    .selectFrom('reference as i')
    .select(['resource', name('target', sql.ref('i.target')).as('targetName')])
    .select(parameterOf('i.parameter').as('parameterName'))
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('targetName'),
  date: record
    .selectFrom('date as i')
    .select(['resource', 'low', 'high', parameterOf('i.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('low')
    .orderBy('high'),
  patient_date: record
    .selectFrom('patient_date as i')
    .select(['resource', 'role', 'edge', 'low', 'high'])
    .select([patientOf('i.patient').as('patientName'), parameterOf('i.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('patientName')
    .orderBy('parameterName')
    .orderBy('low')
    .orderBy('high'),
  string: record
    .selectFrom('string as i')
    .select(['resource', 'value', 'exact', parameterOf('i.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('value')
    .orderBy('exact'),
  number: record
    .selectFrom('number as i')
    .select(['resource', 'value', parameterOf('i.parameter').as('parameterName')])
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('value'),
  quantity: record
    .selectFrom('quantity as i')
    .innerJoin('unit as u', 'u.id', 'i.unit')
    .select(['resource', 'value', 'u.system', 'u.code', 'u.unit'])
    .select(parameterOf('i.parameter').as('parameterName'))
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('value')
    .orderBy('system')
    .orderBy('code')
    .orderBy('u.unit'),
  quantity_range: record
    .selectFrom('quantity_range')
    .innerJoin('unit as u', 'u.id', 'quantity_range.unit')
    .select(['resource', 'low', 'high', 'u.system', 'u.code', 'u.unit'])
    .select(parameterOf('quantity_range.parameter').as('parameterName'))
    .orderBy('resource')
    .orderBy('parameterName')
    .orderBy('low')
    .orderBy('high')
    .orderBy('system')
    .orderBy('code')
    .orderBy('u.unit'),
  patient_target: record
    .selectFrom('patient_target as i')
    .select(['resource', patientOf('i.patient').as('patientName')])
    .select(name('target', sql.ref('i.target')).as('targetName'))
    .orderBy('resource')
    .orderBy('patientName')
    .orderBy('targetName'),
  person: record
    .selectFrom('person')
    .select(['partition', patientOf('person.patient').as('patientName')])
    .orderBy('partition'),
  parked: record.selectFrom('parked').select(['partition', 'position', 'reason']).orderBy('partition'),
  set_aside: record.selectFrom('set_aside').select(['stream', 'partition']).orderBy('stream'),
};
