/** Which partitions stopped, and whose answers they make incomplete. */
import type { SearchQuery } from '@carelog/fhir';
import type { Parked } from '@carelog/projection';
import type { Audience } from './audience.ts';
import { namedBy } from './named-by.ts';
import type { Numbers } from './numbers.ts';
import type { prepareReading } from './reading.ts';

export class ParkedPartitions {
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepareReading>;

  constructor(numbers: Numbers, statements: ReturnType<typeof prepareReading>) {
    this.#numbers = numbers;
    this.#statements = statements;
  }

  /**
   * Whether there is any. Before every question that goes by numbers, as it notices when they were given anew: that costs one
   * statement for both.
   */
  glance(): boolean {
    const row = this.#statements.glance.get();
    this.#numbers.ofGeneration(row?.id ?? '');
    return row !== undefined && row.parked !== null;
  }

  /** That of the resource `Type/id`, also where the resource itself was set aside. */
  of(stream: string, audience?: Audience): Parked | undefined {
    if (!this.glance()) return undefined;
    const target = stream.startsWith('Patient/') ? (this.#numbers.target(stream) ?? 0) : 0;
    const parked = this.#statements.parkedOf.get({ stream, target });
    return parked && this.#ofFamiliar([parked], audience)[0];
  }

  /** Those set aside whose resources the search would have met. */
  incomplete(query: SearchQuery, audience: Audience | undefined): readonly Parked[] {
    if (!this.glance()) return [];
    const streams = namedBy(query);
    if (streams === undefined) return this.#ofFamiliar(this.#statements.parked.all(), audience);
    const parked = streams.flatMap((stream) => this.of(stream) ?? []);
    return this.#ofFamiliar([...new Map(parked.map((it) => [it.partition, it])).values()], audience);
  }

  // That somebody is parked is not to be told to whom they are a stranger.
  #ofFamiliar(parked: readonly Parked[], audience: Audience | undefined): readonly Parked[] {
    if (audience === undefined) return parked;
    return parked.filter(({ partition }) => {
      const person = this.#statements.personOf.get({ partition });
      return person === undefined || audience.waysTo(person.patient).length > 0;
    });
  }
}
