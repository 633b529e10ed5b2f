/**
 * The parameters that say how results are to come: which page, in which order, with what else, and how much of each.
 * https://hl7.org/fhir/R4/search.html#return
 */
import { definitionOf, isResourceType } from '../definitions.ts';
import { nearestName } from '../validation/nearest-name.ts';
import type { Include, SortKey } from './query.ts';
import { searchParameterOf, searchParametersOf } from './search-parameters.ts';

/** As far as they were sent. */
export interface ResultParameters {
  count?: number;
  sort?: SortKey[];
  includes: Include[];
  total?: 'none' | 'estimate' | 'accurate';
  elements?: string[];
  /** `false` is as if it had not been sent. */
  summary?: 'true' | 'false' | 'text' | 'data' | 'count';
}

/** `count`: entries a page. */
export const RESULT_LIMITS = { count: 1000, includes: 20, sortKeys: 5, elements: 100 } as const;

/** What is wrong with one, and whether a lenient client may have it ignored. */
export interface Complaint {
  readonly message: string;
  readonly lenient: boolean;
}

/** Their names, without modifiers. */
export const RESULT_PARAMETERS = [
  '_count',
  '_sort',
  '_include',
  '_revinclude',
  '_total',
  '_elements',
  '_summary',
] as const;

/** Whether `name` (without its modifier) is one of these. */
export const isResultParameter = (name: string) => (RESULT_PARAMETERS as readonly string[]).includes(name);

/** Reads one into `into`; returns what is wrong with it, if anything is. */
export function readResultParameter(
  type: string,
  name: string,
  modifier: string | undefined,
  value: string,
  into: ResultParameters,
): Complaint | undefined {
  const isInclude = name === '_include' || name === '_revinclude';
  if (modifier !== undefined && !(isInclude && modifier === 'iterate')) {
    const remedy = isInclude ? 'Only :iterate is.' : `Leave the modifier out: ${name}=….`;
    return ignorable(`This modifier is not supported on ${name}. ${remedy}`);
  }
  if (value === '') return undefined;
  switch (name) {
    case '_count':
      if (!/^\d{1,9}$/.test(value)) return wrong('_count must be a whole number from 0 on.');
      into.count = Math.min(Number(value), RESULT_LIMITS.count);
      return undefined;
    case '_summary':
      return oneOf(name, value, SUMMARIES, (it) => (into.summary = it));
    case '_total':
      return oneOf(name, value, TOTALS, (it) => (into.total = it));
    case '_elements':
      return readElements(type, value, into);
    case '_sort':
      return readSort(type, value, into);
    default:
      return readInclude(
        type,
        name === '_include' ? 'forward' : 'reverse',
        modifier === 'iterate',
        value,
        into,
      );
  }
}

const SUMMARIES = ['true', 'false', 'text', 'data', 'count'] as const;
const TOTALS = ['none', 'estimate', 'accurate'] as const;

const wrong = (message: string): Complaint => ({ message, lenient: false });
const ignorable = (message: string): Complaint => ({ message, lenient: true });

function oneOf<Value extends string>(
  name: string,
  value: string,
  allowed: readonly Value[],
  keep: (value: Value) => void,
): Complaint | undefined {
  const found = allowed.find((it) => it === value);
  if (found === undefined) return wrong(`${name} must be one of ${allowed.join(', ')}.`);
  keep(found);
  return undefined;
}

function readElements(type: string, value: string, into: ResultParameters): Complaint | undefined {
  const known = new Set(definitionOf(type)?.elements.map((it) => it.name));
  const names = value.split(',', RESULT_LIMITS.elements + 1).map((it) => it.replace(/\[x\]$/, ''));
  if (names.length > RESULT_LIMITS.elements)
    return wrong(`_elements takes at most ${RESULT_LIMITS.elements} names.`);
  const unknown = names.find((it) => !known.has(it));
  if (unknown !== undefined) {
    const remedy = suggestion(unknown, known);
    return ignorable(`_elements takes names of elements of ${type}, separated by commas.${remedy}`);
  }
  into.elements = [...new Set([...(into.elements ?? []), ...names])];
  return undefined;
}

function readSort(type: string, value: string, into: ResultParameters): Complaint | undefined {
  const keys: SortKey[] = [];
  for (const [i, key] of value.split(',', RESULT_LIMITS.sortKeys + 1).entries()) {
    const descending = key.startsWith('-');
    const code = descending ? key.slice(1) : key;
    if (searchParameterOf(type, code) === undefined) {
      const known = searchParametersOf(type).map((it) => it.code);
      return ignorable(
        `Key ${i + 1} of _sort is no search parameter of ${type}; - before one means descending.${suggestion(code, known)}`,
      );
    }
    keys.push({ parameter: code, descending });
  }
  const all = [...(into.sort ?? []), ...keys];
  if (all.length > RESULT_LIMITS.sortKeys)
    return wrong(`_sort takes at most ${RESULT_LIMITS.sortKeys} keys.`);
  into.sort = all;
  return undefined;
}

function readInclude(
  type: string,
  direction: Include['direction'],
  iterate: boolean,
  value: string,
  into: ResultParameters,
): Complaint | undefined {
  const name = direction === 'forward' ? '_include' : '_revinclude';
  if (into.includes.length >= RESULT_LIMITS.includes)
    return wrong(`A search takes at most ${RESULT_LIMITS.includes} of _include and _revinclude together.`);
  // What was included may be of any type.
  const all = iterate && direction === 'forward' ? ['*', '*'] : [type, '*'];
  const [source = '', parameter, target, more] = value === '*' ? all : value.split(':');
  if (parameter === undefined || more !== undefined || (target !== undefined && !isResourceType(target)))
    return wrong(`${name} must be Type:parameter or Type:parameter:TargetType.`);
  if (source !== '*' && !isResourceType(source))
    return wrong(`${name} must begin with a resource type and a colon.`);
  if (direction === 'forward' && source !== type && !iterate)
    return wrong(
      `_include must begin with ${type}:, the type searched for; use _include:iterate for what is included.`,
    );
  if (parameter === '*') {
    if (direction === 'reverse') return wrong('_revinclude must name a parameter; * is for _include only.');
  } else {
    const references = searchParametersOf(source).filter((it) => it.type === 'reference');
    const definition = references.find((it) => it.code === parameter);
    if (definition === undefined) {
      const known = references.map((it) => it.code);
      return wrong(`${name} must name a reference parameter of ${source}.${suggestion(parameter, known)}`);
    }
    const reach = direction === 'reverse' && !iterate ? type : target;
    if (reach !== undefined && !(definition.targets ?? []).includes(reach))
      return wrong(`${name}: ${definition.code} of ${source} does not refer to ${reach}.`);
  }
  into.includes.push({ direction, source, parameter, ...(target !== undefined && { target }), iterate });
  return undefined;
}

function suggestion(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name.slice(0, 64), known);
  return nearest === undefined ? '' : ` Did you mean ${nearest}?`;
}
