/** A folder for one spec file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

/** Exists at once, and is removed with everything in it after the last test of the file that asked for it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'carelog-spec-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
