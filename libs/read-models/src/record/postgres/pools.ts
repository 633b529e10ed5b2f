/** The connections by which read models in PostgreSQL are written and asked, and the transactions on them. */
import { Pool, type PoolClient, type PoolConfig } from 'pg';

export interface PoolOptions {
  readonly url: string;
  /** What the server's list of sessions calls its connections. */
  readonly purpose: string;
  readonly connections: number;
  /** Settings of each session, as `-c name=value`. */
  readonly settings?: string;
}

/** For batches: they may take long, and wait for a lane that another holds. No statement is worth the start of a worker. */
export const writingPool = ({ settings = '', ...options }: PoolOptions): Pool =>
  poolOf(
    { ...options, settings: `-c max_parallel_workers_per_gather=0 ${settings}` },
    {
      statement_timeout: 60_000,
      lock_timeout: 30_000,
      // Shorter than others wait for the lane: one that is stopped in its transaction holds nobody up for long.
      idle_in_transaction_session_timeout: 20_000,
    },
  );

/** For questions that somebody waits for. */
export const askingPool = (options: PoolOptions): Pool =>
  poolOf(options, {
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
    lock_timeout: 5_000,
    idle_in_transaction_session_timeout: 5_000,
  });

function poolOf({ url, purpose, connections, settings = '' }: PoolOptions, limits: PoolConfig): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: purpose,
    options: `-c jit=off ${settings}`,
    max: connections,
    ...limits,
  });
  // An idle connection that breaks is replaced by the next batch or question.
  pool.on('error', () => {});
  // One that breaks in use fails what is asked next; without a listener of its own it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** What is thrown in it undoes it. */
export async function transaction<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
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
