/** Versions that somebody knows by name, many at a time, each as the viewer may see it. */
import { sql } from 'kysely';
import { showsVersion } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import type { Database } from './database.ts';
import { either, textsIn } from './dialect.ts';
import { shownOf } from './entries.ts';
import type { Numbers } from './numbers.ts';
import { prepareReading, type CurrentRow } from './reading.ts';
import type { AskedVersion, ShownVersion, TheseVersions } from './record.ts';
import { given, record, Statement, written } from './statement.ts';
import { SEVERAL, STATE } from './tables.ts';

type Placed = Pick<CurrentRow, 'key' | 'patient' | 'labels' | 'position' | 'version'>;

export class TheseVersionsReader {
  readonly #numbers: Numbers;
  readonly #current: Statement<CurrentRow & { stream: string }>;
  readonly #versions: Statement<OldRow>;
  readonly #placed: Statement<Placed & { stream: string }>;
  readonly #more: ReturnType<typeof prepareReading>['more'];

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    this.#current = new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'type', 'stream', ...columns])
        .where(sql<boolean>`stream in ${textsIn(given('streams'))}`),
    );
    this.#versions = new Statement(
      db,
      written(
        sql<OldRow>`select v.resource, ${sql.join(columns.map((name) => sql.ref(`v.${name}`)))} from ${versionsListed}`,
      ),
    );
    this.#placed = new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'stream', 'patient', 'labels', 'position', 'version'])
        .where(sql<boolean>`stream in ${textsIn(given('streams'))}`),
    );
    this.#more = prepareReading(db).more;
  }

  /** In the order asked; undefined for what the record has not. */
  patientsOf(asked: readonly Required<AskedVersion>[]): (readonly string[] | undefined)[] {
    const streams = [...new Set(asked.map(({ stream }) => stream))];
    const current = new Map(
      this.#placed.all({ streams: JSON.stringify(streams) }).map((row) => [row.stream, row]),
    );
    const olds = this.#oldsAmong(asked, current);
    return asked.map(({ stream, version }) => {
      const now = current.get(stream);
      if (now === undefined || now.version < version) return undefined;
      const isCurrent = now.version === version;
      const before = isCurrent ? undefined : olds.get(`${now.key} ${version}`);
      if (!isCurrent && before === undefined) return undefined;
      const ids = [now, before].flatMap((row) => (row === undefined ? [] : this.#idsIn(row)));
      return [...new Set(ids)];
    });
  }

  #idsIn({ patient, labels, position }: Pick<Placed, 'patient' | 'labels' | 'position'>): string[] {
    const more = (labels & SEVERAL) === 0 ? [] : this.#more.all({ position }).map((it) => it.patient);
    return [patient, ...more].flatMap((number) => this.#numbers.patientId(number) ?? []);
  }

  find(asked: readonly AskedVersion[], audience: Audience | undefined): TheseVersions {
    const streams = JSON.stringify([...new Set(asked.map(({ stream }) => stream))]);
    const current = new Map(this.#current.all({ streams }).map((row) => [row.stream, row]));
    const olds = this.#oldsAmong(asked, current);
    audience?.readAhead([...current.values()]);
    const bodies = new Map<string, ShownVersion>();
    const rows: CurrentRow[] = [];
    const withheld = new Set<string>();
    let isConcealed = false;
    const each = asked.map(({ stream, version }): ShownVersion | undefined => {
      const now = current.get(stream);
      if (now === undefined) return undefined;
      const { key, type } = now;
      const isCurrent = version === undefined || now.version === version;
      const before = isCurrent ? now : olds.get(`${key} ${version}`);
      if (before === undefined || before.body === null || before.state !== STATE.live) return undefined;
      const row = { ...before, key, type };
      // As it is now and as it was: what has become confidential was not shown before either.
      const states = isCurrent ? [now] : [now, row];
      const shown = audience && states.map((it) => showsVersion(audience, it));
      if (shown?.includes(SHOWN.no) === true) {
        withheld.add(stream);
        return undefined;
      }
      const isPart = shown?.includes(SHOWN.concealed) === true;
      const body = isPart ? audience!.shownPart(type, before.body) : before.body;
      const part = { body, isConcealed: body !== before.body, hidesPlaces: isPart };
      bodies.set(stream, part);
      isConcealed ||= part.isConcealed;
      rows.push(row);
      return part;
    });
    return { bodies, each, withheld: [...withheld], shown: shownOf(this.#numbers, rows, isConcealed) };
  }

  /** By key and version, what of them is not as it stands, looked up together. */
  #oldsAmong(
    asked: readonly AskedVersion[],
    current: ReadonlyMap<string, Pick<CurrentRow, 'key' | 'version'>>,
  ): ReadonlyMap<string, OldRow> {
    const pairs = new Map<string, readonly [number, number]>();
    for (const { stream, version } of asked) {
      const now = current.get(stream);
      if (now === undefined || version === undefined || now.version === version) continue;
      pairs.set(`${now.key} ${version}`, [now.key, version]);
    }
    if (pairs.size === 0) return new Map();
    const rows = this.#versions.all({ pairs: JSON.stringify([...pairs.values()]) });
    return new Map(rows.map((row) => [`${row.resource} ${row.version}`, row]));
  }
}

const columns = ['position', 'patient', 'labels', 'version', 'updated', 'state', 'body'] as const;
type OldRow = Omit<CurrentRow, 'key' | 'type'> & { readonly resource: number };

const versionsListed = either(
  sql`json_each(${given('pairs')}) p cross join version v on v.resource = p.value ->> 0 and v.version = p.value ->> 1`,
  sql`jsonb_array_elements(cast(${given('pairs')} as jsonb)) p(value) join version v on v.resource = cast(p.value ->> 0 as bigint) and v.version = cast(p.value ->> 1 as bigint)`,
);
