/** Publishes events: in batches, in order, again and again until each has an answer. */
import { backoff, isPassing, pause, retryAfter, timeLimit } from './backoff.ts';
import { batchesOf } from './batches.ts';
import type { Connection } from './connection.ts';
import { problemsIn, problemsOf, type Problem } from './problems.ts';

export interface NewEvent {
  /** With `source` the name of the event, for ever. Made where it is absent; give one that is kept with what it tells of, so that it is the same after a restart. */
  readonly id?: string;
  /** URI that names the system it comes from. */
  readonly source: string;
  /** The activity, e.g. `encounter.started`; what the data is, where it is absent. */
  readonly type?: string;
  /** RFC 3339. */
  readonly time?: string;
  /** A FHIR R4 resource. With an `id` it stands under that, without one it is created. */
  readonly data: { readonly resourceType: string };
}

export interface PublishOptions {
  /** Ends the tries; what has no answer by then is `unsettled`. */
  readonly signal?: AbortSignal;
  /** So long is tried; 15 minutes unless told. */
  readonly giveUpAfterMs?: number;
}

/**
 * `recorded`: as the version at `location`. `recorded-before`: the same event, or the same content, stood there already. `refused`:
 * for good. `unsettled`: given up, and nobody knows whether it was recorded; publish it again under this id.
 */
export type PublishResult = { readonly id: string; readonly source: string } & (
  | { readonly kind: 'recorded' | 'recorded-before'; readonly location: string }
  | { readonly kind: 'refused'; readonly status: number; readonly problems: readonly Problem[] }
  | { readonly kind: 'unsettled'; readonly problems: readonly Problem[] }
);

const PATIENCE_MS = 15 * 60_000;
/** For one try, from its head to the end of its answer. */
const TRY_MS = 60_000;

export async function publishAll(
  connection: Connection,
  events: readonly NewEvent[],
  { signal, giveUpAfterMs = PATIENCE_MS }: PublishOptions,
): Promise<readonly PublishResult[]> {
  const deadline = Date.now() + giveUpAfterMs;
  const named = events.map(toCloudEvent);
  const results = new Array<PublishResult>(events.length);
  // One after the other: what tells of the same resource stays in order.
  for (const batch of batchesOf(named.map((event) => JSON.stringify(event)))) {
    const settled = await settle(connection, batch, { signal, deadline });
    for (const [at, index] of batch.indexes.entries())
      results[index] = { ...nameOf(named[index]!), ...settled[at]! };
  }
  return results;
}

interface CloudEvent extends NewEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly type: string;
}

function toCloudEvent({
  id = newId(),
  source,
  type = 'activity.published',
  time,
  data,
}: NewEvent): CloudEvent {
  const known = { specversion: '1.0', id, source, type, datacontenttype: 'application/fhir+json' } as const;
  return { ...known, ...(time !== undefined && { time }), data };
}

const nameOf = ({ id, source }: CloudEvent) => ({ id, source });

type Settled = PublishResult extends infer Result ? (Result extends unknown ? Omit<Result, 'id' | 'source'> : never) : never; // prettier-ignore

interface Limits {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds since 1970. */
  readonly deadline: number;
}

/** Of one batch, until each event has an answer that lasts. */
async function settle(
  connection: Connection,
  { texts }: { readonly texts: readonly string[] },
  { signal, deadline }: Limits,
): Promise<readonly Settled[]> {
  const settled = new Array<Settled | undefined>(texts.length);
  let waiting = [...texts.keys()];
  let last: readonly Problem[] = [NOT_TRIED];
  for (let failures = 1; waiting.length > 0; failures += 1) {
    if (isOver({ signal, deadline })) break;
    const answer = await send(connection, waiting.map((at) => texts[at]!), { signal, deadline }); // prettier-ignore
    if (answer.isTooLarge === true && waiting.length > 1)
      return inHalves(connection, texts, { signal, deadline });
    last = answer.problems;
    for (const [at, result] of answer.results.entries()) settled[waiting[at]!] = result;
    const left = waiting.filter((at) => settled[at] === undefined);
    // What moves is no failure.
    if (left.length < waiting.length) failures = 1;
    waiting = left;
    if (waiting.length === 0) break;
    const wait = Math.max(backoff(failures), answer.retryAfterMs);
    if (Date.now() + wait >= deadline) break;
    await pause(wait, signal);
  }
  return Array.from(settled, (it) => it ?? { kind: 'unsettled', problems: last });
}

/** Of a server that takes less at once than others do; nothing of the batch was looked at. */
async function inHalves(
  connection: Connection,
  texts: readonly string[],
  limits: Limits,
): Promise<readonly Settled[]> {
  const middle = Math.ceil(texts.length / 2);
  const first = await settle(connection, { texts: texts.slice(0, middle) }, limits);
  return [...first, ...(await settle(connection, { texts: texts.slice(middle) }, limits))];
}

const isOver = ({ signal, deadline }: Limits): boolean => signal?.aborted === true || Date.now() >= deadline;

interface Answer {
  /** By place; undefined where it is to be sent again. */
  readonly results: readonly (Settled | undefined)[];
  readonly retryAfterMs: number;
  readonly isTooLarge?: boolean;
  /** Why something is to be sent again. */
  readonly problems: readonly Problem[];
}

async function send(
  connection: Connection,
  texts: readonly string[],
  { signal, deadline }: Limits,
): Promise<Answer> {
  const limit = timeLimit(Math.max(1, Math.min(TRY_MS, deadline - Date.now())), signal);
  const headers = { 'content-type': 'application/cloudevents-batch+json', accept: 'application/json' };
  const body = `[${texts.join(',')}]`;
  try {
    const response = await connection.ask('/activities', {
      method: 'POST',
      headers,
      body,
      signal: limit.signal,
    });
    const { status } = response;
    if (status !== 200) {
      const problems = await problemsOf(response);
      const results = isPassing(status)
        ? []
        : texts.map(() => ({ kind: 'refused', status, problems }) as const);
      return { results, problems, retryAfterMs: retryAfter(response.headers), isTooLarge: status === 413 };
    }
    const { results } = (await response.json()) as { results: readonly SentResult[] };
    const passing = results.find((it) => isPassing(it.status));
    const problems = passing === undefined ? [] : problemsIn(passing.outcome, passing.status);
    return { results: results.map(resultOf), problems, retryAfterMs: retryAfter(response.headers) };
  } catch (fault) {
    return {
      results: [],
      problems: [{ code: 'transient', message: `No answer: ${messageOf(fault)}` }],
      retryAfterMs: 0,
    };
  } finally {
    limit.done();
  }
}

interface SentResult {
  readonly status: number;
  readonly location?: string;
  readonly outcome?: unknown;
}

function resultOf({ status, location = '', outcome }: SentResult): Settled | undefined {
  if (status === 201) return { kind: 'recorded', location };
  if (status === 200) return { kind: 'recorded-before', location };
  return isPassing(status) ? undefined : { kind: 'refused', status, problems: problemsIn(outcome, status) };
}

function messageOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  return fault.cause instanceof Error ? `${fault.message} (${fault.cause.message})` : fault.message;
}

const NOT_TRIED: Problem = { code: 'incomplete', message: 'There was no time left to send it.' };

/** UUID version 4; `crypto.randomUUID` is not there on pages without TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = 0x40 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
