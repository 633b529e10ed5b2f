/**
 * PostgreSQL as the reader asks it: one question after another, each waited for. A thread of the connection's own talks to the
 * server meanwhile, so that the reading code is one for both engines.
 */
import type { SQLInputValue } from 'node:sqlite';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { OutOfTime } from '../body-look.ts';
import type { Database, Prepared } from '../database.ts';
import type { Answer, ConnectionData, Question } from './connection-thread.ts';
import { storable } from './texts.ts';

export interface PostgresOptions {
  readonly url: string;
  readonly schema: string;
  /** Shown to the server; `carelog <schema> <name>`. */
  readonly name: string;
  /** Milliseconds that a statement may take. */
  readonly statementTimeout: number;
  /** Beyond that, until a connection is taken for dead; it is made in it too. 15,000 unless told. */
  readonly patienceMs?: number;
}

/** The server was not reached, or went away; the next question goes over a new connection. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The server ended a statement, and with it whatever can be asked in this transaction. */
class StatementEnded extends OutOfTime {
  override readonly isOver = true;
}

const PATIENCE_MS = 15_000;
const FIRST_ROWS = 100;
const ROWS_MAX = 2_000;

export class PostgresDatabase implements Database {
  readonly engine = 'postgres';
  readonly #options: PostgresOptions;
  readonly #patience: number;
  #connection: Connection;
  #statements = 0;
  #cursors = 0;
  #isTransaction = false;
  #isOpen = true;

  /** Connects with the first question. */
  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#patience = options.statementTimeout + (options.patienceMs ?? PATIENCE_MS);
    this.#connection = startConnection(options);
  }

  get isTransaction(): boolean {
    return this.#isTransaction;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  prepare(sql: string): Prepared {
    const name = `s${(this.#statements += 1)}`;
    const all = (values: readonly SQLInputValue[]) =>
      this.#ask({ kind: 'ask', name, text: sql, values: given(values) });
    return {
      all: (...values) => all(values),
      get: (...values) => all(values)[0],
      run: (...values) => all(values),
      iterate: (...values) => this.#iterate(sql, values),
    };
  }

  /** What begins or ends a transaction is sent, and not waited for. */
  exec(sql: string): void {
    if (sql === 'BEGIN') this.#isTransaction = true;
    if (sql === 'COMMIT' || sql === 'ROLLBACK') this.#isTransaction = false;
    this.#connection.port.postMessage({ kind: 'tell', text: sql } satisfies Question);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.port.postMessage({ kind: 'close' } satisfies Question);
  }

  // Rows come in portions that grow: who wants a few gets no more.
  *#iterate(sql: string, values: readonly SQLInputValue[]): Iterable<unknown> {
    // Portions are read in one transaction, be it one for them alone.
    const isAlone = !this.#isTransaction;
    if (isAlone) this.exec('BEGIN');
    const cursor = `c${(this.#cursors += 1)}`;
    this.#ask({ kind: 'ask', text: `DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`, values: given(values) });
    let portion = FIRST_ROWS;
    try {
      for (;;) {
        const rows = this.#ask({ kind: 'ask', text: `FETCH ${portion} FROM ${cursor}`, values: [] });
        yield* rows;
        if (rows.length < portion) return;
        portion = Math.min(2 * portion, ROWS_MAX);
      }
    } finally {
      if (isAlone) this.exec('COMMIT');
      else if (this.#isTransaction) this.exec(`CLOSE ${cursor}`);
    }
  }

  #ask(question: Question & { kind: 'ask' }): unknown[] {
    if (!this.#isOpen) throw new Error('The record was closed.');
    const { thread, port, answered } = this.#connection;
    const before = Atomics.load(answered, 0);
    port.postMessage(question);
    // A wake-up may be meant for the answer before: what counts is the count.
    let waited: string = 'ok';
    while (waited !== 'timed-out' && Atomics.load(answered, 0) === before)
      waited = Atomics.wait(answered, 0, before, this.#patience);
    const answer = receiveMessageOnPort(port)?.message as Answer | undefined;
    if (answer === undefined) {
      // What it answers from now on would be taken for the answer to another question.
      void thread.terminate();
      this.#connection = startConnection(this.#options);
      this.#isTransaction = false;
      throw new ConnectionLost('PostgreSQL was not heard of in time.');
    }
    if (answer.kind === 'rows') return answer.rows as unknown[];
    this.#isTransaction &&= answer.kind !== 'lost';
    if (answer.code === QUERY_CANCELED) throw new StatementEnded(answer.message);
    if (answer.kind === 'lost') throw new ConnectionLost(answer.message);
    throw Object.assign(new Error(answer.message), { code: answer.code });
  }
}

/** A thread with a connection to the server, and how it is asked. */
interface Connection {
  readonly thread: Worker;
  readonly port: MessagePort;
  readonly answered: Int32Array;
}

function startConnection(options: PostgresOptions): Connection {
  const { port1, port2 } = new MessageChannel();
  const answered = new SharedArrayBuffer(4);
  const workerData: ConnectionData = { ...options, port: port2, answered };
  const thread = new Worker(new URL('connection-thread.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  });
  thread.unref();
  port1.unref();
  return { thread, port: port1, answered: new Int32Array(answered) };
}

/** By its time limit. */
const QUERY_CANCELED = '57014';

const given = (values: readonly SQLInputValue[]) =>
  values.map((it) => (typeof it === 'string' ? storable(it) : it));
