/** Versions that somebody knows by name, many at a time, each as the viewer may see it. */
import { sql } from 'kysely';
import { showsVersion } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import type { Database } from './database.ts';
import { textsIn } from './dialect.ts';
import { shownOf } from './entries.ts';
import type { Numbers } from './numbers.ts';
import { prepareReading, type CurrentRow } from './reading.ts';
import type { AskedVersion, ShownVersion, TheseVersions } from './record.ts';
import { given, record, Statement } from './statement.ts';
import { SEVERAL, STATE } from './tables.ts';

type Placed = Pick<CurrentRow, 'key' | 'patient' | 'labels' | 'position' | 'version'>;

export class TheseVersionsReader {
  readonly #numbers: Numbers;
  readonly #current: Statement<CurrentRow & { stream: string }>;
  readonly #version: Statement<Omit<CurrentRow, 'key' | 'type'>>;
  readonly #placed: Statement<Placed & { stream: string }>;
  readonly #more: ReturnType<typeof prepareReading>['more'];

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    const columns = ['position', 'patient', 'labels', 'version', 'updated', 'state', 'body'] as const;
    this.#current = new Statement(
      db,
      record
        .selectFrom('resource')
        .select(['key', 'type', 'stream', ...columns])
        .where(sql<boolean>`stream in ${textsIn(given('streams'))}`),
    );
    this.#version = new Statement(
      db,
      record
        .selectFrom('version')
        .select([...columns])
        .where('resource', '=', given('resource'))
        .where('version', '=', given('version')),
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
    return asked.map(({ stream, version }) => {
      const now = current.get(stream);
      if (now === undefined || now.version < version) return undefined;
      const isCurrent = now.version === version;
      const before = isCurrent ? undefined : this.#version.get({ resource: now.key, version });
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
    const wanted = new Map(asked.map(({ stream, version }) => [stream, version]));
    const current = this.#current.all({ streams: JSON.stringify([...wanted.keys()]) });
    audience?.readAhead(current);
    const bodies = new Map<string, ShownVersion>();
    const rows: CurrentRow[] = [];
    const withheld: string[] = [];
    let isConcealed = false;
    for (const now of current) {
      const { key, type, stream } = now;
      const version = wanted.get(stream);
      const isCurrent = version === undefined || now.version === version;
      const before = isCurrent ? now : this.#version.get({ resource: key, version });
      if (before === undefined || before.body === null || before.state !== STATE.live) continue;
      const row = { ...before, key, type };
      // As it is now and as it was: what has become confidential was not shown before either.
      const states = isCurrent ? [now] : [now, row];
      const shown = audience && states.map((it) => showsVersion(audience, it));
      if (shown?.includes(SHOWN.no) === true) {
        withheld.push(stream);
        continue;
      }
      const isPart = shown?.includes(SHOWN.concealed) === true;
      const body = isPart ? audience!.shownPart(type, before.body) : before.body;
      bodies.set(stream, { body, isConcealed: body !== before.body, hidesPlaces: isPart });
      isConcealed ||= body !== before.body;
      rows.push(row);
    }
    return { bodies, withheld, shown: shownOf(this.#numbers, rows, isConcealed) };
  }
}
