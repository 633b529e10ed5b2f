/** The record in PostgreSQL, to read: a few threads, each with a connection of its own, and one for what takes long. */
import type { RecordQueries } from '../record.ts';
import { RecordReader } from '../record-reader.ts';
import { slowAnswers } from '../slow-answers.ts';
import { SlowLane, TOO_SLOW, type SlowAnswering } from '../slow-lane.ts';
import { loadUnits } from '../units.ts';
import { PostgresDatabase, type PostgresOptions } from './database.ts';
import { ReaderThreads } from './reader-threads.ts';

export interface PostgresRecordOptions {
  /** Of a role that may read the schema. */
  readonly url: string;
  /** Made by `migrateRecord`. */
  readonly schema: string;
  /** So many questions at a time; 4 unless told. */
  readonly threads?: number;
  /** Milliseconds that a search may take which is not known to be quick; 5,000 unless told. No question gets more. */
  readonly searchTimeLimit?: number;
}

/** Nothing is asked of the database before the first question. */
export function openPostgresRecord(options: PostgresRecordOptions): RecordQueries {
  const { threads = 4, searchTimeLimit = 5_000 } = options;
  return new ReaderThreads(
    { ...at(options, 'reader'), statementTimeout: quickMs(searchTimeLimit) },
    threads,
    new SlowLane({ ...at(options, 'slow lane'), statementTimeout: searchTimeLimit }, searchTimeLimit),
  );
}

/** The same, answered by the thread that asks, which waits: for tools and for specs. `now`: milliseconds UTC. */
export function openPostgresRecordHere(
  options: Omit<PostgresRecordOptions, 'threads'> & { readonly now?: () => number },
): RecordQueries {
  const { searchTimeLimit = 5_000, now = Date.now } = options;
  const db = new PostgresDatabase({ ...at(options, 'reader'), statementTimeout: quickMs(searchTimeLimit) });
  return new RecordReader(db, new SlowlyHere(options, searchTimeLimit), now);
}

/** What is expected to be quick and is not goes to the slow lane. */
const quickMs = (searchTimeLimit: number): number => Math.min(5_000, searchTimeLimit);

const at = ({ url, schema }: PostgresRecordOptions, name: string): Omit<PostgresOptions, 'statementTimeout'> => ({ url, schema, name }); // prettier-ignore

class SlowlyHere implements SlowAnswering {
  readonly #options: PostgresOptions;
  readonly #timeLimit: number;
  #db: PostgresDatabase | undefined;
  #answers: ReturnType<typeof slowAnswers> | undefined;

  constructor(options: PostgresRecordOptions, timeLimit: number) {
    this.#options = { ...at(options, 'slow lane'), statementTimeout: timeLimit };
    this.#timeLimit = timeLimit;
  }

  answer: SlowAnswering['answer'] = async (asked) => {
    await loadUnits();
    this.#db ??= new PostgresDatabase(this.#options);
    const answer = (this.#answers ??= slowAnswers(this.#db, this.#timeLimit))(asked);
    if (answer.kind === 'fault') throw answer.fault;
    return answer.kind === 'answered' ? answer.answered : TOO_SLOW;
  };

  close(): void {
    this.#db?.close();
  }
}
