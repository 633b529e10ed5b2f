/**
 * One search parameter with its modifier and values, read into a condition.
 * https://hl7.org/fhir/R4/search.html#modifiers
 */
import { dateComparison } from './dates.ts';
import { numberComparison } from './decimals.ts';
import { splitUnescaped, unescape } from './escapes.ts';
import { parameterElements } from './parameter-elements.ts';
import type { QuantityComparison, SearchCondition } from './query.ts';
import { referenceReader } from './reference-values.ts';
import type { SearchParameter } from './search-parameters.ts';
import { normaliseString } from './text.ts';
import { haveText, identifierReader, tokenReader, type ValueReader } from './token-values.ts';

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
  const { elements } = parameterElements(type, parameter.code);
  if (parameter.type === 'string') return ['missing', 'exact', 'contains'];
  if (parameter.type === 'token' && elements.length > 0)
    return haveText(elements) ? ['missing', 'not', 'text'] : ['missing', 'not'];
  if (parameter.type === 'reference' && elements.some((it) => it.code === 'Reference'))
    return ['missing', 'identifier', ...(parameter.targets ?? [])];
  return ['missing'];
}

/**
 * The condition, or a sentence that says which form its values must have. The modifier is one of `modifiersOf`; the values
 * keep their escapes and are not empty.
 */
export function readCondition(
  parameter: SearchParameter,
  modifier: string | undefined,
  values: readonly string[],
  context: ConditionContext,
): SearchCondition | string {
  const { code, type } = parameter;
  const longest = type === 'string' ? VALUE_LIMITS.string : VALUE_LIMITS.other;
  if (values.some((it) => it.length > longest))
    return `${code} takes values of at most ${longest} characters. Send a shorter one.`;
  if (modifier === 'missing') return missing(code, values);
  if (code === '_id') return { kind: 'id', parameter: code, values: values.map(unescape) };
  switch (type) {
    case 'token':
      return token(code, modifier, values, context.type);
    case 'reference':
      return reference(parameter, modifier, values, context.base);
    case 'date':
      return date(code, values, context.now);
    case 'string':
      return string(code, modifier, values);
    case 'number':
      return read(values, each(numberComparison, NUMBER_FORM(code)), (all) => ({
        kind: 'number',
        parameter: code,
        values: all,
      }));
    case 'quantity':
      return read(values, each(quantity, QUANTITY_FORM(code)), (all) => ({
        kind: 'quantity',
        parameter: code,
        values: all,
      }));
    case 'uri':
      return { kind: 'uri', parameter: code, values: values.map(unescape) };
    default:
      throw new Error(`${parameter.url}: parameters of type ${type} are not read here`);
  }
}

function read<Value>(
  values: readonly string[],
  reader: ValueReader<Value>,
  condition: (values: Value[]) => SearchCondition,
): SearchCondition | string {
  const all: Value[] = [];
  for (const value of values) {
    const meanings = reader.read(value);
    if (meanings === undefined) return reader.form;
    all.push(...meanings);
  }
  return condition(all);
}

function each<Value>(one: (text: string) => Value | undefined, form: string): ValueReader<Value> {
  const read = (text: string) => {
    const value = one(text);
    return value === undefined ? undefined : [value];
  };
  return { read, form };
}

function missing(code: string, values: readonly string[]): SearchCondition | string {
  const [value] = values;
  if (values.length !== 1 || (value !== 'true' && value !== 'false'))
    return `${code}:missing must be true or false.`;
  return { kind: 'missing', parameter: code, missing: value === 'true' };
}

function token(code: string, modifier: string | undefined, values: readonly string[], type: string) {
  if (modifier === 'text')
    return read(values, each(normalised, STRING_FORM(`${code}:text`)), (all) => ({
      kind: 'token-text',
      parameter: code,
      values: all,
    }));
  return read(values, tokenReader(type, code), (all) => ({
    kind: 'token',
    parameter: code,
    values: all,
    ...(modifier === 'not' && { not: true as const }),
  }));
}

function reference(
  parameter: SearchParameter,
  modifier: string | undefined,
  values: readonly string[],
  base: string,
) {
  const { code } = parameter;
  return modifier === 'identifier'
    ? read(values, identifierReader(code), (all) => ({ kind: 'identifier', parameter: code, values: all }))
    : read(values, referenceReader(parameter, modifier, base), (all) => ({
        kind: 'reference',
        parameter: code,
        values: all,
      }));
}

function date(code: string, values: readonly string[], now: number) {
  const reader = each((text) => dateComparison(text, now), DATE_FORM(code));
  return read(values, reader, (all) =>
    code === '_lastUpdated'
      ? { kind: 'last-updated', parameter: code, values: all }
      : { kind: 'date', parameter: code, values: all },
  );
}

function string(
  code: string,
  modifier: string | undefined,
  values: readonly string[],
): SearchCondition | string {
  if (modifier === 'exact')
    return { kind: 'string', parameter: code, match: 'exact', values: values.map(unescape) };
  const match = modifier === 'contains' ? 'contains' : 'prefix';
  return read(values, each(normalised, STRING_FORM(code)), (all) => ({
    kind: 'string',
    parameter: code,
    match,
    values: all,
  }));
}

const normalised = (text: string) => normaliseString(unescape(text)) || undefined;

function quantity(text: string): QuantityComparison | undefined {
  const parts = splitUnescaped(text, '|').map(unescape);
  const [number = '', system = '', unit = ''] = parts;
  const comparison = numberComparison(number);
  if (comparison === undefined || (parts.length !== 1 && parts.length !== 3)) return undefined;
  if (system !== '' && unit === '') return undefined;
  return { ...comparison, system: system || undefined, unit: unit || undefined };
}

const PREFIXES = 'eq, ne, gt, lt, ge, le, sa, eb, ap or nothing';
const NUMBER_FORM = (code: string) =>
  `${code} must be a number such as 100, 0.30 or 1e2 of at most 40 digits, after ${PREFIXES}.`;
const QUANTITY_FORM = (code: string) =>
  `${code} must be a number, number|system|code or number||unit, such as 5.4|http://unitsofmeasure.org|mg, after ${PREFIXES}.`;
const DATE_FORM = (code: string) =>
  `${code} must be a date such as 2024, 2024-03, 2024-03-01 or 2024-03-01T10:00:00Z (in a URL, + is written as %2B), after ${PREFIXES}.`;
const STRING_FORM = (code: string) => `${code} must hold at least one character that is not blank.`;
