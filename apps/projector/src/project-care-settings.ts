/** Opens what care settings' read models are made from, projects, and closes everything again. */
import type { Policy } from '@carelog/access';
import { openSqliteLogReader, type RecordedEvent } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { runProjection, type Touched } from '@carelog/projection';
import { allOf, careSettings, careSettingsProjectionBy, openCareSettingsWriter, openPopulationWriter } from '@carelog/read-models'; // prettier-ignore
import type { CareSettingsPaths, ViewName } from './care-settings.ts';
import { historyFrom } from './history.ts';
import { upToHead, type Rebuilt } from './up-to-head.ts';

export interface ViewFile {
  readonly view: ViewName;
  readonly path: string;
}

export interface ProjectCareSettingsOptions {
  readonly paths: CareSettingsPaths;
  /** By which is told who is counted, and what of them. */
  readonly policy: Policy;
  readonly files: readonly ViewFile[];
  readonly headSignal?: SharedArrayBuffer;
  readonly signal: AbortSignal;
  readonly onProjected?: (position: number, touched: Touched) => void;
  readonly onNotice?: (notice: string) => void;
  readonly batchSize?: number;
}

/** Resolves when `signal` is aborted. Rejects on a fault; what was projected before it stays. */
export async function projectCareSettings(options: ProjectCareSettingsOptions): Promise<void> {
  const { paths, policy, files, headSignal, ...running } = options;
  const projection = careSettingsProjectionBy(policy);
  const store = openSqliteLogReader({ path: paths.log, ...(headSignal && { headSignal }) });
  try {
    const keyring = openKeyring(paths.keyring, { readOnly: true });
    try {
      const open = (event: RecordedEvent) => keyring.open(event);
      const digest = (kind: string, value: string) => keyring.hmac(kind, value);
      const history = historyFrom({ store, open, projection });
      const writers = files.map(({ view, path }) =>
        view === 'population'
          ? openPopulationWriter({ path, policy, digest, history })
          : openCareSettingsWriter(path, careSettings),
      );
      const readModel = allOf(writers);
      try {
        await runProjection({
          ...running,
          store,
          open,
          projection,
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
export const buildCareSettings = (
  building: Pick<ProjectCareSettingsOptions, 'paths' | 'policy' | 'files' | 'headSignal'>,
): Promise<Rebuilt> =>
  upToHead({ log: building.paths.log, headSignal: building.headSignal }, (running) =>
    projectCareSettings({ ...building, batchSize: 5_000, ...running }),
  );
