/**
 * Looks at the write-ahead log before SQLite does. SQLite takes the first frame that does not check as the end of it, which
 * is right for a tail that a power cut tore, and loses what was acknowledged when the damage is further up. One
 * transaction at most can be unfinished, since each is flushed before the next begins; so whatever lies beyond that one
 * transaction was acknowledged, and the log must not open without it.
 *
 * Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { StoreFault } from '../store-fault.ts';

const headerLength = 32;
const frameHeaderLength = 24;
const littleEndianMagic = 0x377f0682;
const bigEndianMagic = 0x377f0683;

/** Throws a `damaged` `StoreFault` that names file and offset; a torn, zeroed or missing tail is not damage. */
export function refuseDamagedWal(path: string): void {
  let file: number;
  try {
    file = openSync(`${path}-wal`, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    scan(file, `${path}-wal`);
  } finally {
    closeSync(file);
  }
}

function scan(file: number, path: string): void {
  const header = readAt(file, 0, headerLength);
  if (header.byteLength < headerLength) return;
  const magic = header.getUint32(0);
  const littleEndian = magic === littleEndianMagic;
  const checksum: Checksum = { a: 0, b: 0 };
  addToChecksum(checksum, header, 0, 24, littleEndian);
  if ((!littleEndian && magic !== bigEndianMagic) || !endsWith(checksum, header, 24)) {
    // SQLite flushes the header before the first frame, so a header is whole wherever there are frames.
    if (onlyZeros(file, headerLength)) return;
    throw damagedAt(path, 0, 'its header does not check, and frames follow');
  }
  const pageSize = header.getUint32(8) === 1 ? 65_536 : header.getUint32(8);
  const generation = { high: header.getUint32(16), low: header.getUint32(20) };
  const frames = framesOf(file, pageSize, generation);

  let firstInvalid = -1;
  for (const { frame, offset, ours } of frames) {
    if (!ours) {
      firstInvalid = offset;
      break;
    }
    addToChecksum(checksum, frame, 0, 8, littleEndian);
    addToChecksum(checksum, frame, frameHeaderLength, frame.byteLength, littleEndian);
    if (!endsWith(checksum, frame, 16)) {
      firstInvalid = offset;
      break;
    }
  }
  if (firstInvalid >= 0) refuseAcknowledgedBeyond(file, path, firstInvalid, pageSize, generation);
}

/** The first commit at or after the invalid frame may end the unfinished transaction; a second one was acknowledged before it. */
function refuseAcknowledgedBeyond(
  file: number,
  path: string,
  from: number,
  pageSize: number,
  generation: Generation,
): void {
  let commits = 0;
  for (const { commit, ours } of framesOf(file, pageSize, generation, from)) {
    if (ours && commit && ++commits === 2) {
      throw damagedAt(path, from, 'a frame there does not check, and later transactions follow it');
    }
  }
}

interface Generation {
  readonly high: number;
  readonly low: number;
}

interface Frame {
  readonly frame: DataView;
  readonly offset: number;
  /** Carries the salts of this generation; frames of earlier ones may lie behind the end. */
  readonly ours: boolean;
  readonly commit: boolean;
}

function* framesOf(
  file: number,
  pageSize: number,
  generation: Generation,
  from = headerLength,
): Generator<Frame> {
  const length = frameHeaderLength + pageSize;
  const framesPerRead = Math.max(1, Math.floor(1_048_576 / length));
  for (let start = from; ; start += framesPerRead * length) {
    const chunk = readAt(file, start, framesPerRead * length);
    for (let at = 0; at + length <= chunk.byteLength; at += length) {
      const frame = new DataView(chunk.buffer, chunk.byteOffset + at, length);
      const ours =
        frame.getUint32(8) === generation.high &&
        frame.getUint32(12) === generation.low &&
        frame.getUint32(0) !== 0;
      yield { frame, offset: start + at, ours, commit: frame.getUint32(4) !== 0 };
    }
    if (chunk.byteLength < framesPerRead * length) return;
  }
}

interface Checksum {
  a: number;
  b: number;
}

function addToChecksum(
  checksum: Checksum,
  bytes: DataView,
  from: number,
  to: number,
  littleEndian: boolean,
): void {
  let { a, b } = checksum;
  for (let at = from; at < to; at += 8) {
    a = (a + bytes.getUint32(at, littleEndian) + b) | 0;
    b = (b + bytes.getUint32(at + 4, littleEndian) + a) | 0;
  }
  checksum.a = a;
  checksum.b = b;
}

function endsWith({ a, b }: Checksum, bytes: DataView, at: number): boolean {
  return bytes.getInt32(at) === a && bytes.getInt32(at + 4) === b;
}

function onlyZeros(file: number, from: number): boolean {
  for (let at = from; ; at += 1_048_576) {
    const chunk = readAt(file, at, 1_048_576);
    for (let index = 0; index < chunk.byteLength; index++) if (chunk.getUint8(index) !== 0) return false;
    if (chunk.byteLength < 1_048_576) return true;
  }
}

function readAt(file: number, position: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  let read = 0;
  while (read < length) {
    const count = readSync(file, bytes, read, length - read, position + read);
    if (count === 0) break;
    read += count;
  }
  return new DataView(bytes.buffer, 0, read);
}

function damagedAt(path: string, offset: number, what: string): StoreFault {
  return new StoreFault(
    'damaged',
    `${path} is damaged at byte ${offset}: ${what}. Opening the log would lose events that were acknowledged. Keep a copy of the folder, and restore the log from a backup.`,
  );
}
