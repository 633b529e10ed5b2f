/**
 * Gives the write-ahead log its size before the first commit. A flush that makes a file longer must also write the file
 * system's journal, which takes four times as long as one over bytes that are there; SQLite starts over at the beginning of
 * the file after a checkpoint, so the reserve serves for ever. Zeros are no frames: a scan ends at them.
 */
import { closeSync, fstatSync, fsyncSync, openSync, statfsSync, writeSync } from 'node:fs';

/** Frames after which the log is to start again from the beginning of its file. */
export const reservedFrames = 8_192;

const frameBytes = 24 + 4_096;
const headerBytes = 32;
const zeros = new Uint8Array(1_048_576);

/** So much more than the reserve must be free; a small disk keeps its room for events. */
const plenty = 16;

/** Only while nothing writes to the log. */
export function reserveWal(path: string): void {
  const wanted = headerBytes + reservedFrames * frameBytes;
  const { bavail, bsize } = statfsSync(path);
  const file = openSync(`${path}-wal`, 'r+');
  try {
    // Who was killed may have left a transaction there that was never flushed: before anybody is shown it, it is.
    fsyncSync(file);
    if (bavail * bsize < wanted * plenty) return;
    for (let size = fstatSync(file).size; size < wanted; size += zeros.length) {
      writeSync(file, zeros, 0, Math.min(zeros.length, wanted - size), size);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
