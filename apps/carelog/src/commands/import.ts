/** `carelog import`: files and folders, through the front door of the running server. */
import type { Read } from '../loading/read-file.ts';
import type { SourceFile } from '../loading/files.ts';
import type { Summary } from '../loading/load.ts';
import { CommandFailure } from '../command-failure.ts';
import { findFiles, peek } from '../loading/files.ts';
import { load } from '../loading/load.ts';
import { openFrontDoor } from '../loading/front-door.ts';
import { printSummary } from '../loading/print-summary.ts';
import { readFile } from '../loading/read-file.ts';
import { serverUrl } from './settings.ts';
import { showProgress, stopOnInterrupt } from '../loading/progress.ts';
import { ownTokenOr } from './token.ts';

export interface ImportOptions {
  readonly as: string;
  readonly url?: string;
  readonly inFlight: number;
  readonly json?: true;
}

/** Answers the exit code: 0 when nothing was refused. Throws `CommandFailure` when it could not begin. */
export async function importFiles(paths: readonly string[], options: ImportOptions): Promise<number> {
  const found = await findFiles(paths);
  if (found.kind === 'missing')
    throw new CommandFailure(`There is no such file or folder: ${found.paths.join(', ')}`, 2);
  if (found.files.length === 0) {
    throw new CommandFailure(
      'There is nothing to import: no .json, .ndjson or .jsonl file (also with .gz) in these folders.',
      2,
    );
  }
  const url = serverUrl(options.url);
  const signal = stopOnInterrupt();
  const frontDoor = await openFrontDoor({ url, token: () => ownTokenOr(options.as, url), signal });
  const begun = performance.now();
  const progress = showProgress(found.files.reduce((sum, file) => sum + file.bytes, 0));
  const total: Summary = { recorded: 0, duplicate: 0, refused: 0, refusals: [] };
  for (const wave of await inWaves(found.files)) {
    const queues = wave.map((file): AsyncIterable<Read> => readFile(file, progress.add));
    await load(frontDoor, queues, {
      summary: total,
      inFlight: options.inFlight,
      signal,
      onProgress: progress.show,
    });
  }
  progress.end();
  return printSummary(total, {
    files: found.files.length,
    ms: performance.now() - begun,
    ...(options.json && { json: true }),
  });
}

const SHARED = new Set([
  'Organization',
  'Location',
  'Practitioner',
  'PractitionerRole',
  'HealthcareService',
  'Medication',
  'Substance',
  'Device',
  'Group',
]);

/** Files that others are likely to refer to come first: those of organisations and staff, then those that begin with people. */
async function inWaves(files: readonly SourceFile[]): Promise<readonly (readonly SourceFile[])[]> {
  const waves: SourceFile[][] = [[], [], []];
  for (const file of files) {
    const types = [...(await peek(file.path).catch(() => '')).matchAll(/"resourceType"\s*:\s*"(\w+)"/g)].map(
      (match) => match[1]!,
    );
    const first = types.find((type) => type !== 'Bundle') ?? '';
    waves[SHARED.has(first) ? 0 : first === 'Patient' ? 1 : 2]!.push(file);
  }
  return waves.filter((wave) => wave.length > 0);
}
