/**
 * A slow, plain reading of R4 search over resources in memory, for tests only: it shares nothing with the product, so that
 * where both give the same answer the specification was read the same way twice.
 * https://hl7.org/fhir/R4/search.html
 */
import {
  elementsOf,
  parametersOf,
  type Asking,
  type Parameter,
  type Resource,
} from './search-oracle-definitions.ts';
import { matcherOf, spanOf, strings, targetsOf } from './search-oracle-matching.ts';
import { amounts, placeOf } from './search-oracle-quantities.ts';
import { normal, split } from './search-oracle-text.ts';
import { codes } from './search-oracle-tokens.ts';

export type Pair = readonly [name: string, value: string];

export interface Answer {
  /** Ids of all that match; in order where `_sort` asks for one, resources that compare equal in any. */
  readonly ids: readonly string[];
  /** What the resource sorts by, key by key, as text or numbers that grow with it; undefined where it has no value. */
  sortValues(id: string): readonly (string | number | undefined)[];
  /** `Type/id` of what `_include` and `_revinclude` add to a page of these matches. */
  included(page: readonly string[]): ReadonlySet<string>;
}

/**
 * Searches among some of the resources; what is included may be any whose `Type/id` the caller may see. Parameters of the result
 * other than `_sort`, `_include` and `_revinclude` are for others to look at.
 */
export function searchPlainly(
  resources: readonly Resource[],
  type: string,
  pairs: readonly Pair[],
  asking: Asking,
  among: readonly Resource[] = resources,
  maySee: (name: string) => boolean = () => true,
): Answer {
  const conditions = pairs.filter(([name, value]) => !OF_THE_RESULT.test(name) && value !== '');
  const found = among.filter(
    (resource) =>
      resource.resourceType === type &&
      conditions.every(([name, value]) => holds(resource, name, value, asking)),
  );
  const keys = pairs.filter(([name]) => name === '_sort').flatMap(([, value]) => value.split(','));
  const valuesById = new Map(
    found.map((resource) => [resource.id, keys.map((key) => sortValue(resource, key, asking))]),
  );
  const order = (a: Resource, b: Resource): number =>
    keys.reduce(
      (sofar, key, i) =>
        sofar || compareValues(valuesById.get(a.id)![i], valuesById.get(b.id)![i], key.startsWith('-')),
      0,
    );
  return {
    ids: found.toSorted(order).map(({ id }) => id),
    sortValues: (id) => valuesById.get(id) ?? [],
    included: (page) =>
      included(
        resources,
        page.map((id) => `${type}/${id}`),
        pairs,
        asking,
        maySee,
      ),
  };
}

const OF_THE_RESULT = /^_(sort|include|revinclude|count|total|summary|elements|format|pretty)\b/;

function holds(resource: Resource, name: string, value: string, asking: Asking): boolean {
  const [code = '', modifier] = name.split(':');
  const parameter = parametersOf(resource.resourceType).get(code);
  if (!parameter) throw new Error(`${resource.resourceType} has no parameter ${code}`);
  const elements = elementsOf(resource, parameter);
  if (modifier === 'missing') return isMissing(resource, parameter) === (value === 'true');
  const matches = matcherOf(parameter, modifier);
  if (!matches) throw new Error(`${code} of ${resource.resourceType} has no modifier ${modifier}`);
  const values = split(value, ',').filter((each) => each !== '');
  const any = elements.some((element) => values.some((each) => matches(element, each, asking)));
  return modifier === 'not' ? !any : any;
}

/** Its expression makes a value for those who live; what may be missing is the element. */
function isMissing(resource: Resource, parameter: Parameter): boolean {
  if (parameter.code !== 'deceased') return elementsOf(resource, parameter).length === 0;
  return resource['deceasedBoolean'] === undefined && resource['deceasedDateTime'] === undefined;
}

function sortValue(resource: Resource, key: string, asking: Asking): string | number | undefined {
  const descending = key.startsWith('-');
  const parameter = parametersOf(resource.resourceType).get(key.replace(/^-/, ''));
  if (!parameter) throw new Error(`${resource.resourceType} cannot be sorted by ${key}`);
  const values = sortValues(resource, parameter, descending, asking).toSorted((a, b) =>
    compareValues(a, b, descending),
  );
  return values[0];
}

function sortValues(
  resource: Resource,
  parameter: Parameter,
  descending: boolean,
  { base }: Asking,
): (string | number)[] {
  const elements = elementsOf(resource, parameter);
  switch (parameter.type) {
    case 'token':
      if (parameter.code === '_id') return [resource.id];
      return elements
        .flatMap(codes)
        .flatMap(({ code, anyCase }) => (anyCase ? code?.toLowerCase() : code) ?? []);
    case 'string':
      return elements.flatMap(strings).map(normal);
    case 'uri':
      return elements.map(({ value }) => String(value));
    case 'reference':
      return elements.flatMap((element) => targetsOf(element, parameter, base));
    case 'number':
    case 'quantity':
      return elements.flatMap(amounts).map(placeOf);
    case 'date':
      return elements.flatMap((element) => spanOf(element)?.low ?? []);
  }
}

/** Those without a value come last in either direction. */
export function compareValues(
  a: string | number | undefined,
  b: string | number | undefined,
  descending: boolean,
): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
  return a < b === descending ? 1 : -1;
}

function included(
  resources: readonly Resource[],
  page: readonly string[],
  pairs: readonly Pair[],
  asking: Asking,
  maySee: (name: string) => boolean,
): ReadonlySet<string> {
  const named = namesOf(resources);
  const includes = pairs.filter(([name]) => /^_(rev)?include\b/.test(name));
  const added = new Set<string>();
  let round = page;
  for (let first = true; round.length > 0; first = false) {
    const next = new Set<string>();
    for (const [name, value] of includes) {
      if (!first && !name.endsWith(':iterate')) continue;
      const [source = '', code = '', target] = value.split(':');
      const reached = name.startsWith('_rev')
        ? resources.filter(
            (resource) =>
              resource.resourceType === source &&
              references(resource, code, asking).some((to) => round.includes(to) && isOf(to, target)),
          )
        : round
            .map((from) => named.get(from)!)
            .filter(({ resourceType }) => source === '*' || resourceType === source)
            .flatMap((resource) => references(resource, source === '*' ? '*' : code, asking))
            .filter((to) => isOf(to, target))
            .flatMap((to) => named.get(to) ?? []);
      for (const { resourceType, id } of reached) next.add(`${resourceType}/${id}`);
    }
    round = [...next].filter((each) => maySee(each) && !added.has(each) && !page.includes(each));
    for (const each of round) added.add(each);
  }
  return added;
}

const names = new WeakMap<readonly Resource[], ReadonlyMap<string, Resource>>();

/** Remembered: resources are not to be changed afterwards. */
function namesOf(resources: readonly Resource[]): ReadonlyMap<string, Resource> {
  const known =
    names.get(resources) ??
    new Map(resources.map((resource) => [`${resource.resourceType}/${resource.id}`, resource]));
  names.set(resources, known);
  return known;
}

function isOf(reference: string, type: string | undefined): boolean {
  return type === undefined || reference.startsWith(`${type}/`);
}

/** What the resource refers to by a parameter, or by any (`*`): `Type/id`, or an absolute URL. */
export function references(resource: Resource, code: string, { base }: Asking): string[] {
  const own = parametersOf(resource.resourceType);
  const read = code === '*' ? [...own.values()] : [own.get(code)];
  return read
    .filter((parameter) => parameter !== undefined)
    .filter(({ type }) => type === 'reference')
    .flatMap((parameter) =>
      elementsOf(resource, parameter).flatMap((element) => targetsOf(element, parameter, base)),
    );
}

/** As a value that means just this text. */
export function escape(text: string): string {
  return text.replace(/[\\,|$]/g, '\\$&');
}
