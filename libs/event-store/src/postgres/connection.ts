/** How this adapter connects. The driver is loaded when the first store in PostgreSQL is opened, so nobody else pays for it. */
import type { Client, ClientConfig, CustomTypesConfig, Pool } from 'pg';

export type { Client, Pool } from 'pg';

const bigint = 20;

/**
 * Every statement of this adapter reads an index in its order and stops early. While a table is new the planner knows too
 * little to see that, and would rather fetch a whole partition and sort it.
 */
const planning = ['enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'jit']
  .map((setting) => `-c ${setting}=off`)
  .concat('-c plan_cache_mode=force_generic_plan');

export interface Driver {
  client(config: ClientConfig): Client;
  pool(config: ClientConfig & { readonly max: number }): Pool;
}

/** `purpose` is what the server's list of sessions and its log call the connection. */
export async function loadDriver(url: string, purpose: string): Promise<Driver> {
  const { Client, Pool, types } = (await import('pg')).default;
  // Positions stay far below 2^53.
  const getTypeParser = ((type: number, format: 'text') =>
    type === bigint ? Number : types.getTypeParser(type, format)) as CustomTypesConfig['getTypeParser'];
  const settings: ClientConfig = {
    connectionString: url,
    application_name: purpose,
    options: planning.join(' '),
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    lock_timeout: 10_000,
    // Whoever holds the turn and says nothing loses it: no paused process stops the others for longer.
    idle_in_transaction_session_timeout: 5_000,
    query_timeout: 20_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  };
  return {
    client: (config) => new Client({ ...settings, ...config }),
    pool: (config) => new Pool({ ...settings, ...config }),
  };
}

/** Where a log is, for messages: no user, no password. */
export function placeOf(url: string, schema: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname} (schema ${schema})`;
}
