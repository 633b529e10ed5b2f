/**
 * One search parameter with its modifier and values, read into a condition.
 * https://hl7.org/fhir/R4/search.html#modifiers
 */
import { definitions, isResourceType } from '../definitions.ts';
import { dateComparison } from './dates.ts';
import { numberComparison } from './decimals.ts';
import { splitUnescaped, unescape } from './escapes.ts';
import { compilePaths, type ElementType } from './extraction.ts';
import type { QuantityComparison, ReferenceValue, SearchCondition, TokenValue } from './query.ts';
import type { SearchParameter } from './search-parameters.ts';
import { normaliseString } from './text.ts';
import { foldToken } from './tokens.ts';

/** What a value is read against. */
export interface ConditionContext {
  readonly type: string;
  /** The server's base URL; references that begin with it are to its own resources. */
  readonly base: string;
  /** Milliseconds UTC; `ap` on dates is measured from here. */
  readonly now: number;
}

/** The longest string that is searched for, and the longest value of any other kind, in characters. */
export const VALUE_LIMITS = { string: 500, other: 2_000 } as const;

/** The modifiers that a parameter of a type can have; a resource type among them stands for `:[type]`. */
export function modifiersOf(type: string, parameter: SearchParameter): readonly string[] {
  if (parameter.expression === undefined) return ['missing'];
  const elements = elementsOf(type, parameter);
  switch (parameter.type) {
    case 'string':
      return ['missing', 'exact', 'contains'];
    case 'token':
      return elements.some((it) => WITH_TEXT.has(it.code)) ? ['missing', 'not', 'text'] : ['missing', 'not'];
    case 'reference':
      return elements.some((it) => it.code === 'Reference')
        ? ['missing', 'identifier', ...(parameter.targets ?? [])]
        : ['missing'];
    default:
      return ['missing'];
  }
}

/** The condition, or a sentence that says which form its values must have. `values` keep their escapes and are not empty. */
export function readCondition(
  parameter: SearchParameter,
  modifier: string | undefined,
  values: readonly string[],
  context: ConditionContext,
): SearchCondition | string {
  const { code } = parameter;
  const longest = parameter.type === 'string' ? VALUE_LIMITS.string : VALUE_LIMITS.other;
  if (values.some((it) => it.length > longest))
    return `${code} takes values of at most ${longest} characters. Send a shorter one.`;
  if (modifier === 'missing') return missing(code, values);
  if (code === '_id') return { kind: 'id', parameter: code, values: values.map(unescape) };
  switch (parameter.type) {
    case 'token':
      return tokens(parameter, modifier, values, context.type);
    case 'reference':
      if (modifier === 'identifier') return identifiers(code, values);
      return references(parameter, modifier, values, context.base);
    case 'date':
      return dates(code, values, context.now);
    case 'string':
      return strings(code, modifier, values);
    case 'number':
      return all(values, numberComparison, NUMBER_FORM(code), (read) => ({
        kind: 'number',
        parameter: code,
        values: read,
      }));
    case 'quantity':
      return all(values, quantity, QUANTITY_FORM(code), (read) => ({
        kind: 'quantity',
        parameter: code,
        values: read,
      }));
    case 'uri':
      return { kind: 'uri', parameter: code, values: values.map(unescape) };
    default:
      throw new Error(`${parameter.url}: parameters of type ${parameter.type} are not read here`);
  }
}

function all<Value>(
  values: readonly string[],
  read: (value: string) => Value | undefined,
  form: string,
  condition: (values: Value[]) => SearchCondition,
): SearchCondition | string {
  const wanted: Value[] = [];
  for (const value of values) {
    const it = read(value);
    if (it === undefined) return form;
    wanted.push(it);
  }
  return condition(wanted);
}

function missing(code: string, values: readonly string[]): SearchCondition | string {
  const [value] = values;
  if (values.length !== 1 || (value !== 'true' && value !== 'false'))
    return `${code}:missing must be true or false.`;
  return { kind: 'missing', parameter: code, missing: value === 'true' };
}

const PREFIXES = 'eq, ne, gt, lt, ge, le, sa, eb, ap or nothing';
const NUMBER_FORM = (code: string) =>
  `${code} must be a number such as 100, 0.30 or 1e2 of at most 40 digits, after ${PREFIXES}.`;
const QUANTITY_FORM = (code: string) =>
  `${code} must be a number, number|system|code or number||unit, such as 5.4|http://unitsofmeasure.org|mg, after ${PREFIXES}.`;
const DATE_FORM = (code: string) =>
  `${code} must be a date such as 2024, 2024-03, 2024-03-01 or 2024-03-01T10:00:00Z, after ${PREFIXES}.`;

function dates(code: string, values: readonly string[], now: number): SearchCondition | string {
  const read = (value: string) => dateComparison(value, now);
  return all(values, read, DATE_FORM(code), (comparisons) =>
    code === '_lastUpdated'
      ? { kind: 'last-updated', parameter: code, values: comparisons }
      : { kind: 'date', parameter: code, values: comparisons },
  );
}

function strings(
  code: string,
  modifier: string | undefined,
  values: readonly string[],
): SearchCondition | string {
  if (modifier === 'exact')
    return { kind: 'string', parameter: code, match: 'exact', values: values.map(unescape) };
  const match = modifier === 'contains' ? 'contains' : 'prefix';
  return all(values, normalised, STRING_FORM(code), (texts) => ({
    kind: 'string',
    parameter: code,
    match,
    values: texts,
  }));
}

const STRING_FORM = (code: string) => `${code} must hold at least one character that is not blank.`;
const normalised = (text: string) => normaliseString(unescape(text)) || undefined;

function quantity(text: string): QuantityComparison | undefined {
  const parts = splitUnescaped(text, '|').map(unescape);
  const [number = '', system = '', unit = ''] = parts;
  const comparison = numberComparison(number);
  if (comparison === undefined || (parts.length !== 1 && parts.length !== 3)) return undefined;
  if (system !== '' && unit === '') return undefined;
  return { ...comparison, system: system || undefined, unit: unit || undefined };
}

const WITH_TEXT: ReadonlySet<string> = new Set(['CodeableConcept', 'Coding', 'Identifier']);
const FOLDED: ReadonlySet<string> = new Set([...WITH_TEXT, 'ContactPoint']);
// R4: "for token parameters on elements of type ContactPoint, uri, or boolean, the presence of the pipe symbol SHALL NOT be used".
const WITHOUT_SYSTEM: ReadonlySet<string> = new Set(['ContactPoint', 'uri', 'url', 'canonical', 'boolean']);

function tokens(
  parameter: SearchParameter,
  modifier: string | undefined,
  values: readonly string[],
  type: string,
): SearchCondition | string {
  const { code } = parameter;
  if (modifier === 'text')
    return all(values, normalised, STRING_FORM(`${code}:text`), (texts) => ({
      kind: 'token-text',
      parameter: code,
      values: texts,
    }));
  const elements = elementsOf(type, parameter);
  const isBoolean = elements.every((it) => it.code === 'boolean') || isTest(type, parameter);
  const form = isBoolean
    ? `${code} must be true or false.`
    : elements.every((it) => WITHOUT_SYSTEM.has(it.code))
      ? `${code} must be a value without a system, and | written as \\|.`
      : `${code} must be code, system|code, system| or |code.`;
  const read = (text: string): TokenValue[] | undefined => {
    const value = tokenValue(text);
    if (value === undefined || (isBoolean && value.code !== 'true' && value.code !== 'false'))
      return undefined;
    if (value.system !== undefined && elements.every((it) => WITHOUT_SYSTEM.has(it.code))) return undefined;
    return alternatives(value, elements);
  };
  return all(values, read, form, (lists) => ({
    kind: 'token',
    parameter: code,
    values: lists.flat(),
    ...(modifier === 'not' && { not: true as const }),
  }));
}

function tokenValue(text: string): TokenValue | undefined {
  const [first = '', second, more] = splitUnescaped(text, '|').map(unescape);
  if (more !== undefined || (first === '' && !second)) return undefined;
  if (second === undefined) return { system: undefined, code: first };
  return { system: first === '' ? null : first, code: second === '' ? undefined : second };
}

/**
 * A value as it stands in the index, where codes are folded by their system: one that could be of several kinds becomes one
 * of each. An element of type `code` carries no system; that of its value set is understood.
 */
function alternatives({ system, code }: TokenValue, elements: readonly ElementType[]): TokenValue[] {
  const folded = elements.some((it) => FOLDED.has(it.code));
  if (typeof system !== 'string') {
    if (code === undefined) return [];
    const lower = foldToken(undefined, code);
    return folded && lower !== code
      ? [
          { system, code },
          { system, code: lower },
        ]
      : [{ system, code }];
  }
  const found: TokenValue[] = [];
  for (const { code: kind, valueSet } of elements) {
    if (kind !== 'code') continue;
    const codes = valueSet === undefined ? undefined : definitions().valueSets[valueSet]?.[system];
    if (code === undefined) found.push(...(codes ?? []).map((it) => ({ system: null, code: it })));
    else if (codes?.includes(code)) found.push({ system: null, code });
  }
  if (folded || found.length === 0)
    found.push({ system, code: code === undefined ? undefined : foldToken(system, code) });
  return found;
}

function identifiers(code: string, values: readonly string[]): SearchCondition | string {
  const read = (text: string): TokenValue | undefined => {
    const value = tokenValue(text);
    return value?.code === undefined ? value : { ...value, code: foldToken(value.system, value.code) };
  };
  const form = `${code}:identifier must be value, system|value, system| or |value.`;
  return all(values, read, form, (tokens) => ({ kind: 'identifier', parameter: code, values: tokens }));
}

const ID = /^[A-Za-z0-9.-]{1,64}$/;
const LOCAL = /^([A-Z][A-Za-z]+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/;

function references(
  parameter: SearchParameter,
  modifier: string | undefined,
  values: readonly string[],
  base: string,
): SearchCondition | string {
  const targets = modifier === undefined ? (parameter.targets ?? []) : [modifier];
  const read = (text: string): ReferenceValue[] | undefined => {
    const value = unescape(text);
    const local = value.startsWith(`${base}/`) ? value.slice(base.length + 1) : value;
    const type = LOCAL.exec(local)?.[1];
    if (type !== undefined && isResourceType(type))
      return modifier === undefined || modifier === type ? [{ target: local }] : undefined;
    // An id alone may be that of any type which the parameter can point at.
    if (ID.test(local)) return targets.map((it) => ({ target: `${it}/${local}` }));
    return modifier === undefined && ABSOLUTE.test(local) ? [{ target: local }] : undefined;
  };
  const { code } = parameter;
  const form =
    modifier === undefined
      ? `${code} must be an id, Type/id, or an absolute URL, with /_history/ and a version at the end or without.`
      : `${code}:${modifier} must be an id or ${modifier}/id.`;
  return all(values, read, form, (lists) => ({ kind: 'reference', parameter: code, values: lists.flat() }));
}

const elementLists = new Map<string, readonly ElementType[]>();

/** The types of element that a parameter reads. */
function elementsOf(type: string, parameter: SearchParameter): readonly ElementType[] {
  const key = `${type} ${parameter.code}`;
  let elements = elementLists.get(key);
  if (elements === undefined) {
    const found: ElementType[] = [];
    compilePaths(type, parameter, (element) => {
      found.push(element);
      return () => {};
    });
    elementLists.set(key, (elements = found));
  }
  return elements;
}

const isTest = (type: string, parameter: SearchParameter) =>
  compilePaths(type, parameter, () => () => {}).some((it) => it.isTest);
