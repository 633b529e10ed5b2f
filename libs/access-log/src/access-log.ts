/**
 * The access log: who was shown what. The journal is written on the thread that answers, before anything leaves; a thread of
 * its own takes it over into an event store and answers who looked.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Caller } from '@carelog/access';
import type { Keyring } from '@carelog/keyring';
import type { Answered, Ground } from './access-record.ts';
import type { AccessPlaces, AccessThread, FromThread, ToThread } from './access-thread.ts';
import type { AccessPlace, AccessQuery, FoundAccess, FoundAccesses } from './find-accesses.ts';
import { Journal, partitionAt, partitionOf, type JournalOptions, type Leave } from './journal.ts';
import { segmentsIn } from './segment.ts';

export interface AccessLog {
  /**
   * Keeps the record of an answer; `leave` is called when the answer may leave, with true, or must not be given, with false.
   * `flush`: only once the record is on disk, whatever the mode.
   */
  record(caller: Caller, answered: Answered, flush: boolean, leave: Leave): void;
  /** Bytes of the journal that are not in the log yet; where they are too many, `record` takes nothing more. */
  readonly backlogBytes: number;
  /**
   * Everything recorded before this call is looked through, by whichever process; but for one that hangs, of which the last
   * second or so may be missing. Undefined where that cannot be said just now.
   */
  find(query: AccessQuery): Promise<FoundAccesses | undefined>;
  /** `missing` where there is none; undefined where that cannot be said just now. */
  read(place: AccessPlace): Promise<FoundAccess | 'missing' | undefined>;
  /**
   * Destroys the key of a month (`2018-03`): its records cannot be opened any more, and who was named in them is forgotten.
   * Throws where that is not certain; it may be asked again.
   */
  erase(month: string): Promise<void>;
  /** Resolves when everything is in the log, or stays in the journal for the next start. */
  close(): Promise<void>;
}

export interface AccessLogOptions {
  /** Made when it is missing. */
  readonly folder: string;
  /** Where the log and the keys lie, and the keyring itself as this thread has it. */
  readonly places: AccessPlaces;
  readonly keyring: Keyring;
  readonly mode: JournalOptions['mode'];
  /** Asked for each record; another object says that something of it has changed. */
  readonly ground: () => Ground;
  readonly log: { warn(text: string): void; error(text: string): void };
}

/** Resolves when records are taken. Throws where the access log's files cannot be used; what a crash left is taken over. */
export async function openAccessLog(options: AccessLogOptions): Promise<AccessLog> {
  const { folder, keyring, places, mode, ground, log } = options;
  const journalFolder = join(folder, 'journal');
  mkdirSync(journalFolder, { recursive: true, mode: 0o700 });
  const left = segmentsIn(journalFolder).at(-1) ?? 0;
  await keyring.prepare([partitionAt(Date.now())]);
  const thread = new LogThread({ folder, places }, log);
  await thread.start();
  const journal = new Journal({
    folder: journalFolder,
    keyring,
    mode,
    first: left + 1,
    ground,
    onComplete: (upTo) => thread.tell({ kind: 'take-over', upTo }),
    onFault: atMostOnceASecond((fault) => log.error(`The access journal failed: ${codeOf(fault)}`)),
  });
  thread.onTookOver = (upTo) => journal.tookOver(upTo);
  thread.onAsked = (token) => thread.tell({ kind: 'hand-on', upTo: journal.handOn(), token });
  if (left > 0) thread.tell({ kind: 'take-over', upTo: left });
  return {
    record: (caller, answered, flush, leave) => journal.record(caller, answered, flush, leave),
    get backlogBytes() {
      return journal.backlogBytes;
    },
    find: (query) => thread.ask<FoundAccesses>((call) => ({ kind: 'find', call, upTo: journal.handOn(), query })), // prettier-ignore
    async read(place) {
      const upTo = journal.handOn();
      const answer = await thread.ask<{ found: FoundAccess | undefined }>((call) => ({ kind: 'read', call, upTo, place })); // prettier-ignore
      return answer === undefined ? undefined : (answer.found ?? 'missing');
    },
    async erase(month) {
      await keyring.erase(partitionOf(month));
      const done = await thread.ask<true>((call) => ({ kind: 'forget', call, upTo: journal.handOn() }));
      if (done === undefined)
        throw new Error('The index of the access log could not be made anew. Ask for it again.');
    },
    async close() {
      await journal.close();
      await thread.stop(journal.handOn());
    },
  };
}

const PAUSE_MS = 1_000;

/** A disk that is full fails thousands of times a second; once in a while is enough to hear of it. */
function atMostOnceASecond(say: (fault: unknown) => void): (fault: unknown) => void {
  let saidAt = -Infinity;
  return (fault) => {
    if (performance.now() - saidAt < PAUSE_MS) return;
    saidAt = performance.now();
    say(fault);
  };
}

function codeOf(fault: unknown): string {
  return String((fault as { code?: string }).code ?? 'unknown');
}

/** Keeps the thread running until it is told to stop; what it was asked when it failed has no answer. */
class LogThread {
  readonly #data: AccessThread;
  readonly #log: AccessLogOptions['log'];
  readonly #calls = new Map<number, (answer: unknown) => void>();
  #worker: Worker | undefined;
  #call = 0;
  #upTo = 0;
  #isStopping = false;
  onTookOver: (upTo: number) => void = () => {};
  onAsked: (token: string) => void = () => {};

  constructor(data: AccessThread, log: AccessLogOptions['log']) {
    this.#data = data;
    this.#log = log;
  }

  /** Rejects where the files cannot be used. */
  async start(): Promise<void> {
    const worker = new Worker(new URL('./access-thread.ts', import.meta.url), { workerData: this.#data });
    await once(worker, 'message');
    this.#worker = worker;
    worker.on('message', (message: FromThread) => this.#hear(message));
    worker.on('error', (fault: Error) => this.#log.error(`The access log's thread failed: ${fault.message}`));
    worker.on('exit', () => this.#ended());
    if (this.#upTo > 0) this.tell({ kind: 'take-over', upTo: this.#upTo });
  }

  tell(message: ToThread): void {
    this.#upTo = Math.max(this.#upTo, message.upTo);
    this.#worker?.postMessage(message);
  }

  async ask<Answer>(message: (call: number) => ToThread): Promise<Answer | undefined> {
    if (this.#worker === undefined) return undefined;
    const call = ++this.#call;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve as (answer: unknown) => void);
      this.tell(message(call));
    });
  }

  async stop(upTo: number): Promise<void> {
    this.#isStopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = once(worker, 'exit');
    this.tell({ kind: 'stop', upTo });
    await ended;
  }

  #hear(message: FromThread): void {
    if (message.kind === 'took-over') this.onTookOver(message.upTo);
    else if (message.kind === 'asked') this.onAsked(message.token);
    else if (message.kind === 'notice') this.#log.warn(`The access log: ${message.text}`);
    else if (message.kind === 'answer') this.#settle(message.call, message.answer);
    else if (message.kind === 'no-answer') this.#settle(message.call, undefined);
  }

  #settle(call: number, answer: unknown): void {
    this.#calls.get(call)?.(answer);
    this.#calls.delete(call);
  }

  #ended(): void {
    this.#worker = undefined;
    for (const call of this.#calls.keys()) this.#settle(call, undefined);
    if (this.#isStopping) return;
    setTimeout(() => {
      if (!this.#isStopping) this.start().catch(() => this.#ended());
    }, PAUSE_MS);
  }
}
