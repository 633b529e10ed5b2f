/**
 * Writes the read models of all care settings in PostgreSQL, each in a schema of its own with checkpoints of its own, where
 * several projectors write at once, each its lanes: one transaction a batch, in which the rows of a table are written together.
 */
import type { Checkpoint, LaneWork, Parked, ProjectedBatch, SharedReadModel, Touched } from '@carelog/projection'; // prettier-ignore
import { Pool, type PoolClient } from 'pg';
import { PROJECTED_CHANNEL } from '../../record/postgres/record-writer.ts';
import type { CareSetting } from '../care-setting.ts';
import type { Told } from '../care-settings-projection.ts';
import { BatchOfFacts, type Standing } from '../facts-of-batch.ts';
import { placed, type FactRow } from '../statements.ts';
import { careSettingSchema } from './tables.ts';

export interface PostgresCareSettingsWriterOptions {
  /** Of a role that may write to the schemas. */
  readonly url: string;
  readonly settings: readonly CareSetting[];
  /** As many batches at a time; 3 unless told. */
  readonly connections?: number;
}

/** Nothing is asked of the database before the first call. The schemas are made by `migrateCareSetting`. */
export function openPostgresCareSettingsWriter({
  url,
  settings,
  connections = 3,
}: PostgresCareSettingsWriterOptions): SharedReadModel<Told> {
  const pool = new Pool({
    connectionString: url,
    application_name: 'carelog care settings writer',
    options: '-c jit=off',
    max: connections,
    statement_timeout: 60_000,
    lock_timeout: 30_000,
    // Shorter than others wait for the lane: one that is stopped in its transaction holds nobody up for long.
    idle_in_transaction_session_timeout: 20_000,
  });
  // An idle connection that breaks is replaced by the next batch.
  pool.on('error', () => {});
  return new PostgresCareSettingsWriter(
    pool,
    settings.map((setting) => new SettingTables(setting)),
  );
}

class PostgresCareSettingsWriter implements SharedReadModel<Told> {
  readonly #pool: Pool;
  readonly #settings: readonly SettingTables[];

  constructor(pool: Pool, settings: readonly SettingTables[]) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /** Of each lane that of the setting which is furthest behind. */
  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const all = await Promise.all(this.#settings.map((it) => it.checkpoints(this.#pool)));
    const lanes = new Set(all.flatMap((it) => [...it.keys()]));
    const reached = [...lanes].flatMap((lane): [number, Checkpoint][] => {
      const least = leastOf(all.map((it) => it.get(lane)));
      return least === undefined ? [] : [[lane, least]];
    });
    return new Map(reached);
  }

  async parked(lane: number): Promise<readonly Parked[]> {
    return once((await Promise.all(this.#settings.map((it) => it.parked(this.#pool, lane)))).flat());
  }

  async apply(lane: number, work: LaneWork<Told>): Promise<Touched> {
    return this.#transaction(async (client) => {
      const reached: (Checkpoint | undefined)[] = [];
      const parked: Parked[] = [];
      // Always in this order, so that two who lock the same lane wait for each other and no more.
      for (const it of this.#settings) {
        reached.push(await it.lock(client, lane));
        parked.push(...(await it.parked(client, lane)));
      }
      // What was built from another life of the log is not what the others are: they begin again together.
      if (new Set(reached.flatMap((it) => it?.epoch ?? [])).size > 1) {
        for (const it of this.#settings) await it.clear(client, lane);
        reached.fill(undefined);
      }
      const batch = await work(leastOf(reached), once(parked));
      if (batch === undefined) return new Set<string>();
      const all = new Set<string>();
      for (const [at, it] of this.#settings.entries()) {
        for (const patient of await it.write(client, lane, batch, reached[at])) all.add(patient);
      }
      const notice = `care_settings ${lane} ${batch.checkpoint.position}`;
      await client.query('SELECT pg_notify($1, $2)', [PROJECTED_CHANNEL, notice]);
      return batch.parked.length > 0 ? 'all' : all;
    });
  }

  async clear(lane?: number): Promise<void> {
    await this.#transaction(async (client) => {
      for (const it of this.#settings) await it.clear(client, lane);
    });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #transaction<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (fault) {
      // Its transaction ends with its connection.
      client.release(true);
      throw fault;
    }
  }
}

/** Stands for the epoch of a lane that nothing was applied to. */
const NOTHING_APPLIED = '';

/** One setting's tables, in whatever transaction they are asked. */
class SettingTables {
  readonly #setting: CareSetting;
  readonly #schema: string;

  constructor(setting: CareSetting) {
    this.#setting = setting;
    this.#schema = careSettingSchema(setting);
  }

  async checkpoints(asked: Pick<Pool, 'query'>): Promise<ReadonlyMap<number, Checkpoint>> {
    const { rows } = await asked.query<CheckpointRow>(
      `SELECT lane, position, epoch FROM ${this.#schema}.checkpoint`,
    );
    return new Map(
      rows.flatMap((row) => (row.epoch === NOTHING_APPLIED ? [] : [[row.lane, checkpointOf(row)]])),
    );
  }

  async lock(client: PoolClient, lane: number): Promise<Checkpoint | undefined> {
    const insert = `INSERT INTO ${this.#schema}.checkpoint VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING`;
    await client.query(insert, [lane, NOTHING_APPLIED]);
    const select = `SELECT lane, position, epoch FROM ${this.#schema}.checkpoint WHERE lane = $1 FOR UPDATE`;
    const { rows } = await client.query<CheckpointRow>(select, [lane]);
    const [row] = rows;
    return row === undefined || row.epoch === NOTHING_APPLIED ? undefined : checkpointOf(row);
  }

  async parked(asked: Pick<Pool, 'query'>, lane: number): Promise<readonly Parked[]> {
    const text = `SELECT partition, position, reason FROM ${this.#schema}.parked WHERE lane = $1`;
    const { rows } = await asked.query<Parked>(text, [lane]);
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  /** Gives the patients whose work may be another. */
  async write(
    client: PoolClient,
    lane: number,
    { changes, parked, released = [], checkpoint }: ProjectedBatch<Told>,
    reached: Checkpoint | undefined,
  ): Promise<Iterable<string>> {
    const s = this.#schema;
    if (released.length > 0)
      await client.query(`DELETE FROM ${s}.parked WHERE partition = ANY($1)`, [released]);
    // Of partitions that were taken up again, what lies before the checkpoint too.
    const again = new Set(released);
    const isFresh = (position: number) => reached === undefined || position > reached.position;
    const told = changes.filter(({ event }) => isFresh(event.position) || again.has(event.partition));
    const facts = new BatchOfFacts(
      this.#setting,
      told.map(({ change }) => change),
    );
    if (facts.streams.length > 0) {
      facts.make(await this.#standing(client, facts.streams));
      await this.#put(client, lane, facts);
    }
    if (parked.length > 0) {
      const columns = [parked.map((it) => it.partition), parked.map((it) => it.position), parked.map((it) => it.reason)]; // prettier-ignore
      await client.query(
        `INSERT INTO ${s}.parked SELECT u.*, $4 FROM unnest($1::text[], $2::bigint[], $3::text[]) u ON CONFLICT DO NOTHING`,
        [...columns, lane],
      );
    }
    const { position, epoch } = checkpoint;
    await client.query(
      `UPDATE ${s}.checkpoint SET position = $2, epoch = $3 WHERE lane = $1 AND (epoch <> $3 OR position < $2)`,
      [lane, position, epoch],
    );
    return facts.touched.keys();
  }

  async clear(client: PoolClient, lane: number | undefined): Promise<void> {
    for (const table of ['fact', 'link', 'work', 'parked', 'checkpoint']) {
      if (lane === undefined) await client.query(`DELETE FROM ${this.#schema}.${table}`);
      else await client.query(`DELETE FROM ${this.#schema}.${table} WHERE lane = $1`, [lane]);
    }
    // The lock is kept by those who hold it.
    if (lane !== undefined) await this.lock(client, lane);
  }

  async #standing(client: PoolClient, streams: readonly string[]): Promise<readonly Standing[]> {
    const { rows } = await client.query<Record<keyof Standing, string>>({
      name: `${this.#schema} standing`,
      text: `SELECT stream, patient, issued, version FROM ${this.#schema}.fact WHERE stream = ANY($1::text[])`,
      values: [streams],
    });
    return rows.map((row) => ({ ...row, issued: Number(row.issued), version: Number(row.version) }));
  }

  async #put(client: PoolClient, lane: number, facts: BatchOfFacts): Promise<void> {
    const s = this.#schema;
    const { gone, rows, links, relinked } = facts;
    if (gone.length > 0) await client.query({ name: `${s} gone`, text: `DELETE FROM ${s}.fact WHERE stream = ANY($1::text[])`, values: [gone] }); // prettier-ignore
    if (rows.length > 0)
      await client.query({
        name: `${s} facts`,
        text: `INSERT INTO ${s}.fact SELECT u.*, $7 FROM
                 unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) u`,
        values: [...columnsOf(rows, ['stream', 'patient', 'kind', 'version', 'issued', 'told']), lane],
      });
    if (relinked.length > 0) {
      await client.query(`DELETE FROM ${s}.link WHERE patient = ANY($1::text[])`, [relinked]);
      await client.query(
        `INSERT INTO ${s}.link SELECT u.*, $3 FROM unnest($1::text[], $2::text[]) u ON CONFLICT DO NOTHING`,
        [...columnsOf(links, ['patient', 'other']), lane],
      );
    }
    await this.#putWork(client, lane, facts);
  }

  async #putWork(client: PoolClient, lane: number, facts: BatchOfFacts): Promise<void> {
    const s = this.#schema;
    if (facts.touched.size === 0) return;
    const { rows } = await client.query<FactRow & { version: string }>({
      name: `${s} facts of`,
      text: `SELECT stream, patient, kind, version, told FROM ${s}.fact WHERE patient = ANY($1::text[]) AND told IS NOT NULL`,
      values: [[...facts.touched.keys()]],
    });
    const byPatient = Map.groupBy(rows, ({ patient }) => patient);
    const lists: string[] = [];
    const patients: string[] = [];
    const work = facts.work((patient) => (byPatient.get(patient) ?? []).map((row) => placed({ ...row, version: Number(row.version) }))); // prettier-ignore
    for (const [patient, names] of facts.touched) for (const { name } of names) (lists.push(name), patients.push(patient)); // prettier-ignore
    await client.query({
      name: `${s} done`,
      text: `DELETE FROM ${s}.work w USING unnest($1::text[], $2::text[]) u(list, patient)
             WHERE w.list = u.list AND w.patient = u.patient`,
      values: [lists, patients],
    });
    if (work.length > 0)
      await client.query({
        name: `${s} work`,
        text: `INSERT INTO ${s}.work SELECT u.*, $9 FROM unnest(
                 $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]
               ) u ON CONFLICT DO NOTHING`,
        values: [
          ...columnsOf(work, ['list', 'patient', 'stream', 'since', 'due', 'opens', 'until', 'item']),
          lane,
        ],
      });
  }
}

interface CheckpointRow {
  readonly lane: number;
  readonly position: string;
  readonly epoch: string;
}

const checkpointOf = ({ position, epoch }: CheckpointRow): Checkpoint => ({
  position: Number(position),
  epoch,
});

/** Undefined where one of them has nothing, or they are of different logs. */
function leastOf(reached: readonly (Checkpoint | undefined)[]): Checkpoint | undefined {
  const known = reached.filter((it) => it !== undefined);
  if (known.length < reached.length || new Set(known.map(({ epoch }) => epoch)).size !== 1) return undefined;
  return known.reduce((a, b) => (a.position <= b.position ? a : b));
}

const once = (parked: readonly Parked[]): readonly Parked[] => [...new Map(parked.map((it) => [it.partition, it])).values()]; // prettier-ignore

function columnsOf<Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}
