/** The statements that the record is read with. */
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { given, record, Statement } from './statement.ts';
import { STATE, type State } from './tables.ts';

export interface VersionRow {
  readonly position: number;
  readonly version: number;
  readonly updated: number;
  readonly state: State;
  readonly body: string | null;
}

/** With what access to it is decided by. */
export interface DecidedRow extends VersionRow {
  readonly patient: number;
  readonly labels: number;
  readonly type: number;
}

export interface CurrentRow extends DecidedRow {
  readonly key: number;
}

/** Prepared once for a connection. */
export function prepareReading(db: Database) {
  const countLive = record
    .selectFrom('resource')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(sql<boolean>`state = ${sql.lit(STATE.live)}`);
  return {
    current: new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'type', 'position', 'patient', 'labels', 'version', 'updated', 'state', 'body'])
        .where('stream', '=', given('stream')),
    ),
    version: new Statement(
      db,
      record
        .selectFrom('version')
        .select(['position', 'patient', 'labels', 'version', 'updated', 'state', 'body'])
        .where('resource', '=', given('resource'))
        .where('version', '=', given('version')),
    ),
    more: new Statement(
      db,
      record.selectFrom('more_patient').select('patient').where('position', '=', given('position')),
    ),
    checkpoint: new Statement(
      db,
      record
        .selectFrom('checkpoint')
        .select((eb) => [eb.fn.min('position').as('position'), eb.fn.max('epoch').as('epoch')])
        .having((eb) => eb.fn.countAll(), '>', sql.lit(0)),
    ),
    glance: new Statement(
      db,
      record
        .selectFrom('generation')
        .select(['id', (eb) => eb.selectFrom('parked').select('partition').limit(sql.lit(1)).as('parked')]),
    ),
    parked: new Statement(db, record.selectFrom('parked').select(['partition', 'position', 'reason'])),
    parkedOf: new Statement(
      db,
      record
        .selectFrom('parked as k')
        .select(['k.partition', 'k.position', 'k.reason'])
        .where('k.partition', 'in', (eb) =>
          eb
            .selectFrom('set_aside as s')
            .select('s.partition')
            .where('s.stream', '=', given('stream'))
            .union(
              eb
                .selectFrom('person as p')
                .select('p.partition')
                .where((or) =>
                  or.or([
                    or('p.patient', '=', given('target')),
                    or(
                      'p.patient',
                      'in',
                      or
                        .selectFrom('resource as r')
                        .select('r.patient')
                        .where('r.stream', '=', given('stream')),
                    ),
                  ]),
                ),
            ),
        )
        .limit(sql.lit(1)),
    ),
    personOf: new Statement(
      db,
      record.selectFrom('person').select('patient').where('partition', '=', given('partition')),
    ),
    countOfType: new Statement(db, countLive.where('type', '=', given('type'))),
    countOfAll: new Statement(db, countLive),
  };
}
