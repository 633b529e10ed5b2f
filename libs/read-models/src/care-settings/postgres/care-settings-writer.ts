/**
 * Writes the read models of all care settings in PostgreSQL, each in a schema of its own with checkpoints of its own, where
 * several projectors write at once, each its lanes: one transaction a batch, in which the rows of a table are written together.
 */
import type { Checkpoint, LaneWork, Parked, SharedReadModel, Touched } from '@carelog/projection';
import type { Pool, PoolClient } from 'pg';
import { transaction, writingPool, type Send } from '../../record/postgres/pools.ts';
import { ProgressHints } from '../../record/postgres/progress-hints.ts';
import type { CareSetting } from '../care-setting.ts';
import type { Told } from '../care-settings-projection.ts';
import { KnownFacts } from '../known-facts.ts';
import { ReachesOtherLanes } from '../other-lanes.ts';
import { SettingsTables, type Writing } from './settings-tables.ts';
import { besideSchema, careSettingSchema, careSettingsSchema, LANES_LOCK } from './tables.ts';

export interface PostgresCareSettingsWriterOptions {
  /** Of a role that may write to the schemas. */
  readonly url: string;
  readonly settings: readonly CareSetting[];
  /** As many batches at a time; 3 unless told. */
  readonly connections?: number;
  /** Of people of whom something came a moment ago, up to twice as many; 500 unless told: with more the garbage collector stops the lanes for longer. */
  readonly factsInMemory?: number;
  /** Writes the tables that are built beside those that serve. */
  readonly isBeside?: boolean;
}

/** Nothing is asked of the database before the first call. The schemas are made by `migrateCareSettings`. */
export function openPostgresCareSettingsWriter({
  url,
  settings,
  connections = 3,
  factsInMemory = 500,
  isBeside = false,
}: PostgresCareSettingsWriterOptions): SharedReadModel<Told> {
  // Every statement is for many tables, and finds in each what it wants by an index: to plan it anew takes longer than to run it.
  const planning = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off';
  const pool = writingPool({ url, purpose: 'carelog care settings writer', connections, settings: planning });
  const schemas = settings.map(isBeside ? besideSchema : careSettingSchema);
  const tables = new SettingsTables(settings, schemas, new KnownFacts(factsInMemory));
  const hints = new ProgressHints(pool, careSettingsSchema(settings));
  return new PostgresCareSettingsWriter(pool, tables, hints, isBeside ? schemas.join() : LANES_LOCK);
}

class PostgresCareSettingsWriter implements SharedReadModel<Told> {
  readonly #pool: Pool;
  readonly #tables: SettingsTables;
  readonly #hints: ProgressHints;
  readonly #company: string;

  /** `company`: the lock of those who write lanes of the same tables. */
  constructor(pool: Pool, tables: SettingsTables, hints: ProgressHints, company: string) {
    this.#pool = pool;
    this.#tables = tables;
    this.#hints = hints;
    this.#company = company;
  }

  /** Of each lane that of the setting which is furthest behind. */
  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const all = await this.#tables.checkpoints(this.#pool);
    const lanes = new Set(all.flatMap((it) => [...it.keys()]));
    const reached = [...lanes].flatMap((lane): [number, Checkpoint][] => {
      const least = leastOf(all.map((it) => it.get(lane)));
      return least === undefined ? [] : [[lane, least]];
    });
    return new Map(reached);
  }

  async parked(lane: number): Promise<readonly Parked[]> {
    return once((await this.#tables.parked(this.#pool, lane)).flat());
  }

  async apply(lane: number, work: LaneWork<Told>): Promise<Touched> {
    for (let isAlone = false; ;) {
      try {
        return await this.#apply({ lane, isAlone }, work);
      } catch (fault) {
        if (fault instanceof ReachesOtherLanes) isAlone = true;
        else if (fault instanceof OfOtherLogs) await this.clear(lane);
        else throw fault;
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
    let position: number | undefined;
    const touched = await this.#transaction(
      writing.isAlone ? 'alone' : 'beside others',
      async (client, send) => {
        const lanes = await this.#tables.lock(client, lane);
        const reached = lanes.map((it) => it.reached);
        if (new Set(reached.flatMap((it) => it?.epoch ?? [])).size > 1) throw new OfOtherLogs();
        const least = leastOf(reached);
        // What is parked further on is met again by the setting that is furthest behind.
        const parked = once(lanes.flatMap((it) => it.parked)).filter((it) => it.position <= (least?.position ?? 0)); // prettier-ignore
        const batch = await work(least, parked);
        if (batch === undefined) return new Set<string>();
        const { released = [], checkpoint } = batch;
        if (released.length > 0 && reached.some((it) => it?.position !== least?.position))
          throw new Error('Not all care settings are equally far. Try again once none is being built.');
        const aside = [...parked.filter((it) => !released.includes(it.partition)), ...batch.parked];
        const unknown = lanes.map((it) => {
          const known = new Set(it.parked.map(({ partition }) => partition));
          return aside.filter(({ partition }) => !known.has(partition) || released.includes(partition));
        });
        const all = await this.#tables.write(client, send, writing, batch, lanes, unknown);
        position = checkpoint.position;
        return batch.parked.length > 0 ? ('all' as const) : all;
      },
    );
    if (position !== undefined) this.#hints.tell(lane, position);
    return touched;
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

/** Thrown before anything is written: what was built from another life of the log is not what the others are, and all begin again. */
class OfOtherLogs extends Error {}

/** Undefined where one of them has nothing, or they are of different logs. */
function leastOf(reached: readonly (Checkpoint | undefined)[]): Checkpoint | undefined {
  const known = reached.filter((it) => it !== undefined);
  if (known.length < reached.length || new Set(known.map(({ epoch }) => epoch)).size !== 1) return undefined;
  return known.reduce((a, b) => (a.position <= b.position ? a : b));
}

const once = (parked: readonly Parked[]): readonly Parked[] => [...new Map(parked.map((it) => [it.partition, it])).values()]; // prettier-ignore
