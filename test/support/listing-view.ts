/**
 * A small view in PostgreSQL that several projectors write, for tests of how events come to it: of each partition how many
 * events were applied and a digest over them in the order applied, so that one event lost, doubled or out of order shows.
 */
import { createHash } from 'node:crypto';
import { Pool } from 'pg';
import type {
  Checkpoint,
  LaneWork,
  Parked,
  ProjectedBatch,
  Projection,
  SharedReadModel,
} from '@carelog/projection';

/** The rule: content that begins with `poison` cannot be handled by version 1. */
export const listing = (version = 1): Projection<string> => ({
  name: 'listing',
  version,
  evolve({ position }, content) {
    const text = content.kind === 'opened' ? new TextDecoder().decode(content.bytes) : content.reason;
    if (version === 1 && text.startsWith('poison')) throw new TypeError('cannot be read');
    return `${position} ${text}`;
  },
});

export interface ListingView extends SharedReadModel<string> {
  /** Everything that is in it, but for the checkpoints. */
  contents(): Promise<string>;
  /** How many events it has applied. */
  size(): Promise<number>;
}

export interface ListingViewOptions {
  readonly schema: string;
  /** Called in the transaction, with everything written and nothing committed. */
  readonly beforeCommit?: () => Promise<void>;
}

export async function openListingView(
  url: string,
  { schema, beforeCommit = async () => {} }: ListingViewOptions,
): Promise<ListingView> {
  const pool = new Pool({
    connectionString: url,
    max: 8,
    application_name: 'listing view',
    idle_in_transaction_session_timeout: 4_000,
    lock_timeout: 20_000,
  });
  pool.on('error', () => {});
  // A server that goes away while a client is ours breaks the next question; it must not end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  await pool.query(`
    SELECT pg_advisory_lock(7);
    CREATE SCHEMA IF NOT EXISTS ${schema};
    CREATE TABLE IF NOT EXISTS ${schema}.checkpoint (lane int PRIMARY KEY, position bigint, epoch text);
    CREATE TABLE IF NOT EXISTS ${schema}.parked (partition text PRIMARY KEY, lane int, position bigint, reason text);
    CREATE TABLE IF NOT EXISTS ${schema}.set_aside (partition text, stream text, PRIMARY KEY (partition, stream));
    CREATE TABLE IF NOT EXISTS ${schema}.list (partition text PRIMARY KEY, lane int, count int, digest text);
    SELECT pg_advisory_unlock(7);`);

  const parkedIn = async (asked: Pick<Pool, 'query'>, lane: number): Promise<readonly Parked[]> => {
    const { rows } = await asked.query<{ partition: string; position: string; reason: string }>(
      `SELECT partition, position, reason FROM ${schema}.parked WHERE lane = $1`,
      [lane],
    );
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  };

  async function write(
    client: Pick<Pool, 'query'>,
    lane: number,
    batch: ProjectedBatch<string>,
  ): Promise<void> {
    const { changes, parked, setAside, checkpoint, released = [] } = batch;
    await client.query(`DELETE FROM ${schema}.parked WHERE partition = ANY($1)`, [released]);
    await client.query(`DELETE FROM ${schema}.set_aside WHERE partition = ANY($1)`, [released]);
    for (const { partition, position, reason } of parked) {
      await client.query(`INSERT INTO ${schema}.parked VALUES ($1, $2, $3, $4)`, [
        partition,
        lane,
        position,
        reason,
      ]);
    }
    for (const { partition, stream } of setAside) {
      await client.query(`INSERT INTO ${schema}.set_aside VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
        partition,
        stream,
      ]);
    }
    const partitions = [...new Set(changes.map(({ event }) => event.partition))];
    const { rows } = await client.query<{ partition: string; count: number; digest: string }>(
      `SELECT partition, count, digest FROM ${schema}.list WHERE partition = ANY($1)`,
      [partitions],
    );
    const lists = new Map(rows.map((row) => [row.partition, row]));
    for (const { event, change } of changes) {
      const { count, digest } = lists.get(event.partition) ?? { count: 0, digest: '' };
      const next = createHash('sha256').update(`${digest}\n${change}`).digest('hex');
      lists.set(event.partition, { partition: event.partition, count: count + 1, digest: next });
    }
    const changed = [...lists.values()];
    await client.query(
      `INSERT INTO ${schema}.list SELECT partition, $4, count, digest FROM unnest($1::text[], $2::int[], $3::text[])
       AS changed (partition, count, digest)
       ON CONFLICT (partition) DO UPDATE SET count = excluded.count, digest = excluded.digest`,
      [
        changed.map((it) => it.partition),
        changed.map((it) => it.count),
        changed.map((it) => it.digest),
        lane,
      ],
    );
    await client.query(`UPDATE ${schema}.checkpoint SET position = $2, epoch = $3 WHERE lane = $1`, [
      lane,
      checkpoint.position,
      checkpoint.epoch,
    ]);
  }

  return {
    async checkpoints() {
      const { rows } = await pool.query<{ lane: number; position: string; epoch: string }>(
        `SELECT lane, position, epoch FROM ${schema}.checkpoint WHERE epoch IS NOT NULL`,
      );
      return new Map(rows.map(({ lane, position, epoch }) => [lane, { position: Number(position), epoch }]));
    },
    parked: (lane) => parkedIn(pool, lane),
    async apply(lane: number, work: LaneWork<string>) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query(`INSERT INTO ${schema}.checkpoint (lane) VALUES ($1) ON CONFLICT DO NOTHING`, [
          lane,
        ]);
        const { rows } = await client.query<{ position: string | null; epoch: string }>(
          `SELECT position, epoch FROM ${schema}.checkpoint WHERE lane = $1 FOR UPDATE`,
          [lane],
        );
        const row = rows[0]!;
        const reached: Checkpoint | undefined =
          row.position === null ? undefined : { position: Number(row.position), epoch: row.epoch };
        const batch = await work(reached, await parkedIn(client, lane));
        if (batch !== undefined) {
          await write(client, lane, batch);
          await beforeCommit();
        }
        await client.query('COMMIT');
        client.release();
        return new Set(batch?.changes.map(({ event }) => event.stream));
      } catch (fault) {
        client.release(true);
        throw fault;
      }
    },
    async clear(lane) {
      await pool.query(`
        BEGIN;
        SELECT FROM ${schema}.checkpoint ${lane === undefined ? '' : `WHERE lane = ${lane}`} FOR UPDATE;
        DELETE FROM ${schema}.set_aside WHERE partition IN
          (SELECT partition FROM ${schema}.parked ${lane === undefined ? '' : `WHERE lane = ${lane}`});
        DELETE FROM ${schema}.parked ${lane === undefined ? '' : `WHERE lane = ${lane}`};
        DELETE FROM ${schema}.list ${lane === undefined ? '' : `WHERE lane = ${lane}`};
        UPDATE ${schema}.checkpoint SET position = NULL, epoch = NULL ${lane === undefined ? '' : `WHERE lane = ${lane}`};
        COMMIT;`);
    },
    async contents() {
      const list = await pool.query(`SELECT * FROM ${schema}.list ORDER BY partition`);
      const parked = await pool.query(`SELECT * FROM ${schema}.parked ORDER BY partition`);
      const setAside = await pool.query(`SELECT * FROM ${schema}.set_aside ORDER BY partition, stream`);
      return [list, parked, setAside]
        .flatMap(({ rows }) => rows.map((row) => JSON.stringify(row)))
        .join('\n');
    },
    async size() {
      const { rows } = await pool.query<{ size: string }>(
        `SELECT coalesce(sum(count), 0) AS size FROM ${schema}.list`,
      );
      return Number(rows[0]!.size);
    },
    close: () => pool.end(),
  };
}
