/**
 * Writes the read models of all care settings in PostgreSQL, in one schema, where several projectors write at once, each its lanes:
 * one transaction a batch, in which the rows of a table are written together. A fact that several settings keep is written once.
 */
import type { Checkpoint, LaneWork, Parked, SharedReadModel, Touched } from '@carelog/projection';
import type { Pool, PoolClient } from 'pg';
import { transaction, writingPool, type Send } from '../../record/postgres/pools.ts';
import type { CareSetting } from '../care-setting.ts';
import { keptByAll } from '../care-settings.ts';
import type { Told } from '../care-settings-projection.ts';
import { KnownFacts } from '../known-facts.ts';
import { ReachesOtherLanes } from '../other-lanes.ts';
import { SettingsTables, type Writing } from './settings-tables.ts';
import { besideSchema, careSettingsSchema, LANES_LOCK } from './tables.ts';

export interface PostgresCareSettingsWriterOptions {
  /** Of a role that may write to the schema. */
  readonly url: string;
  readonly settings: readonly CareSetting[];
  /** As many batches at a time; 3 unless told. */
  readonly connections?: number;
  /** Of people of whom something came a moment ago, up to twice as many; 500 unless told: with more the garbage collector stops the lanes for longer. */
  readonly factsInMemory?: number;
  /** Writes the tables that are built beside those that serve. */
  readonly isBeside?: boolean;
}

/** Nothing is asked of the database before the first call. The schema is made by `migrateCareSettings`. */
export function openPostgresCareSettingsWriter({
  url,
  settings,
  connections = 3,
  factsInMemory = 500,
  isBeside = false,
}: PostgresCareSettingsWriterOptions): SharedReadModel<Told> {
  // Every statement finds what it wants by an index: to plan it anew takes longer than to run it.
  const planning = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off';
  const pool = writingPool({ url, purpose: 'carelog care settings writer', connections, settings: planning });
  const schema = isBeside ? besideSchema(settings) : careSettingsSchema(settings);
  const tables = new SettingsTables(keptByAll(settings), schema, new KnownFacts(factsInMemory));
  return new PostgresCareSettingsWriter(pool, tables, isBeside ? schema : LANES_LOCK);
}

class PostgresCareSettingsWriter implements SharedReadModel<Told> {
  readonly #pool: Pool;
  readonly #tables: SettingsTables;
  readonly #company: string;

  /** `company`: the lock of those who write lanes of the same tables. */
  constructor(pool: Pool, tables: SettingsTables, company: string) {
    this.#pool = pool;
    this.#tables = tables;
    this.#company = company;
  }

  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    return this.#tables.checkpoints(this.#pool);
  }

  async parked(lane: number): Promise<readonly Parked[]> {
    return this.#tables.parked(this.#pool, lane);
  }

  async apply(lane: number, work: LaneWork<Told>): Promise<Touched> {
    for (let isAlone = false; ;) {
      try {
        return await this.#apply({ lane, isAlone }, work);
      } catch (fault) {
        if (!(fault instanceof ReachesOtherLanes)) throw fault;
        isAlone = true;
      }
    }
  }

  async clear(lane?: number): Promise<void> {
    await this.#transaction('alone', async (client) => {
      await this.#tables.clear(client, lane);
    });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #apply(writing: Writing, work: LaneWork<Told>): Promise<Touched> {
    const { lane } = writing;
    return this.#transaction(writing.isAlone ? 'alone' : 'beside others', async (client, send) => {
      const { reached, parked } = await this.#tables.lock(client, lane);
      const batch = await work(reached, parked);
      if (batch === undefined) return new Set<string>();
      const all = await this.#tables.write(client, send, writing, batch);
      return batch.parked.length > 0 ? ('all' as const) : all;
    });
  }

  #transaction<Result>(
    company: 'alone' | 'beside others',
    work: (client: PoolClient, send: Send) => Promise<Result>,
  ): Promise<Result> {
    return transaction(this.#pool, async (client, send) => {
      const shared = company === 'alone' ? '' : '_shared';
      // What is sent after it waits for it.
      send(client.query(`SELECT pg_advisory_xact_lock${shared}(hashtext($1))`, [this.#company]));
      return work(client, send);
    });
  }
}
