/** Versions of one resource as entries of a history Bundle. https://hl7.org/fhir/R4/http.html#history */
import type { Parked } from '@carelog/projection';
import type { Database } from './database.ts';
import { showsVersion } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import type { Numbers } from './numbers.ts';
import type { HistoryPage, PageRequest } from './record.ts';
import { prepareReading, type CurrentRow, type DecidedRow, type VersionRow } from './reading.ts';
import { shownOf } from './entries.ts';
import { given, givenLimit, record, Statement } from './statement.ts';
import { STATE } from './tables.ts';

export class History {
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #current: Statement<CurrentRow>;

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    this.#statements = prepare(db);
    this.#current = prepareReading(db).current;
  }

  /** Newest first; undefined when the resource never existed, or is not shown to the audience as it is now. */
  page(
    stream: string,
    page: PageRequest,
    audience: Audience | undefined,
    incomplete: readonly Parked[],
  ): HistoryPage | undefined {
    const current = this.#current.get({ stream });
    if (current === undefined) return undefined;
    const before = page.cursor === undefined ? current.version + 1 : Number(page.cursor[0]);
    const found =
      audience === undefined
        ? this.#versions(current, before, page.count)
        : this.#versionsFor(audience, current, before, page.count);
    if (found === undefined) return undefined;
    const { rows, total, isConcealed } = found;
    // One more than asked for tells whether there is a next page.
    const shown = rows.slice(0, page.count);
    const last = shown.at(-1)?.version ?? before;
    return {
      entries: [encoder.encode(shown.map((row) => historyEntry(stream, row, page.base)).join(','))],
      count: shown.length,
      total,
      incomplete,
      shown: shownOf(this.#numbers, shown, isConcealed),
      ...(rows.length > shown.length && { next: [last] }),
    };
  }

  #versions(current: CurrentRow, before: number, count: number): Found {
    const rows: Row[] = current.version < before && count > 0 ? [current] : [];
    const values = { resource: current.key, before: Math.min(before, current.version) };
    rows.push(...this.#statements.before.all({ ...values, limit: count - rows.length + 1 }));
    const total = (this.#statements.count.get({ resource: current.key })?.count ?? 0) + 1;
    return { rows, total, isConcealed: false };
  }

  // A version is shown where it would be if it were the current one, and the current one is.
  #versionsFor(audience: Audience, current: CurrentRow, before: number, count: number): Found | undefined {
    if (showsVersion(audience, current) === SHOWN.no) return undefined;
    const rows: Row[] = [];
    let total = 0;
    let isAnyConcealed = false;
    for (const version of [current, ...this.#statements.all.iterate({ resource: current.key })]) {
      const row = { ...version, type: current.type };
      const shown = showsVersion(audience, row);
      if (shown === SHOWN.no) continue;
      total += 1;
      if (version.version >= before || rows.length > count) continue;
      const isConcealed = shown === SHOWN.concealed || showsVersion(audience, current) === SHOWN.concealed;
      const body = isConcealed && row.body ? audience.shownPart(current.type, row.body) : row.body;
      isAnyConcealed ||= body !== row.body;
      rows.push({ ...row, body });
    }
    return { rows, total, isConcealed: isAnyConcealed };
  }
}

type Row = VersionRow & Pick<DecidedRow, 'patient' | 'labels'>;

interface Found {
  readonly rows: readonly Row[];
  readonly total: number;
  readonly isConcealed: boolean;
}

function prepare(db: Database) {
  const columns = ['position', 'patient', 'labels', 'version', 'updated', 'state', 'body'] as const;
  const versions = record.selectFrom('version').where('resource', '=', given('resource'));
  return {
    before: new Statement<Row>(
      db,
      versions
        .select(columns)
        .where('version', '<', given('before'))
        .orderBy('version', 'desc')
        .limit(givenLimit),
    ),
    all: new Statement<Omit<DecidedRow, 'type'>>(db, versions.select(columns).orderBy('version', 'desc')),
    count: new Statement(
      db,
      versions.select((eb) => eb.fn.countAll<number>().as('count')),
    ),
  };
}

const encoder = new TextEncoder();

function historyEntry(stream: string, { version, updated, state, body }: VersionRow, base: string): string {
  const [type] = stream.split('/', 1);
  const request =
    state === STATE.deleted
      ? `"DELETE","url":"${stream}"`
      : version === 1
        ? `"POST","url":"${type}"`
        : `"PUT","url":"${stream}"`;
  const status =
    state === STATE.deleted ? '204' : state === STATE.erased ? '410' : version === 1 ? '201' : '200';
  const resource = body === null ? '' : `"resource":${body},`;
  const facts = `"etag":"W/\\"${version}\\"","lastModified":"${new Date(updated).toISOString()}"`;
  return `{"fullUrl":"${base}/${stream}",${resource}"request":{"method":${request}},"response":{"status":"${status}",${facts}}}`;
}
