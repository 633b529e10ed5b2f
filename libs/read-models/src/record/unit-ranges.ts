/** Quantities that are asked for, as ranges in the units that the record holds. */
import type { NumberComparison, QuantityComparison } from '@carelog/fhir';
import type { Database } from './database.ts';
import { given, record, Statement } from './statement.ts';
import { inUnit, type WrittenUnit } from './units.ts';

/** A range in the terms of these units; in any unit where there are none. */
export interface UnitComparison extends NumberComparison {
  readonly units: readonly number[] | undefined;
}

export class UnitRanges {
  readonly #added: Statement<WrittenUnit & { id: number }>;
  #units: (WrittenUnit & { id: number })[] = [];

  constructor(db: Database) {
    this.#added = new Statement(
      db,
      record.selectFrom('unit').selectAll().where('id', '>', given('known')).orderBy('id'),
    );
  }

  /** When the record gives its numbers anew. */
  forget(): void {
    this.#units = [];
  }

  /** One for all units that read the quantity alike; none where no unit compares. `loadUnits` must have resolved. */
  of(asked: QuantityComparison): readonly UnitComparison[] {
    const { system, unit, ...comparison } = asked;
    if (unit === undefined && system === undefined) return [{ ...comparison, units: undefined }];
    const ranges = new Map<string, UnitComparison & { units: number[] }>();
    for (const { id, ...written } of this.#all()) {
      const range = inUnit(asked, written);
      if (range === undefined) continue;
      const name = JSON.stringify(range);
      const same = ranges.get(name);
      if (same === undefined) ranges.set(name, { ...range, units: [id] });
      else same.units.push(id);
    }
    return [...ranges.values()];
  }

  #all(): readonly (WrittenUnit & { id: number })[] {
    this.#units.push(...this.#added.all({ known: this.#units.at(-1)?.id ?? 0 }));
    return this.#units;
  }
}
