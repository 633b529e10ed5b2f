/** Keeps a reserve on the disk of the log, so that the views can still follow everything that was recorded. */
import { statfsSync } from 'node:fs';

const RESERVE_MAX_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 0.02;
const FRESH_MS = 100;

/** Answers whether there is room for more than the reserve: 64 MiB, or 2 % of a small disk. Asks the disk at most ten times a second. */
export function diskSpace(folder: string, now: () => number = Date.now): () => boolean {
  let askedAt = -Infinity;
  let room = true;
  return () => {
    if (now() - askedAt < FRESH_MS) return room;
    askedAt = now();
    const { bavail, blocks, bsize } = statfsSync(folder);
    const reserve = Math.min(RESERVE_MAX_BYTES, blocks * bsize * RESERVE_SHARE);
    room = bavail * bsize > reserve;
    return room;
  };
}
