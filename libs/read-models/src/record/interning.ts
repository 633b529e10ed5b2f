/** Numbers for the texts that index rows repeat. Known numbers are kept in memory, all forgotten when they are too many. */
import type { Database } from './database.ts';
import { given, record, Statement } from './statement.ts';

const CACHED_MAX = 100_000;

/** Gives each text a number, for ever. */
export interface Interning {
  type(name: string): number;
  parameter(type: number, code: string): number;
  target(name: string): number;
  token(code: string, system: string): number;
  unit(system: string, code: string, unit: string): number;
}

/** In the transaction that is open. */
export class SqliteInterning implements Interning {
  readonly #types: Interned;
  readonly #parameters: Interned;
  readonly #targets: Interned;
  readonly #tokens: Interned;
  readonly #units: Interned;

  constructor(db: Database) {
    const last = (table: 'type' | 'parameter' | 'target' | 'token_value' | 'unit') =>
      new Statement(
        db,
        record.selectFrom(table).select((eb) => eb.fn.coalesce(eb.fn.max('id'), eb.lit(0)).as('id')),
      );
    this.#types = new Interned(
      new Statement(db, record.selectFrom('type').select('id').where('name', '=', given('a'))),
      new Statement(db, record.insertInto('type').values({ id: given('id'), name: given('a') })),
      last('type'),
    );
    this.#parameters = new Interned(
      new Statement(
        db,
        record
          .selectFrom('parameter')
          .select('id')
          .where('type', '=', given('a'))
          .where('code', '=', given('b')),
      ),
      new Statement(
        db,
        record.insertInto('parameter').values({ id: given('id'), type: given('a'), code: given('b') }),
      ),
      last('parameter'),
    );
    this.#targets = new Interned(
      new Statement(db, record.selectFrom('target').select('id').where('name', '=', given('a'))),
      new Statement(db, record.insertInto('target').values({ id: given('id'), name: given('a') })),
      last('target'),
    );
    this.#tokens = new Interned(
      new Statement(
        db,
        record
          .selectFrom('token_value')
          .select('id')
          .where('code', '=', given('a'))
          .where('system', '=', given('b')),
      ),
      new Statement(
        db,
        record.insertInto('token_value').values({ id: given('id'), code: given('a'), system: given('b') }),
      ),
      last('token_value'),
    );
    this.#units = new Interned(
      new Statement(
        db,
        record
          .selectFrom('unit')
          .select('id')
          .where('system', '=', given('a'))
          .where('code', '=', given('b'))
          .where('unit', '=', given('c')),
      ),
      new Statement(
        db,
        record
          .insertInto('unit')
          .values({ id: given('id'), system: given('a'), code: given('b'), unit: given('c') }),
      ),
      last('unit'),
    );
  }

  type = (name: string) => this.#types.number(name);
  parameter = (type: number, code: string) => this.#parameters.number(type, code);
  target = (name: string) => this.#targets.number(name);
  token = (code: string, system: string) => this.#tokens.number(code, system);
  unit = (system: string, code: string, unit: string) => this.#units.number(system, code, unit);

  /** After a rollback: numbers given in it were taken back. */
  forget(): void {
    for (const it of [this.#types, this.#parameters, this.#targets, this.#tokens, this.#units]) it.forget();
  }
}

class Interned {
  readonly #known = new Map<string, Map<string | number, number>>();
  #count = 0;
  readonly #find: Statement<{ id: number }>;
  readonly #insert: Statement<unknown>;
  readonly #last: Statement<{ id: number | string }>;
  #lastId: number | undefined;

  constructor(
    find: Statement<{ id: number }>,
    insert: Statement<unknown>,
    last: Statement<{ id: number | string }>,
  ) {
    this.#find = find;
    this.#insert = insert;
    this.#last = last;
  }

  number(a: string | number, b: string = '', c: string = ''): number {
    // Maps within maps: putting the texts together for a key costs more than the looks.
    let known = this.#known.get(b);
    const name = c === '' ? a : `${a}\u0000${c}`;
    const number = known?.get(name);
    if (number !== undefined) return number;
    const id = this.#find.get({ a, b, c })?.id ?? this.#add(a, b, c);
    if (this.#count >= CACHED_MAX) {
      this.#forgetKnown();
      known = undefined;
    }
    if (known === undefined) this.#known.set(b, (known = new Map()));
    known.set(name, id);
    this.#count += 1;
    return id;
  }

  forget(): void {
    this.#forgetKnown();
    this.#lastId = undefined;
  }

  #forgetKnown(): void {
    this.#known.clear();
    this.#count = 0;
  }

  #add(a: string | number, b: string, c: string): number {
    this.#lastId ??= Number(this.#last.get()?.id ?? 0);
    this.#lastId += 1;
    this.#insert.run({ id: this.#lastId, a, b, c });
    return this.#lastId;
  }
}
