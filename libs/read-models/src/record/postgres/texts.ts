/** How texts stand in PostgreSQL, which holds no NUL and bounds what an entry of an index takes. */
import { arrayOf, type ArrayType } from '@carelog/postgres';
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

/** A column of rows, to be cast to an array of this type. */
export function columnOf(type: ArrayType, values: readonly (number | string | null)[]): Buffer {
  return arrayOf(
    type,
    type === 'text' ? values.map((it) => (it === null ? null : storable(`${it}`))) : values,
  );
}

/** Of a statement, by where its parameters stand: what it casts to an array is sent as one. */
export function columnsIn(text: string): (values: readonly unknown[]) => unknown[] {
  const types = new Map<number, ArrayType>();
  for (const [, at, type] of text.matchAll(/\$(\d+)::([a-z ]+)\[\]/g)) types.set(Number(at) - 1, type as ArrayType); // prettier-ignore
  return (values) =>
    values.map((value, at) => {
      const type = types.get(at);
      return type === undefined ? value : columnOf(type, value as readonly (number | string | null)[]);
    });
}
