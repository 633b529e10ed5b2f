/** For specs: the read model of one care setting, made of what activities tell, on each engine that it runs on. */
import type { AppliedChange, ProjectedBatch, SharedReadModel } from '@carelog/projection';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { SqliteDatabase } from '../record/database.ts';
import type { CareSetting } from './care-setting.ts';
import { openCareSettings, type CareSettingQueries } from './care-setting-reader.ts';
import { openCareSettingsWriter } from './care-settings-writer.ts';
import type { Told } from './care-settings-projection.ts';
import { openPostgresCareSettings } from './postgres/care-setting-reader.ts';
import { openPostgresCareSettingsWriter } from './postgres/care-settings-writer.ts';
import { careSettingsSchema, migrateCareSettings } from './postgres/tables.ts';

export type ToldInOrder = readonly AppliedChange<Told>[];
type Ask<Answer> = (queries: CareSettingQueries) => Promise<Answer>;

/** So many activities `atOnce`; all of them unless told. */
export async function askedOnSqlite<Answer>(
  setting: CareSetting,
  changes: ToldInOrder,
  ask: Ask<Answer>,
  atOnce = Math.max(1, changes.length),
): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-setting-'));
  const path = join(folder, 'setting.sqlite');
  const writer = openCareSettingsWriter(path, [setting]);
  try {
    for (let at = 0; at < changes.length; at += atOnce)
      await writer.apply(batchOf(changes.slice(at, at + atOnce)));
    const settings = openCareSettings(path, [setting]);
    try {
      return await ask(settings.of.get(setting.name)!);
    } finally {
      settings.close();
    }
  } finally {
    writer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Setting of the run: where its PostgreSQL is; what is made there is gone with it. Absent where this machine has none. */
export const POSTGRES_OF_RUN = 'CARELOG_SPEC_POSTGRES';

const LANES = 3;

/** Setting of the run: why it has no PostgreSQL. */
export const NO_POSTGRES = 'CARELOG_SPEC_NO_POSTGRES';

/** Why nothing is asked of PostgreSQL here; undefined where it is. Throws where `CI=true`: there nothing may be left out. */
export function withoutPostgres(
  run: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  if (run[POSTGRES_OF_RUN] !== undefined) return undefined;
  const reason = run[NO_POSTGRES] ?? `${POSTGRES_OF_RUN} is not set: run vitest with --project=integration`;
  if (run['CI'] === 'true') throw new Error(`Scenes must run on PostgreSQL too: ${reason}.`);
  return reason;
}

/** As a cluster does it: each person's activities come by a lane, and all lanes at once. Undefined where there is no PostgreSQL. */
export async function askedOnPostgres<Answer>(
  setting: CareSetting,
  changes: ToldInOrder,
  ask: Ask<Answer>,
): Promise<{ readonly answer: Answer } | undefined> {
  if (withoutPostgres() !== undefined) return undefined;
  const url = process.env[POSTGRES_OF_RUN]!;
  const made = tables.get(setting) ?? makeTables(setting, url);
  tables.set(setting, made);
  const { writer, queries } = await made;
  await writer.clear();
  const lanes = Map.groupBy(changes, ({ change }) => laneOf(change.patients[0] ?? ''));
  await Promise.all([...lanes].map(([lane, its]) => writer.apply(lane, async () => batchOf(its))));
  return { answer: await ask(queries) };
}

interface Tables {
  readonly writer: SharedReadModel<Told>;
  readonly queries: CareSettingQueries;
}

// To empty them takes less than to make them.
const tables = new Map<CareSetting, Promise<Tables>>();
let ownDatabase: Promise<string> | undefined;

async function makeTables(setting: CareSetting, postgres: string): Promise<Tables> {
  const url = await (ownDatabase ??= makeDatabase(postgres));
  const owner = new Client({ connectionString: url });
  await owner.connect();
  await migrateCareSettings(owner, [setting], {});
  await owner.end();
  const writer = openPostgresCareSettingsWriter({ url, settings: [setting] });
  const queries = openPostgresCareSettings({ url, settings: [setting], connections: 1 }).of.get(setting.name);
  return { writer, queries: queries! };
}

/** Spec files run side by side, and schemas are named by their settings. */
async function makeDatabase(postgres: string): Promise<string> {
  const name = `scenes_${randomUUID().replaceAll('-', '')}`;
  const server = new Client({ connectionString: postgres });
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  await server.end();
  return Object.assign(new URL(postgres), { pathname: `/${name}` }).href;
}

/** Another order; the same for the same seed. */
export function scrambled<T>(items: readonly T[], seed: number): T[] {
  const mixed = [...items];
  let state = seed;
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const other = state % (at + 1);
    [mixed[at], mixed[other]] = [mixed[other]!, mixed[at]!];
  }
  return mixed;
}

function batchOf(changes: ToldInOrder): ProjectedBatch<Told> {
  const position = Math.max(0, ...changes.map(({ event }) => event.position));
  return { changes, parked: [], setAside: [], checkpoint: { position, epoch: 'one' } };
}

const laneOf = (patient: string) => [...patient].reduce((sum, it) => sum + it.charCodeAt(0), 0) % LANES;

/** Everything that a setting's read model holds but for bookkeeping, in one order: the same text for the same view, on whichever engine. */
export function contentsOnSqlite(path: string, setting: CareSetting): string {
  const its = keptOf(setting);
  const db = new SqliteDatabase(path, { readOnly: true });
  try {
    const tables = new Map<string, Row[]>();
    for (const [table] of KEYS) {
      const [values, column] = its[table] ?? [];
      const some = values === undefined ? '' : ` WHERE ${column} IN (SELECT value FROM json_each(?))`;
      const rows = db
        .prepare(`SELECT * FROM ${table}${some}`)
        .all(...(values ? [JSON.stringify(values)] : []));
      tables.set(table, rows);
    }
    return textOf(tables);
  } finally {
    db.close();
  }
}

/** `settings`: all that are kept with it. */
export async function contentsOnPostgres(
  asked: Pick<Client, 'query'>,
  setting: CareSetting,
  settings: readonly CareSetting[],
): Promise<string> {
  const its = keptOf(setting);
  const tables = new Map<string, Row[]>();
  for (const [table] of KEYS) {
    const [values, column] = its[table] ?? [];
    const { rows } = await asked.query<Row>(
      `SELECT * FROM ${careSettingsSchema(settings)}.${table}${values ? ` WHERE ${column} = ANY($1)` : ''}`,
      values && [values],
    );
    tables.set(table, rows);
  }
  return textOf(tables);
}

/** Of each table what is the setting's own: which values, of which column; all of it where nothing is told. */
const keptOf = ({ kinds, worklists }: CareSetting) =>
  ({ fact: [[...kinds], 'kind'], link: undefined, work: [worklists.map(({ name }) => name), 'list'] }) as const; // prettier-ignore

type Row = Readonly<Record<string, unknown>>;

const KEYS = [
  ['fact', ['stream', 'patient']],
  ['link', ['patient', 'other']],
  ['work', ['list', 'patient', 'stream']],
] as const;

function textOf(tables: ReadonlyMap<string, readonly Row[]>): string {
  return KEYS.flatMap(([table, key]) => {
    const lines = (tables.get(table) ?? []).map((row) => {
      // By which lane and batch it came is bookkeeping; large numbers come as text.
      const columns = Object.entries(row).filter(([name]) => name !== 'lane' && name !== 'changed' && !key.includes(name as never)); // prettier-ignore
      const rest = columns.map(([name, it]) => [name, typeof it === 'string' && /^\d+$/.test(it) ? Number(it) : it]); // prettier-ignore
      return JSON.stringify([table, ...key.map((name) => row[name]), Object.fromEntries(rest)]);
    });
    return lines.sort();
  }).join('\n');
}
