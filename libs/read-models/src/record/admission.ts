/** An audience's decisions inside statements: which rows are met, and what of their bodies leaves the database. */
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Database } from './database.ts';
import { SHOWN, type Audience, type ShownAs, type StoredFacts } from './audience.ts';
import { bodyMeetsAll } from './body-look.ts';
import { withoutMembers } from './without-members.ts';
import { either } from './dialect.ts';
import type { ShownRow } from './entries.ts';
import { isWithin } from './scope-limits.ts';
import { given, Statement, written } from './statement.ts';

export class Admission {
  readonly #db: Database;
  readonly #concealed = new Map<string, Statement<{ body: string }>>();
  readonly #rows: Statement<WholeRow>;
  #audience: Audience | undefined;

  /** Makes the functions known to this connection. */
  constructor(db: Database) {
    this.#db = db;
    this.#rows = new Statement(db, written(sql<WholeRow>`select ${wholeRow} from ${rowsListed}`));
    db.function?.('shown_as', { deterministic: true }, (position, patient, labels, type) =>
      this.#current.shows({
        position: Number(position),
        patient: Number(patient),
        labels: Number(labels),
        type: Number(type),
      }),
    );
    db.function?.('in_scope', { deterministic: true }, (patient, labels, type, body) => {
      const facts = { patient: Number(patient), labels: Number(labels), type: Number(type) };
      return isInScope(this.#current, facts, typeof body === 'string' ? body : null) ? 1 : 0;
    });
    // Before concealed bodies are searched for a reference: it may stand in what was taken out.
    db.function?.('has_reference', { deterministic: true }, (body, target) =>
      String(body).includes(`"reference":"${String(target)}"`) ? 1 : 0,
    );
  }

  /** Statements that run meanwhile decide for this audience. */
  during<Result>(audience: Audience | undefined, work: () => Result): Result {
    const before = this.#audience;
    this.#audience = audience;
    try {
      return work();
    } finally {
      this.#audience = before;
    }
  }

  /** A body of this type without what is concealed. */
  concealed(audience: Audience, type: string, body: string | null): string | null {
    const elements = audience.conceal?.redacts[type];
    if (body === null || elements === undefined) return body;
    if (this.#db.function === undefined) return withoutMembers(body, elements);
    const shape = `${audience.concealment} ${type}`;
    let statement = this.#concealed.get(shape);
    if (statement === undefined) {
      const query = sql<{ body: string }>`select ${without(given('body'), elements)} as body`;
      this.#concealed.set(shape, (statement = new Statement(this.#db, written(query))));
    }
    return statement.get({ body })?.body ?? null;
  }

  /** These resources as the audience is shown them, in this order; all of them are shown. */
  shownRows(keys: readonly number[], audience: Audience | undefined): ShownRow[] {
    const rows = this.#rows.all({ keys: JSON.stringify(keys) });
    audience?.readAhead(rows);
    return rows.map((row) => this.shownRow(row, audience));
  }

  shownRow(row: WholeRow, audience: Audience | undefined): ShownRow {
    if (audience?.conceal === undefined || audience.shows(row) !== SHOWN.concealed) return { ...row, isConcealed: false }; // prettier-ignore
    const [type = ''] = row.stream.split('/', 1);
    const body = this.concealed(audience, type, row.body);
    return { ...row, body, isConcealed: type in audience.conceal.redacts };
  }

  /** For whom is decided just now. */
  get audience(): Audience | undefined {
    return this.#audience;
  }

  get #current(): Audience {
    if (this.#audience === undefined) throw new Error('A statement decides about access for nobody.');
    return this.#audience;
  }
}

/** A resource with all that it is decided and shown by. */
export interface WholeRow extends StoredFacts {
  readonly key: number;
  readonly stream: string;
  readonly body: string | null;
}
/** The columns of a `WholeRow`, of the resource `r`. */
export const wholeRow = sql`r.key, r.stream, r.position, r.patient, r.labels, r.type, r.body`;
const rowsListed = either(
  sql`json_each(${given('keys')}) k cross join resource r on r.key = k.value`,
  sql`jsonb_array_elements_text(cast(${given('keys')} as jsonb)) with ordinality k(value, place) join resource r on r.key = cast(k.value as bigint) order by k.place`,
);

/** The body of the row `r` as the audience is shown it. Equal for audiences of one `concealment`. */
export function shownBody(audience: Audience | undefined): RawBuilder<string> {
  const redacts = Object.entries(audience?.conceal?.redacts ?? {});
  if (redacts.length === 0) return sql`r.body`;
  // By name: statements outlive the numbers of types.
  const cases = redacts.map(
    ([type, elements]) => sql`when ${sql.lit(type)} then ${without(sql`r.body`, elements)}`,
  );
  return sql`case when ${shownAs('r')} = ${sql.lit(SHOWN.concealed)} then case (select name from type where id = r.type) ${sql.join(cases, sql` `)} else r.body end else r.body end`;
}

/** 1 where one of the rows `r` of a page is shown without something. */
export function anyConcealed(audience: Audience | undefined): RawBuilder<number> {
  const types = Object.keys(audience?.conceal?.redacts ?? {}).map((type) => sql.lit(type));
  if (types.length === 0) return sql`0`;
  return sql`max((select name from type where id = r.type) in (${sql.join(types)}) and ${shownAs('r')} = ${sql.lit(SHOWN.concealed)})`;
}

// SQLite leaves all else as it is written.
function without(body: unknown, elements: readonly string[]): RawBuilder<string> {
  const paths = elements.flatMap((element) => [sql.lit(`$.${element}`), sql.lit(`$._${element}`)]);
  return sql`json_remove(${body}, ${sql.join(paths)})`;
}

/** How a version is shown, conditions of scopes included. */
export function showsVersion(
  audience: Audience,
  facts: StoredFacts & { readonly body: string | null },
): ShownAs {
  return isInScope(audience, facts, facts.body) ? audience.shows(facts) : SHOWN.no;
}

/** `ShownAs` of the version in this row, conditions of scopes left out. */
export const shownAs = (alias: string): RawBuilder<number> =>
  sql`shown_as(${sql.ref(`${alias}.position`)}, ${sql.ref(`${alias}.patient`)}, ${sql.ref(`${alias}.labels`)}, ${sql.ref(`${alias}.type`)})`;

/** Whether the resource in this row is shown, conditions of scopes included. */
export function isShown(alias: string): RawBuilder<SqlBool> {
  const columns = ['patient', 'labels', 'type', 'body'].map((name) => sql.ref(`${alias}.${name}`));
  return sql`(${shownAs(alias)} <> ${sql.lit(SHOWN.no)} and in_scope(${sql.join(columns)}))`;
}

export const hasReference = (body: RawBuilder<unknown>, target: RawBuilder<unknown>) =>
  sql<SqlBool>`has_reference(${body}, ${target})`;

function isInScope(
  audience: Audience,
  facts: Pick<StoredFacts, 'patient' | 'labels' | 'type'>,
  body: string | null,
): boolean {
  if (!audience.isLimited) return true;
  const type = audience.typeName(facts.type);
  const limits = audience.limits(type);
  if (limits === undefined) return true;
  return limits.some(
    (limit) =>
      isWithin(limit, facts) &&
      (limit.conditions.length === 0 || (body !== null && bodyMeetsAll(type, limit.conditions, body))),
  );
}
