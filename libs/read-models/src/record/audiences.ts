/** Makes audiences over one connection. */
import type { Database } from './database.ts';
import { Audience, seesAll, type Viewer } from './audience.ts';
import { numbersIn } from './dialect.ts';
import { KnownPatients } from './known-patients.ts';
import type { Numbers } from './numbers.ts';
import type { SearchRequest } from './record.ts';
import type { SearchAudiences } from './searching.ts';
import { given, record, Statement } from './statement.ts';

export type AudienceStatements = ReturnType<typeof prepare>;

export class Audiences {
  readonly known: KnownPatients;
  readonly #numbers: Numbers;
  readonly #statements: AudienceStatements;
  readonly #concealments = new Map<string, number>();

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    this.known = new KnownPatients(db, numbers);
    this.#statements = prepare(db);
  }

  /** Undefined where nothing is kept from the viewer. `now`: milliseconds UTC. */
  of(viewer: Viewer | undefined, now: number): Audience | undefined {
    if (viewer === undefined || seesAll(viewer.restriction)) return undefined;
    return new Audience(
      viewer,
      now,
      this.#numbers,
      this.known,
      this.#statements,
      this.#concealmentOf(viewer),
    );
  }

  /** Of what matches, and of what comes along. */
  ofSearch(viewer: Viewer | undefined, { includesFor }: SearchRequest, now: number): SearchAudiences {
    const matches = this.of(viewer, now);
    return { matches, included: includesFor === undefined ? matches : this.of(includesFor, now) };
  }

  // Statements are kept by it.
  #concealmentOf({ restriction: { conceal } }: Viewer): number {
    if (conceal === undefined) return 0;
    const name = JSON.stringify(conceal);
    const number = this.#concealments.get(name) ?? this.#concealments.size + 1;
    this.#concealments.set(name, number);
    return number;
  }
}

function prepare(db: Database) {
  return {
    more: new Statement(
      db,
      record.selectFrom('more_patient').select('patient').where('position', '=', given('position')),
    ),
    moreOf: new Statement(
      db,
      record
        .selectFrom('more_patient')
        .select(['position', 'patient'])
        .where('position', 'in', numbersIn(given('positions'))),
    ),
    typeLabels: new Statement(
      db,
      record.selectFrom('type_labels').select('labels').where('type', '=', given('type')),
    ),
    patientLabels: new Statement(
      db,
      record.selectFrom('patient_labels').select('labels').where('patient', '=', given('patient')),
    ),
    typeName: new Statement(db, record.selectFrom('type').select('name').where('id', '=', given('type'))),
  };
}
