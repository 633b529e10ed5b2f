/** Answers the gateway's questions from the record, over one read-only connection. */
import type { SearchQuery } from '@carelog/fhir';
import type { Checkpoint, Parked } from '@carelog/projection';
import { sql } from 'kysely';
import { DatabaseSync } from 'node:sqlite';
import { Everything } from './everything.ts';
import { entriesOf, entryFrame, type EntriesRow } from './entries.ts';
import { History } from './history.ts';
import { Numbers } from './numbers.ts';
import { hashOf } from './record-hash.ts';
import type {
  EverythingRequest,
  HistoryPage,
  PageRequest,
  RecordQueries,
  Restriction,
  SearchPage,
  VersionAnswer,
} from './record.ts';
import { planSearch, type SearchPlan } from './search-plan.ts';
import { given, givenLimit, record, Statement } from './statement.ts';
import { ROLE, STATE, type State } from './tables.ts';

/** Opens the record to read. Throws where there is no record at this path: the projector makes it. */
export function openRecord(path: string): RecordQueries {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec('PRAGMA cache_size = -65536');
    return new RecordReader(db);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

interface VersionRow {
  readonly version: number;
  readonly updated: number;
  readonly state: State;
  readonly body: string | null;
}

/** Statements of searches are kept by shape, the oldest forgotten. */
const SHAPES_MAX = 500;

class RecordReader implements RecordQueries {
  readonly #db: DatabaseSync;
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #history: History;
  readonly #everything: Everything;
  readonly #searches = new Map<string, SearchStatements>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#numbers = new Numbers(this.#db);
    this.#statements = prepareStatements(this.#db);
    this.#history = new History(this.#db);
    this.#everything = new Everything(this.#db, this.#numbers);
  }

  async read(type: string, id: string, restrictTo?: Restriction): Promise<VersionAnswer> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return { kind: 'unknown' };
    return answerOf(this.#statements.current.get({ stream }));
  }

  async vread(type: string, id: string, version: number, restrictTo?: Restriction): Promise<VersionAnswer> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return { kind: 'unknown' };
    const current = this.#statements.current.get({ stream });
    if (current === undefined || current.version === version) return answerOf(current);
    return answerOf(this.#statements.version.get({ resource: current.key, version }));
  }

  async history(
    type: string,
    id: string,
    page: PageRequest,
    restrictTo?: Restriction,
  ): Promise<HistoryPage | undefined> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return undefined;
    const parked = await this.parkedPartitionOf(type, id);
    return this.#history.page(stream, page, parked === undefined ? [] : [parked]);
  }

  async search(query: SearchQuery, page: PageRequest, restrictTo?: Restriction): Promise<SearchPage> {
    const incomplete = this.#incomplete(query, restrictTo);
    const numbered = this.#numbers.search(query, restrictTo?.patient);
    if (numbered === undefined) return { entries: NOTHING, count: 0, total: 0, incomplete };
    const plan = planSearch(numbered);
    const statements = this.#statementsOf(plan);
    const after = Number(page.cursor?.[0] ?? 0);
    const frame = entryFrame(page.base, 'match');
    const row = statements.page.get({ ...plan.values, ...frame, after, limit: page.count });
    const entries = row?.entries ?? NOTHING;
    const { count, last } = { count: row?.count ?? 0, last: row?.last ?? after };
    const more = count === page.count && statements.more.get({ ...plan.values, after: last }) !== undefined;
    const total = page.cursor === undefined && !more ? { total: count } : {};
    return { entries, count, incomplete, ...total, ...(more && { next: [last] }) };
  }

  async count(query: SearchQuery, restrictTo?: Restriction): Promise<number> {
    this.#isAnyParked();
    const numbered = this.#numbers.search(query, restrictTo?.patient);
    if (numbered === undefined) return 0;
    const plan = planSearch(numbered);
    return this.#statementsOf(plan).count.get({ ...plan.values })?.count ?? 0;
  }

  async everything(
    patient: string,
    page: EverythingRequest,
    restrictTo?: Restriction,
  ): Promise<SearchPage | undefined> {
    if (restrictTo !== undefined && restrictTo.patient !== patient) return undefined;
    const parked = await this.parkedPartitionOf('Patient', patient);
    return this.#everything.page(
      patient,
      page,
      restrictTo !== undefined,
      parked === undefined ? [] : [parked],
    );
  }

  async stats(): Promise<{ people: number; resources: number }> {
    this.#isAnyParked();
    const patient = this.#numbers.type('Patient') ?? 0;
    return {
      people: this.#statements.countOfType.get({ type: patient })?.count ?? 0,
      resources: this.#statements.countOfAll.get()?.count ?? 0,
    };
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  async parkedPartitionOf(type: string, id: string): Promise<Parked | undefined> {
    return this.#parkedPartitionOf(`${type}/${id}`);
  }

  async hash(): Promise<string> {
    return hashOf(this.#db);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  // Asked first by every question that goes by numbers, so it also notices when they were given anew.
  #isAnyParked(): boolean {
    const row = this.#statements.glance.get();
    this.#numbers.ofGeneration(row?.id ?? '');
    return row !== undefined && row.parked !== null;
  }

  #mayShow(stream: string, restrictTo: Restriction | undefined): boolean {
    if (restrictTo === undefined) return true;
    this.#isAnyParked();
    const patient = this.#numbers.target(`Patient/${restrictTo.patient}`);
    if (patient === undefined) return false;
    return this.#statements.isOf.get({ stream, patient }) !== undefined;
  }

  #parkedPartitionOf(stream: string): Parked | undefined {
    if (!this.#isAnyParked()) return undefined;
    const target = stream.startsWith('Patient/') ? (this.#numbers.target(stream) ?? 0) : 0;
    return this.#statements.parkedOf.get({ stream, target });
  }

  #incomplete(query: SearchQuery, restrictTo: Restriction | undefined): readonly Parked[] {
    if (!this.#isAnyParked()) return [];
    if (restrictTo === undefined) return this.#statements.parked.all();
    const parked = this.#parkedPartitionOf(`Patient/${restrictTo.patient}`);
    return parked === undefined ? [] : [parked];
  }

  #statementsOf(plan: SearchPlan): SearchStatements {
    let statements = this.#searches.get(plan.shape);
    if (statements === undefined) {
      const oldest = this.#searches.keys().next().value;
      if (this.#searches.size >= SHAPES_MAX && oldest !== undefined) this.#searches.delete(oldest);
      statements = prepareSearch(this.#db, plan);
      this.#searches.set(plan.shape, statements);
    }
    return statements;
  }
}

const NOTHING = new Uint8Array(0);

function answerOf(row: VersionRow | undefined): VersionAnswer {
  if (row === undefined) return { kind: 'unknown' };
  const facts = { versionId: row.version, lastUpdated: new Date(row.updated).toISOString() };
  if (row.state === STATE.deleted) return { kind: 'deleted', ...facts };
  return row.body === null ? { kind: 'erased', ...facts } : { kind: 'found', body: row.body, ...facts };
}

interface SearchStatements {
  readonly page: Statement<EntriesRow>;
  readonly more: Statement<{ key: number }>;
  readonly count: Statement<{ count: number }>;
}

function prepareSearch(db: DatabaseSync, plan: SearchPlan): SearchStatements {
  const after = record
    .selectFrom(plan.keys().as('matches'))
    .select('key')
    .where('key', '>', given('after'))
    .orderBy('key');
  return {
    page: new Statement(db, entriesOf(after.limit(givenLimit))),
    more: new Statement(db, after.limit(sql.lit(1))),
    count: new Statement(
      db,
      record.selectFrom(plan.keys().as('matches')).select((eb) => eb.fn.countAll<number>().as('count')),
    ),
  };
}

function prepareStatements(db: DatabaseSync) {
  const countLive = record
    .selectFrom('resource')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(sql<boolean>`state = ${sql.lit(STATE.live)}`);
  return {
    current: new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'version', 'updated', 'state', 'body'])
        .where('stream', '=', given('stream')),
    ),
    version: new Statement(
      db,
      record
        .selectFrom('version')
        .select(['version', 'updated', 'state', 'body'])
        .where('resource', '=', given('resource'))
        .where('version', '=', given('version')),
    ),
    isOf: new Statement(
      db,
      record
        .selectFrom('resource as r')
        .innerJoin('compartment as c', (join) =>
          join.onRef('c.type', '=', 'r.type').onRef('c.resource', '=', 'r.key'),
        )
        .select('r.key')
        .where('r.stream', '=', given('stream'))
        .where('c.patient', '=', given('patient'))
        .where('c.role', '>=', sql.lit(ROLE.owned)),
    ),
    checkpoint: new Statement(db, record.selectFrom('checkpoint').select(['position', 'epoch'])),
    glance: new Statement(
      db,
      record
        .selectFrom('generation')
        .select(['id', (eb) => eb.selectFrom('parked').select('partition').limit(sql.lit(1)).as('parked')]),
    ),
    parked: new Statement(db, record.selectFrom('parked').selectAll()),
    parkedOf: new Statement(
      db,
      record
        .selectFrom('parked as k')
        .selectAll('k')
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
    countOfType: new Statement(db, countLive.where('type', '=', given('type'))),
    countOfAll: new Statement(db, countLive),
  };
}
