/** The thread behind a `PostgresDatabase`: holds its connection, and makes another where that broke. */
import { Client, types, type ClientConfig } from 'pg';
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

let client: Promise<Client> | undefined;
/** What was told went wrong: whoever asks next must know. */
let unheard: Error | undefined;

async function connected(): Promise<Client> {
  client ??= connect();
  try {
    return await client;
  } catch (fault) {
    client = undefined;
    throw fault;
  }
}

async function connect(): Promise<Client> {
  const made = new Client(settings);
  const lost = () => {
    client = undefined;
  };
  made.on('error', lost);
  made.on('end', lost);
  await made.connect();
  return made;
}

function answer(it: Answer): void {
  port.postMessage(it);
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}

function refuse(fault: unknown): void {
  const { message, code } = fault as { message?: string; code?: string };
  answer({ kind: client === undefined ? 'lost' : 'refused', message: message ?? String(fault), code });
}

async function hear(question: Question): Promise<void> {
  if (question.kind === 'close') {
    port.close();
    await (await client)?.end();
    return;
  }
  if (question.kind === 'tell') {
    try {
      await (await connected()).query(question.text);
    } catch (fault) {
      if (question.text === 'BEGIN') unheard = fault as Error;
    }
    return;
  }
  try {
    if (unheard !== undefined) throw unheard;
    const { rows } = await (await connected()).query<object>({ ...question, values: [...question.values] });
    answer({ kind: 'rows', rows });
  } catch (fault) {
    unheard = undefined;
    refuse(fault);
  }
}

// One after another, in the order in which they came.
let last: Promise<void> = Promise.resolve();
port.on('message', (question: Question) => {
  last = last.then(() => hear(question)).catch(() => {});
});
