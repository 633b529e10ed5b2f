/**
 * Arrays in PostgreSQL's binary format. The driver writes arrays as text, every value of which it quotes here, and the server reads
 * character by character there; a single value it sends as the bytes that it is given. A header (dimensions, whether some are
 * null, type, size, where it begins), then each element after its length, -1 where it is null; big endian (`array_recv`).
 */

/** By their object ids; how many bytes each element of a fixed size has. */
const TYPES = {
  text: { id: 25, bytes: undefined },
  bytea: { id: 17, bytes: undefined },
  bigint: { id: 20, bytes: 8 },
  int: { id: 23, bytes: 4 },
  smallint: { id: 21, bytes: 2 },
  'double precision': { id: 701, bytes: 8 },
} as const;

export type ArrayType = keyof typeof TYPES;
/** Bytes where the type is `bytea`, numbers where it is a number's. */
export type ArrayValue = number | string | Uint8Array | null;
type OfFixedSize = Exclude<ArrayType, 'text' | 'bytea'>;

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const TWO_TO_32 = 2 ** 32;

/** For a parameter that the statement casts to an array of this type. Throws where a whole number is wanted and this is none. */
export function arrayOf(type: ArrayType, values: readonly ArrayValue[]): Buffer {
  return type === 'text' || type === 'bytea' ? ofAnySize(type, values) : ofFixedSize(type, values);
}

function ofAnySize(type: 'text' | 'bytea', values: readonly ArrayValue[]): Buffer {
  let size = HEADER_BYTES;
  for (const it of values) size += LENGTH_BYTES + lengthOf(it);
  const all = Buffer.allocUnsafe(size);
  let at = writeHeader(all, type, values);
  for (const it of values) {
    const begins = at + LENGTH_BYTES;
    let length = -1;
    if (it instanceof Uint8Array) {
      all.set(it, begins);
      length = it.byteLength;
    } else if (it !== null) length = all.write(`${it}`, begins);
    all.writeInt32BE(length, at);
    at = begins + Math.max(0, length);
  }
  return all.subarray(0, at);
}

function lengthOf(value: ArrayValue): number {
  if (value === null) return 0;
  return value instanceof Uint8Array ? value.byteLength : Buffer.byteLength(`${value}`);
}

function ofFixedSize(type: OfFixedSize, values: readonly ArrayValue[]): Buffer {
  const { bytes } = TYPES[type];
  const all = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + bytes));
  let at = writeHeader(all, type, values);
  for (const it of values) {
    at = all.writeInt32BE(it === null ? -1 : bytes, at);
    if (it !== null) at = writeNumber(all, type, Number(it), at);
  }
  return all.subarray(0, at);
}

/** Gives where the first element begins. An empty array has no dimension. */
function writeHeader(all: Buffer, type: ArrayType, values: readonly ArrayValue[]): number {
  let at = all.writeInt32BE(values.length === 0 ? 0 : 1);
  at = all.writeInt32BE(values.includes(null) ? 1 : 0, at);
  at = all.writeInt32BE(TYPES[type].id, at);
  if (values.length === 0) return at;
  at = all.writeInt32BE(values.length, at);
  return all.writeInt32BE(1, at);
}

function writeNumber(all: Buffer, type: OfFixedSize, value: number, at: number): number {
  // Of the two zeros, which are equal, the one that everybody writes.
  if (type === 'double precision') return all.writeDoubleBE(value === 0 ? 0 : value, at);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number that can be stored.`);
  if (type === 'smallint') return all.writeInt16BE(value, at);
  if (type === 'int') return all.writeInt32BE(value, at);
  return all.writeUInt32BE(value >>> 0, all.writeInt32BE(Math.floor(value / TWO_TO_32), at));
}
