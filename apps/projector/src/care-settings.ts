/** The read models of the care settings beside a server in one process: one worker thread keeps all of them. */
import type { Policy } from '@carelog/access';
import { careSettings, openCareSetting, openCareSettingWriter, openPopulation, openPopulationWriter, population, type CareSetting, type CareSettingQueries, type CareSettingWriter, type PopulationQueries } from '@carelog/read-models'; // prettier-ignore
import type { Log } from '@carelog/service-kit';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CareSettingsThread } from './care-settings-worker.ts';
import { PositionSignal } from './position-signal.ts';
import { SupervisedThread } from './supervised-thread.ts';

export interface CareSettingsPaths {
  /** The log's file. */
  readonly log: string;
  /** The keyring's folder. */
  readonly keyring: string;
  /** The folder with a file for each setting; made when it is missing. */
  readonly careSettings: string;
}

export interface CareSettingViews {
  readonly of: ReadonlyMap<string, CareSettingQueries>;
  readonly population: PopulationQueries;
  /** Position of the last event that every setting reflects. */
  position(): number;
  /** False when the time ran out first. */
  waitFor(position: number, timeoutMs: number): Promise<boolean>;
  /** Forgets everything, and reads the log from its first event; resolves when that has begun. */
  rebuild(): Promise<void>;
  /** Resolves when the batch in hand is done and everything is closed. */
  stop(): Promise<void>;
}

export interface StartCareSettingsOptions {
  readonly paths: CareSettingsPaths;
  /** By which is told who is counted, and what of them. */
  readonly policy: Policy;
  /** That of the log in this process. */
  readonly headSignal: SharedArrayBuffer;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** Where a setting's read model lies. */
export const careSettingPath = ({ careSettings: folder }: Pick<CareSettingsPaths, 'careSettings'>, { name }: Pick<CareSetting, 'name'>) => join(folder, `${name}.sqlite`); // prettier-ignore

/** Resolves when every read model can be asked. One that is damaged is thrown away and built again. */
export async function startCareSettings({
  paths,
  policy,
  headSignal,
  log,
}: StartCareSettingsOptions): Promise<CareSettingViews> {
  const signal = new PositionSignal();
  const data: CareSettingsThread = { paths, policy, headSignal, positionMemory: signal.memory };
  mkdirSync(paths.careSettings, { recursive: true, mode: 0o700 });
  for (const setting of kept) prepare(careSettingPath(paths, setting), setting, log);
  const thread = new SupervisedThread(new URL('./care-settings-worker.ts', import.meta.url), data, 'The projector of the care settings', log); // prettier-ignore
  await thread.start();
  const of = new Map(careSettings.map((it) => [it.name, openCareSetting(careSettingPath(paths, it))]));
  const counting = openPopulation(careSettingPath(paths, population));
  return {
    of,
    population: counting,
    position: () => signal.position(),
    waitFor: (position, timeoutMs) => signal.reached(position, timeoutMs),
    async rebuild() {
      await thread.stop();
      signal.publish(0, 'all');
      for (const setting of kept) {
        const writer = writerOf(careSettingPath(paths, setting), setting);
        await writer.clear();
        writer.close();
      }
      await thread.start();
    },
    async stop() {
      await thread.stop();
      for (const queries of [...of.values(), counting]) queries.close();
    },
  };
}

const kept: readonly CareSetting[] = [...careSettings, population];

/** To be made or emptied; the thread writes. */
const writerOf = (path: string, setting: CareSetting): CareSettingWriter =>
  setting === population
    ? openPopulationWriter({ path, digest: () => '', historyOf: async () => [] })
    : openCareSettingWriter(path, setting);

// 11: the file is malformed; 26: it is no database. https://sqlite.org/rescode.html
const DAMAGED = new Set([11, 26]);

function prepare(path: string, setting: CareSetting, log: StartCareSettingsOptions['log']): void {
  try {
    writerOf(path, setting).close();
  } catch (fault) {
    if (!DAMAGED.has((fault as { errcode?: number }).errcode ?? 0)) throw fault;
    log.warn(`The read model ${setting.name} is damaged. It is thrown away and built again from the log.`);
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
    writerOf(path, setting).close();
  }
}
