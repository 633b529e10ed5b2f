/** Finds the files that an import names, and reads them plain or gzipped. */
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

export interface SourceFile {
  readonly path: string;
  /** As stored: compressed where it is compressed. */
  readonly bytes: number;
  readonly lines: boolean;
}

const KNOWN = /\.(json|ndjson|jsonl)(\.gz)?$/i;
const LINES = /\.(ndjson|jsonl)(\.gz)?$/i;

export type FoundFiles =
  | { readonly kind: 'found'; readonly files: readonly SourceFile[] }
  | { readonly kind: 'missing'; readonly paths: readonly string[] };

/**
 * Every file that is named, and every .json, .ndjson and .jsonl file (also with .gz) in the folders that are named, in
 * the order of their names. Files and folders whose name begins with a dot are left out. `missing` names all that do not exist.
 */
export async function findFiles(named: readonly string[]): Promise<FoundFiles> {
  const files: SourceFile[] = [];
  const missing: string[] = [];
  for (const name of named) {
    const found = await stat(name).catch(() => undefined);
    if (found === undefined) missing.push(name);
    else if (found.isDirectory()) files.push(...(await filesIn(name)));
    else files.push({ path: name, bytes: found.size, lines: LINES.test(name) });
  }
  return missing.length > 0 ? { kind: 'missing', paths: missing } : { kind: 'found', files };
}

async function filesIn(folder: string): Promise<SourceFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory() && KNOWN.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter(
      (file) =>
        !path
          .relative(folder, file)
          .split(path.sep)
          .some((step) => step.startsWith('.')),
    )
    .sort();
  const sizes = await Promise.all(paths.map((file) => stat(file)));
  return paths.map((file, i) => ({ path: file, bytes: sizes[i]!.size, lines: LINES.test(file) }));
}

/** The bytes of the file, unpacked where they begin like gzip. `onRead` hears of every stored byte. */
export async function readBytes(
  file: string,
  onRead?: (bytes: number) => void,
): Promise<AsyncIterable<Buffer>> {
  const packed = await isGzip(file);
  const stored = counted(createReadStream(file, { highWaterMark: 256 * 1024 }), onRead);
  return packed ? pipeline(stored, createGunzip(), () => undefined) : stored;
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  onRead: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onRead?.(chunk.length);
    yield chunk;
  }
}

/** The first bytes, enough to see what kind of thing the file holds. */
export async function peek(file: string): Promise<string> {
  const kept: Buffer[] = [];
  let length = 0;
  for await (const chunk of await readBytes(file)) {
    kept.push(chunk);
    if ((length += chunk.length) >= 64 * 1024) break;
  }
  return Buffer.concat(kept).toString();
}

/** The lines that are not blank, with their numbers from 1. */
export async function* readLines(
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<{ number: number; text: string }> {
  let held: Buffer[] = [];
  let number = 0;
  for await (const chunk of bytes) {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
      const text = Buffer.concat([...held, chunk.subarray(from, at)])
        .toString()
        .trim();
      held = [];
      from = at + 1;
      number++;
      if (text !== '') yield { number, text };
    }
    if (from < chunk.length) held.push(chunk.subarray(from));
  }
  const text = Buffer.concat(held).toString().trim();
  if (text !== '') yield { number: number + 1, text };
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}
