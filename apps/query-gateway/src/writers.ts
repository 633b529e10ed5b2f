/**
 * `RecordActivity` by writers in other processes. A request goes to the writer that has least in hand. Where its answer is
 * lost, nobody knows whether it was recorded; it is sent again under the same event ids, so that it is recorded once.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ALIVE_PATTERN,
  charactersOf,
  MESSAGE_CHARACTERS_MAX,
  RECORD_PATTERN,
  toMessage,
  type RecordActivity,
  type RecordOutcome,
  type RecordRequest,
  type WriterAnswer,
} from '@carelog/activity';
import { newEventId } from '@carelog/event-store';
import type { Problem } from '@carelog/fhir';
import { nestLog, tlsToServices, type Log } from '@carelog/service-kit';
import { Logger } from '@nestjs/common';
import { ClientTCP } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';

export interface WriterAddress {
  readonly host: string;
  readonly port: number;
}

export interface WritersOptions {
  readonly addresses: readonly WriterAddress[];
  readonly serviceKey: Buffer;
  readonly log: Log;
  /** A request is given up after so long without an outcome; 20 s unless told. */
  readonly patienceMs?: number;
}

export interface Writers extends RecordActivity {
  /** How many answered when they were asked last. */
  alive(): number;
  close(): void;
}

const PATIENCE_MS = 20_000;
/** So often writers are asked whether they are there; one that is silent for longer is let go with all that it had in hand. */
const ASK_MS = 1_000;
const SILENCE_MAX_MS = 8_000;
/** One that failed is left alone for so long, unless there is no other. */
const REST_MS = 500;
/** Faults of writers, which another try may not mend. */
const FAULTS_MAX = 3;

/** Connects as it is needed: resolves nothing and waits for nobody. */
export function connectWriters(options: WritersOptions): Writers {
  const { addresses, serviceKey, log, patienceMs = PATIENCE_MS } = options;
  Logger.overrideLogger(nestLog(log));
  const writers = addresses.map((address) => new Writer(address, serviceKey, log));
  const asking = setInterval(() => writers.forEach((writer) => void writer.ask()), ASK_MS).unref();
  writers.forEach((writer) => void writer.ask());

  async function record(request: RecordRequest): Promise<readonly RecordOutcome[]> {
    const message = named(toMessage(request));
    if (charactersOf(message) > MESSAGE_CHARACTERS_MAX) return recordInParts(message);
    const deadline = performance.now() + patienceMs;
    let delivery: 'first' | 'again' = 'first';
    for (let faults = 0; performance.now() < deadline && faults < FAULTS_MAX;) {
      const writer = leastBusy(writers);
      const sent = await writer.record({ ...message, delivery }, deadline - performance.now());
      if (typeof sent === 'object' && sent.kind === 'outcomes') return sent.outcomes;
      if (sent === 'lost') delivery = 'again';
      if (typeof sent === 'object' && sent.kind === 'fault') {
        delivery = 'again';
        faults += 1;
      }
      writer.rest();
      // Nobody is there just now: somebody may be in a moment.
      if (writers.every((it) => it.isResting)) await delay(REST_MS / 5);
    }
    return refusedAll(request, delivery === 'first' ? NOT_REACHED : NOT_KNOWN);
  }

  /** Entries of a batch do not depend on each other; anything else is recorded together or not at all. */
  async function recordInParts(message: RecordRequest): Promise<readonly RecordOutcome[]> {
    const { mode, entries } = message;
    if (mode !== 'batch' || entries.length === 1) return refusedAll(message, TOO_LARGE);
    const outcomes = new Array<RecordOutcome>(entries.length);
    for (const part of partsOf(entries)) {
      const answered = await record({ ...message, entries: part.map((index) => entries[index]!) });
      for (const [at, index] of part.entries()) outcomes[index] = answered[at]!;
    }
    return outcomes;
  }

  return {
    record,
    alive: () => writers.filter((writer) => writer.isAlive).length,
    close() {
      clearInterval(asking);
      for (const writer of writers) writer.close();
    },
  };
}

/** Every event has its id before it is sent, so that sent twice it is recorded once. */
function named(request: RecordRequest): RecordRequest {
  if (request.idempotencyKey !== undefined) return request;
  const entries = request.entries.map((entry) =>
    entry.publishedAs === undefined ? { eventId: newEventId(), ...entry } : entry,
  );
  return { ...request, entries };
}

/** Indexes of entries by messages that hold them, in the order in which a writer would go through the whole. */
function partsOf(entries: RecordRequest['entries']): readonly (readonly number[])[] {
  const turn = { DELETE: 0, POST: 1, PUT: 2 } as const;
  const order = [...entries.keys()].sort((a, b) => turn[entries[a]!.method] - turn[entries[b]!.method]);
  const parts: number[][] = [];
  let room = 0;
  for (const index of order) {
    const size = charactersOf({ entries: [entries[index]!] });
    if (size > room || parts.length === 0) {
      parts.push([]);
      room = MESSAGE_CHARACTERS_MAX;
    }
    parts.at(-1)!.push(index);
    room -= size;
  }
  return parts;
}

function leastBusy(writers: readonly Writer[]): Writer {
  const awake = writers.filter((writer) => !writer.isResting);
  const choice = awake.length > 0 ? awake : writers;
  const least = Math.min(...choice.map(({ inHand }) => inHand));
  const idle = choice.filter(({ inHand }) => inHand === least);
  return idle[Math.floor(Math.random() * idle.length)]!;
}

/** Whoever waits for an answer hears what becomes of its connection; the log says it once, by whom the writer is asked whether it is there. */
class QuietClient extends ClientTCP {
  override handleError(): void {}
}

class Writer {
  readonly #client: ClientTCP;
  readonly #log: Log;
  readonly #place: string;
  #restsUntil = 0;
  #askedAt: number | undefined;
  inHand = 0;
  isAlive = false;

  constructor({ host, port }: WriterAddress, serviceKey: Buffer, log: Log) {
    this.#log = log;
    this.#place = `${host}:${port}`;
    this.#client = new QuietClient({ host, port, tlsOptions: tlsToServices(serviceKey) });
  }

  get isResting(): boolean {
    return performance.now() < this.#restsUntil;
  }

  rest(): void {
    this.#restsUntil = performance.now() + REST_MS;
  }

  /** `undelivered`: it certainly has nothing of it. `lost`: it may have all of it. */
  async record(request: RecordRequest, patienceMs: number): Promise<WriterAnswer | 'undelivered' | 'lost'> {
    this.inHand += 1;
    try {
      const connected = this.#client.connect().then(() => true);
      if (!(await within(patienceMs, connected))) return 'undelivered';
      const asked = firstValueFrom(this.#client.send<WriterAnswer>(RECORD_PATTERN, request));
      return (await within(patienceMs, asked)) ?? 'lost';
    } finally {
      this.inHand -= 1;
    }
  }

  async ask(): Promise<void> {
    if (this.#askedAt !== undefined) return this.#letGoOfSilent(this.#askedAt);
    this.#askedAt = performance.now();
    const wasAlive = this.isAlive;
    try {
      await this.#client.connect();
      this.isAlive = await firstValueFrom(this.#client.send<boolean>(ALIVE_PATTERN, true));
    } catch {
      this.isAlive = false;
    } finally {
      this.#askedAt = undefined;
    }
    if (wasAlive && !this.isAlive)
      this.#log.warn({ writer: this.#place }, 'a writer does not answer any more');
    if (!wasAlive && this.isAlive) this.#log.info({ writer: this.#place }, 'a writer answers');
  }

  /** Whoever waits for it then hears that the connection is closed. */
  #letGoOfSilent(askedAt: number): void {
    if (performance.now() - askedAt <= SILENCE_MAX_MS) return;
    this.#client.unwrap<Socket>().destroy(new Error('The writer is silent.'));
  }

  close(): void {
    this.#client.close();
  }
}

/** Undefined where it fails or takes longer. What comes of it later is nobody's any more. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined).unref();
  });
  try {
    return await Promise.race([work, overdue]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function refusedAll({ mode, entries }: RecordRequest, problem: Problem): readonly RecordOutcome[] {
  const outcome: RecordOutcome = { kind: 'refused', problems: [problem] };
  return mode === 'batch' ? entries.map(() => outcome) : [outcome];
}

const TOO_LARGE: Problem = {
  category: 'too-large',
  code: 'too-long',
  message: 'This is more than a writer takes at once. Nothing was recorded; send it in parts.',
};
const NOT_REACHED: Problem = {
  category: 'unavailable',
  code: 'transient',
  message: 'No writer can be reached just now. Nothing was recorded; send it again in a moment.',
};
const NOT_KNOWN: Problem = {
  category: 'unavailable',
  code: 'incomplete',
  message:
    'No writer said in time what became of this: it may have been recorded. Look for it before you send it again; with an Idempotency-Key it can be sent again as it is.',
};
