/** How texts stand in PostgreSQL, which holds no NUL and bounds what an entry of an index takes. */
import { hash } from 'node:crypto';

/** A noncharacter: no text that is meant to be exchanged has it. */
const NUL = '\ufdd0';

export const storable = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', NUL) : text);
export const asWritten = (text: string): string => (text.includes(NUL) ? text.replaceAll(NUL, '\0') : text);

/** Three of them are an entry of an index, whatever script they are in. */
const NAME_MAX = 250;

/** A text that is only ever compared as a whole; a long one by its beginning and a digest. */
export function nameOf(text: string): string {
  if (text.length <= NAME_MAX) return text;
  return `${text.slice(0, 100)}…${hash('sha256', text)}`;
}

/** An array of PostgreSQL, as it is written. */
export function arrayOf(values: readonly (number | string | null)[]): string {
  const written = values.map((it) => (typeof it === 'number' ? it : it === null ? 'NULL' : quoted(it)));
  return `{${written.join(',')}}`;
}

const quoted = (text: string) => `"${storable(text).replace(/["\\]/g, String.raw`\$&`)}"`;
