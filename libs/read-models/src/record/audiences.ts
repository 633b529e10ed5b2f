/** Makes audiences over one connection. */
import type { Concealment } from '@carelog/access';
import type { Database } from './database.ts';
import { Audience, seesAll, type Viewer } from './audience.ts';
import { Concealing } from './concealing.ts';
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
  readonly #concealing = new Map<string, Concealing>();

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    this.known = new KnownPatients(db, numbers);
    this.#statements = prepare(db);
  }

  /** Undefined where nothing is kept from the viewer. `now`: milliseconds UTC. */
  of(viewer: Viewer | undefined, now: number): Audience | undefined {
    if (viewer === undefined || seesAll(viewer.restriction)) return undefined;
    const { conceal } = viewer.restriction;
    return new Audience(
      viewer,
      now,
      this.#numbers,
      this.known,
      this.#statements,
      conceal && this.concealing(conceal),
    );
  }

  /** Of what matches, and of what comes along. */
  ofSearch(viewer: Viewer | undefined, { includesFor }: SearchRequest, now: number): SearchAudiences {
    const matches = this.of(viewer, now);
    return { matches, included: includesFor === undefined ? matches : this.of(includesFor, now) };
  }

  /** Worked out once for equal rules. */
  concealing(conceal: Concealment): Concealing {
    const name = JSON.stringify(conceal);
    let concealing = this.#concealing.get(name);
    if (concealing === undefined) this.#concealing.set(name, (concealing = new Concealing(conceal)));
    return concealing;
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
