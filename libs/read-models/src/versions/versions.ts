/**
 * Which version of each read model is served, in a cluster. Versions lie side by side in one database, each a schema of its
 * own (`record_v4`); the schema `read_model` says which of them answers, who changed that, and what operators stepped over.
 */
import { listen, type Listening } from '@carelog/postgres';
import type { ClientBase, Pool, PoolClient } from 'pg';
import { LIVE_CHANNEL, MIGRATIONS } from './versions-schema.ts';

/** Of a read model's version. */
export function schemaOf(name: string, version: number): string {
  return `${name}_v${version}`;
}

export interface LiveVersion {
  readonly version: number;
  /** What served before, to which `back` returns; undefined for the first. */
  readonly previous: number | undefined;
  readonly since: Date;
  readonly by: string;
}

export type SwitchOutcome =
  | { readonly kind: 'switched'; readonly from: number | undefined }
  /** Somebody switched meanwhile; `live` is what serves. */
  | { readonly kind: 'overtaken'; readonly live: number | undefined }
  | { readonly kind: 'not-built' };

/** An event that an operator decided to step over where it cannot be projected. */
export interface Skip {
  readonly partition: string;
  readonly position: number;
  readonly by: string;
  readonly why: string;
  readonly at: Date;
}

export interface ReadModelVersions {
  /** Undefined where nothing of that name was ever built. */
  live(name: string): Promise<LiveVersion | undefined>;
  /** Versions whose schema is there, served or not, in order. */
  built(name: string): Promise<readonly number[]>;
  /**
   * Lets another version answer, in one transaction, if the one that answers now is the one expected. What was served before
   * stays as it is, to go back to.
   */
  switchTo(name: string, version: number, expected: number | undefined, by: string): Promise<SwitchOutcome>;
  /** Keeps who skips what, and why; a second time changes nothing. Counts for the store's `epoch` alone. */
  skip(name: string, epoch: string, skip: Omit<Skip, 'at'>): Promise<void>;
  skips(name: string, epoch: string): Promise<readonly Skip[]>;
  /**
   * Calls `changed` with the version that answers, now and whenever it is another: within a moment when the database says so,
   * within `pollMs` when that word is lost. Stops when `signal` is aborted.
   */
  follow(name: string, changed: (version: number | undefined) => void, options: FollowOptions): Promise<void>;
  close(): Promise<void>;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** 1,000 unless told. */
  readonly pollMs?: number;
}

/** Makes the schema `read_model`, or brings it up to date; may be called again. `reader` and `writer` are roles that exist. */
export async function migrateVersions(
  owner: ClientBase,
  roles: { readonly reader?: string; readonly writer?: string } = {},
): Promise<void> {
  await owner.query('BEGIN');
  try {
    await owner.query(`SELECT pg_advisory_xact_lock(hashtext('carelog read_model'))`);
    for (const statement of MIGRATIONS) await owner.query(statement);
    for (const role of Object.values(roles)) {
      await owner.query(`GRANT USAGE ON SCHEMA read_model TO ${owner.escapeIdentifier(role)}`);
      await owner.query(`GRANT SELECT ON ALL TABLES IN SCHEMA read_model TO ${owner.escapeIdentifier(role)}`);
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

/** Gives every role the rights in one version's schema that it has in another's. */
export async function grantAs(owner: ClientBase, like: string, schema: string): Promise<void> {
  const { rows } = await owner.query<{ grantee: string; rights: string }>(
    `SELECT grantee, string_agg(privilege_type, ', ') AS rights FROM information_schema.role_table_grants
     WHERE table_schema = $1 AND table_name = 'checkpoint' AND grantee <> grantor GROUP BY grantee`,
    [like],
  );
  const name = owner.escapeIdentifier(schema);
  for (const { grantee, rights } of rows) {
    const role = owner.escapeIdentifier(grantee);
    await owner.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
    await owner.query(`GRANT ${rights} ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
  }
}

/** Needs what `migrateVersions` makes. Reading takes the right to read; switching and skipping that of the owner. */
export function openVersions(url: string): ReadModelVersions {
  return new PostgresVersions(url, poolOf(url));
}

/** The driver is loaded only here: a server in one process needs none. */
const pools = () => import('../record/postgres/pools.ts');

async function poolOf(url: string): Promise<Pool> {
  return (await pools()).askingPool({ url, purpose: 'carelog read-model versions', connections: 2 });
}

class PostgresVersions implements ReadModelVersions {
  readonly #url: string;
  readonly #pool: Promise<Pool>;
  readonly #followed = new Set<Listening>();

  constructor(url: string, pool: Promise<Pool>) {
    this.#url = url;
    this.#pool = pool;
  }

  async live(name: string): Promise<LiveVersion | undefined> {
    return liveIn(await this.#pool, name);
  }

  async built(name: string): Promise<readonly number[]> {
    const pool = await this.#pool;
    const { rows } = await pool.query<{ version: string }>(
      `SELECT substring(nspname from '_v([0-9]+)$') AS version FROM pg_namespace
       WHERE nspname ~ ('^' || $1 || '_v[0-9]+$')`,
      [name],
    );
    return rows.map(({ version }) => Number(version)).sort((a, b) => a - b);
  }

  async switchTo(
    name: string,
    version: number,
    expected: number | undefined,
    by: string,
  ): Promise<SwitchOutcome> {
    if (!(await this.built(name)).includes(version)) return { kind: 'not-built' };
    return this.#transaction(async (client) => {
      // Also where there is no row yet that could be locked.
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('carelog read_model ' || $1))`, [name]);
      const live = (await liveIn(client, name))?.version;
      if (live !== expected) return { kind: 'overtaken', live };
      await client.query(
        `INSERT INTO read_model.live (name, version, previous, since, by) VALUES ($1, $2, $3, now(), $4)
         ON CONFLICT (name) DO UPDATE SET version = $2, previous = $3, since = now(), by = $4`,
        [name, version, live, by],
      );
      await client.query(`SELECT pg_notify($1, $2)`, [LIVE_CHANNEL, name]);
      return { kind: 'switched', from: live };
    });
  }

  async skip(name: string, epoch: string, { partition, position, by, why }: Omit<Skip, 'at'>): Promise<void> {
    const pool = await this.#pool;
    await pool.query(
      `INSERT INTO read_model.skipped (name, epoch, position, partition, by, why, at)
       VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT DO NOTHING`,
      [name, epoch, position, partition, by, why],
    );
  }

  async skips(name: string, epoch: string): Promise<readonly Skip[]> {
    const pool = await this.#pool;
    const { rows } = await pool.query<Skip & { position: string }>(
      `SELECT partition, position, by, why, at FROM read_model.skipped
       WHERE name = $1 AND epoch = $2 ORDER BY position`,
      [name, epoch],
    );
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  async follow(
    name: string,
    changed: (version: number | undefined) => void,
    { signal, pollMs = 1_000 }: FollowOptions,
  ): Promise<void> {
    let known: number | undefined;
    const look = async () => {
      const version = (await this.live(name))?.version;
      if (version === known) return;
      known = version;
      changed(version);
    };
    const lookAgain = () => void look().catch(() => {});
    await look();
    if (signal.aborted) return;
    const listening = listen({ url: this.#url, channel: LIVE_CHANNEL, onHint: lookAgain, onConnected: lookAgain }); // prettier-ignore
    this.#followed.add(listening);
    const poll = setInterval(lookAgain, pollMs);
    const end = () => {
      clearInterval(poll);
      void listening.close();
    };
    signal.addEventListener('abort', end, { once: true });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followed].map((it) => it.close()));
    await (await this.#pool).end();
  }

  async #transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return (await pools()).transaction(await this.#pool, work);
  }
}

async function liveIn(asked: Pick<Pool, 'query'>, name: string): Promise<LiveVersion | undefined> {
  const { rows } = await asked.query<LiveVersion & { previous: number | null }>(
    'SELECT version, previous, since, by FROM read_model.live WHERE name = $1',
    [name],
  );
  return rows[0] && { ...rows[0], previous: rows[0].previous ?? undefined };
}
