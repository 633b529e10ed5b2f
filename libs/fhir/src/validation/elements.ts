/** Reads of elements that may be missing or of a wrong type; such things are reported elsewhere, and here count as nothing. */
import type { JsonObject } from './run.ts';

/** Whether the element is there, if only with extensions in place of a value. */
export function has(it: JsonObject, name: string): boolean {
  return it[name] !== undefined || it[`_${name}`] !== undefined;
}

/** Whether a choice element `name[x]` is there, whatever its type. */
export function hasChoice(it: JsonObject, name: string): boolean {
  for (const key in it) {
    const start = key.startsWith('_') ? 1 : 0;
    const next = key.charCodeAt(start + name.length);
    if (key.startsWith(name, start) && next >= 65 && next <= 90) return true;
  }
  return false;
}

/** The items, or none when it is not an array. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The items that are objects. */
export function objects(value: unknown): readonly JsonObject[] {
  return list(value).filter((it): it is JsonObject => typeof it === 'object' && it !== null);
}

/** The object, or an empty one. */
export function object(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

/** Whether no value occurs twice. */
export function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

/** The string, or an empty one: other values have no text that is sure to be had. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
