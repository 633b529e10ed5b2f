/** Follows `GET /events`: each event once, in order, across whatever breaks. */
import { backoff, isPassing, pause, retryAfter, timeLimit } from './backoff.ts';
import type { Connection } from './connection.ts';
import { CarelogError, problemsOf } from './problems.ts';
import { createSseParser, type Block } from './sse-parser.ts';

export interface Cursor {
  /** The id that was saved last; undefined to begin with what comes from now on, `0` to begin with the first event of all. */
  load(): string | undefined | Promise<string | undefined>;
  /** Called after the handler is done with what came up to here. Keep it where what the handler does is kept, at best in the same transaction. */
  save(id: string): void | Promise<void>;
}

export interface SubscribeOptions {
  /** Names of topics, e.g. `encounter`; everything unless told. */
  readonly topic?: string | readonly string[];
  /** Ids of Patients. */
  readonly patient?: string | readonly string[];
  /** Care settings, e.g. `acute`. */
  readonly setting?: string | readonly string[];
  readonly cursor: Cursor;
  readonly signal?: AbortSignal;
  /** Told of each break, for a log: it is mended without. */
  readonly onBreak?: (reason: unknown) => void;
}

/** A CloudEvent 1.0 that says what changed, and where it is read. */
export interface CarelogEvent {
  readonly specversion: string;
  readonly id: string;
  readonly source: string;
  /** The national name of the activity, or its own. */
  readonly type: string;
  readonly time?: string;
  /** `Patient/<id>` of whom it is about. */
  readonly subject?: string;
  /** The activity, e.g. `encounter.started`. */
  readonly activity?: string;
  /** URL of the version of the resource. */
  readonly dataref?: string;
  readonly [extension: string]: unknown;
}

/** `place`: what the cursor is given after it. */
export type EventHandler = (event: CarelogEvent, place: string) => void | Promise<void>;

/** The server says something every 15 seconds. */
const SILENCE_MAX_MS = 45_000;
const RETRY_MS = 1_000;

export async function subscribe(
  connection: Connection,
  options: SubscribeOptions,
  handler: EventHandler,
): Promise<void> {
  const { cursor, signal } = options;
  let place = await cursor.load();
  let failures = 0;
  let retryMs = RETRY_MS;

  async function take({ id, event, data }: Block): Promise<void> {
    failures = 0;
    // What is at or before the place was handled already.
    if (id !== '' && !isAfter(id, place)) return;
    if (data !== undefined && event === 'message') await handler(eventIn(data), id);
    if (id === '') return;
    place = id;
    await cursor.save(id);
  }

  while (signal?.aborted !== true) {
    const broken = await follow(connection, pathOf(options), place, signal, take);
    if (isAborted(signal)) return;
    options.onBreak?.(broken.reason);
    retryMs = broken.retryMs ?? retryMs;
    failures += 1;
    // Never before the server asked for, and not all clients at once.
    await pause(Math.max(backoff(failures, 2 * retryMs), broken.waitMs), signal);
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

function pathOf({ topic = [], patient = [], setting = [] }: SubscribeOptions): string {
  const asked = Object.entries({ topic, patient, setting }).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value]),
  );
  return asked.length === 0 ? '/events' : `/events?${new URLSearchParams(asked).toString()}`;
}

interface Broken {
  readonly reason: unknown;
  readonly retryMs?: number | undefined;
  /** Asked for by the server, before it is connected to again. */
  readonly waitMs: number;
}

/** One connection, until it breaks. Rejects where another would be refused as well, and with what `take` throws. */
async function follow(
  connection: Connection,
  path: string,
  place: string | undefined,
  signal: AbortSignal | undefined,
  take: (block: Block) => Promise<void>,
): Promise<Broken> {
  const limit = timeLimit(SILENCE_MAX_MS, signal);
  const parser = createSseParser();
  const broken = (reason: unknown): Broken => ({ reason, retryMs: parser.retryMs, waitMs: 0 });
  try {
    const headers = { accept: 'text/event-stream', ...(place !== undefined && { 'last-event-id': place }) };
    const response = await orFault(connection.ask(path, { method: 'GET', headers, signal: limit.signal }));
    if ('fault' in response) return broken(response.fault);
    const refused = await refusalOf(response.value);
    if (refused !== undefined) return refused;
    const reader = response.value.body!.getReader();
    try {
      while (!isAborted(signal)) {
        limit.touch();
        const piece = await orFault(reader.read());
        if ('fault' in piece) return broken(piece.fault);
        if (piece.value.done) break;
        // The handler may take its time; the server is not asked to wait meanwhile.
        limit.rest();
        for (const block of blocksIn(parser, piece.value.value)) {
          if (isAborted(signal)) break;
          await take(block);
        }
      }
    } finally {
      void reader.cancel().catch(() => {});
    }
    return broken(new Error('The server ended the stream.'));
  } finally {
    limit.done();
  }
}

/** Whatever the network does is a break, and not the end. */
async function orFault<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly fault: unknown }> {
  try {
    return { value: await work };
  } catch (fault) {
    return { fault };
  }
}

function blocksIn(parser: ReturnType<typeof createSseParser>, piece: Uint8Array): readonly Block[] {
  try {
    return parser.push(piece);
  } catch (fault) {
    throw new CarelogError(0, [{ code: 'too-long', message: (fault as Error).message }]);
  }
}

/** Nothing where events follow. */
async function refusalOf(response: Response): Promise<Broken | undefined> {
  const { status, headers } = response;
  if (status === 200 && headers.get('content-type')?.startsWith('text/event-stream') === true)
    return undefined;
  if (isPassing(status) || status >= 500) {
    const problems = await problemsOf(response);
    return { reason: new CarelogError(status, problems), waitMs: retryAfter(headers) };
  }
  if (status === 200) {
    await response.body?.cancel();
    throw new CarelogError(0, [
      { code: 'not-supported', message: 'There is no stream of events at this address.' },
    ]);
  }
  throw new CarelogError(status, await problemsOf(response));
}

function eventIn(data: string): CarelogEvent {
  try {
    return JSON.parse(data) as CarelogEvent;
  } catch {
    throw new CarelogError(0, [
      { code: 'structure', message: 'What came is no event: its data is not JSON.' },
    ]);
  }
}

/** Of ids `<epoch>-<position>`: in another epoch the log was restored, and positions begin anew. */
function isAfter(id: string, place: string | undefined): boolean {
  if (place === undefined) return true;
  const [one, other] = [id, place].map(partsOf) as [Parts, Parts];
  return one.epoch === other.epoch ? one.position > other.position : true;
}

interface Parts {
  readonly epoch: string;
  readonly position: number;
}

function partsOf(id: string): Parts {
  const dash = id.lastIndexOf('-');
  const position = Number(id.slice(dash + 1));
  return dash > 0 && Number.isSafeInteger(position)
    ? { epoch: id.slice(0, dash), position }
    : { epoch: id, position: 0 };
}
