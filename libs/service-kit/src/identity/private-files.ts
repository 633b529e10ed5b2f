/** Files with secrets in them: JSON, for their owner alone, and never half written. */
import { open, readFile, rename } from 'node:fs/promises';

/** Undefined where there is none. Throws where it is damaged, with what to do. */
export async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(
      `${file} is damaged. Restore it from a backup, or delete it: tokens issued so far then stop working.`,
    );
  }
}

/** Whole or not at all: a crash must not leave half a key behind. */
export async function writePrivate(file: string, content: unknown): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
