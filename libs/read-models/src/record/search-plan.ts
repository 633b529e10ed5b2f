/**
 * Turns a search into one ordered walk over an index and tests on what it meets. The walk always goes by resource key, so
 * a page begins where the last one ended whatever was written in between.
 */
import type { RawBuilder, SelectQueryBuilder } from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import type { NumberedCondition, NumberedSearch } from './numbers.ts';
import { column, comparisons, inCompartment, isOneOf, live, Names, test } from './search-tests.ts';
import { given, record } from './statement.ts';
import { ROLE } from './tables.ts';

export interface SearchPlan {
  /** Equal for plans whose SQL is equal. */
  readonly shape: string;
  readonly values: Readonly<Record<string, SQLInputValue>>;
  /** Keys that match, each once, in no order yet. */
  keys(): KeyQuery;
}

export type KeyQuery = SelectQueryBuilder<{ matches: { key: number } }, 'matches', { key: number }>;

/** Chooses the walk that meets the fewest rows: an id, one patient's rows, one value's rows, a range, or the whole type. */
export function planSearch(search: NumberedSearch): SearchPlan {
  const names = new Names();
  const rest = [...search.conditions];
  const walk = chooseWalk(search, rest, names);
  const tests = rest.map((condition) => test(condition, search.type, walk.patient?.name, names));
  const { restrictTo } = search;
  if (restrictTo !== undefined && walk.patient?.id !== restrictTo) {
    tests.push(inCompartment([restrictTo], ROLE.owned, search.type, names));
  }
  return {
    shape: [walk.shape, ...tests.map((it) => it.shape)].join(';'),
    values: names.values,
    keys() {
      let keys = walk.from();
      for (const { where } of tests) keys = keys.where(where(walk.key));
      return keys;
    },
  };
}

interface Walk {
  readonly shape: string;
  readonly key: RawBuilder<number>;
  /** The patient whose rows alone are walked. */
  readonly patient?: { readonly id: number; readonly name: string };
  from(): KeyQuery;
}

// Takes out of `rest` the conditions that the walk itself fulfils.
function chooseWalk(search: NumberedSearch, rest: NumberedCondition[], names: Names): Walk {
  const streams = take(rest, (it) => it.kind === 'streams');
  if (streams?.kind === 'streams') return walkStreams(search.type, streams.streams, names);
  const exact = take(rest, (it) => it.kind === 'token' && it.rows === 'few');
  if (exact?.kind === 'token') return walkValues('token', 'value', exact.parameter, exact.values, names);
  const subject = take(
    rest,
    (it) => it.kind === 'reference' && it.patients.length === 1 && it.targets.length === 0,
  );
  const patient = subject?.kind === 'reference' ? subject.patients[0] : search.restrictTo;
  if (patient !== undefined) {
    const role = subject === undefined ? ROLE.owned : ROLE.subject;
    return walkPatient(search.type, patient, role, rest, names);
  }
  return walkEverybody(search.type, rest, names);
}

function walkPatient(
  type: number,
  patient: number,
  role: number,
  rest: NumberedCondition[],
  names: Names,
): Walk {
  const name = names.name(patient);
  const roleName = names.name(role);
  const token = take(rest, (it) => it.kind === 'token' && it.rows === 'by-patient' && it.values.length === 1);
  const at = { key: column('d.resource'), patient: { id: patient, name } };
  if (token?.kind === 'token') {
    const [parameter, value] = names.all([token.parameter, token.values[0] ?? 0]);
    return {
      ...at,
      shape: 'patient-token',
      from: () =>
        record
          .selectFrom('patient_token as d')
          .select('d.resource as key')
          .where('d.patient', '=', given(name))
          .where('d.parameter', '=', given(parameter ?? ''))
          .where('d.value', '=', given(value ?? ''))
          .where('d.role', '>=', given(roleName)) as unknown as KeyQuery,
    };
  }
  const date = take(rest, (it) => it.kind === 'date');
  if (date?.kind === 'date') {
    const parameter = names.name(date.parameter);
    const ranges = comparisons(date.comparisons, names);
    return {
      ...at,
      shape: `patient-date ${ranges.shape}`,
      from: () =>
        record
          .selectFrom('patient_date as d')
          .select('d.resource as key')
          .distinct()
          .where('d.patient', '=', given(name))
          .where('d.parameter', '=', given(parameter))
          .where('d.role', '>=', given(roleName))
          .where(ranges.on(column('d.low'), column('d.high'))) as unknown as KeyQuery,
    };
  }
  const typeName = names.name(type);
  return {
    ...at,
    shape: 'compartment',
    from: () =>
      record
        .selectFrom('compartment as d')
        .select('d.resource as key')
        .where('d.patient', '=', given(name))
        .where('d.type', '=', given(typeName))
        .where('d.role', '>=', given(roleName)) as unknown as KeyQuery,
  };
}

function walkEverybody(type: number, rest: NumberedCondition[], names: Names): Walk {
  const token = take(rest, (it) => it.kind === 'token');
  if (token?.kind === 'token') {
    return walkValues('token', 'value', token.parameter, token.values, names);
  }
  const reference = take(rest, (it) => it.kind === 'reference' && it.patients.length === 0);
  if (reference?.kind === 'reference') {
    return walkValues('reference', 'target', reference.parameter, reference.targets, names);
  }
  const date = take(rest, (it) => it.kind === 'date');
  if (date?.kind === 'date') {
    const parameter = names.name(date.parameter);
    const ranges = comparisons(date.comparisons, names);
    return {
      shape: `date ${ranges.shape}`,
      key: column('d.resource'),
      from: () =>
        record
          .selectFrom('date as d')
          .select('d.resource as key')
          .distinct()
          .where('d.parameter', '=', given(parameter))
          .where(ranges.on(column('d.low'), column('d.high'))) as unknown as KeyQuery,
    };
  }
  const typeName = names.name(type);
  return {
    shape: 'type',
    key: column('d.key'),
    from: () =>
      record
        .selectFrom('resource as d')
        .select('d.key as key')
        .where('d.type', '=', given(typeName))
        .where(live('d')) as unknown as KeyQuery,
  };
}

function walkStreams(type: number, streams: readonly string[], names: Names): Walk {
  const typeName = names.name(type);
  const list = names.all(streams);
  return {
    shape: `streams ${list.length}`,
    key: column('d.key'),
    from: () =>
      record
        .selectFrom('resource as d')
        .select('d.key as key')
        .where(
          'd.stream',
          'in',
          list.map((name) => given<string>(name)),
        )
        .where('d.type', '=', given(typeName))
        .where(live('d')) as unknown as KeyQuery,
  };
}

function walkValues(
  table: 'token' | 'reference',
  valueColumn: 'value' | 'target',
  parameter: number,
  values: readonly number[],
  names: Names,
): Walk {
  const parameterName = names.name(parameter);
  const list = names.all(values);
  return {
    shape: `${table} ${list.length}`,
    key: column('d.resource'),
    from() {
      const rows = record
        .selectFrom(`${table} as d` as 'token as d')
        .select('d.resource as key')
        .where('d.parameter', '=', given(parameterName));
      const matching = rows.where(isOneOf(column(`d.${valueColumn}`), list)) as unknown as KeyQuery;
      return list.length === 1 ? matching : matching.distinct();
    },
  };
}

function take(
  conditions: NumberedCondition[],
  wanted: (condition: NumberedCondition) => boolean,
): NumberedCondition | undefined {
  const index = conditions.findIndex(wanted);
  return index < 0 ? undefined : conditions.splice(index, 1)[0];
}
