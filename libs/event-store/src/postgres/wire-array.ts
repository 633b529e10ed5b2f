/**
 * An array as PostgreSQL's binary protocol writes it. The driver writes arrays as text, which doubles bytes and escapes
 * every string; a single value it sends as the bytes that it is given.
 */
const oid = { text: 25, bytea: 17 };

/** To be bound to a parameter of type `text[]` or `bytea[]`. */
export function wireArray(type: keyof typeof oid, values: readonly (string | Uint8Array)[]): Buffer {
  let size = 20;
  for (const value of values) size += 4 + byteLength(value);
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(values.length === 0 ? 0 : 1, 0); // dimensions
  array.writeInt32BE(0, 4); // no nulls
  array.writeInt32BE(oid[type], 8);
  if (values.length === 0) return array.subarray(0, 12);
  array.writeInt32BE(values.length, 12);
  array.writeInt32BE(1, 16); // the first index
  let at = 20;
  for (const value of values) {
    const length = byteLength(value);
    at = array.writeInt32BE(length, at);
    if (typeof value === 'string') array.write(value, at);
    else array.set(value, at);
    at += length;
  }
  return array;
}

function byteLength(value: string | Uint8Array): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
}
