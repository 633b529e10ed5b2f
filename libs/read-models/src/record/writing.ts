/** The statements that the record is written with. */
import type { Database } from './database.ts';
import { given, record, Statement } from './statement.ts';
import { INDEX_COLUMNS, type IndexTable } from './tables.ts';

/** Prepared once for a connection. */
export function prepareWriting(db: Database) {
  const columns = ['key', 'patient', 'labels', 'version', 'position', 'updated', 'state', 'present', 'body'] as const; // prettier-ignore
  const current = Object.fromEntries(columns.map((column) => [column, given(column)])) as Record<
    (typeof columns)[number],
    never
  >;
  return {
    checkpoint: new Statement(db, record.selectFrom('checkpoint').select(['position', 'epoch'])),
    moveCheckpoint: new Statement(
      db,
      record
        .insertInto('checkpoint')
        .values({ id: 1, position: given('position'), epoch: given('epoch') })
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet({ position: given('position'), epoch: given('epoch') }),
        ),
    ),
    parked: new Statement(db, record.selectFrom('parked').selectAll()),
    park: new Statement(
      db,
      record
        .insertInto('parked')
        .values({ partition: given('partition'), position: given('position'), reason: given('reason') })
        .onConflict((conflict) => conflict.doNothing()),
    ),
    setAside: new Statement(
      db,
      record
        .insertInto('set_aside')
        .values({ stream: given('stream'), partition: given('partition') })
        .onConflict((conflict) => conflict.doNothing()),
    ),
    person: new Statement(
      db,
      record
        .selectFrom('person')
        .innerJoin('target', 'target.id', 'person.patient')
        .select(['patient', 'target.name as stream'])
        .where('partition', '=', given('partition')),
    ),
    insertPerson: new Statement(
      db,
      record.insertInto('person').values({ partition: given('partition'), patient: given('patient') }),
    ),
    current: new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'patient', 'labels', 'version', 'position', 'updated', 'state', 'body'])
        .where('stream', '=', given('stream')),
    ),
    insertResource: new Statement(
      db,
      record.insertInto('resource').values({ ...current, stream: given('stream'), type: given('type') }),
    ),
    updateResource: new Statement(
      db,
      record
        .updateTable('resource')
        .set({
          patient: given('patient'),
          labels: given('labels'),
          version: given('version'),
          position: given('position'),
          updated: given('updated'),
          state: given('state'),
          present: given('present'),
          body: given('body'),
        })
        .where('key', '=', given('key')),
    ),
    keepVersion: new Statement(
      db,
      record.insertInto('version').values({
        position: given('position'),
        resource: given('key'),
        patient: given('patient'),
        labels: given('labels'),
        version: given('version'),
        until: given('until'),
        updated: given('updated'),
        state: given('state'),
        body: given('body'),
      }),
    ),
    addPatient: new Statement(
      db,
      record
        .insertInto('more_patient')
        .values({ position: given('position'), patient: given('patient') })
        .onConflict((conflict) => conflict.doNothing()),
    ),
    patientsOf: new Statement(
      db,
      record.selectFrom('more_patient').select('patient').where('position', '=', given('position')),
    ),
    typeLabels: new Statement(
      db,
      record.selectFrom('type_labels').select('labels').where('type', '=', given('of')),
    ),
    patientLabels: new Statement(
      db,
      record.selectFrom('patient_labels').select('labels').where('patient', '=', given('of')),
    ),
    addTypeLabels: new Statement(
      db,
      record.replaceInto('type_labels').values({ type: given('of'), labels: given('labels') }),
    ),
    addPatientLabels: new Statement(
      db,
      record.replaceInto('patient_labels').values({ patient: given('of'), labels: given('labels') }),
    ),
    index: Object.fromEntries(
      Object.entries(INDEX_COLUMNS).map(([table, columns]) => [
        table,
        indexStatements(db, table as IndexTable, columns),
      ]),
    ) as Record<IndexTable, ReturnType<typeof indexStatements>>,
  };
}

// The tables differ only in their columns, which Kysely's types cannot follow from a table chosen at run time.
function indexStatements(db: Database, table: IndexTable, columns: readonly string[]) {
  const row = Object.fromEntries(columns.map((column) => [column, given(column)]));
  // One version may say the same twice.
  const insert = record
    .insertInto(table as 'token')
    .values(row as never)
    .orIgnore();
  let remove = record.deleteFrom(table as 'token');
  for (const column of columns) remove = remove.where(column as 'value', '=', given(column));
  return { insert: new Statement(db, insert), delete: new Statement(db, remove) };
}
