/**
 * `$everything` about one patient: the Patient, its compartment by type and key, then the shared resources those refer to.
 * https://hl7.org/fhir/R4/operation-patient-everything.html
 */
import type { Parked } from '@carelog/projection';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Database } from './database.ts';
import {
  COMMA,
  entriesOf,
  entryFrame,
  searchEntries,
  shownColumns,
  shownIn,
  type EntriesRow,
} from './entries.ts';
import {
  anyConcealed,
  hasReference,
  isShown,
  showsVersion,
  shownAs,
  shownBody,
  wholeRow,
  type Admission,
  type WholeRow,
} from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import { prepareHere } from './everything-here.ts';
import type { Numbers } from './numbers.ts';
import type { Cursor, EverythingRequest, SearchPage } from './record.ts';
import { given, givenLimit, record, Statement, written, type Values } from './statement.ts';
import { STATE } from './tables.ts';

/** Where a page ends: in the compartment at a type and a key, or among the shared resources at a key. */
type Place =
  | { readonly part: 'compartment'; readonly type: number; readonly key: number }
  | { readonly part: 'shared'; readonly key: number };

export class Everything {
  readonly #db: Database;
  readonly #numbers: Numbers;
  readonly #admission: Admission;
  readonly #patient: Statement<WholeRow>;
  readonly #byShape = new Map<string, Parts>();

  constructor(db: Database, numbers: Numbers, admission: Admission) {
    this.#db = db;
    this.#numbers = numbers;
    this.#admission = admission;
    this.#patient = new Statement(
      db,
      written(sql<WholeRow>`select ${wholeRow} from resource r where r.stream = ${given('stream')}`),
    );
  }

  /** Undefined when the Patient never existed, or is not shown to the audience. */
  page(
    patient: string,
    request: EverythingRequest,
    audience: Audience | undefined,
    incomplete: readonly Parked[],
  ): SearchPage | undefined {
    return this.#admission.during(audience, () => this.#page(patient, request, audience, incomplete));
  }

  #page(
    patient: string,
    request: EverythingRequest,
    audience: Audience | undefined,
    incomplete: readonly Parked[],
  ): SearchPage | undefined {
    const stream = `Patient/${patient}`;
    const number = this.#numbers.target(stream);
    const self = number === undefined ? undefined : this.#self(stream, audience);
    if (number === undefined || self === undefined) return undefined;
    // A type that has no number yet has no resources; 0 is no type's number.
    const types = request.types?.map((name) => this.#numbers.type(name) ?? 0);
    const values = {
      self,
      patient: number,
      ...entryFrame(request.base, 'match'),
      since: request.since ?? 0,
      ...Object.fromEntries((types ?? []).map((type, i) => [`type${i}`, type])),
    };
    const statements = this.#statementsOf(types?.length, request.since !== undefined, audience);
    return { ...fill(this.#numbers, statements, values, request), incomplete };
  }

  #self(stream: string, audience: Audience | undefined): number | undefined {
    const row = this.#patient.get({ stream });
    if (row === undefined || audience === undefined) return row?.key;
    return showsVersion(audience, row) === SHOWN.no ? undefined : row.key;
  }

  #statementsOf(types: number | undefined, since: boolean, audience: Audience | undefined): Parts {
    const shape = `${types} ${since} ${audience?.concealing !== undefined} ${audience !== undefined}`;
    let statements = this.#byShape.get(shape);
    if (statements === undefined)
      this.#byShape.set(
        shape,
        (statements =
          this.#db.engine === 'postgres' && audience !== undefined
            ? prepareHere(this.#db, types, since, this.#admission)
            : prepare(this.#db, types, since, audience)),
      );
    return statements;
  }
}

function fill(
  numbers: Numbers,
  statements: Parts,
  values: Values,
  { count: wanted, cursor, base }: EverythingRequest,
): Omit<SearchPage, 'incomplete'> {
  const parts: Uint8Array[] = [];
  const rows: EntriesRow[] = [];
  let count = 0;
  const add = (row: EntriesRow | undefined): number => {
    if (row === undefined || row.entries === null) return 0;
    parts.push(row.entries);
    rows.push(row);
    count += row.count;
    return row.count;
  };
  let place = placeOf(cursor);
  if (cursor === undefined && wanted > 0) add(statements.self.get(values));
  if (place.part === 'compartment' && count < wanted) {
    const limit = wanted - count;
    const row = statements.compartment.get({ ...values, type: place.type, key: place.key, limit });
    const isAll = add(row) < limit;
    place = isAll
      ? { part: 'shared', key: 0 }
      : { part: 'compartment', type: row?.lastType ?? 0, key: row?.last ?? 0 };
  }
  if (place.part === 'shared' && count < wanted) {
    const row = statements.shared.get({
      ...values,
      ...entryFrame(base, 'include'),
      key: place.key,
      limit: wanted - count,
    });
    add(row);
    place = { part: 'shared', key: row?.last ?? place.key };
  }
  const entries = parts.flatMap((part, i) => (i === 0 ? [part] : [COMMA, part]));
  const shown = shownIn(numbers, rows);
  if (count === wanted && isMore(statements, values, place))
    return { entries, count, next: cursorOf(place), shown };
  return { entries, count, ...(cursor === undefined && { total: count }), shown };
}

function isMore(statements: Parts, values: Values, place: Place): boolean {
  if (place.part === 'compartment') {
    const row = statements.compartment.get({ ...values, type: place.type, key: place.key, limit: 1 });
    if (row !== undefined && row.count > 0) return true;
  }
  const key = place.part === 'shared' ? place.key : 0;
  return (statements.shared.get({ ...values, key, limit: 1 })?.count ?? 0) > 0;
}

function placeOf(cursor: Cursor | undefined): Place {
  if (cursor === undefined) return { part: 'compartment', type: 0, key: 0 };
  const [part, first, second] = cursor;
  if (part === 'shared') return { part, key: Number(first) };
  return { part: 'compartment', type: Number(first), key: Number(second) };
}

const cursorOf = (place: Place): Cursor =>
  place.part === 'shared' ? ['shared', place.key] : ['compartment', place.type, place.key];

const live = sql<boolean>`r.state = ${sql.lit(STATE.live)}`;

/** What a page is put together from. */
export interface Parts {
  readonly self: Gives<EntriesRow>;
  readonly compartment: Gives<EntriesRow & { readonly lastType: number | null }>;
  readonly shared: Gives<EntriesRow>;
}

interface Gives<Row> {
  get(values: Values): Row | undefined;
}

function prepare(
  db: Database,
  types: number | undefined,
  since: boolean,
  audience: Audience | undefined,
): Parts {
  const isRestricted = audience !== undefined;
  const body = shownBody(audience);
  const isConcealed = anyConcealed(audience);
  const names = Array.from({ length: types ?? 0 }, (_, i) => given(`type${i}`));
  const self = record
    .selectFrom('resource as r')
    .select('r.key')
    .where('r.key', '=', given('self'))
    .where(live)
    .$if(since, (rows) => rows.where('r.updated', '>=', given('since')))
    .$if(types !== undefined, (rows) => rows.where('r.type', 'in', names));
  const compartment = record
    .selectFrom('compartment as c')
    .select(['c.type', 'c.resource as key'])
    .where('c.patient', '=', given('patient'))
    .where(sql<boolean>`(c.type, c.resource) > (${given('type')}, ${given('key')})`)
    .where('c.resource', '<>', given('self'))
    .$if(since || isRestricted, (rows) => rows.innerJoin('resource as r', 'r.key', 'c.resource'))
    .$if(since, (rows) => rows.where(sql<boolean>`r.updated >= ${given('since')}`))
    .$if(isRestricted, (rows) => rows.where(isShown('r')))
    .$if(types !== undefined, (rows) => rows.where('c.type', 'in', names))
    .orderBy('c.type')
    .orderBy('c.resource')
    .limit(givenLimit);
  // Only what belongs to no patient: a reference must not open another person's record.
  const shared = record
    .selectFrom('patient_target as t')
    .innerJoin('target as n', 'n.id', 't.target')
    .innerJoin('resource as r', 'r.stream', 'n.name')
    .select('r.key')
    .distinct()
    .where('t.patient', '=', given('patient'))
    .where('r.key', '>', given('key'))
    .where('r.patient', '=', sql.lit(0))
    .where(live)
    .$if(isRestricted, (rows) => rows.where(isShown('r')).where(isReferredTo(body)))
    .$if(since, (rows) => rows.where('r.updated', '>=', given('since')))
    .$if(types !== undefined, (rows) => rows.where('r.type', 'in', names))
    .orderBy('r.key')
    .limit(givenLimit);
  const lastType = sql<number | null>`(select max(type) from page)`;
  return {
    self: new Statement(db, entriesOf(sql`select * from ${self} k`, body, isConcealed)),
    compartment: new Statement<EntriesRow & { lastType: number | null }>(
      db,
      record
        .with('page', () => compartment)
        .selectFrom('page as k')
        .innerJoin('resource as r', 'r.key', 'k.key')
        .select([
          searchEntries(body, sql`k.type, k.key`).as('entries'),
          sql<number>`count(*)`.as('count'),
          lastType.as('lastType'),
          sql<number | null>`(select max(key) from page where type = ${lastType})`.as('last'),
          ...shownColumns(isConcealed, sql`k.type, k.key`),
        ]),
    ),
    shared: new Statement(db, entriesOf(sql`select * from ${shared} k`, body, isConcealed)),
  };
}

// By something that is shown, and not only in what is taken out of it.
function isReferredTo(body: RawBuilder<string>): RawBuilder<SqlBool> {
  return sql`exists (select 1 from resource x where x.key = t.resource and x.state = ${sql.lit(STATE.live)} and ${isShown('x')} and (${shownAs('x')} = ${sql.lit(SHOWN.whole)} or ${hasReference(sql`(select ${body} from resource r where r.key = x.key)`, sql`n.name`)}))`;
}
