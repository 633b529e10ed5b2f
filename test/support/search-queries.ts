/** Searches drawn from what resources hold: values that occur, near misses, other precisions, zones, units and spellings. */
import fc from 'fast-check';
import { elementsOf, parametersOf, type Parameter, type Resource } from './search-oracle-definitions.ts';
import { isOfPatients, type Pair } from './search-oracle.ts';
import { values } from './search-values.ts';

export interface Query {
  readonly type: string;
  readonly pairs: readonly Pair[];
  /** How many pages to ask for, about. */
  readonly pages: number;
  /** By `POST /Type/_search`. */
  readonly posted: boolean;
  /** The patient in whose compartment to look. */
  readonly within: string | undefined;
}

/** What the server says it can be asked: names of parameters by type. */
export type Searchable = ReadonlyMap<string, readonly string[]>;

export function queries(
  resources: readonly Resource[],
  searchable: Searchable,
  base: string,
): fc.Arbitrary<Query> {
  const byType = Map.groupBy(resources, ({ resourceType }) => resourceType);
  const types = [...byType.keys()].filter((type) => searchable.has(type)).sort();
  const large = types.filter((type) => byType.get(type)!.length >= 20);
  const people = (byType.get('Patient') ?? []).map(({ id }) => id);
  const someone = fc.tuple(oneIn(8), fc.constantFrom(...people)).map(([is, id]) => (is ? id : undefined));
  return fc.oneof(fc.constantFrom(...types), fc.constantFrom(...large)).chain((type) => {
    const condition = conditions(type, byType.get(type)!, searchable, base);
    const pairs = fc.tuple(
      fc.array(condition, { minLength: 1, maxLength: 3 }),
      optional(sorting(type, searchable), 3),
      fc.array(including(type, types, searchable), { maxLength: 2 }).filter(({ length }) => length !== 1),
      optional(fc.constant<Pair>(['_total', 'accurate']), 4),
    );
    return fc.record({
      type: fc.constant(type),
      pairs: pairs.map(([asked, sort, includes, total]) => [...asked, ...sort, ...includes, ...total]),
      pages: fc.constantFrom(1, 1, 1, 2, 5),
      posted: oneIn(10),
      within: isOfPatients(type) && type !== 'Patient' ? someone : fc.constant(undefined),
    });
  });
}

const optional = (pair: fc.Arbitrary<Pair>, times: number): fc.Arbitrary<Pair[]> =>
  fc.tuple(pair, oneIn(times)).map(([each, is]) => (is ? [each] : []));

const oneIn = (times: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 1, max: times }).map((n) => n === 1);

function conditions(
  type: string,
  resources: readonly Resource[],
  searchable: Searchable,
  base: string,
): fc.Arbitrary<Pair> {
  const all = searchable.get(type)!.flatMap((code) => parametersOf(type).get(code) ?? []);
  const held = all.flatMap((parameter) => {
    const elements = resources.flatMap((resource) => elementsOf(resource, parameter));
    return elements.length > 0 ? [{ parameter, elements }] : [];
  });
  const missing = fc
    .tuple(fc.constantFrom(...all), fc.boolean())
    .map(([{ code }, is]): Pair => [`${code}:missing`, String(is)]);
  const asked = fc.constantFrom(...held).chain(({ parameter, elements }) =>
    fc
      .constantFrom(...modifiers(parameter, new Set(elements.map(({ type: each }) => each))))
      .chain((modifier) => {
        const value = fc
          .constantFrom(...elements)
          .chain((element) => values(parameter, modifier, element, base));
        return fc
          .array(value, { minLength: 1, maxLength: 3 })
          .map((each): Pair => [modifier ? `${parameter.code}:${modifier}` : parameter.code, each.join(',')]);
      }),
  );
  return fc.oneof({ weight: 9, arbitrary: asked }, { weight: 1, arbitrary: missing });
}

function modifiers({ type, code, targets }: Parameter, held: ReadonlySet<string>): string[] {
  if (code === '_id') return [''];
  const none = ['', '', '', ''];
  const worded = ['CodeableConcept', 'Coding', 'Identifier'].some((each) => held.has(each));
  switch (type) {
    case 'token':
      return [...none, 'not', ...(worded ? ['text'] : [])];
    case 'string':
      return [...none, 'exact', 'contains'];
    case 'reference':
      return [...none, ...(held.has('Reference') ? ['identifier', ...targets.slice(0, 3)] : [])];
    default:
      return none;
  }
}

function sorting(type: string, searchable: Searchable): fc.Arbitrary<Pair> {
  const key = fc
    .tuple(fc.constantFrom(...searchable.get(type)!), fc.boolean())
    .map(([code, descending]) => (descending ? `-${code}` : code));
  return fc
    .uniqueArray(key, { minLength: 1, maxLength: 3, selector: (each) => each.replace('-', '') })
    .map((keys): Pair => ['_sort', keys.join(',')]);
}

function including(type: string, types: readonly string[], searchable: Searchable): fc.Arbitrary<Pair> {
  const referencesOf = (each: string) =>
    searchable.get(each)!.filter((code) => parametersOf(each).get(code)?.type === 'reference');
  const forward = referencesOf(type).flatMap((code) => [
    `${type}:${code}`,
    ...parametersOf(type)
      .get(code)!
      .targets.slice(0, 2)
      .map((target) => `${type}:${code}:${target}`),
  ]);
  const reverse = types.flatMap((source) =>
    referencesOf(source)
      .filter((code) => parametersOf(source).get(code)!.targets.includes(type))
      .map((code) => `${source}:${code}`),
  );
  const iterate = fc.constantFrom('', '', ':iterate');
  const ahead = fc.tuple(iterate, fc.constantFrom('*', `${type}:*`, ...forward));
  const back = fc.tuple(iterate, fc.constantFrom(...(reverse.length > 0 ? reverse : ['Provenance:target'])));
  return fc.oneof(
    ahead.map(([on, value]): Pair => [`_include${on}`, value]),
    back.map(([on, value]): Pair => [`_revinclude${on}`, value]),
  );
}
