/** The thread behind a `PostgresDatabase`: holds its connection, and makes another where that broke. */
import { Client, types, type ClientConfig, type QueryConfig } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { workerData, type MessagePort } from 'node:worker_threads';
import type { PostgresOptions } from './database.ts';

export interface ConnectionData extends PostgresOptions {
  readonly port: MessagePort;
  /** Counts answers; who asked sleeps on it. */
  readonly answered: SharedArrayBuffer;
}

export type Question =
  /** Prepared under the name, where it has one. */
  | {
      readonly kind: 'ask';
      readonly name?: string;
      readonly text: string;
      readonly values: readonly unknown[];
    }
  | { readonly kind: 'tell'; readonly text: string }
  | { readonly kind: 'close' };

export type Answer =
  | { readonly kind: 'rows'; readonly rows: readonly unknown[] }
  /** `lost`: with the connection, and with whatever transaction was open in it. */
  | { readonly kind: 'refused' | 'lost'; readonly message: string; readonly code: string | undefined };

const { port, answered: counter, url, schema, name, statementTimeout } = workerData as ConnectionData;
const answered = new Int32Array(counter);

const INT8 = 20;
const settings: ClientConfig = {
  connectionString: url,
  application_name: `carelog ${schema} ${name}`,
  options: `-c search_path=${schema} -c jit=off -c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read`,
  statement_timeout: statementTimeout,
  lock_timeout: 5_000,
  idle_in_transaction_session_timeout: 60_000,
  connectionTimeoutMillis: 10_000,
  keepAlive: true,
  types: {
    getTypeParser: ((oid: number, format?: 'text') =>
      oid === INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
  },
};

let client: Client | undefined;
/** Whether a transaction was begun; what is asked in it is never asked outside it, where its connection was lost. */
let isBegun = false;
let unheard: Error | undefined;

/** A server that is started again is waited for. */
const CONNECT_MS = 5_000;
const RETRY_MS = 100;
const STARTING_UP = '57P03';
/** The server says that it ends the connection: by an administrator, by a crash, for idling in a transaction. */
const ENDED = new Set(['57P01', '57P02', '57P03', '57P05', '25P03']);

async function connect(): Promise<Client> {
  for (const until = performance.now() + CONNECT_MS; ; await delay(RETRY_MS)) {
    const made = new Client(settings);
    made.on('error', () => lose(made));
    made.on('end', () => lose(made));
    try {
      await made.connect();
      return made;
    } catch (fault) {
      const { code = '' } = fault as { code?: string };
      if (!['ECONNREFUSED', STARTING_UP].includes(code) || performance.now() > until) throw fault;
    }
  }
}

function lose(lost: Client): void {
  if (lost !== client) return;
  client = undefined;
  if (isBegun) unheard = new Error('The connection was lost in a transaction.');
}

function drop(): void {
  isBegun = false;
  const dropped = client;
  client = undefined;
  void dropped?.end().catch(() => {});
}

async function ask(text: string | QueryConfig): Promise<readonly object[]> {
  client ??= await connect();
  const { rows } = await client.query<object>(text);
  return rows;
}

function answer(it: Answer): void {
  port.postMessage(it);
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}

async function hear(question: Question): Promise<void> {
  switch (question.kind) {
    case 'close':
      port.close();
      return client?.end();
    case 'tell':
      unheard = undefined;
      isBegun = question.text === 'BEGIN' || (isBegun && question.text !== 'COMMIT');
      await ask(question.text).catch((fault: Error) => {
        if (isBegun) unheard = fault;
      });
      return;
    case 'ask':
      try {
        if (unheard !== undefined) throw unheard;
        const { name, text, values } = question;
        answer({ kind: 'rows', rows: await ask({ ...(name && { name }), text, values: [...values] }) });
      } catch (fault) {
        const { message, code } = fault as Error & { code?: string };
        const isLost = client === undefined || fault === unheard || (code !== undefined && ENDED.has(code));
        if (isLost) drop();
        unheard = undefined;
        answer({ kind: isLost ? 'lost' : 'refused', message, code });
      }
  }
}

// One after another, in the order in which they came.
let last: Promise<void> = Promise.resolve();
port.on('message', (question: Question) => {
  last = last.then(() => hear(question)).catch(() => {});
});
