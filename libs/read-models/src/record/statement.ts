/** Queries written with Kysely, compiled to SQL and prepared once, run with named values. */
import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
  type RawBuilder,
} from 'kysely';
import type { SQLInputValue } from 'node:sqlite';
import type { Database, Prepared } from './database.ts';
import { compileFor, type Query } from './dialect.ts';
import type { RecordTables } from './tables.ts';

/** Writes queries over the record's tables; it never runs one. */
export const record = new Kysely<RecordTables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** SQL written out, to be prepared; for what has no table of its own to select from. */
export const written = <Row>(query: RawBuilder<Row>): Query<Row> => ({
  compile: () => query.compile(record),
  toOperationNode: () => query.toOperationNode(),
});

export type Values = Readonly<Record<string, SQLInputValue>>;

class Given {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Stands in a query for a value that each run gives under this name. */
export function given<Type = never>(name: string): Type {
  return new Given(name) as Type;
}

/**
 * A LIMIT given at each run. SQLite compiles a statement again whenever a bare parameter of a LIMIT is bound; an expression
 * keeps it from looking.
 */
export const givenLimit = sql<number>`cast(${given('limit')} as integer)`;

/** SQLite takes 32,766, PostgreSQL 65,535. */
const PARAMETERS_MAX = 32_000;

/** A query with more values than a statement can have. */
export class TooManyValues extends Error {
  override readonly name = 'TooManyValues';
}

/** A prepared statement; it belongs to the connection it was prepared on. */
export class Statement<Row> {
  readonly #statement: Prepared;
  readonly #parameters: readonly unknown[];

  constructor(db: Database, query: Query<Row>) {
    const { sql, parameters } = compileFor(db.engine, query);
    if (parameters.length > PARAMETERS_MAX) throw new TooManyValues();
    this.#statement = db.prepare(sql);
    this.#parameters = parameters;
  }

  all(values: Values = {}): Row[] {
    return this.#statement.all(...bound(this.#parameters, values)) as Row[];
  }

  /** Row by row, for what may be much. */
  iterate(values: Values = {}): Iterable<Row> {
    return this.#statement.iterate(...bound(this.#parameters, values)) as Iterable<Row>;
  }

  get(values: Values = {}): Row | undefined {
    return this.#statement.get(...bound(this.#parameters, values)) as Row | undefined;
  }

  run(values: Values): void {
    this.#statement.run(...bound(this.#parameters, values));
  }

  /** For hot paths: the values in the order in which the query was written. */
  runInOrder(values: readonly SQLInputValue[]): void {
    this.#statement.run(...values);
  }
}

/** The parameters of a compiled query, each named value in its place. */
export function bound(parameters: readonly unknown[], values: Values): SQLInputValue[] {
  const all = new Array<SQLInputValue>(parameters.length);
  for (let i = 0; i < all.length; i += 1) {
    const parameter = parameters[i];
    if (!(parameter instanceof Given)) {
      all[i] = parameter as SQLInputValue;
      continue;
    }
    const value = values[parameter.name];
    if (value === undefined) throw new Error(`No value was given for ${parameter.name}.`);
    all[i] = value;
  }
  return all;
}
