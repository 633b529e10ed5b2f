/**
 * The read models of the care settings and the population beside a server in one process. One worker thread keeps both files; one
 * that is far behind, such as one of a new version, is built on a thread of its own first, so that it does not hold up the other.
 */
import type { Policy } from '@carelog/access';
import { careSettings, openCareSettings, openCareSettingsWriter, openPopulation, openPopulationWriter, population, type CareSettingQueries, type CareSettingsWriter, type KeptPopulation, type OpenCareSettings } from '@carelog/read-models'; // prettier-ignore
import type { Log } from '@carelog/service-kit';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { BuildingCareSettings } from './build-care-settings-worker.ts';
import type { CareSettingsThread } from './care-settings-worker.ts';
import { PositionSignal } from './position-signal.ts';
import type { ViewFile } from './project-care-settings.ts';
import { removeRecord } from './rebuild.ts';
import { SupervisedThread } from './supervised-thread.ts';
import type { Rebuilt } from './up-to-head.ts';

export interface CareSettingsPaths {
  /** The log's file. */
  readonly log: string;
  /** The keyring's folder. */
  readonly keyring: string;
  /** The folder with the file of all settings, and the population's; made when it is missing. */
  readonly careSettings: string;
}

export interface CareSettingViews {
  readonly of: ReadonlyMap<string, CareSettingQueries>;
  readonly population: KeptPopulation;
  /** Position of the last event that this setting reflects, or the population, or all of them; 0 while one of them is built. */
  position(setting?: string): number;
  /** False when the time ran out first. */
  waitFor(position: number, timeoutMs: number, setting?: string): Promise<boolean>;
  /** Builds one again from the first event while the old read model serves, then replaces its content in one transaction. */
  rebuild(view: ViewName): Promise<Rebuilt>;
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
  /** A read model that is so many events behind the others is built by itself; 10,000 unless told. */
  readonly farBehind?: number;
}

/** What is kept and rebuilt by itself: all care settings together, and the population. */
export type ViewName = 'care-settings' | 'population';

const VIEWS: readonly ViewName[] = ['care-settings', 'population'];

/** Where it lies. */
export const viewPath = ({ careSettings: folder }: Pick<CareSettingsPaths, 'careSettings'>, view: ViewName) => join(folder, `${view}.sqlite`); // prettier-ignore

/** Resolves when every read model can be asked. One that is damaged is thrown away and built again. */
export async function startCareSettings(options: StartCareSettingsOptions): Promise<CareSettingViews> {
  const { paths, farBehind = 10_000 } = options;
  mkdirSync(paths.careSettings, { recursive: true, mode: 0o700 });
  // An earlier release kept each setting in a file of its own.
  for (const { name } of careSettings) {
    const path = join(paths.careSettings, `${name}.sqlite`);
    for (const it of [path, besideOf(path)]) removeRecord(it);
  }
  const reached = new Map<ViewName, number>();
  for (const view of VIEWS) {
    const path = viewPath(paths, view);
    removeRecord(besideOf(path));
    reached.set(view, await prepare(view, path, options));
  }
  const furthest = Math.max(...reached.values());
  const behind = VIEWS.filter((it) => reached.get(it)! < furthest - farBehind);
  const views = new KeptCareSettings(options);
  await views.start(behind);
  return views;
}

class KeptCareSettings implements CareSettingViews {
  readonly population: KeptPopulation;
  readonly #settings: OpenCareSettings;
  readonly #paths: CareSettingsPaths;
  readonly #policy: Policy;
  readonly #headSignal: SharedArrayBuffer;
  readonly #log: StartCareSettingsOptions['log'];
  readonly #signal = new PositionSignal();
  /** What is not kept yet, with when it is. */
  readonly #building = new Map<ViewName, Promise<void>>();
  readonly #builders = new Set<Worker>();
  #thread: SupervisedThread | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  constructor({ paths, policy, headSignal, log }: StartCareSettingsOptions) {
    this.#paths = paths;
    this.#policy = policy;
    this.#headSignal = headSignal;
    this.#log = log;
    this.#settings = openCareSettings(viewPath(paths, 'care-settings'), careSettings);
    this.population = openPopulation(viewPath(paths, 'population'));
  }

  get of(): ReadonlyMap<string, CareSettingQueries> {
    return this.#settings.of;
  }

  async start(behind: readonly ViewName[]): Promise<void> {
    await this.#keep(VIEWS.filter((it) => !behind.includes(it)));
    if (behind.length === 0) return;
    const built = this.#inTurn(async () => {
      this.#log.info(`Built beside what is kept: ${behind.join(', ')}.`);
      await this.#build(behind.map((it) => this.#file(it))).catch((fault: Error) => {
        if (!this.#isStopping) this.#log.error({ fault: fault.name }, `Care settings could not be built: ${fault.message}`); // prettier-ignore
      });
      if (this.#isStopping) return;
      await this.#thread?.stop();
      await this.#keep(VIEWS);
      this.#building.clear();
    });
    for (const it of behind) this.#building.set(it, built);
  }

  position(setting?: string): number {
    return this.#unbuilt(setting) === undefined ? this.#signal.position() : 0;
  }

  async waitFor(position: number, timeoutMs: number, setting?: string): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    const unbuilt = this.#unbuilt(setting);
    if (unbuilt !== undefined) await Promise.race([unbuilt, delay(timeoutMs, undefined, { ref: false })]);
    if (this.#unbuilt(setting) !== undefined) return false;
    return this.#signal.reached(position, Math.max(0, deadline - performance.now()));
  }

  rebuild(view: ViewName): Promise<Rebuilt> {
    const { path } = this.#file(view);
    const beside = besideOf(path);
    return this.#inTurn(async () => {
      removeRecord(beside);
      const rebuilt = await this.#build([{ view, path: beside }]);
      await this.#thread?.stop();
      try {
        // Who asks from here on waits until the new read model has caught up.
        this.#signal.publish(rebuilt.events, 'all');
        const source = new DatabaseSync(beside, { readOnly: true });
        try {
          await backup(source, path, { rate: 10_000 });
        } finally {
          source.close();
        }
        removeRecord(beside);
      } finally {
        if (!this.#isStopping) await this.#thread?.start();
      }
      return rebuilt;
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const builder of this.#builders) await builder.terminate();
    await this.#turn;
    await this.#thread?.stop();
    this.#settings.close();
    this.population.close();
  }

  #unbuilt(setting: string | undefined): Promise<void> | undefined {
    if (setting === undefined) return [...this.#building.values()][0];
    return this.#building.get(setting === population.name ? 'population' : 'care-settings');
  }

  #file(view: ViewName): ViewFile {
    return { view, path: viewPath(this.#paths, view) };
  }

  async #keep(views: readonly ViewName[]): Promise<void> {
    const data: CareSettingsThread = {
      paths: this.#paths,
      policy: this.#policy,
      files: views.map((it) => this.#file(it)),
      headSignal: this.#headSignal,
      positionMemory: this.#signal.memory,
    };
    const program = new URL('./care-settings-worker.ts', import.meta.url);
    this.#thread = new SupervisedThread(program, data, 'The projector of the care settings', this.#log);
    await this.#thread.start();
  }

  async #build(files: readonly ViewFile[]): Promise<Rebuilt> {
    const data: BuildingCareSettings = { paths: this.#paths, policy: this.#policy, files, headSignal: this.#headSignal }; // prettier-ignore
    const program = new URL('./build-care-settings-worker.ts', import.meta.url);
    const builder = new Worker(program, { workerData: data });
    this.#builders.add(builder);
    try {
      const ended = once(builder, 'exit').then(() => Promise.reject(new Error('It was ended before.')));
      const [rebuilt] = await Promise.race([once(builder, 'message'), ended]);
      return rebuilt as Rebuilt;
    } finally {
      this.#builders.delete(builder);
    }
  }

  /** One after another: each stops the thread and starts it again. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

const besideOf = (path: string) => `${path}.rebuilt`;

// 11: the file is malformed; 26: it is no database. https://sqlite.org/rescode.html
const DAMAGED = new Set([11, 26]);

/** Gives how far it is. */
async function prepare(
  view: ViewName,
  path: string,
  { policy, log }: Pick<StartCareSettingsOptions, 'policy' | 'log'>,
): Promise<number> {
  try {
    return await positionIn(view, path, policy);
  } catch (fault) {
    if (!DAMAGED.has((fault as { errcode?: number }).errcode ?? 0)) throw fault;
    log.warn(`The read model ${view} is damaged. It is thrown away and built again from the log.`);
    removeRecord(path);
    return positionIn(view, path, policy);
  }
}

async function positionIn(view: ViewName, path: string, policy: Policy): Promise<number> {
  const writer = writerOf(view, path, policy);
  try {
    return (await writer.checkpoint())?.position ?? 0;
  } finally {
    writer.close();
  }
}

/** To be made or asked how far it is; only the threads write facts. */
const writerOf = (view: ViewName, path: string, policy: Policy): CareSettingsWriter =>
  view === 'population'
    ? openPopulationWriter({ path, policy, digest: () => '', history: NOTHING })
    : openCareSettingsWriter(path, careSettings);
const NOTHING = { ofPartition: async () => [], ofStream: async () => [] };
