/**
 * A segment of the journal: a file that holds the access records of about a second until they are in the log.
 *
 *     one line   "carelog access journal 1 " and JSON: `id`, and sealed under `partition` and `keyId` the key of this segment
 *     frames     4 bytes length, 4 bytes CRC-32 of the lines (both little-endian), the lines of records, enciphered
 *
 * A frame holds what one turn of the event loop answered. All frames of a segment are one stream of AES-256-CTR (NIST SP
 * 800-38A) under a key of its own: sealing each by itself would cost as much as answering. A write that was cut short leaves
 * a frame that does not fit its CRC; nobody was answered on its strength, so reading ends there.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Keyring } from '@carelog/keyring';

interface Header {
  readonly id: string;
  readonly partition: string;
  readonly keyId: string;
  /** Base64. */
  readonly key: string;
}

export interface NewSegment {
  readonly id: string;
  /** What the file begins with. */
  readonly header: Buffer;
  /** The frame of these lines; frames have to be written in the order in which they were made, each one whole. Good until the next. */
  readonly frame: (lines: string) => Uint8Array;
}

const TITLE = 'carelog access journal 1 ';
const CIPHER = 'aes-256-ctr';
const KEY_BYTES = 32;
const NONCE_BYTES = 16;
const PREFIX_BYTES = 8;

/** Throws a `KeyringFault` where the partition has no key. */
export function newSegment(keyring: Pick<Keyring, 'seal'>, partition: string): NewSegment {
  const id = randomUUID();
  const secret = randomBytes(KEY_BYTES + NONCE_BYTES);
  const { keyId, content } = keyring.seal(partition, { id, stream: STREAM }, secret);
  const header: Header = { id, partition, keyId, key: Buffer.from(content).toString('base64') };
  const cipher = createCipheriv(CIPHER, secret.subarray(0, KEY_BYTES), secret.subarray(KEY_BYTES));
  let frame = Buffer.allocUnsafe(FRAME_BYTES);
  return {
    id,
    header: Buffer.from(`${TITLE}${JSON.stringify(header)}\n`),
    frame(lines) {
      const content = cipher.update(lines, 'utf8');
      const length = PREFIX_BYTES + content.length;
      if (length > frame.length) frame = Buffer.allocUnsafe(2 * length);
      frame.writeUInt32LE(content.length, 0);
      frame.writeUInt32LE(crc32(lines), 4);
      frame.set(content, PREFIX_BYTES);
      return frame.subarray(0, length);
    },
  };
}

const STREAM = 'access-journal';
const FRAME_BYTES = 64 * 1024;

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(12, '0')}.journal`);
}

/** Numbers of the segments in a folder, in the order in which they were begun. */
export function segmentsIn(folder: string): number[] {
  const names = readdirSync(folder).flatMap((name) => /^(\d{12})\.journal$/.exec(name)?.[1] ?? []);
  return names.map(Number).sort((a, b) => a - b);
}

export interface ReadSegment {
  readonly id: string;
  readonly partition: string;
  /** All lines that were written whole. */
  readonly text: string;
}

/** Undefined for a file that ended before its first frame: nobody was answered on its strength. Throws where the key is missing. */
export async function readSegment(
  path: string,
  keyring: Pick<Keyring, 'open' | 'know'>,
): Promise<ReadSegment | undefined> {
  const bytes = readFileSync(path);
  const end = bytes.indexOf(0x0a);
  const title = bytes.toString('utf8', 0, Math.max(end, 0));
  if (!title.startsWith(TITLE)) return undefined;
  const { id, partition, keyId, key } = JSON.parse(title.slice(TITLE.length)) as Header;
  await keyring.know([partition]);
  const opened = keyring.open({ id, stream: STREAM, partition, keyId, content: Buffer.from(key, 'base64') });
  if (opened.kind === 'unreadable') {
    throw new Error(`${path} cannot be opened (${opened.reason}): put the keyring back that it belongs to.`);
  }
  const secret = opened.bytes;
  const decipher = createDecipheriv(CIPHER, secret.subarray(0, KEY_BYTES), secret.subarray(KEY_BYTES));
  const texts: string[] = [];
  for (let offset = end + 1; offset + PREFIX_BYTES <= bytes.length;) {
    const start = offset + PREFIX_BYTES;
    const length = bytes.readUInt32LE(offset);
    if (length === 0 || start + length > bytes.length) break;
    const lines = decipher.update(bytes.subarray(start, start + length));
    if (crc32(lines) !== bytes.readUInt32LE(offset + 4)) break;
    texts.push(lines.toString());
    offset = start + length;
  }
  return { id, partition, text: texts.join('') };
}
