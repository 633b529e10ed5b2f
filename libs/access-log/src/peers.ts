/**
 * Other processes that write the same access log, each its own journal. Before one of them looks through the log it has all
 * others hand on what they hold, so that what anybody was shown before the question is found.
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';

export interface Peers {
  /** Resolves when every other process has handed on what it had when this was called; or after 2 s, for one that hangs. */
  handedOn(): Promise<void>;
  /** What was asked for under this token is in the log. */
  took(token: string): void;
  close(): Promise<void>;
}

const CHANNEL = 'carelog_access_journal';
/** By this name of their connections they know who else is there. */
const NAME = 'carelog access journal';
const PATIENCE_MS = 2_000;
const AGAIN_MS = 500;

/** Resolves when others know of this one, where the database can be reached. `onAsked`: another one wants what is held here; to be answered with `took`. */
export async function openPeers(url: string, onAsked: (token: string) => void): Promise<Peers> {
  const waiting = new Map<string, (peer: number) => void>();
  let client: Client | undefined;
  let again: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function connect(): Promise<void> {
    const made = new Client({
      connectionString: url,
      application_name: NAME,
      connectionTimeoutMillis: 5_000,
      statement_timeout: PATIENCE_MS,
      lock_timeout: PATIENCE_MS,
      idle_in_transaction_session_timeout: 5_000,
      query_timeout: PATIENCE_MS,
      keepAlive: true,
    });
    made.on('error', () => {});
    made.once('end', () => {
      client = undefined;
      if (!isClosed) again = setTimeout(() => void connect(), AGAIN_MS);
    });
    made.on('notification', ({ processId, payload = '' }) => {
      if (processId === ownIdOf(made)) return;
      const [verb, token = ''] = payload.split(' ');
      if (verb === 'ask') onAsked(token);
      else waiting.get(token)?.(processId);
    });
    try {
      await made.connect();
      await made.query(`LISTEN ${CHANNEL}`);
      client = made;
    } catch {
      await made.end().catch(() => {});
    }
  }

  const tell = (text: string): void => {
    client?.query('SELECT pg_notify($1, $2)', [CHANNEL, text]).catch(() => {});
  };

  await connect();
  return {
    async handedOn() {
      const peers = await peersOf(client);
      if (peers.size === 0) return;
      const token = randomUUID();
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(overdue);
          waiting.delete(token);
          resolve();
        };
        const overdue = setTimeout(end, PATIENCE_MS);
        waiting.set(token, (peer) => {
          peers.delete(peer);
          if (peers.size === 0) end();
        });
        tell(`ask ${token}`);
      });
    },
    took: (token) => tell(`took ${token}`),
    async close() {
      isClosed = true;
      clearTimeout(again);
      await client?.end().catch(() => {});
    },
  };
}

async function peersOf(client: Client | undefined): Promise<Set<number>> {
  if (client === undefined) return new Set();
  const asked = client.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()',
    [NAME],
  );
  const { rows } = await asked.catch(() => ({ rows: [] }));
  return new Set(rows.map(({ pid }) => pid));
}

const ownIdOf = (client: Client): number | undefined => (client as Client & { processID?: number }).processID;
