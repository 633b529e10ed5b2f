/** Versions of one resource as entries of a history Bundle. https://hl7.org/fhir/R4/http.html#history */
import type { Parked } from '@carelog/projection';
import type { DatabaseSync } from 'node:sqlite';
import type { Numbers } from './numbers.ts';
import type { HistoryPage, PageRequest } from './record.ts';
import { given, givenLimit, record, Statement } from './statement.ts';
import type { VersionRow } from './reading.ts';
import { STATE } from './tables.ts';

export class History {
  readonly #current: Statement<VersionRow & { key: number; patient: number }>;
  readonly #before: Statement<VersionRow>;
  readonly #count: Statement<{ count: number }>;

  readonly #numbers: Numbers;

  constructor(db: DatabaseSync, numbers: Numbers) {
    this.#numbers = numbers;
    const columns = ['position', 'version', 'updated', 'state', 'body'] as const;
    this.#current = new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'patient', ...columns])
        .where('stream', '=', given('stream')),
    );
    this.#before = new Statement(
      db,
      record
        .selectFrom('version')
        .select(columns)
        .where('resource', '=', given('resource'))
        .where('version', '<', given('before'))
        .orderBy('version', 'desc')
        .limit(givenLimit),
    );
    this.#count = new Statement(
      db,
      record
        .selectFrom('version')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('resource', '=', given('resource')),
    );
  }

  /** Newest first; undefined when the resource never existed. */
  page(stream: string, page: PageRequest, incomplete: readonly Parked[]): HistoryPage | undefined {
    const current = this.#current.get({ stream });
    if (current === undefined) return undefined;
    const before = page.cursor === undefined ? current.version + 1 : Number(page.cursor[0]);
    const rows: VersionRow[] = current.version < before && page.count > 0 ? [current] : [];
    // One more than asked for tells whether there is a next page.
    rows.push(
      ...this.#before.all({
        resource: current.key,
        before: Math.min(before, current.version),
        limit: page.count - rows.length + 1,
      }),
    );
    const shown = rows.slice(0, page.count);
    const last = shown.at(-1)?.version ?? before;
    return {
      entries: [encoder.encode(shown.map((row) => historyEntry(stream, row, page.base)).join(','))],
      count: shown.length,
      total: (this.#count.get({ resource: current.key })?.count ?? 0) + 1,
      incomplete,
      shown: {
        versions: shown.map((row) => row.position).join(','),
        patients: [this.#numbers.patientId(current.patient) ?? []].flat(),
      },
      ...(rows.length > shown.length && { next: [last] }),
    };
  }
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
