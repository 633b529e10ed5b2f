/** Facts that were told or read a short while ago, for all care settings of one log: of whom something comes, more comes soon. */
import type { Placed } from './care-setting.ts';

export type KnownFact = Pick<Placed, 'version' | 'fact' | 'source'>;

export class KnownFacts<Known extends Pick<KnownFact, 'version'> = KnownFact> {
  #recent = new Map<string, Known>();
  #older = new Map<string, Known>();
  readonly #most: number;

  /** Up to twice as many facts are kept. */
  constructor(most = 20_000) {
    this.#most = most;
  }

  of(stream: string, version: number): Known | undefined {
    const recent = this.#recent.get(stream);
    if (recent !== undefined) return recent.version === version ? recent : undefined;
    const older = this.#older.get(stream);
    if (older?.version !== version) return undefined;
    this.keep(stream, older);
    return older;
  }

  keep(stream: string, content: Known): void {
    if (this.#recent.size >= this.#most) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(stream, content);
  }

  /** To be called when the log may be another. */
  forget(): void {
    this.#recent.clear();
    this.#older.clear();
  }
}
