/** The population in a schema of PostgreSQL, where several projectors write at once, each its lanes, and gateways ask. */
import type { Policy } from '@carelog/access';
import type { Checkpoint, LaneWork, Parked, SharedReadModel, Touched } from '@carelog/projection';
import type { ClientBase, Pool, PoolClient } from 'pg';
import type { MigrateCareSettingOptions } from '../care-settings/postgres/tables.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import {
  NOTHING_APPLIED,
  reachedByLane,
  reachedIn,
  type CheckpointRow,
} from '../record/postgres/lane-checkpoints.ts';
import { askingPool, transaction, writingPool } from '../record/postgres/pools.ts';
import { ReachesOtherLanes } from '../care-settings/other-lanes.ts';
import { sampledLittle, type ArrayType } from '@carelog/postgres';
import { columnOf } from '../record/postgres/texts.ts';
import { population, populationVersion } from './population.ts';
import {
  CREATE_POPULATION,
  PopulationTables,
  type Ask,
  type Engine,
  type History,
} from './population-tables.ts';
import { populationQueries, type PopulationQueries } from './population-reader.ts';
import type { PopulationWriterOptions } from './population-writer.ts';
import { pseudonymsBy, type Pseudonyms } from './pseudonyms.ts';

/** Where the population lies that this version makes by this policy, e.g. `population_v2_1a2b3c4d`. */
export const populationSchema = (policy: Policy): string =>
  `${population.name}_v${population.version}_${populationVersion(policy)}`;

/** Makes the schema and its tables where they are not there yet; may be called again, and by several at once. */
export async function migratePopulation(
  owner: ClientBase,
  { reader, writer, policy }: MigrateCareSettingOptions & { readonly policy: Policy },
): Promise<void> {
  const name = populationSchema(policy);
  const schema = owner.escapeIdentifier(name);
  await owner.query('BEGIN');
  try {
    await owner.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`carelog ${name}`]);
    await owner.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET LOCAL search_path = ${schema}`);
    const { rows } = await owner.query('SELECT to_regclass($1) AS made', [`${schema}.fact`]);
    if (rows[0]?.made === null) {
      const facts = sampledLittle('fact', 'stream patient kind version issued mark lane', 'told');
      await owner.query(`${CREATE_POPULATION} ${facts}`);
    }
    // Who asks what is counted needs neither facts nor where histories lie.
    for (const [role, rights, tables] of [
      [reader, 'SELECT', `${schema}.counted, ${schema}.checkpoint`],
      [writer, 'SELECT, INSERT, UPDATE, DELETE', `ALL TABLES IN SCHEMA ${schema}`],
    ] as const) {
      if (role === undefined) continue;
      const grantee = owner.escapeIdentifier(role);
      await owner.query(`GRANT USAGE ON SCHEMA ${schema} TO ${grantee}`);
      await owner.query(`GRANT ${rights} ON ${tables} TO ${grantee}`);
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

/** `url`: of a role that may read what is counted by this policy. Nothing is asked of the database before the first question. */
export function openPostgresPopulation(
  url: string,
  policy: Policy,
): PopulationQueries & { close(): Promise<void> } {
  const pool = askingPool({ url, purpose: 'carelog population reader', connections: 2 });
  return { ...populationQueries(askOf(pool), populationSchema(policy)), close: () => pool.end() };
}

/** Of the columns, in their order. */
const TYPES = {
  fact: ['text', 'text', 'text', 'bigint', 'bigint', 'text', 'text', 'int'],
  link: ['text', 'text', 'int'],
  person: ['text', 'text', 'int', 'int'],
  counted: ['text', 'text', 'text', 'bigint', 'bigint', 'text', 'text', 'text', 'text', 'text', 'int'],
  parked: ['text', 'bigint', 'text', 'int'],
} as const satisfies Record<Parameters<Engine['rowsOf']>[0], readonly ArrayType[]>;

const engineOn = (asked: Pick<Pool, 'query'>): Engine => ({
  ask: askOf(asked),
  among: (values) =>
    values.length === 0 ? [] : [{ sql: '= ANY($1::text[])', values: [columnOf('text', values)] }],
  rowsOf(table, rows) {
    if (rows.length === 0) return [];
    const given = TYPES[table].map((type, index) => `$${index + 1}::${type}[]`);
    const columns = TYPES[table].map((type, index) => columnOf(type, rows.map((row) => row[index] ?? null))); // prettier-ignore
    return [{ sql: `SELECT * FROM unnest(${given.join()})`, values: columns }];
  },
});

/** Each statement is prepared once by every connection. */
function askOf(asked: Pick<Pool, 'query'>): Ask {
  return async (sql, values) => {
    const name = names.get(sql) ?? `population ${names.size}`;
    names.set(sql, name);
    return (await asked.query({ name, text: sql, values: [...values] })).rows;
  };
}
const names = new Map<string, string>();

export interface PostgresPopulationWriterOptions extends Omit<PopulationWriterOptions, 'path' | 'history'> {
  /** Asked when somebody comes back who had opted out. */
  readonly history: Pick<History, 'ofPartition'>;
  /** Of a role that may write to the schema. */
  readonly url: string;
}

/** Nothing is asked of the database before the first call. The schema is made by `migratePopulation`. */
export function openPostgresPopulationWriter({
  url,
  policy,
  digest,
  history: { ofPartition },
}: PostgresPopulationWriterOptions): SharedReadModel<Told> {
  // Every statement finds what it wants by an index; of a table that was just filled the server does not know that yet.
  const planning = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off';
  const pool = writingPool({ url, purpose: 'carelog population writer', connections: 3, settings: planning });
  return new PostgresPopulationWriter(pool, populationSchema(policy), pseudonymsBy(digest), { ofPartition });
}

const changesWhoIsIn = ({ kind, fact }: Told): boolean =>
  kind === 'consent' || (kind === 'person' && fact?.refs['linked'] !== undefined);

class PostgresPopulationWriter implements SharedReadModel<Told> {
  readonly #pool: Pool;
  readonly #schema: string;
  readonly #pseudonyms: Pseudonyms;
  readonly #history: History;

  constructor(pool: Pool, schema: string, pseudonyms: Pseudonyms, history: History) {
    this.#pool = pool;
    this.#schema = schema;
    this.#pseudonyms = pseudonyms;
    this.#history = history;
  }

  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const { rows } = await this.#pool.query<CheckpointRow>(`SELECT lane, position, epoch FROM ${this.#schema}.checkpoint`); // prettier-ignore
    return reachedByLane(rows);
  }

  parked(lane: number): Promise<readonly Parked[]> {
    return this.#tables(this.#pool, lane).parked();
  }

  /** Touches nothing that anybody is shown by its stream. */
  async apply(lane: number, work: LaneWork<Told>): Promise<Touched> {
    try {
      return await this.#apply(lane, work, false);
    } catch (fault) {
      if (fault instanceof ReachesOtherLanes) return this.#apply(lane, work, true);
      throw fault;
    }
  }

  async #apply(lane: number, work: LaneWork<Told>, mustBeAlone: boolean): Promise<Touched> {
    return transaction(this.#pool, async (client, send) => {
      const tables = this.#tables(client, lane);
      const { reached, parked: before } = await this.#lockedLane(client, lane);
      const batch = await work(reached, before);
      if (batch === undefined) return new Set<string>();
      const { changes, parked, released = [], checkpoint } = batch;
      // Linked records may lie in different lanes: while somebody leaves or is joined with another, no other lane writes.
      const isAlone = mustBeAlone || changes.some(({ change }) => changesWhoIsIn(change));
      const lock = isAlone ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
      send(client.query(`SELECT ${lock}(hashtext($1))`, [`carelog who is in ${this.#schema}`]));
      const arrived = changes.map(({ event, change }) => ({ told: change, partition: event.partition }));
      await tables.park(parked, released);
      await tables.put(arrived, checkpoint.position, isAlone);
      const isAhead = reached?.epoch !== checkpoint.epoch || reached.position < checkpoint.position;
      if (isAhead) send(tables.moveCheckpoint(checkpoint));
      return parked.length > 0 ? 'all' : new Set<string>();
    });
  }

  async clear(lane?: number): Promise<void> {
    const lanes = lane === undefined ? [...(await this.checkpoints()).keys()] : [lane];
    await transaction(this.#pool, async (client) => {
      for (const it of lanes) await this.#tables(client, it).clear();
    });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** What is there of the lane, which nobody else writes until the transaction ends. */
  async #lockedLane(
    client: PoolClient,
    lane: number,
  ): Promise<{ readonly reached: Checkpoint | undefined; readonly parked: readonly Parked[] }> {
    const lock = {
      name: 'lock',
      text: `SELECT position, epoch FROM ${this.#schema}.checkpoint WHERE lane = $1 FOR UPDATE`,
      values: [lane],
    };
    const [{ rows }, parked] = await Promise.all([
      client.query<{ position: string; epoch: string }>(lock),
      this.#tables(client, lane).parked(),
    ]);
    const [row] = rows;
    if (row !== undefined) return { reached: reachedIn(row), parked };
    await client.query(`INSERT INTO ${this.#schema}.checkpoint VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING`, [lane, NOTHING_APPLIED]); // prettier-ignore
    return this.#lockedLane(client, lane);
  }

  #tables(asked: Pick<Pool, 'query'>, lane: number): PopulationTables {
    return new PopulationTables(engineOn(asked), this.#schema, lane, this.#pseudonyms, this.#history);
  }
}
