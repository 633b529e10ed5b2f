/** The statements of the care settings' read models, the same on every engine. */
import { sql } from 'kysely';
import type { Database } from '../record/database.ts';
import { given, givenLimit, Statement, written } from '../record/statement.ts';
import type { Placed } from './care-setting.ts';
import type { Kind } from './fact.ts';
import { careSetting } from './tables.ts';

export interface FactRow {
  readonly stream: string;
  readonly patient: string;
  readonly version: number;
  readonly told: string | null;
}

export function placed({ stream, patient, version, told }: FactRow): Placed {
  return { stream, patient, version, ...(JSON.parse(told!) as Pick<Placed, 'fact' | 'source'>) };
}

/** More than a person can have: where so many are linked, something is wrong with the links. */
export const RECORDS_MAX = 20;

/** Whose facts are read as one person's: of all who are linked, which is what `samePerson` gives, or this one alone. */
export const asOne = (patient: string, linked: readonly string[]): readonly string[] =>
  linked.length > RECORDS_MAX ? [patient] : linked;

/** Facts of records that are linked, each once: what is about several of them counts as the first one's. */
export function ofOnePerson(facts: readonly Placed[]): readonly Placed[] {
  const first = new Map<string, Placed>();
  for (const it of facts) {
    const known = first.get(it.stream);
    if (known === undefined || it.patient < known.patient) first.set(it.stream, it);
  }
  return first.size === facts.length ? facts : [...first.values()];
}

/** Prepared once for a connection. */
export function prepareWriting(db: Database) {
  const ofKinds = new Map<string, Statement<Omit<FactRow, 'told'>>>();
  return {
    before: new Statement(
      db,
      careSetting
        .selectFrom('fact')
        .select(['stream', 'patient', 'issued', 'mark', 'version'])
        .where('stream', '=', given('stream')),
    ),
    forget: new Statement(db, careSetting.deleteFrom('fact').where('stream', '=', given('stream'))),
    keep: new Statement(
      db,
      careSetting.insertInto('fact').values({
        stream: given('stream'),
        patient: given('patient'),
        kind: given('kind'),
        version: given('version'),
        issued: given('issued'),
        mark: given('mark'),
        told: given('told'),
      }),
    ),
    linksOf: new Statement(
      db,
      careSetting.selectFrom('link').select('other').where('patient', '=', given('patient')),
    ),
    unlink: new Statement(db, careSetting.deleteFrom('link').where('patient', '=', given('patient'))),
    link: new Statement(
      db,
      careSetting
        .insertInto('link')
        .values({ patient: given('patient'), other: given('other') })
        .onConflict((it) => it.doNothing()),
    ),
    links: new Statement(db, careSetting.selectFrom('link').select(['patient', 'other'])),
    samePerson: new Statement(db, written(samePersonIn())),
    versionsOf: (kinds: ReadonlySet<Kind>): Statement<Omit<FactRow, 'told'>> => {
      const key = [...kinds].sort().join();
      const known = ofKinds.get(key);
      if (known !== undefined) return known;
      const made = new Statement(
        db,
        careSetting
          .selectFrom('fact')
          .select(['stream', 'patient', 'version'])
          .where('patient', '=', given('patient'))
          .where('told', 'is not', null)
          .where('kind', 'in', literals(kinds)),
      );
      ofKinds.set(key, made);
      return made;
    },
    told: new Statement(
      db,
      careSetting
        .selectFrom('fact')
        .select('told')
        .where('stream', '=', given('stream'))
        .where('patient', '=', given('patient')),
    ),
    waiting: new Statement<{ stream: string; item: string }>(
      db,
      careSetting
        .selectFrom('work')
        .select(['stream', 'item'])
        .where('list', '=', given('list'))
        .where('patient', '=', given('patient')),
    ),
    done: new Statement(
      db,
      careSetting
        .deleteFrom('work')
        .where('list', '=', given('list'))
        .where('patient', '=', given('patient')),
    ),
    put: new Statement(
      db,
      careSetting
        .insertInto('work')
        .values({
          list: given('list'),
          patient: given('patient'),
          stream: given('stream'),
          since: given('since'),
          due: given('due'),
          opens: given('opens'),
          until: given('until'),
          item: given('item'),
          changed: given('changed'),
        })
        .onConflict((it) => it.doNothing()),
    ),
    park: new Statement(
      db,
      careSetting
        .insertInto('parked')
        .values({ partition: given('partition'), position: given('position'), reason: given('reason') })
        .onConflict((it) => it.doNothing()),
    ),
    parked: new Statement(db, careSetting.selectFrom('parked').select(['partition', 'position', 'reason'])),
    checkpoint: new Statement(db, careSetting.selectFrom('checkpoint').select(['position', 'epoch'])),
    moveCheckpoint: new Statement(
      db,
      careSetting
        .insertInto('checkpoint')
        .values({ id: 1, position: given('position'), epoch: given('epoch') })
        .onConflict((it) =>
          it.column('id').doUpdateSet({
            position: (eb) => eb.ref('excluded.position'),
            epoch: (eb) => eb.ref('excluded.epoch'),
          }),
        ),
    ),
  };
}

/** Where a care setting's read model lies, beside those of others; `kinds`: what it keeps of the facts. */
export interface Place {
  /** In a database that has them. */
  readonly schema?: string;
  readonly kinds: ReadonlySet<Kind>;
}

/** What is asked of a read model, each named value by its name. */
export function askingOf({ schema, kinds }: Place) {
  const tables = schema === undefined ? careSetting : careSetting.withSchema(schema);
  return {
    isLinked: tables
      .selectFrom('link')
      .select('other')
      .where((it) => it.or([it('patient', '=', given('patient')), it('other', '=', given('patient'))]))
      .limit(sql.lit(1)),
    samePerson: written(samePersonIn(schema)),
    factsOf: factsOfPatient(tables, kinds),
    checkpoint: tables
      .selectFrom('checkpoint')
      .select((eb) => [eb.fn.min('position').as('position'), eb.fn.max('epoch').as('epoch')])
      .having((eb) => eb.fn.countAll(), '>', sql.lit(0)),
    parked: tables.selectFrom('parked').select(['partition', 'position', 'reason']),
    work: tables
      .selectFrom('work')
      .select(['patient', 'item'])
      .where('list', '=', given('list'))
      .where(
        sql<boolean>`(since, stream, patient) > (${given('since')}, ${given('stream')}, ${given('patient')})`,
      )
      .where(sql<boolean>`(opens is null or opens <= ${given('now')})`)
      .where(sql<boolean>`("until" is null or "until" > ${given('now')})`)
      .orderBy('since')
      .orderBy('stream')
      .orderBy('patient')
      .limit(givenLimit),
    changed: newBy(tables, 'changed'),
    due: newBy(tables, 'due'),
  };
}

/** What is open of a list, in the order of this column; each row once, though what was given is changed meanwhile. */
function newBy(tables: typeof careSetting, column: 'changed' | 'due') {
  const at = sql.ref<number>(column);
  return tables
    .selectFrom('work')
    .select(['patient', 'item', at.as('at')])
    .where('list', '=', given('list'))
    .where(sql<boolean>`${at} >= ${given('at')} and ${at} <= ${given('upTo')}`)
    .where(sql<boolean>`(${at}, patient, stream) > (${given('at')}, ${given('patient')}, ${given('stream')})`)
    .where(sql<boolean>`since >= ${given('since')}`)
    .where(sql<boolean>`(opens is null or opens <= ${given('now')})`)
    .where(sql<boolean>`("until" is null or "until" > ${given('now')})`)
    .orderBy(column)
    .orderBy('patient')
    .orderBy('stream')
    .limit(givenLimit);
}

/** Prepared once for a connection. */
export function prepareAsking(db: Database, kinds: ReadonlySet<Kind>) {
  const { isLinked, samePerson, factsOf, checkpoint, parked, work, changed, due } = askingOf({ kinds });
  return {
    isLinked: new Statement(db, isLinked),
    samePerson: new Statement(db, samePerson),
    factsOf: new Statement(db, factsOf),
    checkpoint: new Statement(db, checkpoint),
    parked: new Statement(db, parked),
    work: new Statement(db, work),
    changed: new Statement(db, changed),
    due: new Statement(db, due),
  };
}

const factsOfPatient = (tables: typeof careSetting, kinds: ReadonlySet<Kind>) =>
  tables
    .selectFrom('fact')
    .select(['stream', 'patient', 'version', 'told'])
    .where('patient', '=', given('patient'))
    .where('told', 'is not', null)
    .where('kind', 'in', literals(kinds));

const literals = (kinds: ReadonlySet<Kind>) => [...kinds].sort().map((kind) => sql.lit(kind));

/** Everybody whom links, followed both ways, say to be the same person; each once, themselves too; of too many, one too many. */
const samePersonIn = (schema?: string) => {
  const link = sql.table(schema === undefined ? 'link' : `${schema}.link`);
  // PostgreSQL wants both parts to compare alike.
  const collation = schema === undefined ? sql`` : sql` collate "C"`;
  return sql<{ patient: string }>`
    with recursive same(patient) as (
      select cast(${given('patient')} as text)${collation}
      union select case when l.patient = same.patient then l.other else l.patient end
      from ${link} l join same on l.patient = same.patient or l.other = same.patient
    ) select patient from same limit ${sql.lit(RECORDS_MAX + 1)}`;
};
