/** Answers what care settings' pages and worklists are made from, out of PostgreSQL: one pool for all settings. */
import type { Checkpoint, Parked } from '@carelog/projection';
import type { Pool } from 'pg';
import { compileFor, type Query } from '../../record/dialect.ts';
import { askingPool } from '../../record/postgres/pools.ts';
import { bound, type Values } from '../../record/statement.ts';
import type { CareSetting, Placed, WorkItem } from '../care-setting.ts';
import {
  FROM_THE_FIRST,
  type CareSettingQueries,
  type NewPage,
  type NewRow,
  type WorkPage,
  type WorkRow,
} from '../care-setting-reader.ts';
import { ParsedFacts } from '../parsed-facts.ts';
import { askingOf, asOne, ofOnePerson, type Place } from '../statements.ts';
import { careSettingsSchema } from './tables.ts';

export interface PostgresCareSettingsOptions {
  /** Of a role that may read the schemas. */
  readonly url: string;
  readonly settings: readonly CareSetting[];
  /** So many questions at a time; 4 unless told. */
  readonly connections?: number;
}

/** By the settings' names. Nothing is asked of the database before the first question. */
export function openPostgresCareSettings({ url, settings, connections = 4 }: PostgresCareSettingsOptions): {
  readonly of: ReadonlyMap<string, CareSettingQueries>;
  close(): Promise<void>;
} {
  const pool = askingPool({ url, purpose: 'carelog care settings reader', connections });
  const parsed = new ParsedFacts();
  const schema = careSettingsSchema(settings);
  const of = new Map(
    settings.map(({ name, kinds }) => [
      name,
      new PostgresCareSettingReader(pool, name, { schema, kinds }, parsed),
    ]),
  );
  return { of, close: () => pool.end() };
}

class PostgresCareSettingReader implements CareSettingQueries {
  readonly #pool: Pool;
  readonly #name: string;
  readonly #parsed: ParsedFacts;
  readonly #asking: ReturnType<typeof askingOf>;
  readonly #compiled = new Map<object, { readonly name: string; readonly text: string; readonly parameters: readonly unknown[] }>(); // prettier-ignore

  constructor(pool: Pool, name: string, place: Place, parsed: ParsedFacts) {
    this.#pool = pool;
    this.#name = name;
    this.#parsed = parsed;
    this.#asking = askingOf(place);
  }

  async facts(patient: string): Promise<readonly Placed[]> {
    const same = asOne(patient, await this.#linked(patient));
    const rows = await Promise.all(same.map((it) => this.#ask(this.#asking.factsOf, { patient: it })));
    return ofOnePerson(rows.flat().map((row) => this.#parsed.of({ ...row, version: Number(row.version) })));
  }

  async isReadAlone(patient: string): Promise<boolean> {
    const linked = await this.#linked(patient);
    return asOne(patient, linked) !== linked;
  }

  async work(list: string, { count, now, after = FROM_THE_FIRST }: WorkPage): Promise<readonly WorkRow[]> {
    const rows = await this.#ask(this.#asking.work, { list, ...after, now, limit: count });
    return rows.map(({ patient, item }) => ({ patient, item: JSON.parse(item) as WorkItem }));
  }

  async newWork(list: string, { by, after, count, ...page }: NewPage): Promise<readonly NewRow[]> {
    const rows = await this.#ask(this.#asking[by], { list, ...page, ...after, limit: count });
    return rows.map(({ patient, item, at }) => ({ patient, item: JSON.parse(item) as WorkItem, at: Number(at) })); // prettier-ignore
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    const [row] = await this.#ask(this.#asking.checkpoint);
    return row && { position: Number(row.position), epoch: row.epoch };
  }

  async parked(): Promise<readonly Parked[]> {
    const rows = await this.#ask(this.#asking.parked);
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  async #linked(patient: string): Promise<readonly string[]> {
    return (await this.#ask(this.#asking.samePerson, { patient })).map((it) => it.patient);
  }

  async #ask<Row extends object>(query: Query<Row>, values: Values = {}): Promise<Row[]> {
    let known = this.#compiled.get(query);
    if (known === undefined) {
      const { sql: text, parameters } = compileFor('postgres', query);
      known = { name: `${this.#name} ${this.#compiled.size}`, text, parameters };
      this.#compiled.set(query, known);
    }
    const { name, text, parameters } = known;
    return (await this.#pool.query<Row>({ name, text, values: bound(parameters, values) })).rows;
  }
}
