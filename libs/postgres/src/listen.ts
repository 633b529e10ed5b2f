/**
 * What the sessions of a PostgreSQL database tell each other, by LISTEN and NOTIFY. It is only hints: what is told while a connection
 * is broken is lost, so whoever has to be right asks the tables. A notification wakes every session that listens to anything, so
 * all of a process hear by one. https://www.postgresql.org/docs/current/sql-notify.html
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';

export interface ListeningOptions {
  /** Of a role that may connect. */
  readonly url: string;
  readonly channel: string;
  onHint(said: string): void;
  /** From now on it is heard what is told; what was told before may be lost. Called again after each time that it had to connect anew. */
  onConnected?(): void;
  /** The connection broke, or could not be made; it is tried again. */
  onTrouble?(fault: unknown): void;
}

export interface Listening {
  /** Tells everybody who listens to the channel, this one too. Resolves also where it could not be told. */
  tell(said: string): Promise<void>;
  /** Resolves when nothing is heard any more; with the last one of a process, when its session has ended. */
  close(): Promise<void>;
}

const AGAIN_MS = { least: 50, most: 2_000 };

export function listen(options: ListeningOptions): Listening {
  const { url } = options;
  const session = sessions.get(url) ?? new Session(url);
  sessions.set(url, session);
  return session.add(options);
}

/** Those that are open, by where they lead to. */
const sessions = new Map<string, Session>();

class Session {
  readonly #url: string;
  readonly #closing = new AbortController();
  readonly #heard = new Set<ListeningOptions>();
  readonly #running: Promise<void>;
  /** Undefined while there is no connection. */
  #client: Client | undefined;

  constructor(url: string) {
    this.#url = url;
    this.#running = this.#run();
  }

  add(options: ListeningOptions): Listening {
    this.#heard.add(options);
    if (this.#client !== undefined) void this.#begin(this.#client, options);
    let closed: Promise<void> | undefined;
    return {
      tell: async (said) => {
        const values = [options.channel, said];
        await this.#client?.query({ name: 'tell', text: 'SELECT pg_notify($1, $2)', values }).catch((fault: unknown) => options.onTrouble?.(fault)); // prettier-ignore
      },
      close: () => (closed ??= this.#remove(options)),
    };
  }

  async #remove(options: ListeningOptions): Promise<void> {
    this.#heard.delete(options);
    if (this.#heard.size > 0) {
      const isWanted = [...this.#heard].some(({ channel }) => channel === options.channel);
      if (!isWanted) await this.#client?.query(`UNLISTEN ${options.channel}`).catch(() => {});
      return;
    }
    if (sessions.get(this.#url) === this) sessions.delete(this.#url);
    this.#closing.abort();
    await this.#client?.end().catch(() => {});
    await this.#running;
  }

  async #run(): Promise<void> {
    for (
      let pause = AGAIN_MS.least;
      !this.#closing.signal.aborted;
      pause = Math.min(pause * 2, AGAIN_MS.most)
    ) {
      const client = await this.#newClient();
      // Not events.once, which fails with the error that comes before the end.
      const ended = new Promise((resolve) => client.once('end', resolve));
      try {
        await client.connect();
        // A hint needs no fsync, and the server lets one notifying transaction commit at a time.
        await client.query('SET synchronous_commit = off');
        this.#client = client;
        await Promise.all([...this.#heard].map((it) => this.#begin(client, it)));
        pause = AGAIN_MS.least;
        if (this.#closing.signal.aborted) await client.end();
        await ended;
      } catch (fault) {
        this.#trouble(fault);
        void client.end().catch(() => {});
      }
      this.#client = undefined;
      await delay(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  /** The driver is loaded here: who keeps everything in files needs none. */
  async #newClient(): Promise<Client> {
    const { Client } = (await import('pg')).default;
    const client = new Client({
      connectionString: this.#url,
      application_name: 'carelog listener',
      connectionTimeoutMillis: 5_000,
      statement_timeout: 5_000,
      lock_timeout: 5_000,
      query_timeout: 10_000,
      idle_in_transaction_session_timeout: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // Several tell at once.
      pipeline: true,
    });
    client.on('error', (fault) => this.#trouble(fault));
    client.on('notification', ({ channel, payload = '' }) => {
      for (const it of this.#heard) if (it.channel === channel) it.onHint(payload);
    });
    return client;
  }

  async #begin(client: Client, options: ListeningOptions): Promise<void> {
    try {
      await client.query(`LISTEN ${options.channel}`);
    } catch (fault) {
      // Without an answer it is not known whether it hears: another connection is made.
      this.#trouble(fault);
      return void client.end().catch(() => {});
    }
    if (this.#heard.has(options)) options.onConnected?.();
  }

  #trouble(fault: unknown): void {
    for (const { onTrouble } of this.#heard) onTrouble?.(fault);
  }
}
