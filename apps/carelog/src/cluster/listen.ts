/** Hears what a database's clients tell each other; only hints, so whatever gets lost on the way is nobody's truth. */
import { Client } from 'pg';

const AGAIN_MS = 500;

/** Calls `onHint` with what each notification says, and with nothing after each time that it had to connect anew. */
export function listenTo(
  url: string,
  channel: string,
  onHint: (said?: string) => void,
): { close(): Promise<void> } {
  let client: Client | undefined;
  let again: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function connect(): Promise<void> {
    const listener = new Client({
      connectionString: url,
      application_name: 'carelog listener',
      connectionTimeoutMillis: 5_000,
      statement_timeout: 5_000,
      lock_timeout: 5_000,
      idle_in_transaction_session_timeout: 5_000,
      keepAlive: true,
    });
    client = listener;
    listener.on('error', () => {});
    listener.on('notification', ({ payload }) => onHint(payload));
    try {
      await listener.connect();
      await listener.query(`LISTEN ${channel}`);
      listener.once('end', later);
      onHint();
    } catch {
      await listener.end().catch(() => {});
      later();
    }
  }

  function later(): void {
    if (!isClosed) again = setTimeout(() => void connect(), AGAIN_MS);
  }

  void connect();
  return {
    async close() {
      isClosed = true;
      clearTimeout(again);
      await client?.end().catch(() => {});
    },
  };
}
