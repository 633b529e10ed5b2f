/** `_include` and `_revinclude`: what the matches of a page refer to, and what refers to them. https://hl7.org/fhir/R4/search.html#include */
import { indexEntries, searchParametersOf, subjectParametersOf, type Include } from '@carelog/fhir';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Database } from './database.ts';
import { isShown, shownAs, shownBody, shownRow, showsVersion, wholeRow, type Admission, type WholeRow } from './admission.ts'; // prettier-ignore
import { SHOWN, type Audience } from './audience.ts';
import { portions } from './candidates.ts';
import type { Touched } from './concealing.ts';
import { numbersIn, textsIn } from './dialect.ts';
import type { Numbers } from './numbers.ts';
import { isPatient } from './record-projection.ts';
import type { SearchAudiences } from './searching.ts';
import { given, Statement, written, type Values } from './statement.ts';
import { ROLE } from './tables.ts';

/** At most so many resources are included in a page. */
export const INCLUDED_MAX = 1_000;

/** Among these rows are all that a page may include, whatever of them are its matches. */
const READ_MAX = 3 * INCLUDED_MAX;

export interface Included {
  /** In the order in which they were met; none of the matches, each once. */
  readonly keys: readonly number[];
  /** There were more than a page may include. */
  readonly isCut: boolean;
}

interface Met {
  readonly key: number;
  readonly stream: string;
  readonly body: string;
}

export class Includes {
  readonly #db: Database;
  readonly #numbers: Numbers;
  readonly #admission: Admission;
  readonly #byKeys = new Map<boolean, Statement<Met>>();
  readonly #byStreams: Statement<Met>;
  readonly #whole: Statement<WholeRow>;
  readonly #referring: ReturnType<typeof prepareReferring>;
  /** What an audience is shown, or may be. */
  readonly #referringFor: ReturnType<typeof prepareReferring>;
  /** Undefined where the database cannot ask how the audience is shown what it meets. */
  readonly #decided: Decided | undefined;

  constructor(db: Database, numbers: Numbers, admission: Admission) {
    this.#db = db;
    this.#numbers = numbers;
    this.#admission = admission;
    this.#byStreams = new Statement(db, written(sql`select key, stream, body from resource where stream in ${textsIn(given('streams'))} and state = 0 order by key`)); // prettier-ignore
    this.#whole = new Statement(db, written(sql<WholeRow>`select ${wholeRow} from resource r where r.key in ${listed('keys')} and r.state = 0 order by r.key`)); // prettier-ignore
    this.#referring = prepareReferring(db, sql`true`);
    if (db.engine === 'postgres') {
      this.#referringFor = prepareReferring(db, sql`true`, sql``);
      return;
    }
    const decided = (test: RawBuilder<SqlBool>) =>
      new Statement<{ key: number }>(db, written(sql`select r.key from resource r where r.key in ${listed('keys')} and ${test} order by r.key`)); // prettier-ignore
    this.#referringFor = prepareReferring(db, sql`exists (select 1 from resource r where r.key = i.resource and ${isShown('r')})`); // prettier-ignore
    this.#decided = {
      shown: decided(isShown('r')),
      shownWhole: decided(sql`${shownAs('r')} = ${sql.lit(SHOWN.whole)}`),
    };
  }

  /** What the audience of the matches is not shown of them leads nowhere. */
  of(matches: readonly number[], includes: readonly Include[], audiences: SearchAudiences): Included {
    const seen = new Set(matches);
    const included: number[] = [];
    let asked = includes;
    let met = this.#admission.during(audiences.matches, () => this.#read(matches, audiences.matches));
    return this.#admission.during(audiences.included, () => {
      while (met.length > 0 && asked.length > 0) {
        const found = new Set(asked.flatMap((include) => this.#found(include, met, audiences.included)));
        const fresh = this.#allowed([...found.difference(seen)], audiences.included);
        for (const key of fresh) {
          if (included.length === INCLUDED_MAX) return { keys: included, isCut: true };
          seen.add(key);
          included.push(key);
        }
        asked = includes.filter((it) => it.iterate);
        met = asked.length === 0 ? [] : this.#read(fresh, audiences.included);
      }
      return { keys: included, isCut: false };
    });
  }

  #found(include: Include, met: readonly Met[], audience: Audience | undefined): number[] {
    if (include.direction === 'forward') return this.#forward(include, met);
    const { source, parameter } = include;
    const codes = parameter === '*' ? searchParametersOf(source).filter((it) => it.type === 'reference').map((it) => it.code) : [parameter]; // prettier-ignore
    const touched = audience?.concealing?.touched(source);
    if (touched === undefined) return this.#reverse(include, codes, met, audience);
    // References to people stay where those to places are taken out.
    const people = met.filter(({ stream }) => audience?.concealing?.mayBePlace(stream) === false);
    const places = met.filter((it) => !people.includes(it));
    const found = (how: Touched | undefined, from: readonly Met[]) =>
      this.#reverse(include, codes.filter((it) => touched.get(it) === how), from, audience); // prettier-ignore
    const open = [...found(undefined, met), ...found('partly', people)];
    const concealed = [...found('wholly', met), ...found('partly', places)];
    if (concealed.length === 0) return open;
    return [...open, ...this.#shownWhole(concealed, audience)];
  }

  #forward({ source, parameter, target }: Include, met: readonly Met[]): number[] {
    const streams = new Set<string>();
    for (const { stream, body } of met) {
      if (source !== '*' && typeOf(stream) !== source) continue;
      for (const entry of indexEntries(typeOf(stream), JSON.parse(body) as Record<string, unknown>)) {
        if (entry.kind !== 'reference' || (parameter !== '*' && entry.parameter !== parameter)) continue;
        if (target === undefined || typeOf(entry.target) === target) streams.add(entry.target);
      }
    }
    return this.#byStreams.all({ streams: JSON.stringify([...streams]) }).map((it) => it.key);
  }

  #reverse(
    { source, target }: Include,
    codes: readonly string[],
    met: readonly Met[],
    audience: Audience | undefined,
  ): number[] {
    const type = this.#numbers.type(source);
    const streams = met.map((it) => it.stream).filter((it) => target === undefined || typeOf(it) === target);
    const targets = streams.flatMap((it) => this.#numbers.target(it) ?? []);
    if (type === undefined || targets.length === 0 || codes.length === 0) return [];
    const parameters = codes.flatMap((code) => this.#numbers.parameters(source, code));
    const list = { targets: JSON.stringify(targets) };
    const { referring, about } = audience === undefined ? this.#referring : this.#referringFor;
    const all = { ...list, parameters: JSON.stringify(parameters), type };
    const asksSubject = codes.some((code) => subjectParametersOf(source).includes(code));
    const statements = asksSubject && streams.some(isPatient) ? [referring, about] : [referring];
    return statements.flatMap((statement) => this.#keys(statement, all, audience));
  }

  #keys(statement: Statement<{ key: number }>, values: Values, audience: Audience | undefined): number[] {
    if (audience === undefined || this.#decided !== undefined)
      return statement.all(values).map((it) => it.key);
    return [...this.#keysShown(statement.iterate(values), audience)];
  }

  // Cut off only behind the test, or what may be shown could be lost among what may not.
  *#keysShown(rows: Iterable<{ key: number }>, audience: Audience): Iterable<number> {
    let left = READ_MAX;
    for (const some of portions(rows)) {
      const shown = this.#allowed(some.map((it) => it.key), audience); // prettier-ignore
      yield* shown.slice(0, left);
      if ((left -= shown.length) <= 0) return;
    }
  }

  #shownWhole(keys: readonly number[], audience: Audience | undefined): number[] {
    const list = { keys: JSON.stringify(keys) };
    if (this.#decided !== undefined) return this.#decided.shownWhole.all(list).map((it) => it.key);
    const rows = this.#whole.all(list);
    audience?.readAhead(rows);
    return rows.filter((row) => audience?.shows(row) === SHOWN.whole).map((it) => it.key);
  }

  #read(keys: readonly number[], shownTo: Audience | undefined): Met[] {
    if (shownTo !== undefined && this.#decided === undefined) {
      const rows = this.#whole.all({ keys: JSON.stringify(keys) });
      shownTo.readAhead(rows);
      return rows.map((row) => {
        const { key, stream, body } = shownRow(row, shownTo);
        return { key, stream, body: body ?? '' };
      });
    }
    const shape = shownTo?.concealing !== undefined;
    let statement = this.#byKeys.get(shape);
    if (statement === undefined) {
      const body = shownBody(shownTo);
      statement = new Statement(this.#db, written(sql<Met>`select r.key, r.stream, ${body} as body from resource r where r.key in ${listed('keys')} and r.state = 0 order by r.key`)); // prettier-ignore
      this.#byKeys.set(shape, statement);
    }
    return statement.all({ keys: JSON.stringify(keys) });
  }

  #allowed(keys: readonly number[], audience: Audience | undefined): number[] {
    if (audience === undefined) return keys.toSorted((a, b) => a - b);
    const list = { keys: JSON.stringify(keys) };
    if (this.#decided !== undefined) return this.#decided.shown.all(list).map((it) => it.key);
    const rows = this.#whole.all(list);
    audience.readAhead(rows);
    return rows.filter((row) => showsVersion(audience, row) !== SHOWN.no).map((it) => it.key);
  }
}

interface Decided {
  readonly shown: Statement<{ key: number }>;
  readonly shownWhole: Statement<{ key: number }>;
}

function prepareReferring(db: Database, test: RawBuilder<unknown>, limit = sql`limit ${sql.lit(READ_MAX)}`) {
  const rows = (query: RawBuilder<{ key: number }>) => new Statement<{ key: number }>(db, written(query));
  return {
    referring: rows(sql`select i.resource as key from reference i where i.parameter in ${listed('parameters')} and i.target in ${listed('targets')} and ${test} ${limit}`), // prettier-ignore
    about: rows(sql`select i.resource as key from compartment i where i.patient in ${listed('targets')} and i.type = ${given('type')} and i.role = ${sql.lit(ROLE.subject)} and ${test} ${limit}`), // prettier-ignore
  };
}

const listed = (name: string) => numbersIn(given(name));
const typeOf = (stream: string) => stream.slice(0, stream.indexOf('/'));
