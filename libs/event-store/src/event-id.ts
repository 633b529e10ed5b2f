/** Ids of events: time-ordered where they are new, derived where the source names what it sends. */
import { createHash, randomFillSync } from 'node:crypto';

const noise = Buffer.alloc(4096);
let unused = 0;
let lastMilliseconds = 0;
let counter = 0;

/** A UUIDv7 that is greater than every one this process made before, also within a millisecond and when the clock steps back. */
export function newEventId(): string {
  const now = Date.now();
  if (now > lastMilliseconds) {
    lastMilliseconds = now;
    counter = 0;
  } else if (++counter > 0x3ffff) {
    lastMilliseconds++;
    counter = 0;
  }
  if (unused < 8) {
    randomFillSync(noise);
    unused = noise.length;
  }
  unused -= 8;
  const time = lastMilliseconds.toString(16).padStart(12, '0');
  // RFC 9562, method 1: the 18 bits of counter follow the time, random bits follow the counter.
  const high = (counter >>> 6).toString(16).padStart(3, '0');
  const low = (0x8000 | ((counter & 0x3f) << 8) | noise[unused + 7]!).toString(16);
  const rest = noise.toString('hex', unused, unused + 6);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${high}-${low}-${rest}`;
}

/**
 * The same id for the same name within the same namespace, on every machine: a UUIDv8 whose other bits are the first of
 * SHA-256 over both, each preceded by its length so that no two pairs run together.
 */
export function derivedEventId(namespace: string, name: string): string {
  const digest = createHash('sha256')
    .update(`${Buffer.byteLength(namespace)}:${namespace}${Buffer.byteLength(name)}:${name}`)
    .digest();
  digest[6] = 0x80 | (digest[6]! & 0x0f);
  digest[8] = 0x80 | (digest[8]! & 0x3f);
  const hex = digest.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
