/** Bits that were ever met among the labels of a type or a patient, added to as new ones come. */
import type { PoolClient } from 'pg';
import { columnOf } from './texts.ts';

const KNOWN_MAX = 200_000;

export class LabelSums {
  readonly #known = new Map<string, number>();

  async add(
    client: PoolClient,
    table: 'type_labels' | 'patient_labels',
    column: 'type' | 'patient',
    sums: ReadonlyMap<number, number>,
  ): Promise<void> {
    const known = ([of]: readonly [number, number]) => this.#known.get(`${table} ${of}`) ?? 0;
    const fresh = [...sums].filter((it) => (it[1] | known(it)) >>> 0 !== known(it));
    if (fresh.length === 0) return;
    // In one order everywhere: no two batches wait for each other in a circle.
    fresh.sort(([a], [b]) => a - b);
    await client.query({
      name: table,
      text: `INSERT INTO ${table} AS t SELECT * FROM unnest($1::bigint[], $2::bigint[])
             ON CONFLICT (${column}) DO UPDATE SET labels = t.labels | excluded.labels
             WHERE t.labels | excluded.labels <> t.labels`,
      values: [columnOf('bigint', fresh.map(([of]) => of)), columnOf('bigint', fresh.map(([, labels]) => labels))], // prettier-ignore
    });
    if (this.#known.size > KNOWN_MAX) this.#known.clear();
    for (const it of fresh) this.#known.set(`${table} ${it[0]}`, (it[1] | known(it)) >>> 0);
  }

  /** What was known may have been rolled back or deleted. */
  forget(): void {
    this.#known.clear();
  }
}
