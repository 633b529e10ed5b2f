/**
 * The few things that SQLite and PostgreSQL say differently, and the compilers that say them. Queries are written once; where
 * they need one of these they hold both ways, and the compiler of the engine takes its own.
 */
import {
  ExpressionWrapper,
  PostgresQueryCompiler,
  createQueryId,
  sql,
  type CompiledQuery,
  type Expression,
  type OperationNode,
  type RawBuilder,
  type RawNode,
} from 'kysely';
import type { Database } from './database.ts';

export interface Query<Row> {
  compile(): CompiledQuery<Row>;
  toOperationNode(): OperationNode;
}

/** As the engine takes it: SQL, and the parameters in its order. */
export function compileFor<Row>(engine: Database['engine'], query: Query<Row>): CompiledQuery<Row> {
  if (engine === 'sqlite') return query.compile();
  const node = query.toOperationNode() as RawNode;
  return new TwofoldCompiler().compileQuery(node, createQueryId());
}

/** One thing, said as each engine says it. */
export function either<Type>(sqlite: RawBuilder<Type>, postgres: RawBuilder<Type>): RawBuilder<Type> {
  const twofold: Twofold = { ...sqlite.toOperationNode(), postgres: postgres.toOperationNode() };
  return sql<Type>`${new ExpressionWrapper<never, never, Type>(twofold)}`;
}

type Twofold = RawNode & { readonly postgres: OperationNode };

class TwofoldCompiler extends PostgresQueryCompiler {
  protected override visitRaw(node: RawNode): void {
    if ('postgres' in node) this.visitNode((node as Twofold).postgres);
    else super.visitRaw(node);
  }
}

/** The members of a JSON array that is given as text, for `in`. */
export const numbersIn = (json: unknown): RawBuilder<number> =>
  either(
    sql`(select value from json_each(${json}))`,
    sql`(select cast(e.value as bigint) from jsonb_array_elements_text(cast(${json} as jsonb)) e(value))`,
  );
export const textsIn = (json: unknown): RawBuilder<string> =>
  either(
    sql`(select value from json_each(${json}))`,
    sql`(select e.value from jsonb_array_elements_text(cast(${json} as jsonb)) e(value))`,
  );

/** Numbers that commas join, for `in`. */
export const numbersJoined = (text: unknown): RawBuilder<number> =>
  either(
    sql`(select value from json_each('[' || ${text} || ']'))`,
    sql`(select unnest(cast(string_to_array(${text}, ',') as bigint[])))`,
  );

/**
 * Joins what has an order already. SQLite takes the rows as they come: to sort again inside an aggregate doubles what it
 * costs. PostgreSQL promises no order that is not asked for.
 */
export const joined = (
  text: Expression<unknown>,
  between: Expression<unknown> | string,
  order: RawBuilder<unknown>,
): RawBuilder<string | null> => {
  const separator = typeof between === 'string' ? sql.lit(between) : between;
  return either(
    sql`string_agg(${text}, ${separator})`,
    sql`string_agg(cast(${text} as text), ${separator} order by ${order})`,
  );
};

/** Each once, with commas between, in no order. */
export const distinctJoined = (value: RawBuilder<unknown>): RawBuilder<string | null> =>
  either(sql`group_concat(distinct ${value})`, sql`string_agg(distinct cast(${value} as text), ',')`);

export const utf8 = (text: RawBuilder<string | null>): RawBuilder<Uint8Array | null> =>
  either(sql`cast(${text} as blob)`, sql`convert_to(${text}, 'UTF8')`);

export const contains = (text: RawBuilder<unknown>, part: RawBuilder<unknown>): RawBuilder<boolean> =>
  either(sql`instr(${text}, ${part}) > 0`, sql`strpos(${text}, ${part}) > 0`);

/** A join that SQLite is not to turn round; PostgreSQL plans by what it knows of the tables. */
export const joinInOrder = either(sql`cross join`, sql`join`);
