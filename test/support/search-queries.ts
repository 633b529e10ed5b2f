/** Searches drawn from what resources hold: values that occur, near misses, other precisions, zones, units and spellings. */
import fc from 'fast-check';
import { ownersOf, type Owner } from './search-oracle-compartments.ts';
import {
  elementsOf,
  parametersOf,
  type Asking,
  type Parameter,
  type Resource,
} from './search-oracle-definitions.ts';
import { childrenOf, isNamed, nameOf } from './search-oracle-structures.ts';
import type { Pair } from './search-oracle.ts';
import { values } from './search-values.ts';

export interface Query {
  readonly type: string;
  readonly pairs: readonly Pair[];
  /** How many pages to ask for, about. */
  readonly pages: number;
  /** By `POST /Type/_search`. */
  readonly posted: boolean;
  /** In whose compartment to look. */
  readonly within: Owner | undefined;
  /** By the patient, who may see their own record and what is about nobody. */
  readonly own: boolean;
}

/** What the server says it can be asked: names of parameters by type. */
export type Searchable = ReadonlyMap<string, readonly string[]>;

export interface Drawn {
  readonly resources: readonly Resource[];
  /** `Type/id` of what the patient who asks may find. */
  readonly own: ReadonlySet<string>;
  /** `Type/id` of what they may open. */
  readonly opened: ReadonlySet<string>;
  readonly searchable: Searchable;
}

export function queries({ resources, own, searchable }: Drawn, asking: Asking): fc.Arbitrary<Query> {
  const byType = Map.groupBy(resources, ({ resourceType }) => resourceType);
  const names = new Set(resources.map(nameOfResource));
  const types = [...byType.keys()].filter((type) => searchable.has(type)).sort();
  const large = types.filter((type) => byType.get(type)!.length >= 20);
  const isOwn = (each: Resource) => own.has(nameOfResource(each));
  const ownTypes = types.filter((type) => byType.get(type)!.some(isOwn));
  const drawn = (type: string, isOwner: boolean): fc.Arbitrary<Query> => {
    const all = byType.get(type)!;
    const seen = isOwner && all.some(isOwn) ? all.filter(isOwn) : all;
    const owners = ownersOf(seen, names, asking);
    return fc.record({
      type: fc.constant(type),
      pairs: questions(type, { types, seen, searchable, base: asking.base }),
      pages: fc.constantFrom(1, 1, 1, 2, 5),
      posted: oneIn(10),
      within: owners.length === 0 ? fc.constant(undefined) : maybe(fc.constantFrom(...owners), 6),
      own: fc.constant(isOwner),
    });
  };
  const arbitraries = new Map<string, fc.Arbitrary<Query>>();
  const remembered = (type: string, isOwner: boolean) => {
    const name = `${type} ${isOwner}`;
    const arbitrary = arbitraries.get(name) ?? drawn(type, isOwner);
    arbitraries.set(name, arbitrary);
    return arbitrary;
  };
  const anybody = fc.oneof(fc.constantFrom(...types), fc.constantFrom(...large));
  const patient = fc.constantFrom(...ownTypes);
  return oneIn(5).chain((isOwner) =>
    (isOwner ? patient : anybody).chain((type) => remembered(type, isOwner)),
  );
}

const nameOfResource = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;

const maybe = <T>(arbitrary: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> =>
  fc.tuple(arbitrary, oneIn(times)).map(([each, is]) => (is ? each : undefined));

const oneIn = (times: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 1, max: times }).map((n) => n === 1);

interface About {
  readonly types: readonly string[];
  /** Of the type, to draw values from. */
  readonly seen: readonly Resource[];
  readonly searchable: Searchable;
  readonly base: string;
}

function questions(type: string, { types, seen, searchable, base }: About): fc.Arbitrary<readonly Pair[]> {
  return fc
    .tuple(
      fc.array(conditions(type, seen, searchable, base), { minLength: 1, maxLength: 3 }),
      maybe(sorting(type, searchable), 3),
      fc.array(including(type, types, searchable), { maxLength: 2 }).filter(({ length }) => length !== 1),
      maybe(fc.constant<Pair>(['_total', 'accurate']), 4),
      // Of EvidenceVariable the bundled definitions are those of a later version.
      type === 'EvidenceVariable' ? fc.constant(undefined) : maybe(shaping(type, seen), 5),
    )
    .map(([asked, sort, includes, total, shape]) => {
      // The narrative alone has no references to follow.
      const followed = shape?.[1] === 'text' ? [] : includes;
      return [...asked, ...followed, ...[sort, total, shape].filter((pair) => pair !== undefined)];
    });
}

/** Of elements only those that some resource has: the bundled definitions have more than R4. */
function shaping(type: string, seen: readonly Resource[]): fc.Arbitrary<Pair> {
  const members = [...new Set(seen.flatMap((resource) => Object.keys(resource)))];
  const names = childrenOf(type)
    .filter((element) => members.some((member) => isNamed(member, element)))
    .map(nameOf);
  const elements = fc
    .array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 })
    .map((each): Pair => ['_elements', each.join(',')]);
  const summary = fc
    .constantFrom('true', 'text', 'data', 'count', 'false')
    .map((each): Pair => ['_summary', each]);
  return fc.oneof(elements, summary);
}

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
