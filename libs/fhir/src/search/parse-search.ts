/**
 * Reads the parameters of a search into a query, and tells everything that is wrong with them at once.
 * https://hl7.org/fhir/R4/search.html
 */
import type { Problem } from '../problem.ts';
import { nearestName } from '../validation/nearest-name.ts';
import { modifiersOf, readCondition, VALUE_LIMITS, type ConditionContext } from './conditions.ts';
import { splitUnescaped } from './escapes.ts';
import type { Include, SearchCondition, SearchQuery } from './query.ts';
import {
  isResultParameter,
  readResultParameter,
  RESULT_LIMITS,
  RESULT_PARAMETERS,
  type ResultParameters,
} from './result-parameters.ts';
import { searchParametersOf, type SearchParameter } from './search-parameters.ts';

export interface ParsedSearch {
  readonly query: SearchQuery;
  /** `_count`, at most 1,000; undefined when the client leaves it to us. */
  readonly count: number | undefined;
  /** `_summary=count` or `_count=0`: only the total is wanted. */
  readonly countOnly: boolean;
  /** `_total`; undefined when the client leaves it to us. */
  readonly total: 'none' | 'estimate' | 'accurate' | undefined;
  /** `_include` and `_revinclude`, in the order sent. */
  readonly includes: readonly Include[];
  /** `_elements`: names of elements of the type, a choice without its type (`value`). */
  readonly elements: readonly string[] | undefined;
  /** `_summary`, but for `false`, which is none. */
  readonly summary: 'true' | 'text' | 'data' | 'count' | undefined;
  /** The parameters that were understood, as sent: what a `self` link shows. */
  readonly used: readonly (readonly [string, string])[];
  /** Parameters and modifiers that are not supported: an error, or ignored for a client that asked to be lenient. */
  readonly unknown: readonly Problem[];
  /** Values that cannot be read: always an error. */
  readonly problems: readonly Problem[];
}

export interface SearchOptions {
  /** The server's base URL; references that begin with it are to its own resources. */
  readonly base: string;
  /** Milliseconds UTC; `ap` on dates is measured from here. */
  readonly now?: number;
}

/** At most this many of each; `values` are those of one parameter, `string` and `value` their lengths in characters. */
export const SEARCH_LIMITS = {
  ...RESULT_LIMITS,
  values: 500,
  parameters: 50,
  string: VALUE_LIMITS.string,
  value: VALUE_LIMITS.other,
} as const;

/**
 * Reads decoded name and value pairs, without those that do not select or shape results (`_format`, the state of a page
 * link): the caller takes these out first.
 */
export function parseSearch(
  type: string,
  parameters: Iterable<readonly [string, string]>,
  options: SearchOptions,
): ParsedSearch {
  const reading: Reading = {
    context: { type, base: options.base, now: options.now ?? Date.now() },
    conditions: [],
    results: { includes: [] },
    unknown: [],
    problems: [],
  };
  const used: (readonly [string, string])[] = [];
  let seen = 0;
  for (const pair of parameters) {
    const [name, value] = pair;
    seen += 1;
    if (seen > SEARCH_LIMITS.parameters) {
      const message = `A search takes at most ${SEARCH_LIMITS.parameters} parameters.`;
      reading.problems.push(problem(name, 'too-costly', message));
      break;
    }
    if (readParameter(name, value, reading)) used.push(pair);
  }
  const { conditions, results, unknown, problems } = reading;
  const { count, sort, includes, total, elements, summary } = results;
  if (summary === 'text' && includes.length > 0) {
    const message =
      '_summary=text leaves out the references that _include and _revinclude follow. Send one or the other.';
    problems.push(problem('_summary', 'invalid', message));
  }
  return {
    query: { type, conditions, ...(sort !== undefined && { sort }) },
    count,
    countOnly: summary === 'count' || count === 0,
    total,
    includes,
    elements,
    summary: summary === 'false' ? undefined : summary,
    used,
    unknown,
    problems,
  };
}

interface Reading {
  readonly context: ConditionContext;
  readonly conditions: SearchCondition[];
  readonly results: ResultParameters;
  readonly unknown: Problem[];
  readonly problems: Problem[];
}

// Whether it was understood.
function readParameter(name: string, value: string, reading: Reading): boolean {
  const colon = name.indexOf(':');
  const code = colon < 0 ? name : name.slice(0, colon);
  const modifier = colon < 0 ? undefined : name.slice(colon + 1);
  const { context, conditions, results, unknown, problems } = reading;
  if (isResultParameter(code)) {
    const complaint = readResultParameter(context.type, code, modifier, value, results);
    if (complaint === undefined) return value !== '';
    if (complaint.lenient) unknown.push(problem(name, 'not-supported', complaint.message));
    else problems.push(problem(name, 'value', complaint.message));
    return false;
  }
  const supported = searchParametersOf(context.type);
  const parameter = supported.find((it) => it.code === code);
  if (parameter === undefined) {
    unknown.push(problem(name, 'not-supported', unknownMessage(name, context.type, supported)));
    return false;
  }
  if (modifier !== undefined && !modifiersOf(context.type, parameter).includes(modifier)) {
    unknown.push(problem(name, 'not-supported', modifierMessage(modifier, parameter, context.type)));
    return false;
  }
  const parts = splitUnescaped(value, ',', SEARCH_LIMITS.values + 1);
  // R4: a parameter without a value is no condition.
  const values = parts.filter((it) => it !== '');
  const isMany = parts.length > SEARCH_LIMITS.values;
  if (values.length === 0 && !isMany) return false;
  const condition = isMany ? undefined : readCondition(parameter, modifier, values, context);
  if (condition === undefined || (typeof condition !== 'string' && isTooMuch(condition))) {
    const remedy =
      parameter.type === 'reference'
        ? ' Say Type/id rather than an id alone, or search in several steps.'
        : ' Search in several steps.';
    const message = `${code} takes at most ${SEARCH_LIMITS.values} values, separated by commas.${remedy}`;
    problems.push(problem(name, 'too-costly', message));
    return false;
  }
  if (typeof condition === 'string') {
    problems.push(problem(name, 'value', condition));
    return false;
  }
  conditions.push(condition);
  return true;
}

// An id alone stands for one reference to each type that the parameter can point at.
const isTooMuch = (condition: SearchCondition) =>
  condition.kind === 'reference' && condition.values.length > 4 * SEARCH_LIMITS.values;

function problem(name: string, code: string, message: string): Problem {
  const category = code === 'too-costly' ? 'too-large' : 'incorrect';
  return { category, code, message, expression: `http.${printable(name)}` };
}

function unknownMessage(name: string, type: string, supported: readonly SearchParameter[]): string {
  if (name.includes('.') || name.startsWith('_has:'))
    return `${printable(name)}: chained parameters and _has are not supported. Search for the other resources first, then by their ids.`;
  const names = [...supported.map((it) => it.code), ...RESULT_PARAMETERS];
  const nearest = nearestName(name.slice(0, 64), names);
  const remedy = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return `Search parameter ${printable(name)} is not supported on ${type}.${remedy} Supported: ${names.join(', ')}.`;
}

function modifierMessage(modifier: string, parameter: SearchParameter, type: string): string {
  const supported = modifiersOf(type, parameter);
  const nearest = nearestName(modifier.slice(0, 64), supported);
  const remedy = nearest === undefined ? '' : ` Did you mean :${nearest}?`;
  const shown = supported.slice(0, 12).map((it) => `:${it}`);
  const list = `${shown.join(', ')}${supported.length > shown.length ? ', …' : ''}`;
  return `Modifier :${printable(modifier)} is not supported on ${parameter.code}.${remedy} Supported: ${list}, or none.`;
}

const printable = (name: string) => name.slice(0, 64).replace(/[^\w:.-]/g, '?');
