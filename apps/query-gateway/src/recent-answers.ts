/**
 * Answers that were given a moment ago. Each is good until one of the streams that it is about moves, and not a moment
 * longer, so none can be stale.
 */
export class RecentAnswers<Answer> {
  readonly #movesOf: (stream: string) => number;
  readonly #bytesMax: number;
  readonly #kept = new Map<string, Kept<Answer>>();
  readonly #asked = new Set<string>();
  #bytes = 0;

  /** `movesOf`: changes when a question about this stream may be answered otherwise. Keeps at most `bytesMax` of answers. */
  constructor(movesOf: (stream: string) => number, bytesMax: number) {
    this.#movesOf = movesOf;
    this.#bytesMax = bytesMax;
  }

  get(key: string): Answer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (this.#movesOfAll(kept.about) === kept.moves) return kept.answer;
    this.#forget(key, kept);
    return undefined;
  }

  /** Whether the same was asked a while ago. What is asked once is not worth its memory. */
  isRepeated(key: string): boolean {
    if (this.#asked.has(key)) return true;
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear();
    this.#asked.add(key);
    return false;
  }

  /** To be called before the answer is looked up; what it gives is called when there is one. */
  keeper(key: string, about: readonly string[]): (answer: Answer, bytes: number) => void {
    const moves = this.#movesOfAll(about);
    return (answer, bytes) => {
      if (bytes > this.#bytesMax / LARGEST_SHARE) return;
      const before = this.#kept.get(key);
      if (before !== undefined) this.#forget(key, before);
      this.#kept.set(key, { answer, about, moves, bytes });
      this.#bytes += bytes + OVERHEAD_BYTES;
      for (const [oldest, it] of this.#kept) {
        if (this.#bytes <= this.#bytesMax) break;
        this.#forget(oldest, it);
      }
    };
  }

  #movesOfAll(about: readonly string[]): number {
    let moves = 0;
    // Each only grows, so their sum stands still only where all do.
    for (const stream of about) moves += this.#movesOf(stream);
    return moves;
  }

  #forget(key: string, { bytes }: Kept<Answer>): void {
    this.#kept.delete(key);
    this.#bytes -= bytes + OVERHEAD_BYTES;
  }
}

/** No answer takes more than this part of the whole. */
const LARGEST_SHARE = 100;
const ASKED_MAX = 5_000;
/** Of an entry beside its answer, roughly. */
const OVERHEAD_BYTES = 500;

interface Kept<Answer> {
  readonly answer: Answer;
  readonly about: readonly string[];
  readonly moves: number;
  readonly bytes: number;
}
