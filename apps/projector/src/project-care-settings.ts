/** Opens what care settings' read models are made from, projects, and closes everything again. */
import { openSqliteLogReader } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { runProjection, type Touched } from '@carelog/projection';
import { allOf, careSettingNamed, careSettingsProjection, openCareSettingWriter } from '@carelog/read-models';
import type { CareSettingsPaths } from './care-settings.ts';
import type { Rebuilt } from './rebuild.ts';

export interface CareSettingFile {
  readonly setting: string;
  readonly path: string;
}

export interface ProjectCareSettingsOptions {
  readonly paths: CareSettingsPaths;
  readonly files: readonly CareSettingFile[];
  readonly headSignal?: SharedArrayBuffer;
  readonly signal: AbortSignal;
  readonly onProjected?: (position: number, touched: Touched) => void;
  readonly onNotice?: (notice: string) => void;
  readonly batchSize?: number;
}

/** Resolves when `signal` is aborted. Rejects on a fault; what was projected before it stays. */
export async function projectCareSettings(options: ProjectCareSettingsOptions): Promise<void> {
  const { paths, files, headSignal, ...running } = options;
  const store = openSqliteLogReader({ path: paths.log, ...(headSignal && { headSignal }) });
  try {
    const keyring = openKeyring(paths.keyring, { readOnly: true });
    try {
      const readModel = allOf(files.map((it) => openCareSettingWriter(it.path, careSettingNamed(it.setting)!))); // prettier-ignore
      try {
        await runProjection({
          ...running,
          store,
          open: (event) => keyring.open(event),
          projection: careSettingsProjection,
          readModel,
        });
      } finally {
        readModel.close();
      }
    } finally {
      keyring.close();
    }
  } finally {
    await store.close();
  }
}

/** Brings read models that nobody else writes up to the head that the log has now. */
export async function buildCareSettings(
  paths: CareSettingsPaths,
  files: readonly CareSettingFile[],
): Promise<Rebuilt> {
  const begun = performance.now();
  const log = openSqliteLogReader({ path: paths.log });
  const { position: head } = log.head();
  await log.close();
  const reached = new AbortController();
  let events = 0;
  await projectCareSettings({
    paths,
    files,
    batchSize: 5_000,
    signal: reached.signal,
    onProjected(position) {
      events = position;
      if (position >= head) reached.abort();
    },
  });
  return { events, seconds: (performance.now() - begun) / 1000 };
}
