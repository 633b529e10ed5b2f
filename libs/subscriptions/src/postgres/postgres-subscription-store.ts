/** Subscriptions in PostgreSQL. The schema is made by `migrateSubscriptions`. */
import { Pool, types, type CustomTypesConfig, type PoolClient } from 'pg';
import type { Notice } from '../notice.ts';
import {
  allStored,
  COLUMNS,
  isDelivered,
  progressById,
  storedOf,
  type ProgressRow,
  type StoredRow,
} from '../stored-row.ts';
import type {
  NewSubscription,
  NumberedNotice,
  Owner,
  StoredSubscription,
  SubscriptionPage,
  SubscriptionProgress,
  SubscriptionStatus,
  SubscriptionStore,
} from '../subscription-store.ts';
import { FORGETTING, SCHEMA } from './schema.ts';

/** `url`: of a gateway's role. Nothing is asked of the database before the first call. */
export function openPostgresSubscriptionStore({ url }: { readonly url: string }): SubscriptionStore {
  const pool = new Pool({
    connectionString: url,
    application_name: 'carelog subscriptions',
    options: `-c jit=off -c search_path=${SCHEMA} -c synchronous_commit=on`,
    max: 4,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    lock_timeout: 10_000,
    // Shorter than a lease: a gateway that is stopped in its transaction holds the others up for no longer.
    idle_in_transaction_session_timeout: 5_000,
    query_timeout: 20_000,
    keepAlive: true,
    types: { getTypeParser: numbersAsNumbers },
  });
  // An idle connection that breaks is replaced by the next call; one that breaks in use fails what is asked.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return new PostgresSubscriptionStore(pool);
}

const BIGINT = 20;
/** Positions, numbers and times stay far below 2^53. */
const numbersAsNumbers = ((type: number, format: 'text') =>
  type === BIGINT ? Number : types.getTypeParser(type, format)) as CustomTypesConfig['getTypeParser'];

const BOTH = 'subscription JOIN progress USING (id)';
/** `$2` while its version is `$3`, which stays so until what follows is done. */
const AT_VERSION = 'WITH current AS (SELECT id FROM subscription WHERE id = $2 AND version = $3 FOR SHARE)';
/** Subscriptions that are looked through in one statement, and numbers that it forgets of each at most. */
const FORGOTTEN_AT_ONCE = { subscriptions: 200, numbers: 250 };

class PostgresSubscriptionStore implements SubscriptionStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async create(made: NewSubscription, most: number): Promise<StoredSubscription | 'too-many'> {
    const { id, owner, resource, secrets, lastUpdated, status, endsAt, epoch, position } = made;
    const whose = [owner.subject, owner.system];
    const counting = 'SELECT count(*) FROM subscription WHERE subject = $1 AND system = $2';
    const text = `WITH made AS (INSERT INTO subscription VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7) RETURNING *),
      progress AS (INSERT INTO progress VALUES ($1, $8, '', $9, $10, $11, $12, 0, 0, 0, 0, 0, 0, '') RETURNING *)
      SELECT ${COLUMNS} FROM made JOIN progress USING (id)`;
    const values = [id, owner.subject, owner.system, JSON.stringify(owner), resource, secrets, lastUpdated]; // prettier-ignore
    values.push(...[status, endsAt, isDelivered(resource), epoch, position].map(String));
    return this.#transaction(async (client) => {
      // Those that are made at other gateways at the same time wait, and are counted.
      await client.query('SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))', whose);
      const { rows: counted } = await client.query<{ count: number }>(counting, whose);
      if (counted[0]!.count >= most) return 'too-many';
      const { rows } = await client.query<StoredRow>(text, values);
      return storedOf(rows[0]!);
    });
  }

  async read(id: string): Promise<StoredSubscription | undefined> {
    const [row] = await this.#ask<StoredRow>('read', `SELECT ${COLUMNS} FROM ${BOTH} WHERE id = $1`, [id]);
    return row && storedOf(row);
  }

  async list(
    { count, after = '' }: SubscriptionPage,
    owner?: Pick<Owner, 'subject' | 'system'>,
  ): Promise<readonly StoredSubscription[]> {
    const [name, condition, values] =
      owner === undefined
        ? ['list', '', []]
        : ['list of', 'AND subject = $3 AND system = $4', [owner.subject, owner.system]];
    const text = `SELECT ${COLUMNS} FROM ${BOTH} WHERE id > $1 ${condition} ORDER BY id LIMIT $2`;
    return allStored(await this.#ask<StoredRow>(name, text, [after, count, ...values]));
  }

  async progress(ids: readonly string[]): Promise<ReadonlyMap<string, SubscriptionProgress>> {
    const text = 'SELECT id, status, ends_at, events FROM progress WHERE id = ANY ($1)';
    return progressById(await this.#ask<ProgressRow>('progress', text, [ids]));
  }

  async replace(
    id: string,
    change: Pick<StoredSubscription, 'resource' | 'secrets' | 'lastUpdated' | 'status' | 'endsAt' | 'owner'>,
    expected: number,
  ): Promise<StoredSubscription | 'mismatch' | 'missing'> {
    const { resource, secrets, lastUpdated, status, endsAt, owner } = change;
    const text = `WITH changed AS (
        UPDATE subscription SET subject = $3, system = $4, owner = $5, resource = $6, secrets = $7, last_updated = $8,
          version = version + 1 WHERE id = $1 AND version = $2 RETURNING *
      ), begun AS (
        UPDATE progress p SET status = $9, reason = '', ends_at = $10, is_delivered = $11, failures = 0, failing_since = 0,
          try_at = 0, holder = CASE $9 WHEN 'off' THEN '' ELSE holder END FROM changed WHERE p.id = changed.id RETURNING p.*
      ) SELECT ${COLUMNS} FROM changed JOIN begun USING (id)`;
    const values = [id, expected, owner.subject, owner.system, JSON.stringify(owner), resource, secrets, lastUpdated]; // prettier-ignore
    const [row] = await this.#ask<StoredRow>('replace', text, [...values, status, endsAt, isDelivered(resource)]); // prettier-ignore
    if (row !== undefined) return storedOf(row);
    return (await this.read(id)) === undefined ? 'missing' : 'mismatch';
  }

  async remove(id: string): Promise<boolean> {
    return this.#transaction((client) => remove(client, id));
  }

  async renew(id: string, owner: Owner, endsAt: number): Promise<void> {
    const text = `WITH known AS (
        UPDATE subscription SET subject = $2, system = $3, owner = $4 WHERE id = $1 AND owner <> $4
      ) UPDATE progress SET ends_at = $5 WHERE id = $1 AND ends_at < $5`;
    await this.#ask('renew', text, [id, owner.subject, owner.system, JSON.stringify(owner), endsAt]);
  }

  async nextSecret(id: string): Promise<number | undefined> {
    const text = `UPDATE subscription SET secret_generation = secret_generation + 1 WHERE id = $1
      RETURNING secret_generation`;
    const [row] = await this.#ask<{ secret_generation: number }>('next secret', text, [id]);
    return row?.secret_generation;
  }

  async lease(
    holder: string,
    now: number,
    until: number,
    most: number,
  ): Promise<readonly StoredSubscription[]> {
    await this.#ask('lease', 'SELECT lease($1, $2, $3, $4)', [holder, now, until, most]);
    const text = `SELECT ${COLUMNS} FROM ${BOTH} WHERE holder = $1 ORDER BY id`;
    return allStored(await this.#ask<StoredRow>('held', text, [holder]));
  }

  async release(holder: string): Promise<void> {
    // None at most, and over at once.
    await this.#ask('lease', 'SELECT lease($1, $2, $3, $4)', [holder, 0, 0, 0]);
  }

  async number(
    holder: string,
    looked: readonly {
      readonly id: string;
      readonly position: number;
      readonly notices: readonly Notice[];
    }[],
  ): Promise<readonly string[]> {
    const texts = new Map<Notice, string>();
    for (const { notices } of looked)
      for (const notice of notices) if (!texts.has(notice)) texts.set(notice, JSON.stringify(notice));
    const told = looked.flatMap(({ id, notices }) => notices.map((notice) => ({ id, notice })));
    const rows = await this.#ask<{ id: string }>(
      'number',
      'SELECT number($1, $2, $3, $4, $5, $6, $7) AS id',
      [
        holder,
        looked.map(({ id }) => id),
        looked.map(({ position }) => position),
        told.map(({ id }) => id),
        told.map(({ notice }) => notice.position),
        told.map(({ notice }) => notice.recordedAt),
        told.map(({ notice }) => texts.get(notice)),
      ],
    );
    return rows.map(({ id }) => id);
  }

  async enterEpoch(holder: string, id: string, epoch: string, position: number): Promise<void> {
    const text = 'UPDATE progress SET epoch = $3, position = $4 WHERE id = $2 AND holder = $1';
    await this.#ask('enter epoch', text, [holder, id, epoch, position]);
  }

  async numbered(id: string, after: number, limit: number): Promise<readonly NumberedNotice[]> {
    const text = 'SELECT number, notice FROM numbered WHERE id = $1 AND number > $2 ORDER BY number LIMIT $3';
    const rows = await this.#ask<{ number: number; notice: string }>('numbered', text, [id, after, limit]);
    return rows.map(({ number, notice }) => ({ number, notice: JSON.parse(notice) as Notice }));
  }

  async delivered(holder: string, id: string, upTo: number, at: number): Promise<boolean> {
    const text = `UPDATE progress SET delivered = greatest(delivered, least($3, events)), failures = 0,
      failing_since = 0, try_at = 0, reason = '', sent_at = $4 WHERE id = $2 AND holder = $1 RETURNING id`;
    return (await this.#ask('delivered', text, [holder, id, upTo, at])).length === 1;
  }

  async failed(
    holder: string,
    id: string,
    version: number,
    at: number,
    tryAt: number,
    reason: string,
  ): Promise<boolean> {
    const text = `${AT_VERSION} UPDATE progress p SET failing_since = CASE failures WHEN 0 THEN $4 ELSE failing_since END,
      failures = failures + 1, try_at = $5, reason = $6 FROM current WHERE p.id = current.id AND holder = $1 RETURNING p.id`;
    return (await this.#ask('failed', text, [holder, id, version, at, tryAt, reason])).length === 1;
  }

  async setStatus(
    holder: string,
    id: string,
    version: number,
    status: SubscriptionStatus,
    reason: string,
  ): Promise<boolean> {
    const text = `${AT_VERSION} UPDATE progress p SET status = $4, reason = $5, holder = CASE $4 WHEN 'off' THEN '' ELSE holder END
      FROM current WHERE p.id = current.id AND holder = $1 RETURNING p.id`;
    return (await this.#ask('set status', text, [holder, id, version, status, reason])).length === 1;
  }

  async forget(before: string): Promise<void> {
    const page = `SELECT id FROM progress WHERE id > $1 ORDER BY id LIMIT ${FORGOTTEN_AT_ONCE.subscriptions}`;
    for (let after: string | undefined = ''; after !== undefined;) {
      const ids: string[] = (await this.#ask<{ id: string }>('page', page, [after])).map(({ id }) => id);
      while (ids.length > 0 && (await this.#forgetOf(ids, before)));
      for (const id of await this.#endedAmong(ids, before)) await this.#removeEnded(id, before);
      after = ids.at(-1);
    }
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #endedAmong(ids: readonly string[], before: string): Promise<readonly string[]> {
    const text = 'SELECT id FROM progress WHERE id = ANY ($1) AND ends_at < $2';
    return (await this.#ask<{ id: string }>('ended', text, [ids, Date.parse(before)])).map(({ id }) => id);
  }

  #removeEnded(id: string, before: string): Promise<boolean> {
    return this.#transaction(async (client) => {
      await client.query(`SELECT pg_advisory_xact_lock(${FORGETTING})`);
      // In the order of locks; it may have been renewed since.
      await client.query('SELECT FROM subscription WHERE id = $1 FOR UPDATE', [id]);
      const text = 'SELECT FROM progress WHERE id = $1 AND ends_at < $2 FOR UPDATE';
      const { rowCount } = await client.query(text, [id, Date.parse(before)]);
      return rowCount === 1 && remove(client, id);
    });
  }

  /** Whether there may be more to forget of these. */
  #forgetOf(ids: readonly string[], before: string): Promise<boolean> {
    return this.#transaction(async (client) => {
      await client.query(`SELECT pg_advisory_xact_lock(${FORGETTING})`);
      const values = [ids, before, Date.parse(before), FORGOTTEN_AT_ONCE.numbers];
      const { rowCount } = await client.query({ name: 'forget', text: FORGET, values });
      return rowCount! >= FORGOTTEN_AT_ONCE.numbers;
    });
  }

  async #ask<Row>(name: string, text: string, values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#pool.query({ name: `subscriptions ${name}`, text, values: [...values] });
    return rows as Row[];
  }

  /** What is thrown in it undoes it. */
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

/** False where it was not there. */
async function remove(client: PoolClient, id: string): Promise<boolean> {
  await client.query(`SELECT pg_advisory_xact_lock(${FORGETTING})`);
  const { rowCount } = await client.query('DELETE FROM subscription WHERE id = $1', [id]);
  await client.query('DELETE FROM progress WHERE id = $1', [id]);
  // By now nobody gives it numbers any more.
  await client.query('DELETE FROM numbered WHERE id = $1', [id]);
  return rowCount === 1;
}

/**
 * Numbers were recorded in their order, so looking from the first one on ends at the first that is kept. Of what an endpoint has
 * to take, and has not ended long ago, only what it has taken may be forgotten.
 */
const FORGET = `
DELETE FROM numbered n USING progress p
CROSS JOIN LATERAL (SELECT CASE WHEN is_delivered AND status <> 'off' AND ends_at >= $3 THEN delivered ELSE events END AS last) AS may
CROSS JOIN LATERAL (SELECT min(number) AS number FROM numbered WHERE id = p.id) AS first
CROSS JOIN LATERAL (SELECT least(first.number + $4, coalesce(
  (SELECT number FROM numbered WHERE id = p.id AND number <= may.last AND recorded_at >= $2 ORDER BY number LIMIT 1),
  may.last + 1)) AS number) AS kept
WHERE p.id = ANY($1::text[]) AND n.id = p.id AND n.number < kept.number`;
