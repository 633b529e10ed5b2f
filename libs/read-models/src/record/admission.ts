/** An audience's decisions inside statements: which rows are met, and what of their bodies leaves the database. */
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Database } from './database.ts';
import { SHOWN, type Audience, type ShownAs, type StoredFacts } from './audience.ts';
import { bodyMeetsAll } from './body-look.ts';
import { either } from './dialect.ts';
import type { ShownRow } from './entries.ts';
import { isWithin } from './scope-limits.ts';
import { given, Statement, written } from './statement.ts';

export class Admission {
  readonly #rows: Statement<WholeRow>;
  #audience: Audience | undefined;

  /** Makes the functions known to this connection. */
  constructor(db: Database) {
    this.#rows = new Statement(db, written(sql<WholeRow>`select ${wholeRow} from ${rowsListed}`));
    db.function?.('shown_as', { deterministic: true }, (position, patient, labels, type) =>
      this.#current.shows({
        position: Number(position),
        patient: Number(patient),
        labels: Number(labels),
        type: Number(type),
      }),
    );
    db.function?.('is_shown', { deterministic: true }, (position, patient, labels, type, body) => {
      const facts = {
        position: Number(position),
        patient: Number(patient),
        labels: Number(labels),
        type: Number(type),
        body: typeof body === 'string' ? body : null,
      };
      return showsVersion(this.#current, facts) === SHOWN.no ? 0 : 1;
    });
    db.function?.('shown_part', { deterministic: true }, (type, body) =>
      body === null ? null : this.#current.shownPart(Number(type), String(body)),
    );
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

  /** These resources as the audience is shown them, in this order; all of them are shown. */
  shownRows(keys: readonly number[], audience: Audience): ShownRow[] {
    const rows = this.#rows.all({ keys: JSON.stringify(keys) });
    audience.readAhead(rows);
    return rows.map((row) => shownRow(row, audience));
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

/** A resource, which is shown to the audience, as it is. */
export function shownRow(row: WholeRow, audience: Audience | undefined): ShownRow {
  const isPart = audience?.concealing !== undefined && audience.shows(row) === SHOWN.concealed;
  const body = isPart && row.body !== null ? audience.shownPart(row.type, row.body) : row.body;
  return { ...row, body, isConcealed: body !== row.body };
}

/** The body of the row `r` as the audience is shown it. Equal for all audiences to whom anything is concealed. */
export function shownBody(audience: Audience | undefined): RawBuilder<string> {
  if (audience?.concealing === undefined) return sql`r.body`;
  return sql`case when ${shownAs('r')} = ${sql.lit(SHOWN.concealed)} then ${shownPart('r')} else r.body end`;
}

/** 1 where one of the rows `r` of a page is shown without something. */
export function anyConcealed(audience: Audience | undefined): RawBuilder<number> {
  if (audience?.concealing === undefined) return sql`0`;
  return sql`max(${shownAs('r')} = ${sql.lit(SHOWN.concealed)} and ${shownPart('r')} <> r.body)`;
}

/** What is shown of the body of this row where it is shown in part; to be asked of no other. */
export const shownPart = (alias: string): RawBuilder<string> =>
  sql`shown_part(${sql.ref(`${alias}.type`)}, ${sql.ref(`${alias}.body`)})`;

/** How a version is shown, conditions of scopes included. */
export function showsVersion(
  audience: Audience,
  facts: StoredFacts & { readonly body: string | null },
): ShownAs {
  const shown = audience.shows(facts);
  return shown !== SHOWN.no && isInScope(audience, facts, shown) ? shown : SHOWN.no;
}

/** `ShownAs` of the version in this row, conditions of scopes left out. */
export const shownAs = (alias: string): RawBuilder<number> =>
  sql`shown_as(${sql.ref(`${alias}.position`)}, ${sql.ref(`${alias}.patient`)}, ${sql.ref(`${alias}.labels`)}, ${sql.ref(`${alias}.type`)})`;

/** Whether the resource in this row is shown, conditions of scopes included. */
export function isShown(alias: string): RawBuilder<SqlBool> {
  const columns = ['position', 'patient', 'labels', 'type', 'body'].map((name) =>
    sql.ref(`${alias}.${name}`),
  );
  return sql`is_shown(${sql.join(columns)})`;
}

export const hasReference = (body: RawBuilder<unknown>, target: RawBuilder<unknown>) =>
  sql<SqlBool>`has_reference(${body}, ${target})`;

function isInScope(
  audience: Audience,
  facts: Pick<StoredFacts, 'patient' | 'labels' | 'type'> & { readonly body: string | null },
  shown: ShownAs,
): boolean {
  if (!audience.isLimited) return true;
  const type = audience.typeName(facts.type);
  const limits = audience.limits(type);
  if (limits === undefined) return true;
  const { concealing } = audience;
  const isPart = shown === SHOWN.concealed && concealing !== undefined;
  return limits.some(({ conditions, ...limit }) => {
    if (!isWithin(limit, facts)) return false;
    if (conditions.length === 0) return true;
    if (facts.body === null) return false;
    if (!isPart) return bodyMeetsAll(type, conditions, facts.body);
    if (conditions.some((it) => concealing.answering(type, it) === 'never')) return false;
    return bodyMeetsAll(type, conditions, concealing.shown(type, facts.body));
  });
}
