/** What was projected about patients in view of an organisation: relationships that are live, decisions that hold. */
import {
  personIn,
  withheldFrom,
  type CallerFacts,
  type Party,
  type PatientFacts,
  type RelationshipBasis,
  type SharingDecision,
} from '@carelog/access';
import { nhsNumberSystem } from '@carelog/fhir';
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { joinInOrder, numbersIn } from './dialect.ts';
import type { Numbers } from './numbers.ts';
import { given, record, Statement, written } from './statement.ts';
import { BASIS, DECISION, STATE, type RecordTables } from './tables.ts';

/** On whose behalf is asked: what relationships and the patients' decisions are about. */
export interface Standpoint {
  /** ODS code. */
  readonly organisation: string;
  readonly careSetting: string;
}

export type Known = Pick<PatientFacts, 'relationships' | 'sFlag' | 'withheld' | 'reviewPending' | 'optedOut'>;

export class KnownPatients {
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepare>;
  #ahead:
    | { readonly relationships: ByPatient<RelationshipRow>; readonly decisions: ByPatient<DecisionRow> }
    | undefined;

  constructor(db: Database, numbers: Numbers) {
    this.#numbers = numbers;
    this.#statements = prepare(db);
  }

  /** The same for all questions of one request: what it found out about parties is kept. */
  parties(organisation: string): Parties {
    return new Parties(this.#numbers, this.#statements.wholes, organisation);
  }

  /** What `work` asks about these patients at `now` is looked up together. */
  readAhead(patients: readonly number[], now: number, work: () => void): void {
    const list = { patients: JSON.stringify(patients) };
    const byPatient = <Row extends { patient: number }>(rows: readonly Row[]) =>
      Map.groupBy(rows, (it) => it.patient);
    this.#ahead = {
      relationships: byPatient(this.#statements.relationshipsOf.all({ ...list, now })),
      decisions: byPatient(this.#statements.decisionsOf.all(list)),
    };
    try {
      work();
    } finally {
      this.#ahead = undefined;
    }
  }

  /** Bases of the relationships that the organisation has with the patient at `now` (milliseconds UTC). */
  relationships(patient: number, ours: Parties, now: number): readonly RelationshipBasis[] {
    const bases = new Set<RelationshipBasis>();
    const rows =
      this.#ahead === undefined
        ? this.#statements.relationships.all({ patient, now })
        : (this.#ahead.relationships.get(patient) ?? []);
    for (const { party, basis, ended } of rows) {
      if (ours.has(party)) bases.add(basisOf(basis, ended, now));
    }
    return [...bases];
  }

  /** What the patient decided, and what was decided for them, as it holds at `now` for one of these parties in this setting. */
  decisions(patient: number, ours: Parties, careSetting: string, now: number): Omit<Known, 'relationships'> {
    const sharing: SharingDecision[] = [];
    let [sFlag, optedOut, reviewPending, reviewed] = [false, false, false, -Infinity];
    const rows =
      this.#ahead === undefined
        ? this.#statements.decisions.all({ patient })
        : (this.#ahead.decisions.get(patient) ?? []);
    for (const { kind, begins, ends, detail } of rows) {
      if (kind === DECISION.sharing) sharing.push(JSON.parse(detail) as SharingDecision);
      if (kind === DECISION['s-flag']) sFlag = true;
      if (begins > now || now >= ends) continue;
      if (kind === DECISION['opt-out']) optedOut = true;
      if (kind !== DECISION.review || begins < reviewed) continue;
      // Of two at one time the cautious one holds.
      reviewPending = detail === 'pending' || (begins === reviewed && reviewPending);
      reviewed = begins;
    }
    const isCaller = (party: Party) => party === `setting:${careSetting}` || ours.hasNamed(party);
    const withheld = sharing.length === 0 ? 0 : withheldFrom(sharing, isCaller, now);
    return { sFlag, withheld, reviewPending, optedOut };
  }

  /** Numbers of the patients with whom the organisation may have a relationship at `now`; one more than `most` at most. */
  relatedTo(organisation: string, now: number, most: number): readonly number[] {
    const code = this.#numbers.target(`ods:${organisation}`);
    if (code === undefined) return [];
    return this.#statements.related.all({ code, now, most: most + 1 }).map((it) => it.patient);
  }

  /** Whom the person with this NHS number is, and whom they are a proxy for at `now`. */
  standsFor(nhsNumber: string, now: number): Pick<CallerFacts, 'own' | 'proxyFor'> {
    const persons = this.#statements.persons
      .all({ system: nhsNumberSystem, code: nhsNumber })
      .map(({ body }) => personIn(JSON.parse(body) as Record<string, unknown>))
      .filter((it) => it?.nhsNumber === nhsNumber)
      .flatMap((it) => it?.address ?? []);
    const own = persons.filter((it) => it.startsWith(PATIENT)).map((it) => it.slice(PATIENT.length));
    const proxies = [`nhs:${nhsNumber}`, ...persons].flatMap((who) =>
      this.#statements.proxied.all({ who, now }).map(({ name }) => name.slice(PATIENT.length)),
    );
    return { own, proxyFor: [...new Set(proxies)].filter((id) => !own.includes(id)) };
  }
}

type ByPatient<Row> = ReadonlyMap<number, readonly Row[]>;
type RelationshipRow = Pick<RecordTables['relationship'], 'party' | 'basis' | 'ended'>;
type DecisionRow = Pick<RecordTables['decision'], 'kind' | 'begins' | 'ends' | 'detail'>;

const PATIENT = 'Patient/';

/** Which parties belong to an organisation, asked step by step from the party up. */
export class Parties {
  readonly #numbers: Numbers;
  readonly #wholes: Statement<{ whole: number }>;
  readonly #code: string;
  readonly #known = new Map<number, boolean>();

  constructor(numbers: Numbers, wholes: Statement<{ whole: number }>, organisation: string) {
    this.#numbers = numbers;
    this.#wholes = wholes;
    this.#code = `ods:${organisation}`;
    const code = numbers.target(this.#code);
    if (code !== undefined) this.#known.set(code, true);
  }

  has(party: number): boolean {
    const known = this.#known.get(party);
    if (known !== undefined) return known;
    // Where parties are parts of each other in a circle, none of them is ours by that.
    this.#known.set(party, false);
    const is = this.#wholes.all({ part: party }).some(({ whole }) => this.has(whole));
    this.#known.set(party, is);
    return is;
  }

  hasNamed(party: Party): boolean {
    if (party.startsWith('ods:')) return party === this.#code;
    const number = this.#numbers.target(party);
    return number !== undefined && this.has(number);
  }
}

const BASES = Object.fromEntries(Object.entries(BASIS).map(([name, code]) => [code, name]));

function basisOf(code: number, ended: number, now: number): RelationshipBasis {
  if (code === BASIS.encounter) return now >= ended ? 'recent-encounter' : 'current-encounter';
  return BASES[code] as RelationshipBasis;
}

function prepare(db: Database) {
  const now = given<number>('now');
  return {
    relationships: new Statement(
      db,
      record
        .selectFrom('relationship')
        .select(['party', 'basis', 'ended'])
        .where('patient', '=', given('patient'))
        .where('begins', '<=', now)
        .where('ends', '>', now),
    ),
    relationshipsOf: new Statement(
      db,
      record
        .selectFrom('relationship')
        .select(['patient', 'party', 'basis', 'ended'])
        .where('patient', 'in', numbersIn(given('patients')))
        .where('begins', '<=', now)
        .where('ends', '>', now),
    ),
    decisionsOf: new Statement(
      db,
      record
        .selectFrom('decision')
        .select(['patient', 'kind', 'begins', 'ends', 'detail'])
        .where('patient', 'in', numbersIn(given('patients'))),
    ),
    decisions: new Statement(
      db,
      record
        .selectFrom('decision')
        .select(['kind', 'begins', 'ends', 'detail'])
        .where('patient', '=', given('patient')),
    ),
    wholes: new Statement(db, record.selectFrom('part_of').select('whole').where('part', '=', given('part'))),
    related: new Statement(
      db,
      written(
        sql<{
          patient: number;
        }>`with recursive ours(party) as (select cast(${given('code')} as bigint) union select p.part from ours join part_of p on p.whole = ours.party) select distinct l.patient from ours ${joinInOrder} relationship l on l.party = ours.party where l.begins <= ${now} and l.ends > ${now} limit cast(${given('most')} as integer)`,
      ),
    ),
    persons: new Statement(
      db,
      written(
        sql<{
          body: string;
        }>`select r.body from token_value v join token i on i.value = v.id join resource r on r.key = i.resource where v.code = ${given('code')} and v.system = ${given('system')} and i.parameter in (select p.id from parameter p join type t on t.id = p.type where p.code = 'identifier' and t.name in ('Patient', 'RelatedPerson')) and r.state = ${sql.lit(STATE.live)}`,
      ),
    ),
    proxied: new Statement(
      db,
      record
        .selectFrom('proxy as p')
        .innerJoin('target as w', 'w.id', 'p.who')
        .innerJoin('target as n', 'n.id', 'p.patient')
        .select('n.name')
        .where('w.name', '=', given('who'))
        .where('p.begins', '<=', now)
        .where('p.ends', '>', now),
    ),
  };
}
