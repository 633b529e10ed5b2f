/**
 * A segment of the journal: a file that holds the access records of about a second until they are in the log.
 *
 *     one line   "carelog access journal 1 " and JSON: id, partition and keyId, under which its frames are sealed
 *     frames     4 bytes length, 4 bytes CRC-32 (both little-endian, of what follows), sealed lines of records
 *
 * A frame holds what one turn of the event loop answered. A write that was cut short leaves a frame that does not fit its
 * CRC; nobody was answered on its strength, so reading ends there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Keyring } from '@carelog/keyring';

export interface SegmentHeader {
  readonly id: string;
  readonly partition: string;
  readonly keyId: string;
}

const TITLE = 'carelog access journal 1 ';

export function headerBytes(header: SegmentHeader): Buffer {
  return Buffer.from(`${TITLE}${JSON.stringify(header)}\n`);
}

/** What stands before the sealed bytes of a frame. */
export function framePrefix(sealed: Uint8Array): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix.writeUInt32LE(sealed.byteLength, 0);
  prefix.writeUInt32LE(crc32(sealed), 4);
  return prefix;
}
export const PREFIX_BYTES = 8;

/** What a frame is sealed for: it opens in its segment and at its offset, and nowhere else. */
export function frameName(id: string, offset: number): { readonly id: string; readonly stream: string } {
  return { id, stream: `access-journal/${offset}` };
}

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(12, '0')}.journal`);
}

/** Numbers of the segments in a folder, in the order in which they were begun. */
export function segmentsIn(folder: string): number[] {
  const names = readdirSync(folder).flatMap((name) => /^(\d{12})\.journal$/.exec(name)?.[1] ?? []);
  return names.map(Number).sort((a, b) => a - b);
}

export interface ReadSegment {
  readonly header: SegmentHeader;
  /** All lines that were written whole. */
  readonly text: string;
}

/** Undefined for a file that ended before its first frame: nobody was answered on its strength. Throws where a key is missing. */
export function readSegment(path: string, keyring: Pick<Keyring, 'open'>): ReadSegment | undefined {
  const bytes = readFileSync(path);
  const end = bytes.indexOf(0x0a);
  const title = bytes.toString('utf8', 0, Math.max(end, 0));
  if (!title.startsWith(TITLE)) return undefined;
  const header = JSON.parse(title.slice(TITLE.length)) as SegmentHeader;
  const texts: string[] = [];
  for (let offset = end + 1; offset + PREFIX_BYTES <= bytes.length;) {
    const start = offset + PREFIX_BYTES;
    const content = bytes.subarray(start, start + bytes.readUInt32LE(offset));
    if (content.length !== bytes.readUInt32LE(offset) || crc32(content) !== bytes.readUInt32LE(offset + 4))
      break;
    const { partition, keyId, id } = header;
    const opened = keyring.open({ ...frameName(id, offset), partition, keyId, content });
    if (opened.kind === 'unreadable') {
      throw new Error(`A frame of ${path} cannot be opened (${opened.reason}): put the keyring back that it belongs to.`); // prettier-ignore
    }
    texts.push(Buffer.from(opened.bytes).toString());
    offset = start + content.length;
  }
  return { header, text: texts.join('') };
}
