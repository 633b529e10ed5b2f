/** Versions that somebody knows by name, many at a time, each as the viewer may see it. */
import { sql } from 'kysely';
import { showsVersion } from './admission.ts';
import { SHOWN, type Audience } from './audience.ts';
import type { Database } from './database.ts';
import { textsIn } from './dialect.ts';
import { shownOf } from './entries.ts';
import type { Numbers } from './numbers.ts';
import type { CurrentRow } from './reading.ts';
import type { AskedVersion, ShownVersion, TheseVersions } from './record.ts';
import { given, record, Statement } from './statement.ts';
import { STATE } from './tables.ts';

export class TheseVersionsReader {
  readonly #numbers: Numbers;
  readonly #current: Statement<CurrentRow & { stream: string }>;
  readonly #version: Statement<Omit<CurrentRow, 'key' | 'type'>>;

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
