/** Answers searches over one connection: plans them, tells which are quick, and writes their pages. */
import { searchParametersOf, type SearchQuery, type SortKey } from '@carelog/fhir';
import { sql, type RawBuilder } from 'kysely';
import type { Database } from './database.ts';
import { Admission, anyConcealed, shownBody } from './admission.ts';
import type { Audience } from './audience.ts';
import { BodyLook, OutOfTime } from './body-look.ts';
import { candidatesOf, judged, type Candidate } from './candidates.ts';
import {
  COMMA,
  entriesHere,
  entriesInOrder,
  entriesOf,
  entryFrame,
  partsOf,
  shownIn,
  type EntriesRow,
} from './entries.ts';
import { Includes } from './includes.ts';
import type { Numbers, NumberedSearch } from './numbers.ts';
import type { Cursor, SearchPage, SearchRequest } from './record.ts';
import {
  isOneStatement,
  isSlowCount,
  isSlowOrder,
  isSlowWalk,
  isTriable,
  isWalkAlone,
  isWide,
} from './search-cost.ts';
import { byPatientDate, byUpdate, gather, isByPatientDate, isByUpdate, reached, type Ordered, type Ordering, type Place, type SortValue } from './search-order.ts'; // prettier-ignore
import { isOrderedThere, met, placed, type Met } from './order-here.ts';
import { planSearch, type PlanOptions, type SearchPlan } from './search-plan.ts';
import { ROWS_MAX, type Probe } from './search-walk.ts';
import { given, Statement, written } from './statement.ts';

export type Answered = Omit<SearchPage, 'incomplete'>;

/** Statements are kept by shape, the oldest forgotten. */
const SHAPES_MAX = 500;
/** The records of so few are walked rather than what everybody has. */
const TRIED_PATIENTS_MAX = 100;
/** Includes read whole resources: pages beyond this many, and chains of includes, are for the slow lane. */
const INCLUDING_MAX = 100;

export interface PlannedSearch {
  /** May walk more than the caller's thread should wait for. */
  readonly isSlow: boolean;
  page(): Answered;
}

/** Who sees what: undefined where everything is seen. */
export interface SearchAudiences {
  readonly matches?: Audience | undefined;
  /** Of what comes along with them. */
  readonly included?: Audience | undefined;
}

export class Searching {
  readonly #db: Database;
  readonly #numbers: Numbers;
  readonly #look: BodyLook;
  /** The database cannot call back: what only functions can tell is found out here. */
  readonly #isHere: boolean;
  readonly #admission: Admission;
  readonly #includes: Includes;
  readonly #reached: Statement<{ asOf: number | string }>;
  readonly #statements = new Map<string, Statement<unknown>>();

  constructor(db: Database, numbers: Numbers, admission = new Admission(db)) {
    this.#db = db;
    this.#numbers = numbers;
    this.#admission = admission;
    this.#look = new BodyLook(db);
    this.#isHere = db.engine === 'postgres';
    this.#includes = new Includes(db, numbers, admission);
    this.#reached = new Statement(db, written(reached));
  }

  /**
   * Where there is an audience, planning and answering must be one `reading`: what was found out about it is true of one
   * state. `timeLimit`: milliseconds, after which `page` throws OutOfTime.
   */
  search(
    query: SearchQuery,
    request: SearchRequest,
    audiences: SearchAudiences = {},
    timeLimit?: number,
  ): PlannedSearch {
    const search = this.#numbers.search(query, audiences.matches);
    if (search === undefined) return { isSlow: false, page: () => ({ ...NOTHING, total: 0 }) };
    const isBrief = audiences.matches !== undefined && timeLimit === undefined && isWalkAlone(query, request);
    if (!isBrief) return this.#searchOf(search, query, request, audiences, timeLimit);
    const few = { patientsMax: TRIED_PATIENTS_MAX };
    const plan = this.#plan(search, few);
    if (!isTriable(plan)) return this.#searchOf(search, query, request, audiences, timeLimit, plan);
    const tried = this.#plan(search, { ...few, timed: true });
    return { isSlow: false, page: () => this.#tryPage(tried, search, query, request, audiences) };
  }

  // Of those who see much a page is full soon, however many there are; where it is not, another plan may do.
  #tryPage(
    plan: SearchPlan,
    search: NumberedSearch,
    query: SearchQuery,
    request: SearchRequest,
    audiences: SearchAudiences,
  ): Answered {
    try {
      return this.#during(plan, { sort: [], rows: ROWS_MAX }, audiences.matches, () =>
        this.#withTotal(
          plan,
          request,
          this.#isWrittenHere(plan)
            ? this.#page(plan, undefined, request, audiences)
            : this.#quickPage(plan, request, audiences.matches),
          audiences.matches,
        ),
      );
    } catch (fault) {
      if (!(fault instanceof OutOfTime) || fault.isOver) throw fault;
      const other = this.#searchOf(search, query, request, audiences, undefined);
      if (other.isSlow) throw fault;
      return other.page();
    }
  }

  #searchOf(
    search: NumberedSearch,
    query: SearchQuery,
    request: SearchRequest,
    audiences: SearchAudiences,
    timeLimit: number | undefined,
    planned?: SearchPlan,
  ): PlannedSearch {
    const timed = timeLimit !== undefined;
    const byType = isByUpdate(query.sort ?? []) && this.#walksType(search);
    const isPlanned = planned !== undefined && !isSlowWalk(planned);
    const plan = isPlanned ? planned : this.#plan(search, { timed, byType });
    const ordering = query.sort?.length
      ? this.#ordering(plan, search, query.sort, request.cursor)
      : undefined;
    const isSlow =
      (ordering === undefined ? isSlowWalk(plan) : isSlowOrder(plan, ordering)) ||
      (request.includes?.length &&
        (request.count > INCLUDING_MAX ||
          request.includes.some((it) => it.iterate || isWide(it, plan, audiences)))) ||
      (request.total === 'accurate' && isSlowCount(plan));
    return {
      isSlow: isSlow === true,
      page: () =>
        this.#during(plan, { sort: query.sort ?? [], ...(timed && { timeLimit }) }, audiences.matches, () => {
          if (isOneStatement(plan, ordering, request) && !this.#isWrittenHere(plan))
            return this.#withTotal(
              plan,
              request,
              this.#quickPage(plan, request, audiences.matches),
              audiences.matches,
            );
          // All statements of the page read the same state.
          return this.reading(() =>
            this.#withTotal(plan, request, this.#page(plan, ordering, request, audiences), audiences.matches),
          );
        }),
    };
  }

  count(query: SearchQuery, audience?: Audience, timeLimit?: number): PlannedSearch {
    const search = this.#numbers.search(query, audience);
    if (search === undefined) return { isSlow: false, page: () => ({ ...NOTHING, total: 0 }) };
    const plan = this.#plan(search, { timed: timeLimit !== undefined });
    return {
      isSlow: isSlowCount(plan),
      page: () =>
        this.#during(plan, { sort: [], ...(timeLimit !== undefined && { timeLimit }) }, audience, () => ({
          ...NOTHING,
          total: this.#count(plan, audience),
        })),
    };
  }

  #plan(search: NumberedSearch, options: PlanOptions = {}): SearchPlan {
    return planSearch(search, this.#probe, { ...options, isHere: this.#isHere });
  }

  // One statement cannot: matches are judged here, or what is shown of them is put together here.
  #isWrittenHere({ judges, conceals }: SearchPlan): boolean {
    return this.#isHere && (judges.length > 0 || conceals);
  }

  #walksType(search: NumberedSearch): boolean {
    if (search.conditions.length === 0 && search.audience === undefined) return true;
    const plan = this.#plan(search);
    return plan.patient === undefined && plan.bound() > ROWS_MAX;
  }

  #ordering(plan: SearchPlan, search: NumberedSearch, sort: readonly SortKey[], cursor?: Cursor): Ordering {
    const touched = search.audience?.concealing?.touched(search.typeName);
    const unasked = plan.conceals && touched !== undefined ? [...touched.keys()] : [];
    const dates = sort.map(({ parameter }) => {
      const numbers =
        isDate(search.typeName, parameter) && !unasked.includes(parameter)
          ? this.#numbers.parameters(search.typeName, parameter)
          : [];
      return numbers.length === 1 ? numbers[0] : undefined;
    });
    return { plan, type: search.type, sort, dates, unasked, place: placeOf(cursor) };
  }

  #page(
    plan: SearchPlan,
    ordering: Ordering | undefined,
    request: SearchRequest,
    audiences: SearchAudiences,
  ): Answered {
    const found =
      ordering === undefined
        ? this.#inKeyOrder(plan, request, audiences.matches)
        : this.#inOrder(ordering, request, audiences.matches);
    const { keys, next } = found;
    const matches = this.#entries(keys, request.base, 'match', plan.conceals ? audiences.matches : undefined);
    const total = request.cursor === undefined && next === undefined ? { total: keys.length } : {};
    const entries = partsOf(matches);
    const shown = shownIn(this.#numbers, [matches]);
    const page: Answered = { entries, count: keys.length, ...total, ...(next && { next }), shown };
    if (!request.includes?.length) return page;
    const included = this.#includes.of(keys, request.includes, audiences);
    if (included.keys.length === 0) return page;
    const added = this.#admission.during(audiences.included, () =>
      this.#entries(included.keys, request.base, 'include', audiences.included),
    );
    return {
      ...page,
      entries: [...entries, COMMA, ...partsOf(added)],
      included: included.keys.length,
      shown: shownIn(this.#numbers, [matches, added]),
      ...(included.isCut && { includesCut: true }),
    };
  }

  // One statement for the page, one to look whether there is more.
  #quickPage(
    plan: SearchPlan,
    { count: limit, cursor, base }: SearchRequest,
    audience: Audience | undefined,
  ): Answered {
    const after = Number(cursor?.[0] ?? 0);
    const shownTo = plan.conceals ? audience : undefined;
    const page = this.#statement<EntriesRow>(`page ${shownTo?.concealing !== undefined} ${plan.shape}`, () =>
      entriesOf(keysAfter(plan), shownBody(shownTo), anyConcealed(shownTo)),
    );
    const row = page.get({ ...plan.values, ...entryFrame(base, 'match'), after, limit });
    const count = row?.count ?? 0;
    const last = row?.last ?? after;
    const hasMore = count === limit && this.#keysAfter(plan, last, 1, undefined).length > 0;
    const total = cursor === undefined && !hasMore ? { total: count } : {};
    const shown = shownIn(this.#numbers, [row]);
    return { entries: partsOf(row), count, ...total, ...(hasMore && { next: [last] }), shown };
  }

  #inKeyOrder(plan: SearchPlan, { count, cursor }: SearchRequest, audience: Audience | undefined): Found {
    const keys = this.#keysAfter(plan, Number(cursor?.[0] ?? 0), count + 1, audience);
    const shown = keys.slice(0, count);
    return { keys: shown, ...(keys.length > count && { next: [shown.at(-1) ?? 0] }) };
  }

  #keysAfter(plan: SearchPlan, after: number, limit: number, audience: Audience | undefined): number[] {
    if (plan.judges.length > 0)
      return this.#judged(plan, audience, after).take(limit).map((it) => it.key).toArray(); // prettier-ignore
    const statement = this.#statement<{ key: number }>(`keys ${plan.shape}`, () => written(keysAfter(plan)));
    return statement.all({ ...plan.values, after, limit }).map((it) => it.key);
  }

  #judged(plan: SearchPlan, audience: Audience | undefined, after: number): IteratorObject<Candidate> {
    const statement = this.#statement<Candidate>(`judged ${plan.shape}`, () =>
      written(
        candidatesOf(
          plan,
          plan.keys((key) => sql`${key} > ${given('after')}`),
        ),
      ),
    );
    const rows = statement.iterate({ ...plan.values, after });
    return Iterator.from(judged(rows, plan.judges, audience, this.#look));
  }

  #inOrder(ordering: Ordering, { count, cursor }: SearchRequest, audience: Audience | undefined): Found {
    const asOf = cursor?.[0] ?? this.#reached.get()?.asOf ?? 0;
    const limit = count + 1;
    const rows = this.#orderedRows(ordering, asOf, limit, audience);
    const last = rows[count - 1];
    const keys = rows.slice(0, count).map((it) => it.key);
    if (rows.length <= count || last === undefined) return { keys };
    const values = ordering.sort.map((_, i) => last[`s${i}`] ?? null);
    // Nothing in a null's place: JSON keeps it, and the link is sealed.
    return { keys, next: [asOf, last.key, ...values] };
  }

  #orderedRows(
    ordering: Ordering,
    asOf: number | string,
    limit: number,
    audience: Audience | undefined,
  ): readonly OrderedRow[] {
    const { plan, sort, place } = ordering;
    const run = ({ shape, query }: Ordered, most: number) =>
      this.#statement<OrderedRow>(shape, () => written(query)).all({ ...plan.values, asOf, limit: most });
    const isThere = !this.#isHere || plan.judges.length === 0;
    if (isByUpdate(sort) && plan.walk === 'type' && isThere) return run(byUpdate(ordering), limit);
    if (this.#isHere && !isOrderedThere(ordering)) return this.#placed(ordering, asOf, limit, audience);
    if (!isByPatientDate(ordering) || place?.values[0] === null) return run(gather(ordering), limit);
    const dated = run(byPatientDate(ordering), limit);
    if (dated.length >= limit) return dated;
    // Behind all that have the date come those that have none.
    const undated: Place = { key: sort[0]?.descending ? Number.MAX_SAFE_INTEGER : 0, values: [null] };
    const rest = { ...ordering, place: undated };
    const others = this.#isHere
      ? this.#placed(rest, asOf, limit - dated.length, audience)
      : run(gather(rest), limit - dated.length);
    return [...dated, ...others];
  }

  #placed(
    ordering: Ordering,
    asOf: number | string,
    limit: number,
    audience: Audience | undefined,
  ): readonly OrderedRow[] {
    const { shape, query } = met(ordering);
    const { plan, place } = ordering;
    const values = { ...plan.values, ...(place !== undefined && { asOf }) };
    const rows = this.#statement<Met>(shape, () => written(query)).iterate(values);
    return placed(ordering, rows, audience, this.#look, limit).map(({ key, values }) => ({
      ...Object.fromEntries(values.map((value, i) => [`s${i}`, value])),
      key,
    }));
  }

  /** `shownTo`: for whom elements may have to be left out. */
  #entries(
    keys: readonly number[],
    base: string,
    mode: 'match' | 'include',
    shownTo: Audience | undefined,
  ): EntriesRow | undefined {
    const frame = entryFrame(base, mode);
    if (this.#isHere && shownTo?.concealing !== undefined)
      return entriesHere(this.#admission.shownRows(keys, shownTo), frame);
    const statement = this.#statement<EntriesRow>(`entries ${shownTo?.concealing !== undefined}`, () =>
      entriesInOrder(shownBody(shownTo), anyConcealed(shownTo)),
    );
    return statement.get({ ...frame, keys: JSON.stringify(keys) });
  }

  #withTotal(
    plan: SearchPlan,
    { total }: SearchRequest,
    page: Answered,
    audience: Audience | undefined,
  ): Answered {
    if (total === 'none') {
      const { total: _, ...rest } = page;
      return rest;
    }
    return total === 'accurate' && page.total === undefined
      ? { ...page, total: this.#count(plan, audience) }
      : page;
  }

  #count(plan: SearchPlan, audience: Audience | undefined): number {
    if (plan.judges.length > 0) return this.#judged(plan, audience, 0).reduce((count) => count + 1, 0);
    const count = this.#statement<{ count: number }>(`count ${plan.shape}`, () =>
      written(sql`select count(*) as count from (${plan.keys()}) k`),
    );
    return count.get(plan.values)?.count ?? 0;
  }

  readonly #probe: Probe = (shape, rows, names) => {
    const probe = this.#statement<{ count: number }>(`probe ${shape}`, () => {
      const all = sql.join(rows.selects, sql` union all `);
      return written(
        sql`select count(*) as count from (select 1 from (${all}) m limit ${sql.lit(ROWS_MAX + 1)}) k`,
      );
    });
    return probe.get(names.values)?.count ?? 0;
  };

  #during<Result>(
    { looks, typeName }: SearchPlan,
    { timeLimit, ...limits }: { sort: readonly SortKey[]; timeLimit?: number; rows?: number },
    audience: Audience | undefined,
    work: () => Result,
  ): Result {
    const deadline = timeLimit === undefined ? {} : { deadline: performance.now() + timeLimit };
    return this.#admission.during(audience, () =>
      this.#look.during({ type: typeName, conditions: looks, ...limits, ...deadline }, work),
    );
  }

  /** Everything that is read meanwhile is of one state. */
  reading<Result>(work: () => Result): Result {
    if (this.#db.isTransaction) return work();
    this.#db.exec('BEGIN');
    try {
      return work();
    } finally {
      if (this.#db.isTransaction) this.#db.exec('COMMIT');
    }
  }

  #statement<Row>(
    shape: string,
    query: () => ConstructorParameters<typeof Statement<Row>>[1],
  ): Statement<Row> {
    const known = this.#statements.get(shape);
    if (known !== undefined) return known as Statement<Row>;
    const oldest = this.#statements.keys().next().value;
    if (this.#statements.size >= SHAPES_MAX && oldest !== undefined) this.#statements.delete(oldest);
    const statement = new Statement<Row>(this.#db, query());
    this.#statements.set(shape, statement);
    return statement;
  }
}

const isDate = (type: string, code: string) =>
  searchParametersOf(type).some((it) => it.code === code && it.type === 'date');

interface Found {
  readonly keys: readonly number[];
  readonly next?: Cursor;
}
type OrderedRow = Record<string, SortValue> & { key: number };

const NOTHING: Answered = { entries: [], count: 0, shown: { versions: '', patients: [] } };

function keysAfter(plan: SearchPlan): RawBuilder<{ key: number }> {
  const keys = plan.keys((key) => sql`${key} > ${given('after')}`, true);
  return sql`${keys} limit cast(${given('limit')} as integer)`;
}

function placeOf(cursor: Cursor | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [, key, ...values] = cursor;
  return { key: Number(key), values };
}
