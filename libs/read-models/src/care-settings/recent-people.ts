/**
 * The facts of people of whom something came a short while ago, as they are stored: of whom something comes, more comes soon, and
 * each time all their facts of a kind are looked at.
 */
import type { Placed } from './care-setting.ts';
import type { Kind } from './fact.ts';

interface Person {
  /** Of which everything is known here. */
  readonly kinds: Set<Kind>;
  readonly facts: Map<string, Placed>;
}

export class RecentPeople {
  #recent = new Map<string, Person>();
  #older = new Map<string, Person>();
  #count = 0;
  readonly #most: number;

  /** Up to twice as many facts and people are kept, and a person at hand however many facts they have. */
  constructor(most = 20_000) {
    this.#most = most;
  }

  /** Of these kinds. `read`: gives what is stored of the kinds that are not known yet. */
  factsOf(
    patient: string,
    kinds: ReadonlySet<Kind>,
    read: (missing: ReadonlySet<Kind>) => readonly Placed[],
  ): Placed[] {
    if (this.#count >= this.#most && this.#recent.size > 1) this.#age();
    const person = this.#recall(patient) ?? this.#begin(patient, { kinds: new Set(), facts: new Map() });
    const missing = kinds.difference(person.kinds);
    if (missing.size > 0) {
      for (const it of read(missing)) this.#add(person, it);
      for (const kind of missing) person.kinds.add(kind);
    }
    const facts: Placed[] = [];
    for (const it of person.facts.values()) if (kinds.has(it.fact.kind)) facts.push(it);
    return facts;
  }

  /** Where the person is known here, what is now stored of this stream. */
  put(fact: Placed): void {
    const person = this.#recent.get(fact.patient) ?? this.#older.get(fact.patient);
    if (person?.kinds.has(fact.fact.kind) === true) this.#add(person, fact);
  }

  /** Of this stream nothing is stored any more under this person. */
  remove(patient: string, stream: string): void {
    (this.#recent.get(patient) ?? this.#older.get(patient))?.facts.delete(stream);
  }

  /** To be called when what is stored may be other than was told here. */
  forget(): void {
    this.#recent.clear();
    this.#older.clear();
    this.#count = 0;
  }

  #add({ facts }: Person, fact: Placed): void {
    if (!facts.has(fact.stream)) this.#count += 1;
    facts.set(fact.stream, fact);
  }

  #recall(patient: string): Person | undefined {
    const recent = this.#recent.get(patient);
    if (recent !== undefined) return recent;
    const older = this.#older.get(patient);
    return older && this.#begin(patient, older);
  }

  #begin(patient: string, person: Person): Person {
    this.#count += 1 + person.facts.size;
    this.#recent.set(patient, person);
    return person;
  }

  #age(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#count = 0;
  }
}
