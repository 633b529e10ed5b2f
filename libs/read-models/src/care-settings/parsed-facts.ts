/**
 * Facts that were read a short while ago, for the readers of all care settings: the page of a person is opened again, and in
 * another setting. What is kept of a fact is told by the text that it is stored as, so it is never older than what is stored.
 */
import type { Placed } from './care-setting.ts';
import { KnownFacts, type KnownFact } from './known-facts.ts';
import { placed, type FactRow } from './statements.ts';

export class ParsedFacts {
  readonly #known: KnownFacts<KnownFact & Pick<FactRow, 'told'>>;

  /** Up to twice as many facts are kept, each some 3 kB. */
  constructor(most = 10_000) {
    this.#known = new KnownFacts(most);
  }

  of(row: FactRow): Placed {
    const { stream, patient, version, told } = row;
    const known = this.#known.of(stream, version);
    if (known?.told === told) return { stream, patient, version, fact: known.fact, source: known.source };
    const { fact, source } = placed(row);
    if (told!.length <= LONGEST) this.#known.keep(stream, { version, told, fact, source });
    return { stream, patient, version, fact, source };
  }
}

/** Few facts are longer, and what is kept is bounded by how many they are. */
const LONGEST = 8_000;
