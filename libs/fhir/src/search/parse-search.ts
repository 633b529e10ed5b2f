/**
 * Reads the parameters of a search into a query, and tells everything that is wrong with them at once.
 * https://hl7.org/fhir/R4/search.html
 */
import type { Problem } from '../problem.ts';
import { nearestName } from '../validation/nearest-name.ts';
import { dateComparison } from './dates.ts';
import type { DateComparison, ReferenceValue, SearchCondition, SearchQuery, TokenValue } from './query.ts';
import { searchParametersOf, type SearchParameter } from './search-parameters.ts';

export interface ParsedSearch {
  readonly query: SearchQuery;
  /** `_count`, at most 1,000; undefined when the client leaves it to us. */
  readonly count: number | undefined;
  /** `_summary=count` or `_count=0`: only the total is wanted. */
  readonly countOnly: boolean;
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

/** At most this many entries a page, values in one parameter, and parameters in one search. */
export const SEARCH_LIMITS = { count: 1000, values: 500, parameters: 50 } as const;

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
    type,
    options: { now: Date.now(), ...options },
    conditions: [],
    unknown: [],
    problems: [],
  };
  const used: (readonly [string, string])[] = [];
  let count: number | undefined;
  let countOnly = false;
  let seen = 0;
  for (const pair of parameters) {
    const [name, value] = pair;
    seen += 1;
    if (seen > SEARCH_LIMITS.parameters) {
      reading.problems.push(
        problem(name, 'too-costly', `A search takes at most ${SEARCH_LIMITS.parameters} parameters.`),
      );
      break;
    }
    if (name === '_count') {
      if (!/^\d{1,9}$/.test(value)) {
        reading.problems.push(problem(name, 'value', '_count must be a whole number from 0 on.'));
        continue;
      }
      count = Math.min(Number(value), SEARCH_LIMITS.count);
      countOnly ||= count === 0;
    } else if (name === '_summary') {
      if (value !== 'count' && value !== 'false') {
        reading.unknown.push(
          problem(name, 'not-supported', '_summary is supported with `count` or `false` only.'),
        );
        continue;
      }
      countOnly ||= value === 'count';
    } else if (!readCondition(name, value, reading)) continue;
    used.push(pair);
  }
  const { conditions, unknown, problems } = reading;
  return { query: { type, conditions }, count, countOnly, used, unknown, problems };
}

interface Reading {
  readonly type: string;
  readonly options: Required<SearchOptions>;
  readonly conditions: SearchCondition[];
  readonly unknown: Problem[];
  readonly problems: Problem[];
}

const RESULT_PARAMETERS = ['_count', '_summary'];

function readCondition(name: string, value: string, reading: Reading): boolean {
  const [code = '', modifier] = name.split(':', 2);
  const supported = searchParametersOf(reading.type);
  const parameter = supported.find((it) => it.code === code);
  if (parameter === undefined) {
    reading.unknown.push(problem(name, 'not-supported', unknownMessage(name, reading.type, supported)));
    return false;
  }
  if (modifier !== undefined) {
    const remedy = `Leave the modifier out: ${code}=….`;
    reading.unknown.push(
      problem(name, 'not-supported', `Modifier :${modifier} is not supported on ${code}. ${remedy}`),
    );
    return false;
  }
  const values = splitUnescaped(value, ',');
  if (values.length > SEARCH_LIMITS.values) {
    const message = `${name} takes at most ${SEARCH_LIMITS.values} values, separated by commas. Search in several steps.`;
    reading.problems.push(problem(name, 'too-costly', message));
    return false;
  }
  // R4: a parameter without a value is no condition.
  if (value === '') return false;
  const condition = conditionOf(parameter, values, reading);
  if (typeof condition === 'string') {
    reading.problems.push(problem(name, 'value', condition));
    return false;
  }
  reading.conditions.push(condition);
  return true;
}

// A condition, or what is wrong with the values.
function conditionOf(
  parameter: SearchParameter,
  values: readonly string[],
  reading: Reading,
): SearchCondition | string {
  const { code } = parameter;
  if (code === '_id') return { kind: 'id', parameter: code, values: values.map(unescape) };
  if (parameter.type === 'token')
    return all(
      values,
      tokenValue,
      (read) => ({ kind: 'token', parameter: code, values: read }),
      TOKEN_FORM(code),
    );
  if (parameter.type === 'reference') {
    const read = (value: string) => referenceValues(value, parameter, reading.options.base);
    return all(
      values,
      read,
      (lists) => ({ kind: 'reference', parameter: code, values: lists.flat() }),
      REFERENCE_FORM(code),
    );
  }
  const read = (value: string): DateComparison | undefined => dateComparison(value, reading.options.now);
  return all(
    values,
    read,
    (dates) =>
      code === '_lastUpdated'
        ? { kind: 'last-updated', parameter: code, values: dates }
        : { kind: 'date', parameter: code, values: dates },
    DATE_FORM(code),
  );
}

function all<Value>(
  values: readonly string[],
  read: (value: string) => Value | undefined,
  condition: (values: Value[]) => SearchCondition,
  form: string,
): SearchCondition | string {
  const all = values.map(read);
  return all.includes(undefined) ? form : condition(all as Value[]);
}

const TOKEN_FORM = (code: string) => `${code} must be code, system|code, system| or |code.`;
const REFERENCE_FORM = (code: string) =>
  `${code} must be an id, Type/id without a version, or an absolute URL.`;
const DATE_FORM = (code: string) =>
  `${code} must be a date such as 2024, 2024-03, 2024-03-01 or 2024-03-01T10:00:00Z, after eq, ne, gt, lt, ge, le, sa, eb, ap or nothing.`;

function tokenValue(text: string): TokenValue | undefined {
  const [first = '', second, more] = splitUnescaped(text, '|').map(unescape);
  if (more !== undefined || (first === '' && !second)) return undefined;
  if (second === undefined) return { system: undefined, code: first };
  return { system: first === '' ? null : first, code: second === '' ? undefined : second };
}

const ID = /^[A-Za-z0-9.-]{1,64}$/;
const TYPE_AND_ID = /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/;

// An id alone may be that of any type which the parameter can point at.
function referenceValues(
  text: string,
  parameter: SearchParameter,
  base: string,
): ReferenceValue[] | undefined {
  const value = unescape(text);
  const local = value.startsWith(`${base}/`) ? value.slice(base.length + 1) : value;
  if (TYPE_AND_ID.test(local)) return [{ target: local }];
  if (/^(?:https?:\/\/|urn:)\S+$/.test(local) && !local.includes('/_history/')) return [{ target: local }];
  if (!ID.test(local)) return undefined;
  return (parameter.targets ?? []).map((type) => ({ target: `${type}/${local}` }));
}

// Splits at a separator that no backslash escapes; the parts keep their escapes.
function splitUnescaped(text: string, separator: string): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === separator) {
      parts.push(part);
      part = '';
    } else part += text[i] === '\\' ? `\\${text[(i += 1)] ?? ''}` : text[i];
  }
  parts.push(part);
  return parts;
}

const unescape = (text: string) => text.replace(/\\([\\,$|])/g, '$1');

function problem(name: string, code: string, message: string): Problem {
  const category = code === 'too-costly' ? 'too-large' : 'incorrect';
  return { category, code, message, expression: `http.${name}` };
}

function unknownMessage(name: string, type: string, supported: readonly SearchParameter[]): string {
  const names = [...supported.map((it) => it.code), ...RESULT_PARAMETERS];
  const nearest = nearestName(name.slice(0, 64), names);
  const remedy = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return `Search parameter ${printable(name)} is not supported on ${type}.${remedy} Supported: ${names.join(', ')}.`;
}

const printable = (name: string) => name.slice(0, 64).replace(/[^\w:.-]/g, '?');
