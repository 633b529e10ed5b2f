/** The floor of what is durable: bytes in a file, flushed to the disk, and nothing else. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';

export interface BareJournal {
  /** Resolves when these bytes are on the disk; what comes while a flush is under way shares the next one. */
  write(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Of a file that is there already, and is written anew from its beginning when its end is reached. */
const FILE_BYTES = 64 * 1024 * 1024;

export async function openBareJournal(folder: string): Promise<BareJournal> {
  const file = await open(join(folder, 'journal'), 'w');
  await file.write(Buffer.alloc(FILE_BYTES));
  await file.datasync();
  let at = 0;
  let untaken: Buffer[] = [];
  let flushing: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    const taken = Buffer.concat(untaken);
    untaken = [];
    if (at + taken.byteLength > FILE_BYTES) at = 0;
    await file.write(taken, 0, taken.byteLength, at);
    at += taken.byteLength;
    await file.datasync();
  }

  return {
    write(bytes) {
      if (untaken.length === 0) flushing = flushing.then(flush);
      untaken.push(bytes);
      return flushing;
    },
    close: () => file.close(),
  };
}
