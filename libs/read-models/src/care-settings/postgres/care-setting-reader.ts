/** Answers what care settings' pages and worklists are made from, out of PostgreSQL: one pool for all settings. */
import type { Checkpoint, Parked } from '@carelog/projection';
import { Pool } from 'pg';
import { compileFor, type Query } from '../../record/dialect.ts';
import { bound, type Values } from '../../record/statement.ts';
import type { CareSetting, Placed, WorkItem } from '../care-setting.ts';
import type { CareSettingQueries, NewPage, NewRow, WorkPage, WorkRow } from '../care-setting-reader.ts';
import { askingOf, ofOnePerson, placed } from '../statements.ts';
import { careSettingSchema } from './tables.ts';

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
  const pool = new Pool({
    connectionString: url,
    application_name: 'carelog care settings reader',
    options: '-c jit=off',
    max: connections,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
    idle_in_transaction_session_timeout: 5_000,
  });
  // An idle connection that breaks is replaced by the next question.
  pool.on('error', () => {});
  // One that breaks in use fails what is asked next; without a listener of its own it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  const of = new Map(
    settings.map((it) => [it.name, new PostgresCareSettingReader(pool, careSettingSchema(it))]),
  );
  return { of, close: () => pool.end() };
}

class PostgresCareSettingReader implements CareSettingQueries {
  readonly #pool: Pool;
  readonly #schema: string;
  readonly #asking: ReturnType<typeof askingOf>;
  readonly #compiled = new Map<object, { readonly name: string; readonly text: string; readonly parameters: readonly unknown[] }>(); // prettier-ignore

  constructor(pool: Pool, schema: string) {
    this.#pool = pool;
    this.#schema = schema;
    this.#asking = askingOf(schema);
  }

  async facts(patient: string): Promise<readonly Placed[]> {
    const same = await this.#ask(this.#asking.samePerson, { patient });
    const rows = await Promise.all(
      same.map((it) => this.#ask(this.#asking.factsOf, { patient: it.patient })),
    );
    return ofOnePerson(rows.flat().map((row) => placed({ ...row, version: Number(row.version) })));
  }

  async work(
    list: string,
    { count, now, after = { since: -1, stream: '' } }: WorkPage,
  ): Promise<readonly WorkRow[]> {
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

  close(): void {
    // The pool is everybody's, and closed by who opened it.
  }

  async #ask<Row extends object>(query: Query<Row>, values: Values = {}): Promise<Row[]> {
    let known = this.#compiled.get(query);
    if (known === undefined) {
      const { sql: text, parameters } = compileFor('postgres', query);
      known = { name: `${this.#schema} ${this.#compiled.size}`, text, parameters };
      this.#compiled.set(query, known);
    }
    const { name, text, parameters } = known;
    return (await this.#pool.query<Row>({ name, text, values: bound(parameters, values) })).rows;
  }
}
