/**
 * Numbers for the texts that index rows repeat, given to all texts of a batch together. They are committed by themselves, so
 * that no projector waits for another's batch, and stay: a number that nothing came to use costs nothing.
 */
import type { Pool } from 'pg';
import type { Interning } from '../interning.ts';
import { columnOf, nameOf, storable } from './texts.ts';

/** Tables of names, and what tells their rows apart: numbers where `true`. */
const KINDS = {
  type: { name: false },
  parameter: { type: true, code: false },
  target: { name: false },
  token_value: { code: false, system: false },
  unit: { system: false, code: false, unit: false },
} as const;
type Kind = keyof typeof KINDS;
type Texts = readonly (string | number)[];

const CACHED_MAX = 300_000;

/** What is known to this process, whichever batch asked for it. */
export class Names {
  readonly #pool: Pool;
  readonly #known = new Map<string, number>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get(key: string): number | undefined {
    return this.#known.get(key);
  }

  /** When the record was emptied. */
  forget(): void {
    this.#known.clear();
  }

  /** Finds or gives the numbers of these. */
  async learn(asked: Iterable<readonly [Kind, Texts]>): Promise<ReadonlyMap<string, number>> {
    if (this.#known.size > CACHED_MAX) this.#known.clear();
    const learned = new Map<string, number>();
    for (const [kind, some] of Map.groupBy(asked, ([kind]) => kind))
      await this.#learn(kind, some.map(([, texts]) => texts), learned); // prettier-ignore
    for (const [key, number] of learned) this.#known.set(key, number);
    return learned;
  }

  async #learn(kind: Kind, asked: readonly Texts[], learned: Map<string, number>): Promise<void> {
    const columns = Object.entries(KINDS[kind]);
    // In one order everywhere: of two projectors that give numbers to the same texts neither waits for the other in a circle.
    const stored = new Map<string, Texts>();
    for (const texts of asked) {
      const as = texts.map((it) => (typeof it === 'string' ? nameOf(storable(it)) : it));
      stored.set(as.join('\0'), as);
    }
    const rows = [...stored.keys()].toSorted().map((key) => stored.get(key) ?? []);
    const types = columns.map(([, isNumber]) => (isNumber ? 'bigint' : 'text'));
    const valuesOf = (some: readonly Texts[]) =>
      types.map((type, i) => columnOf(type, some.map((row) => row[i] ?? ''))); // prettier-ignore
    const names = columns.map(([name]) => `"${name}"`);
    const given = `unnest(${types.map((type, i) => `$${i + 1}::${type}[]`).join()})`;
    const found = new Map<string, number>();
    const find = async (some: readonly Texts[]) => {
      const same = names.map((name) => `t.${name} = u.${name}`).join(' AND ');
      const answer = await this.#pool.query<Record<string, string | number>>({
        name: `find ${kind}`,
        text: `SELECT t.id, ${names.map((name) => `t.${name}`).join()} FROM ${given} u(${names.join()}) JOIN "${kind}" t ON ${same}`,
        values: valuesOf(some),
      });
      for (const row of answer.rows) found.set(columns.map(([name]) => row[name]).join('\0'), Number(row['id'])); // prettier-ignore
    };
    await find(rows);
    const missing = rows.filter((row) => !found.has(row.join('\0')));
    if (missing.length > 0) {
      // From the arrays alone: a join would let the planner choose the order.
      await this.#pool.query({
        name: `name ${kind}`,
        text: `INSERT INTO "${kind}" (${names.join()}) SELECT * FROM ${given} ON CONFLICT DO NOTHING`,
        values: valuesOf(missing),
      });
      await find(missing);
    }
    for (const texts of asked) {
      const as = texts.map((it) => (typeof it === 'string' ? nameOf(storable(it)) : it)).join('\0');
      const number = found.get(as);
      if (number === undefined) throw new Error(`A name in ${kind} was given no number.`);
      learned.set(keyOf(kind, texts), number);
    }
  }
}

/** The names of one batch: first all are asked for, then they are learned together, then the same questions are answered. */
export class BatchNames implements Interning {
  readonly #names: Names;
  readonly #known = new Map<string, number>();
  readonly #missing = new Map<string, readonly [Kind, Texts]>();

  constructor(names: Names) {
    this.#names = names;
  }

  /** 0 for what was not learned yet. */
  type = (name: string) => this.#number('type', [name]);
  parameter = (type: number, code: string) => this.#number('parameter', [type, code]);
  target = (name: string) => this.#number('target', [name]);
  token = (code: string, system: string) => this.#number('token_value', [code, system]);
  unit = (system: string, code: string, unit: string) => this.#number('unit', [system, code, unit]);

  async learn(): Promise<void> {
    if (this.#missing.size === 0) return;
    for (const [key, number] of await this.#names.learn(this.#missing.values())) this.#known.set(key, number);
    this.#missing.clear();
  }

  #number(kind: Kind, texts: Texts): number {
    const key = keyOf(kind, texts);
    const known = this.#known.get(key) ?? this.#names.get(key);
    if (known === undefined) this.#missing.set(key, [kind, texts]);
    // What others learn may be forgotten before this batch is written.
    else this.#known.set(key, known);
    return known ?? 0;
  }
}

const keyOf = (kind: Kind, texts: Texts) => `${kind}\0${texts.join('\0')}`;
