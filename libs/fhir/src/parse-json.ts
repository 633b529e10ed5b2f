/**
 * Reads JSON as FHIR needs it: duplicate keys and depth are refused with their place, and decimals keep their precision.
 * https://hl7.org/fhir/R4/json.html#primitive
 */
import { findDuplicateKeys, findSyntaxError, scanJson } from './scan-json.ts';
import type { Problem } from './problem.ts';

/** Number literals that JavaScript would write differently (`1.10`, `1e3`), by the object or array that holds them. */
export type ExactNumbers = WeakMap<object, Map<string, string>>;

export interface JsonLimits {
  /** How deep objects and arrays may be nested. */
  readonly depthMax: number;
  /** UTF-16 code units of text. */
  readonly lengthMax: number;
}

export const defaultJsonLimits: JsonLimits = { depthMax: 100, lengthMax: 64 * 1024 * 1024 };

export type ParsedJson =
  | { readonly kind: 'parsed'; readonly value: unknown; readonly exact?: ExactNumbers }
  | { readonly kind: 'malformed'; readonly problems: readonly Problem[] };

/**
 * Parses one JSON text. A leading byte order mark is dropped. `exact` is there only when the text has numbers that need it;
 * hand it to `stringify` with the same value. Malformed text, duplicate keys, too great a depth or length, and strings that
 * are not Unicode (NUL, half a surrogate pair) come back as problems, which never repeat what was sent.
 */
export function parseJson(text: string, limits: JsonLimits = defaultJsonLimits): ParsedJson {
  if (text.length > limits.lengthMax) {
    const message = `The JSON is longer than ${limits.lengthMax} characters. Send it in smaller parts.`;
    return { kind: 'malformed', problems: [{ category: 'too-large', code: 'too-long', message }] };
  }
  const json = text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return malformed(describeSyntaxError(json));
  }
  const { depth, keys, inexact, escapes } = scanJson(json);
  if (depth > limits.depthMax) {
    return malformed(
      `The JSON is nested ${depth} levels deep; at most ${limits.depthMax} are accepted. Flatten it.`,
    );
  }
  // A repeated key leaves fewer members in the value than the text has keys.
  if (keys !== countMembers(value)) return { kind: 'malformed', problems: duplicates(json) };
  if (escapes && hasBadString(value)) {
    return malformed(
      'A string or a name holds a NUL or half of a surrogate pair, which are not text. Remove it.',
    );
  }
  return inexact ? { kind: 'parsed', ...parseExactly(json) } : { kind: 'parsed', value };
}

/** Writes a value as JSON, with the number literals of `exact` where the value still holds the same numbers. */
export function stringify(value: unknown, exact?: ExactNumbers): string {
  if (exact === undefined) return JSON.stringify(value);
  return JSON.stringify(value, function (this: object, key: string, member: unknown) {
    if (typeof member !== 'number') return member;
    const literal = exact.get(this)?.get(key);
    return literal !== undefined && Object.is(Number(literal), member) ? rawJson(literal) : member;
  });
}

const BYTE_ORDER_MARK = 0xfeff;
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

function parseExactly(json: string): { value: unknown; exact: ExactNumbers } {
  const exact: ExactNumbers = new WeakMap();
  const keep = function (this: object, key: string, member: unknown, context: { source?: string }) {
    if (typeof member === 'number' && context.source !== undefined && String(member) !== context.source) {
      const literals = exact.get(this) ?? new Map<string, string>();
      exact.set(this, literals.set(key, context.source));
    }
    return member;
  };
  // The type of the reviver in TypeScript's library lacks the source text.
  const value: unknown = JSON.parse(json, keep as (this: unknown, key: string, value: unknown) => unknown);
  return { value, exact };
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === 'object') count += countMembers(item);
    }
    return count;
  }
  for (const key in value) {
    count++;
    const member = (value as Record<string, unknown>)[key];
    if (typeof member === 'object') count += countMembers(member);
  }
  return count;
}

function duplicates(json: string): Problem[] {
  return findDuplicateKeys(json).map((expression) => ({
    category: 'incorrect',
    code: 'structure',
    message: 'An object has the same member twice. Send it once, and as an array where it repeats.',
    expression,
  }));
}

function hasBadString(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => hasBadString(key) || hasBadString(member));
}

function describeSyntaxError(json: string): string {
  if (json.trim() === '') return 'The body is empty. Send one FHIR resource as JSON.';
  const before = json.slice(0, findSyntaxError(json)).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return `This is not JSON: it cannot be read from line ${before.length}, column ${column}. Correct it there or just before.`;
}

function malformed(message: string): ParsedJson {
  return { kind: 'malformed', problems: [{ category: 'incorrect', code: 'structure', message }] };
}
