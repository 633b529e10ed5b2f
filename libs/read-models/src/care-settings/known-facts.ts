/** Facts that were told or read a short while ago, for all care settings of one log: of whom something comes, more comes soon. */
import type { Placed } from './care-setting.ts';

type Content = Pick<Placed, 'version' | 'fact' | 'source'>;

const FACTS_MAX = 20_000;

export class KnownFacts {
  #recent = new Map<string, Content>();
  #older = new Map<string, Content>();

  of(stream: string, version: number): Content | undefined {
    const recent = this.#recent.get(stream);
    if (recent !== undefined) return recent.version === version ? recent : undefined;
    const older = this.#older.get(stream);
    if (older?.version !== version) return undefined;
    this.keep(stream, older);
    return older;
  }

  keep(stream: string, content: Content): void {
    if (this.#recent.size >= FACTS_MAX) {
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
