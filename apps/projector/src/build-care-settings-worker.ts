/** Builds read models of care settings on a thread of its own, while others are kept and asked. */
import type { Policy } from '@carelog/access';
import { parentPort, workerData } from 'node:worker_threads';
import type { CareSettingsPaths } from './care-settings.ts';
import { buildCareSettings, type ViewFile } from './project-care-settings.ts';
import { BUILDING_NICENESS, standBack } from './stand-back.ts';

export interface BuildingCareSettings {
  readonly paths: CareSettingsPaths;
  readonly policy: Policy;
  readonly files: readonly ViewFile[];
  readonly headSignal: SharedArrayBuffer;
}

standBack(BUILDING_NICENESS);
parentPort?.postMessage(await buildCareSettings(workerData as BuildingCareSettings));
