/** The values of token parameters, as they stand in the index. https://hl7.org/fhir/R4/search.html#token */
import { definitions } from '../definitions.ts';
import { splitUnescaped, unescape } from './escapes.ts';
import type { ElementType } from './extraction.ts';
import { parameterElements } from './parameter-elements.ts';
import type { TokenValue } from './query.ts';
import { foldToken } from './tokens.ts';

/** Reads values of one parameter; `form` says what one must be. */
export interface ValueReader<Value> {
  /** All that a value can mean; undefined when it cannot be read. */
  readonly read: (text: string) => readonly Value[] | undefined;
  readonly form: string;
}

/** Whether any of these elements has words that go with its codes. */
export const haveText = (elements: readonly ElementType[]) => elements.some((it) => WITH_TEXT.has(it.code));

/** How a token parameter of a type reads its values. */
export function tokenReader(type: string, parameter: string): ValueReader<TokenValue> {
  const { elements, isTest } = parameterElements(type, parameter);
  if (isTest || elements.every((it) => it.code === 'boolean')) {
    const read = (text: string) =>
      text === 'true' || text === 'false' ? [{ system: undefined, code: text }] : undefined;
    return { read, form: `${parameter} must be true or false.` };
  }
  const withoutSystem = elements.every((it) => WITHOUT_SYSTEM.has(it.code));
  const read = (text: string) => {
    const value = tokenValue(text);
    if (value === undefined || (withoutSystem && value.system !== undefined)) return undefined;
    return alternatives(value, elements);
  };
  const form = withoutSystem
    ? `${parameter} must be a value without a system, and | written as \\|.`
    : `${parameter} must be code, system|code, system| or |code.`;
  return { read, form };
}

/** How `:identifier` reads its values. */
export function identifierReader(parameter: string): ValueReader<TokenValue> {
  const read = (text: string) => {
    const value = tokenValue(text);
    if (value?.code === undefined) return value && [value];
    return [{ ...value, code: foldToken(undefined, value.code) }];
  };
  return { read, form: `${parameter}:identifier must be value, system|value, system| or |value.` };
}

const WITH_TEXT: ReadonlySet<string> = new Set(['CodeableConcept', 'Coding', 'Identifier']);
const FOLDED: ReadonlySet<string> = new Set([...WITH_TEXT, 'ContactPoint', 'string']);
// R4: "for token parameters on elements of type ContactPoint, uri, or boolean, the presence of the pipe symbol SHALL NOT be used".
const WITHOUT_SYSTEM: ReadonlySet<string> = new Set(['ContactPoint', 'uri', 'url', 'canonical', 'boolean']);

function tokenValue(text: string): TokenValue | undefined {
  const [first = '', second, more] = splitUnescaped(text, '|').map(unescape);
  if (more !== undefined || (first === '' && !second)) return undefined;
  if (second === undefined) return { system: undefined, code: first };
  return { system: first === '' ? null : first, code: second === '' ? undefined : second };
}

/**
 * Codes are folded by their system when they are indexed: a value that could be of several kinds becomes one of each. An
 * element of type `code` is indexed without a system; that of its value set is understood.
 */
function alternatives({ system, code }: TokenValue, elements: readonly ElementType[]): TokenValue[] {
  const folded = elements.some((it) => FOLDED.has(it.code));
  if (typeof system !== 'string') {
    const lower = foldToken(undefined, code ?? '');
    const asWritten = { system, code };
    return folded && lower !== code ? [asWritten, { system, code: lower }] : [asWritten];
  }
  const found = elements.flatMap((it) => (it.code === 'code' ? understood(it, system, code) : []));
  const namesIdentifiers = elements.some((it) => it.code === 'Identifier');
  if (folded || found.length === 0)
    found.push({
      system,
      code: code === undefined ? undefined : foldToken(namesIdentifiers ? undefined : system, code),
    });
  return found;
}

function understood({ valueSet }: ElementType, system: string, code: string | undefined): TokenValue[] {
  const codes = valueSet === undefined ? undefined : definitions().valueSets[valueSet]?.[system];
  if (code === undefined) return (codes ?? []).map((it) => ({ system: null, code: it }));
  return codes?.includes(code) === true ? [{ system: null, code }] : [];
}
