/**
 * Sorted searches. A resource has its place by its values as of the log position at which the first page was read, so it is
 * met once over all pages though its values change in between; what was created after that is left to the next search.
 */
import type { SortKey } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import { shownAs } from './admission.ts';
import { SHOWN } from './audience.ts';
import { bodySortValue } from './body-look.ts';
import { anyOf, type Names } from './comparisons.ts';
import { either, joinInOrder } from './dialect.ts';
import type { SearchPlan } from './search-plan.ts';
import { live } from './search-tests.ts';
import { given } from './statement.ts';
import { EDGE } from './tables.ts';

export type SortValue = string | number | null;

/** Where a page of a sorted search ended. */
export interface Place {
  readonly key: number;
  readonly values: readonly SortValue[];
}

/** A statement of rows `key, s0, s1, …`; run with `asOf` and `limit`. */
export interface Ordered {
  readonly shape: string;
  readonly query: RawBuilder<Record<string, SortValue> & { key: number }>;
}

export interface Ordering {
  readonly plan: SearchPlan;
  readonly type: number;
  readonly sort: readonly SortKey[];
  /** The one parameter that each date key's values are kept under; undefined for keys that no index of dates has. */
  readonly dates: readonly (number | undefined)[];
  /** Parameters whose values are not counted where a resource is shown in part. */
  readonly unasked: readonly string[];
  readonly place: Place | undefined;
}

/** Whether the order is that of the index by update of a type, whoever its resources are about. */
export const isByUpdate = (sort: readonly SortKey[]) =>
  sort.length === 1 && sort[0]?.parameter === '_lastUpdated';

/** Whether the order is that of one patient's dates. */
export function isByPatientDate({ plan, sort, dates }: Ordering): boolean {
  return plan.patient !== undefined && sort.length === 1 && dates[0] !== undefined;
}

/** Whether a walk in the order of one patient's dates passes over nothing. */
export const isAllOfPatient = ({ plan }: Ordering): boolean => plan.walk === 'compartment' && plan.isPure;

/** Whether values must be read from the bodies of all that match. */
export function readsBodies({ plan, sort, dates }: Ordering): boolean {
  return sort.some(({ parameter }, i) => {
    if (parameter === '_id' || parameter === '_lastUpdated') return false;
    return plan.patient === undefined || dates[i] === undefined;
  });
}

/** All that match with their values, in order. */
export function gather(ordering: Ordering): Ordered {
  const shape = shapeOf(ordering);
  const { plan, sort, dates, unasked, place } = ordering;
  const isFirst = place === undefined;
  const selects: RawBuilder<unknown>[] = [];
  let readsRows = !isFirst;
  const values = sort.map(({ parameter, descending }, i) => {
    const select = dates[i] === undefined ? undefined : datesOf(plan, dates[i], descending);
    if (select !== undefined) {
      selects.push(select);
      const low = sql.ref(`k.d${selects.length}`);
      return isFirst
        ? low
        : sql`case when v.until is null then ${low} else ${bodySortValue(i, sql`v.body`)} end`;
    }
    readsRows = true;
    if (parameter === '_id') return sql`r.stream`;
    if (parameter === '_lastUpdated') return isFirst ? sql`r.updated` : sql`coalesce(v.updated, r.updated)`;
    const body = isFirst ? sql`r.body` : sql`coalesce(v.body, r.body)`;
    if (!unasked.includes(parameter)) return bodySortValue(i, body);
    return bodySortValue(i, sql`case when ${shownAs('r')} = ${sql.lit(SHOWN.whole)} then ${body} end`);
  });
  const columns = sql.join(values.map((value, i) => sql`${value} as ${sql.ref(`s${i}`)}`));
  const rows = sql`select k.key as key, ${columns} from matches k ${readsRows ? sql`${joinInOrder} resource r on r.key = k.key` : sql``} ${isFirst ? sql`` : sql`${asOfVersion} ${steady}`}`;
  return {
    shape: `gather ${shape}`,
    query: sql`with ${matchesWith(selects, plan)}, placed as materialized (${rows}) select * from placed ${following(ordering)} ${orderBy(sort)} limit ${limit}`,
  };
}

// Joined to the matches before anything else is, or SQLite makes no index for the join.
export function matchesWith(selects: readonly RawBuilder<unknown>[], plan: SearchPlan): RawBuilder<unknown> {
  const [dates, columns, joins] = [sql.join(
    selects.map((select, i) => sql`${sql.ref(`dates${i + 1}`)} as materialized (${select}), `), sql``),
    sql.join(selects.map((_, i) => sql`, ${sql.ref(`dates${i + 1}`)}.low as ${sql.ref(`d${i + 1}`)}`), sql``),
    sql.join(selects.map((_, i) => sql` left join ${sql.ref(`dates${i + 1}`)} on ${sql.ref(`dates${i + 1}`)}.resource = m.key`), sql``)]; // prettier-ignore
  return sql`${dates}matches as materialized (select m.key as key${columns} from (${plan.keys()}) m${joins})`;
}

/** By update, off the index; the plan's walk must be that of the type. */
export function byUpdate(ordering: Ordering): Ordered {
  const shape = shapeOf(ordering);
  const { plan, type, place } = ordering;
  const of = plan.names.bind(type);
  const tested = (key: RawBuilder<number>) =>
    sql.join(
      plan.tests.map((test) => sql` and ${test(key)}`),
      sql``,
    );
  const rows = (where: RawBuilder<unknown>) =>
    sql`select d.key as key, d.updated as s0 from resource d where d.type = ${of} and ${live('d')}${tested(sql.ref('d.key'))}${where}`;
  return {
    shape: `by update ${shape}`,
    query: inOrder(ordering, {
      rows,
      value: sql`d.updated`,
      key: sql`d.key`,
      unchanged: sql` and d.position <= ${asOf('d')}`,
      changed: sql`select v.resource as key, v.updated as s0 from version v ${joinInOrder} resource d on d.key = v.resource where ${changedSince('d')} and d.type = ${of} and ${live('d')}${place === undefined ? sql`` : tested(sql.ref('d.key'))}`,
    }),
  };
}

/** By a date of one patient's resources, off the index: only those that have the date. */
export function byPatientDate(ordering: Ordering): Ordered {
  const shape = shapeOf(ordering);
  const { plan, type, sort, dates } = ordering;
  const descending = sort[0]?.descending ?? false;
  const [patient, role] = [
    plan.names.bind(plan.patient?.number ?? 0),
    plan.names.bind(plan.patient?.role ?? 0),
  ];
  const among = (key: RawBuilder<unknown>) =>
    isAllOfPatient(ordering) ? sql`` : sql` and ${key} in (${plan.keys()})`;
  const rows = (where: RawBuilder<unknown>) =>
    sql`select d.resource as key, d.low as s0 from patient_date d where d.patient = ${patient} and d.parameter = ${plan.names.bind(dates[0] ?? 0)} and d.role >= ${role} and d.edge in ${edges(descending)}${among(sql`d.resource`)}${where}`;
  const value = bodySortValue(0, sql`v.body`);
  return {
    shape: `by date ${shape}`,
    query: inOrder(ordering, {
      rows,
      value: sql`d.low`,
      key: sql`d.resource`,
      unchanged: sql` and exists (select 1 from resource r where r.key = d.resource and r.position <= ${asOf('r')})`,
      changed: sql`select v.resource as key, ${value} as s0 from version v where ${changedSince('v')} and ${value} is not null and exists (select 1 from compartment c where c.patient = ${patient} and c.type = ${plan.names.bind(type)} and c.resource = v.resource and c.role >= ${role})${among(sql`v.resource`)}`,
    }),
  };
}

interface Walked {
  readonly rows: (where: RawBuilder<unknown>) => RawBuilder<unknown>;
  readonly value: RawBuilder<unknown>;
  readonly key: RawBuilder<unknown>;
  readonly unchanged: RawBuilder<unknown>;
  readonly changed: RawBuilder<unknown>;
}

// The index has the present values: those that changed since the first page are placed by what they were.
function inOrder(
  { plan, sort, place }: Ordering,
  { rows, value, key, unchanged, changed }: Walked,
): Ordered['query'] {
  const descending = sort[0]?.descending ?? false;
  const direction = descending ? sql`desc` : sql`asc`;
  const walk = (where: RawBuilder<unknown>) =>
    sql`${rows(where)} order by ${value} ${direction}, ${key} ${direction} limit ${limit}`;
  if (place === undefined) return walk(sql``) as Ordered['query'];
  const bound = [plan.names.bind(place.values[0] ?? null), plan.names.bind(place.key)];
  const than = descending ? sql`<` : sql`>`;
  const behind = (of: RawBuilder<unknown>, at: RawBuilder<unknown>) =>
    sql`(${of}, ${at}) ${than} (${bound[0]}, ${bound[1]})`;
  return sql`select * from (select * from (${walk(sql`${unchanged} and ${behind(value, key)}`)}) m union all select * from (${changed}) m where ${behind(sql`s0`, sql`key`)}) k ${orderBy(sort)} limit ${limit}`;
}

/**
 * How far the log was projected when the first page was read: a position, or where lanes come further each by itself one of
 * each lane, as an array.
 */
export const reached = either(
  sql<{ asOf: number | string }>`select coalesce(max(position), 0) as "asOf" from checkpoint`,
  sql`select coalesce('{' || string_agg(cast(coalesce(c.position, 0) as text), ',' order by l.lane) || '}', '{}') as "asOf" from generate_series(0, (select max(lane) from checkpoint)) l(lane) left join checkpoint c on c.lane = l.lane`,
);
const asOf = (of: string) =>
  either(
    sql`${given('asOf')}`,
    sql`coalesce((cast(${given('asOf')} as bigint[]))[${sql.ref(`${of}.lane`)} + 1], 0)`,
  );

/** The version that was current when the first page was read, where a later one replaced it, and what was there by then. */
export const asOfVersion = sql`left join version v on r.position > ${asOf('r')} and v.resource = r.key and v.position <= ${asOf('r')} and +v.until > ${asOf('r')}`;
export const steady = sql`where r.key <= ${asOf('r')} and (r.position <= ${asOf('r')} or v.state = 0)`;

const limit = sql`cast(${given('limit')} as integer)`;
// Versions of many lanes are entered where the one that is furthest behind was.
const changedSince = (of: string) =>
  either(
    sql`v.until > ${asOf(of)} and v.position <= ${asOf(of)} and v.state = 0`,
    sql`v.until > (select min(l.reached) from unnest(cast(${given('asOf')} as bigint[])) l(reached) where l.reached > 0) and v.until > ${asOf(of)} and v.position <= ${asOf(of)} and v.state = 0`,
  );
const edges = (descending: boolean) =>
  sql`(${sql.lit(descending ? EDGE.last : EDGE.first)}, ${sql.lit(EDGE.only)})`;

// Each resource's date in this order; of everybody's only where much is walked anyway.
export function datesOf(
  plan: SearchPlan,
  parameter: number,
  descending: boolean,
): RawBuilder<unknown> | undefined {
  const { patient, timed, names } = plan;
  if (patient !== undefined)
    return sql`select resource, low from patient_date where patient = ${names.bind(patient.number)} and parameter = ${names.bind(parameter)} and edge in ${edges(descending)}`;
  if (!timed) return undefined;
  const chosen = descending ? sql`max(low)` : sql`min(low)`;
  return sql`select resource, ${chosen} as low from date where parameter = ${names.bind(parameter)} group by resource`;
}

// Resources without a value come last in either direction; ties go by key, in the direction of the first sort key.
function orderBy(sort: readonly SortKey[]): RawBuilder<unknown> {
  const direction = (descending: boolean) => (descending ? sql`desc` : sql`asc`);
  const keys = sort.map(({ descending }, i) => {
    const value = sql.ref(`s${i}`);
    return sql`${value} is null, ${value} ${direction(descending)}`;
  });
  return sql`order by ${sql.join(keys)}, key ${direction(sort[0]?.descending ?? false)}`;
}

function following({ plan, sort, place }: Ordering): RawBuilder<unknown> {
  return place === undefined ? sql`` : sql`where ${behindPlace(plan.names, sort, place)}`;
}

function behindPlace(names: Names, sort: readonly SortKey[], { key, values }: Place): RawBuilder<SqlBool> {
  const same: RawBuilder<SqlBool>[] = [];
  const ways: RawBuilder<SqlBool>[] = [];
  for (const [i, { descending }] of sort.entries()) {
    const column = sql.ref(`s${i}`);
    const value = values[i] ?? null;
    if (value === null) {
      same.push(sql`${column} is null`);
      continue;
    }
    const bound = names.bind(value);
    const behind = sql<SqlBool>`(${column} ${descending ? sql`<` : sql`>`} ${bound} or ${column} is null)`;
    ways.push(sql`(${sql.join([...same, behind], sql` and `)})`);
    same.push(sql`${column} = ${bound}`);
  }
  const last = sql<SqlBool>`key ${sort[0]?.descending ? sql`<` : sql`>`} ${names.bind(key)}`;
  ways.push(sql`(${sql.join([...same, last], sql` and `)})`);
  return sql`${anyOf(ways)}`;
}

// Told before anything more is named: the names that follow depend on how many there were.
export function shapeOf({ plan, sort, dates, unasked, place }: Ordering): string {
  const keys = sort.map(({ parameter, descending }, i) => {
    const body = unasked.includes(parameter) ? 'shown body' : 'body';
    const of = parameter.startsWith('_') ? parameter : dates[i] === undefined ? body : 'date';
    return `${of}${descending ? ' desc' : ''}`;
  });
  const from = place?.values.map((value) => (value === null ? 'null' : 'value')).join() ?? 'first';
  return `${plan.shape};${keys.join()};${from};${plan.names.count}`;
}
