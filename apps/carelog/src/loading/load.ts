/**
 * Loads queues of submissions: each queue in its order, several queues at a time. What is refused is tried once more at
 * the end, because what it refers to may only have come after it.
 */
import type { EntryProblem, FrontDoor, SubmissionResult } from './front-door.ts';
import type { Read } from './read-file.ts';
import type { Submission } from './submission.ts';
import { FrontDoorClosed } from './front-door.ts';

export interface Refusal {
  readonly file: string;
  /** `entry 3`, `line 17`; empty for the whole file. */
  readonly place: string;
  readonly status?: number;
  readonly problems: readonly EntryProblem[];
}

export interface Summary {
  recorded: number;
  duplicate: number;
  refused: number;
  /** The first of them; `refused` counts all. */
  readonly refusals: Refusal[];
  /** Why it ended before everything was sent. */
  stopped?: string;
}

export interface LoadOptions {
  /** Counted on from; an empty one unless told. */
  readonly summary?: Summary;
  readonly inFlight?: number;
  /** Ends after what is being sent has been answered. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (summary: Summary) => void;
}

const REFUSALS_KEPT = 10_000;
/** Refused submissions that are kept to be tried again, in characters. */
const SECOND_CHANCE_MAX = 64 * 1024 * 1024;

/** Never rejects for what the server says; `stopped` in the summary tells when it could not go on. */
export async function load(
  frontDoor: FrontDoor,
  queues: Iterable<AsyncIterable<Read> | Iterable<Read>>,
  {
    summary = { recorded: 0, duplicate: 0, refused: 0, refusals: [] },
    inFlight = 4,
    signal,
    onProgress,
  }: LoadOptions = {},
): Promise<Summary> {
  const again: { readonly submission: Submission; readonly first: SubmissionResult }[] = [];
  let againSize = 0;
  const waiting = queues[Symbol.iterator]();
  await Promise.all(Array.from({ length: inFlight }, work));
  // One after the other, in the order in which they were met: what comes later may need what comes before.
  for (const { submission, first } of again) {
    const second = ended() ? undefined : await send(submission);
    count(summary, submission, second === undefined ? first : combined(first, second));
    onProgress?.(summary);
  }
  if (signal?.aborted)
    summary.stopped ??= 'Stopped when asked to. Import again to go on: nothing is doubled.';
  return summary;

  async function work(): Promise<void> {
    for (let next = waiting.next(); !next.done && !ended(); next = waiting.next()) {
      for await (const read of next.value) {
        if (ended()) return;
        if ('message' in read) {
          refuse(summary, { file: read.file, place: read.place, problems: [{ message: read.message }] });
          continue;
        }
        const result = await send(read);
        if (result === undefined) return;
        if (mayPassLater(result) && againSize + read.body.length <= SECOND_CHANCE_MAX) {
          again.push({ submission: read, first: result });
          againSize += read.body.length;
        } else count(summary, read, result);
        onProgress?.(summary);
      }
    }
  }

  async function send(submission: Submission): Promise<SubmissionResult | undefined> {
    try {
      return await frontDoor.send(submission);
    } catch (error) {
      if (!(error instanceof FrontDoorClosed)) throw error;
      summary.stopped ??= error.message;
      return undefined;
    }
  }

  function ended(): boolean {
    return summary.stopped !== undefined || signal?.aborted === true;
  }
}

function mayPassLater(result: SubmissionResult): boolean {
  const results = result.kind === 'refused' ? [result] : result.entries;
  return results.some(
    (entry) => entry.kind === 'refused' && entry.status >= 400 && entry.status < 500 && entry.status !== 413,
  );
}

/** What was taken the first time is met again as a duplicate, and still counts as recorded. */
function combined(first: SubmissionResult, second: SubmissionResult): SubmissionResult {
  if (first.kind === 'refused' || second.kind === 'refused') return second;
  const entries = second.entries.map((entry, i) =>
    first.entries[i]?.kind === 'recorded' ? first.entries[i] : entry,
  );
  return { kind: 'answered', entries };
}

function count(summary: Summary, submission: Submission, result: SubmissionResult): void {
  const { file, places } = submission;
  if (result.kind === 'answered') {
    result.entries.forEach((entry, index) => {
      if (entry.kind !== 'refused') summary[entry.kind] += 1;
      else
        refuse(summary, {
          file,
          place: places[index] ?? '',
          status: entry.status,
          problems: placed(entry.problems, places),
        });
    });
    return;
  }
  // Nothing of it was taken, so all its entries count; what was wrong is said once for each entry that was.
  const wrong = Map.groupBy(placed(result.problems, places), ({ place }) => place);
  for (const [place, problems] of wrong) refuse(summary, { file, place, status: result.status, problems });
  summary.refused += Math.max(1, places.length) - wrong.size;
}

// The Bundle may be ours, not the file's, so its part of a path is told as the place in the file.
function placed(
  problems: readonly EntryProblem[],
  places: readonly string[],
): (EntryProblem & { place: string })[] {
  return problems.map(({ expression, message }) => {
    const [frame, index] = /^Bundle\.entry\[(\d+)\]\.resource\.?/.exec(expression ?? '') ?? [];
    if (frame === undefined)
      return { message, place: places.length === 1 ? places[0]! : '', ...(expression && { expression }) };
    const rest = expression!.slice(frame.length);
    return { message, place: places[Number(index)] ?? '', ...(rest !== '' && { expression: rest }) };
  });
}

function refuse(summary: Summary, { problems, ...where }: Refusal): void {
  const refusal = {
    ...where,
    problems: problems.map(({ expression, message }) => ({ message, ...(expression && { expression }) })),
  };
  summary.refused += 1;
  if (summary.refusals.length < REFUSALS_KEPT) summary.refusals.push(refusal);
}
