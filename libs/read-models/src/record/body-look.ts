/**
 * Looks into the bodies of resources from inside a statement: conditions and sort values that no index answers, and the
 * end of a search's time. Plans use these only where few rows are met, or in the slow lane.
 */
import {
  indexResource,
  normaliseString,
  searchParametersOf,
  sortValue,
  tokenTexts,
  type IndexEntry,
  type SearchCondition,
  type SortKey,
} from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Database } from './database.ts';
import { meetsDate, meetsNumber } from './comparisons.ts';
import { inUnit } from './units.ts';

/** What a statement's looks are about; set before it runs. */
export interface Looks {
  readonly type: string;
  readonly conditions: readonly SearchCondition[];
  readonly sort: readonly SortKey[];
  /** Milliseconds as `performance.now()` counts; none for a search that cannot take long. */
  readonly deadline?: number;
  /** How many rows may be asked whether there is time. */
  readonly rows?: number;
}

/** Thrown out of a statement whose time is over. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
  /** Whether the connection answers no other question before the transaction has ended. */
  readonly isOver: boolean = false;
}

export class BodyLook {
  #looks: Looks = { type: '', conditions: [], sort: [] };
  #tests: readonly BodyTest[] = [];
  #body = '';
  #read: ReadBody | undefined;
  #asked = 0;

  /** Makes the functions known to this connection. */
  constructor(db: Database) {
    db.function?.('body_meets', { deterministic: true }, (which, body) =>
      this.meets(Number(which), String(body)) ? 1 : 0,
    );
    db.function?.('body_sort_value', { deterministic: true }, (which, body) =>
      this.sortValue(Number(which), body === null ? null : String(body)),
    );
    db.function?.('in_time', () => {
      this.askTime();
      return 1;
    });
  }

  /** Whether the body meets the `which`-th condition. */
  meets(which: number, body: string | null): boolean {
    return body !== null && this.#tests[which]?.(this.#look(body)) === true;
  }

  /** The body's value for the `which`-th sort key. */
  sortValue(which: number, body: string | null): string | number | null {
    const key = this.#looks.sort[which];
    if (key === undefined || body === null) return null;
    const { resource } = this.#look(body);
    return sortValue(this.#looks.type, key.parameter, resource, key.descending) ?? null;
  }

  /** Of every row that is met. */
  askTime(): void {
    const { deadline, rows } = this.#looks;
    this.#asked += 1;
    if (rows !== undefined && this.#asked > rows) throw new OutOfTime();
    // A glance at the clock costs more than most rows do.
    if (deadline !== undefined && this.#asked % 64 === 0 && performance.now() > deadline)
      throw new OutOfTime();
  }

  /** Runs statements that look for these. */
  during<Result>(looks: Looks, work: () => Result): Result {
    this.#looks = looks;
    this.#tests = looks.conditions.map((condition) => bodyTest(condition));
    this.#body = '';
    this.#read = undefined;
    this.#asked = 0;
    return work();
  }

  #look(body: string): ReadBody {
    if (this.#read === undefined || body !== this.#body) {
      this.#body = body;
      const resource = JSON.parse(body) as Record<string, unknown>;
      this.#read = {
        type: this.#looks.type,
        resource,
        ...indexResource(this.#looks.type, resource),
      };
    }
    return this.#read;
  }
}

/** The `which`-th condition of the looks, asked of a body. */
export const bodyMeets = (which: number, body: RawBuilder<unknown>) =>
  sql<SqlBool>`body_meets(${sql.lit(which)}, ${body})`;
/** The `which`-th sort key of the looks, read from a body. */
export const bodySortValue = (which: number, body: RawBuilder<unknown>) =>
  sql<string | number | null>`body_sort_value(${sql.lit(which)}, ${body})`;
/** True, or a fault when the time is over. The key of the row keeps SQLite from asking only once. */
export const inTime = sql<SqlBool>`in_time()`;

interface ReadBody {
  readonly type: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly entries: readonly IndexEntry[];
  readonly present: number;
}
type BodyTest = (body: ReadBody) => boolean;

/** Whether a resource, as served, meets these conditions. */
export function bodyMeetsAll(type: string, conditions: readonly SearchCondition[], body: string): boolean {
  if (conditions.length === 0) return true;
  const resource = JSON.parse(body) as Record<string, unknown>;
  const read = { type, resource, ...indexResource(type, resource) };
  return conditions.every((condition) => bodyTest(condition)(read));
}

function bodyTest(condition: SearchCondition): BodyTest {
  if (condition.kind === 'id') return ({ resource }) => condition.values.includes(String(resource['id']));
  if (condition.kind === 'last-updated') {
    return ({ resource }) => {
      const at = Date.parse(String((resource['meta'] as { lastUpdated?: unknown } | undefined)?.lastUpdated));
      return condition.values.some((value) => meetsDate(value, at, at));
    };
  }
  if (condition.kind === 'missing') {
    const { parameter, missing } = condition;
    return ({ type, present }) => {
      const bit = searchParametersOf(type).findIndex((it) => it.code === parameter);
      return (Math.floor(present / 2 ** bit) % 2 === 0) === missing;
    };
  }
  if (condition.kind === 'token-text') {
    const { parameter, values } = condition;
    return ({ type, resource }) =>
      tokenTexts(type, parameter, resource)
        .map(normaliseString)
        .some((text) => values.some((value) => text.startsWith(value)));
  }
  const isNot = condition.kind === 'token' && condition.not === true;
  const test = entryTest(condition);
  const parameters = condition.kind === 'compartment' ? condition.parameters : [condition.parameter];
  return ({ entries }) => entries.some((it) => parameters.includes(it.parameter) && test(it)) !== isNot;
}

function entryTest(condition: SearchCondition): (entry: IndexEntry) => boolean {
  switch (condition.kind) {
    case 'date':
      return (it) =>
        it.kind === 'date' && condition.values.some((value) => meetsDate(value, it.low, it.high));
    case 'number':
      return (it) =>
        it.kind === 'number' && condition.values.some((value) => meetsNumber(value, it.value, it.value));
    case 'string': {
      const { match, values } = condition;
      if (match === 'exact') return (it) => it.kind === 'string' && values.includes(it.text);
      return (it) => {
        if (it.kind !== 'string') return false;
        const text = normaliseString(it.text);
        return values.some((value) => (match === 'prefix' ? text.startsWith(value) : text.includes(value)));
      };
    }
    case 'token':
    case 'identifier':
      return (it) =>
        it.kind === condition.kind &&
        condition.values.some(
          ({ system, code }) =>
            (code === undefined || it.code === code) &&
            (system === undefined || (it.system ?? null) === system),
        );
    case 'quantity':
      return (it) => {
        if (it.kind !== 'quantity') return false;
        const { low, high, system = '', code = '', unit = '' } = it;
        return condition.values.some((asked) => {
          const range = inUnit(asked, { system, code, unit });
          return range !== undefined && meetsNumber(range, low, high);
        });
      };
    case 'reference':
      return (it) => it.kind === 'reference' && condition.values.some(({ target }) => it.target === target);
    case 'compartment':
      return (it) => it.kind === 'reference' && it.target === condition.of;
    case 'uri':
      return (it) => it.kind === 'uri' && condition.values.includes(it.value);
    default:
      throw new Error(`No look into a body answers a condition of kind ${condition.kind}.`);
  }
}
