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
    // What does not need the answer before it is sent with it: each wait is a turn of two processes.
    pipeline: true,
    ...limits,
  });
  // An idle connection that breaks is replaced by the next batch or question.
  pool.on('error', () => {});
  // One that breaks in use fails what is asked next; without a listener of its own it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** A statement whose answer nothing in the transaction needs: it is sent, and waited for before the transaction ends. */
export type Send = (statement: Promise<unknown>) => void;

/** What is thrown in it, or fails of what is sent, undoes it. */
export async function transaction<Result>(
  pool: Pool,
  work: (client: PoolClient, send: Send) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const sent: Promise<unknown>[] = [];
  let failed: { readonly fault: unknown } | undefined;
  const send = (statement: Promise<unknown>): void => {
    statement.catch((fault: unknown) => (failed ??= { fault }));
    sent.push(statement);
  };
  try {
    send(client.query('BEGIN'));
    const result = await work(client, send);
    // What fails here, before it was sent, the server knows nothing of: it would keep the rest.
    await Promise.all(sent);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (fault) {
    // Of those that follow on one that failed the server only says that its transaction is no more.
    const why = failed?.fault ?? fault;
    // Its transaction ends with its connection.
    client.release(true);
    throw why;
  }
}
