/** Builds the record again from the first event, beside the one that serves, and puts it in its place. */
import { defaultPolicy, type Policy } from '@carelog/access';
import { openRecordWriter } from '@carelog/read-models';
import { renameSync, rmSync } from 'node:fs';
import { projectRecord } from './project-record.ts';
import type { ProjectorPaths } from './projector.ts';
import { upToHead, type Rebuilt } from './up-to-head.ts';

export interface Rebuilding {
  readonly paths: ProjectorPaths;
  readonly policy: Policy;
  /** That of the log, where it is written in this process. */
  readonly headSignal?: SharedArrayBuffer;
}

/**
 * Rebuilds while no server runs on these files; with one running, ask it instead (`Projector.rebuild`). A crash at any
 * moment leaves the old record or the new one.
 */
export async function rebuild({
  paths,
  policy = defaultPolicy(),
}: Pick<Rebuilding, 'paths'> & Partial<Rebuilding>): Promise<Rebuilt> {
  const beside = besideOf(paths);
  const rebuilt = await buildBeside({ paths, policy });
  // A write-ahead log of the old file must never meet the new one.
  for (const suffix of ['-wal', '-shm']) rmSync(`${paths.record}${suffix}`, { force: true });
  renameSync(beside, paths.record);
  return rebuilt;
}

/** Where the new record is built. */
export const besideOf = (paths: ProjectorPaths) => `${paths.record}.rebuilt`;

/** Builds a whole record beside the one that serves, up to the head that the log has now. */
export async function buildBeside({ paths, policy, headSignal }: Rebuilding): Promise<Rebuilt> {
  const record = besideOf(paths);
  removeRecord(record);
  const rebuilt = await upToHead({ log: paths.log, headSignal }, (running) =>
    projectRecord({
      paths: { ...paths, record },
      policy,
      ...(headSignal && { headSignal }),
      disposable: true,
      ...running,
    }),
  );
  // Opened once more as the record is opened for good: in WAL, and safe against power cuts from here on.
  openRecordWriter(record, { policy }).close();
  return rebuilt;
}

/** Removes a record's file and what SQLite keeps beside it. */
export function removeRecord(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
}
