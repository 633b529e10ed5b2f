/**
 * Answers to reads by id that were given a moment ago. They are good while the record stands still, and only then: any move
 * of the view forgets them all, so none can be stale.
 */
import type { VersionAnswer } from '@carelog/read-models';
import type { FhirAnswer } from './gateway.ts';

export interface FoundVersion {
  readonly version: VersionAnswer & { readonly kind: 'found' };
  readonly answer: FhirAnswer;
}

export interface RecentReads {
  /** What `set` was given for this stream while the view had made as many moves as it has now. */
  get(stream: string, moves: number): FoundVersion | undefined;
  /** `moves`: as they were before the answer was looked up. */
  set(stream: string, moves: number, found: FoundVersion): void;
}

const ANSWERS_MAX = 5_000;
/** UTF-16 code units; a larger resource is looked up each time. */
const LENGTH_MAX = 16_384;

export function createRecentReads(): RecentReads {
  const answers = new Map<string, FoundVersion>();
  let atMoves = -1;
  return {
    get: (stream, moves) => (moves === atMoves ? answers.get(stream) : undefined),
    set(stream, moves, found) {
      if (found.version.body.length > LENGTH_MAX) return;
      if (moves !== atMoves || answers.size >= ANSWERS_MAX) answers.clear();
      atMoves = moves;
      answers.set(stream, found);
    },
  };
}
