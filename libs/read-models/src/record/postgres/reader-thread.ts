/** A thread that answers questions about the record, one at a time, over a connection of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { COMMA } from '../entries.ts';
import type { RecordQueries } from '../record.ts';
import { RecordReader } from '../record-reader.ts';
import type { SlowAnswering, SlowRequest } from '../slow-lane.ts';
import { ConnectionLost, PostgresDatabase, type PostgresOptions } from './database.ts';

export type Method = Exclude<keyof RecordQueries, 'close'>;

export interface Asked {
  readonly method: Method;
  readonly arguments: readonly unknown[];
}

export type Told =
  | { readonly kind: 'answer'; readonly answer: unknown }
  /** The search is one for the slow lane; `rest`: what its answer has beside. */
  | { readonly kind: 'slow'; readonly asked: SlowRequest; readonly rest: object }
  | { readonly kind: 'fault'; readonly fault: unknown };

const db = new PostgresDatabase(workerData as PostgresOptions);
let slow: SlowRequest | undefined;
/** Leaves it to the thread that asked. */
const leave: SlowAnswering = {
  answer: (asked) => {
    slow = asked;
    return Promise.resolve({ entries: [], count: 0, shown: { versions: '', patients: [] } });
  },
  close: () => {},
};
const reader = new RecordReader(db, leave, Date.now);

async function told({ method, arguments: given }: Asked): Promise<Told> {
  slow = undefined;
  try {
    const ask = reader[method] as (...given: unknown[]) => Promise<unknown>;
    const answer = await ask.apply(reader, [...given]).catch((fault: unknown) => {
      // Nothing is changed by a question: it may be asked once more.
      if (fault instanceof ConnectionLost) return ask.apply(reader, [...given]);
      throw fault;
    });
    if (slow === undefined) return { kind: 'answer', answer };
    return { kind: 'slow', asked: slow, rest: answer as object };
  } catch (fault) {
    return { kind: 'fault', fault };
  }
}

parentPort?.on('message', (asked: Asked | 'close') => {
  if (asked === 'close') {
    reader.close();
    parentPort?.close();
    return;
  }
  void told(asked).then((it) => parentPort?.postMessage(it, buffersOf(it)));
});

// Entries are handed over rather than copied.
function buffersOf(told: Told): ArrayBuffer[] {
  const answer = told.kind === 'answer' ? told.answer : undefined;
  const { entries } = (answer ?? {}) as { entries?: unknown };
  // Of a list or a map it is a method.
  if (!Array.isArray(entries)) return [];
  // The comma stays: it is one for all answers.
  const own = (entries as Uint8Array[]).filter(
    (it) => it !== COMMA && it.byteLength === it.buffer.byteLength,
  );
  const buffers = new Set(own.map((it) => it.buffer));
  return [...buffers].filter((it) => it instanceof ArrayBuffer);
}
