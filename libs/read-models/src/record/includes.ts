/** `_include` and `_revinclude`: what the matches of a page refer to, and what refers to them. https://hl7.org/fhir/R4/search.html#include */
import { indexEntries, searchParametersOf, subjectParametersOf, type Include } from '@carelog/fhir';
import { sql } from 'kysely';
import type { DatabaseSync } from 'node:sqlite';
import type { Numbers } from './numbers.ts';
import { isPatient } from './record-projection.ts';
import { given, Statement, written } from './statement.ts';
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
  readonly #numbers: Numbers;
  readonly #byKeys: Statement<Met>;
  readonly #byStreams: Statement<Met>;
  readonly #referring: Statement<{ key: number }>;
  readonly #about: Statement<{ key: number }>;
  readonly #inside: Statement<{ key: number }>;

  constructor(db: DatabaseSync, numbers: Numbers) {
    this.#numbers = numbers;
    const listed = (name: string) => sql`(select value from json_each(${given(name)}))`;
    this.#byKeys = new Statement(db, written(sql`select key, stream, body from resource where key in ${listed('keys')} and state = 0 order by key`)); // prettier-ignore
    this.#byStreams = new Statement(db, written(sql`select key, stream, body from resource where stream in ${listed('streams')} and state = 0 order by key`)); // prettier-ignore
    this.#referring = new Statement(db, written(sql`select resource as key from reference where parameter in ${listed('parameters')} and target in ${listed('targets')} limit ${sql.lit(READ_MAX)}`)); // prettier-ignore
    this.#about = new Statement(db, written(sql`select resource as key from compartment where patient in ${listed('targets')} and type = ${given('type')} and role = ${sql.lit(ROLE.subject)} limit ${sql.lit(READ_MAX)}`)); // prettier-ignore
    this.#inside = new Statement(db, written(sql`select r.key from resource r where r.key in ${listed('keys')} and exists (select 1 from compartment c where c.patient = ${given('patient')} and c.type = r.type and c.resource = r.key and c.role >= ${sql.lit(ROLE.owned)}) order by r.key`)); // prettier-ignore
  }

  /** `restrictTo`: nothing but what lies in this patient's compartment. */
  of(matches: readonly number[], includes: readonly Include[], restrictTo: string | undefined): Included {
    const patient =
      restrictTo === undefined ? undefined : (this.#numbers.target(`Patient/${restrictTo}`) ?? 0);
    const seen = new Set(matches);
    const included: number[] = [];
    let asked = includes;
    let met = this.#read(matches);
    while (met.length > 0 && asked.length > 0) {
      const found = new Set(asked.flatMap((include) => this.#found(include, met)));
      const fresh = this.#allowed([...found.difference(seen)], patient);
      for (const key of fresh) {
        if (included.length === INCLUDED_MAX) return { keys: included, isCut: true };
        seen.add(key);
        included.push(key);
      }
      asked = includes.filter((it) => it.iterate);
      met = asked.length === 0 ? [] : this.#read(fresh);
    }
    return { keys: included, isCut: false };
  }

  #found(include: Include, met: readonly Met[]): number[] {
    return include.direction === 'forward' ? this.#forward(include, met) : this.#reverse(include, met);
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

  #reverse({ source, parameter, target }: Include, met: readonly Met[]): number[] {
    const type = this.#numbers.type(source);
    const streams = met.map((it) => it.stream).filter((it) => target === undefined || typeOf(it) === target);
    const targets = streams.flatMap((it) => this.#numbers.target(it) ?? []);
    if (type === undefined || targets.length === 0) return [];
    const codes = parameter === '*' ? searchParametersOf(source).filter((it) => it.type === 'reference').map((it) => it.code) : [parameter]; // prettier-ignore
    const parameters = codes.flatMap((code) => this.#numbers.parameters(source, code));
    const list = { targets: JSON.stringify(targets) };
    const keys = this.#referring.all({ ...list, parameters: JSON.stringify(parameters) });
    const asksSubject = codes.some((code) => subjectParametersOf(source).includes(code));
    if (asksSubject && streams.some(isPatient)) keys.push(...this.#about.all({ ...list, type }));
    return keys.map((it) => it.key);
  }

  #read(keys: readonly number[]): Met[] {
    return this.#byKeys.all({ keys: JSON.stringify(keys) });
  }

  #allowed(keys: readonly number[], patient: number | undefined): number[] {
    if (patient === undefined) return keys.toSorted((a, b) => a - b);
    return this.#inside.all({ keys: JSON.stringify(keys), patient }).map((it) => it.key);
  }
}

const typeOf = (stream: string) => stream.slice(0, stream.indexOf('/'));
