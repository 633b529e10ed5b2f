/** What the read models of all care settings hold: as a server kept them, as they are rebuilt, and of the same events in another order. */
import { defaultPolicy } from '@carelog/access';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordedEvent } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import type { AppliedChange, ProjectedBatch } from '@carelog/projection';
import { careSettings, careSettingsProjection, migrateCareSettings, openCareSettingsWriter, openPostgresCareSettingsWriter, type Told } from '@carelog/read-models'; // prettier-ignore
import { Client } from 'pg';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { viewPath } from '../../apps/projector/src/care-settings.ts';
import { buildCareSettings } from '../../apps/projector/src/project-care-settings.ts';
import {
  contentsOnPostgres,
  contentsOnSqlite,
} from '../../libs/read-models/src/care-settings/scene-engines.ts';
import { readLog } from './read-log.ts';

/** By the setting's name. */
export type Contents = ReadonlyMap<string, string>;

/** As the server left them that ran on this folder. */
export function keptIn(folder: string): Contents {
  return contentsOf(viewPath(dataPaths(folder), 'care-settings'));
}

const contentsOf = (path: string): Contents =>
  new Map(careSettings.map((it) => [it.name, contentsOnSqlite(path, it)]));

/** From the first event on. */
export async function rebuiltFrom(folder: string): Promise<Contents> {
  const built = mkdtempSync(join(tmpdir(), 'carelog-built-'));
  try {
    const paths = { ...dataPaths(folder), careSettings: built };
    const path = viewPath(paths, 'care-settings');
    await buildCareSettings({ paths, policy: defaultPolicy(), files: [{ view: 'care-settings', path }] });
    return contentsOf(path);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

/** The whole log, each patient's events in their order, and between patients in the order that the seed makes. */
export async function permutedLog(folder: string, seed: number): Promise<AppliedChange<Told>[]> {
  const { log, keyring: keys } = dataPaths(folder);
  const partitions = [...Map.groupBy(await readLog(log), ({ partition }) => partition).values()];
  const waiting = partitions.map((events) => events[Symbol.iterator]());
  const keyring = openKeyring(keys, { readOnly: true });
  const changes: AppliedChange<Told>[] = [];
  let state = seed;
  let position = 0;
  try {
    while (waiting.length > 0) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      const at = state % waiting.length;
      const next = waiting[at]!.next() as IteratorResult<RecordedEvent>;
      if (next.done === true) {
        waiting.splice(at, 1);
        continue;
      }
      const event = { ...next.value, position: (position += 1) };
      const change = careSettingsProjection.evolve(event, keyring.open(next.value));
      if (change !== undefined) changes.push({ event, change });
    }
    return changes;
  } finally {
    keyring.close();
  }
}

export async function onSqlite(changes: readonly AppliedChange<Told>[]): Promise<Contents> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-permuted-'));
  const path = viewPath({ careSettings: folder }, 'care-settings');
  const writer = openCareSettingsWriter(path, careSettings);
  try {
    for (let at = 0; at < changes.length; at += BATCH)
      await writer.apply(batchOf(changes.slice(at, at + BATCH)));
    return contentsOf(path);
  } finally {
    writer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In lanes, all at once, in a database of its own on this server. */
export async function onPostgres(server: string, changes: readonly AppliedChange<Told>[]): Promise<Contents> {
  const name = `permuted_${randomUUID().replaceAll('-', '')}`;
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  await asOwner(server, (owner) => owner.query(`CREATE DATABASE ${name}`));
  await asOwner(url, (owner) => migrateCareSettings(owner, careSettings, {}));
  const writer = openPostgresCareSettingsWriter({ url, settings: careSettings });
  try {
    const lanes = Map.groupBy(changes, ({ event }) => laneOf(event.partition));
    const inLane = async ([lane, its]: [number, AppliedChange<Told>[]]) => {
      for (let at = 0; at < its.length; at += BATCH)
        await writer.apply(lane, async () => batchOf(its.slice(at, at + BATCH)));
    };
    await Promise.all([...lanes].map(inLane));
    return await asOwner(url, async (owner) => {
      const all = new Map<string, string>();
      for (const it of careSettings) all.set(it.name, await contentsOnPostgres(owner, it, careSettings));
      return all;
    });
  } finally {
    await writer.close();
  }
}

/** The first lines that one has and the other has not, where an event stands in the log left out; none for the same views. */
export function difference(a: Contents, b: Contents): readonly string[] {
  return [...a].flatMap(([name, text]) => {
    const [mine, others] = [text, b.get(name)!].map((it) => it.replaceAll(/\\"position\\":\d+/g, ''));
    if (mine === others) return [];
    const known = new Set(others!.split('\n'));
    const missing = mine!.split('\n').filter((line) => !known.delete(line));
    return [...missing, ...known].slice(0, 3).map((line) => `${name}: ${line}`);
  });
}

const BATCH = 500;
const LANES = 4;
const laneOf = (partition: string) => [...partition].reduce((sum, it) => sum + it.charCodeAt(0), 0) % LANES;

function batchOf(changes: readonly AppliedChange<Told>[]): ProjectedBatch<Told> {
  const position = changes.at(-1)!.event.position;
  return { changes, parked: [], setAside: [], checkpoint: { position, epoch: 'one' } };
}

async function asOwner<Result>(url: string, work: (owner: Client) => Promise<Result>): Promise<Result> {
  const owner = new Client({ connectionString: url });
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}
