/** `$everything` for an audience, where the database cannot ask how it is shown what it meets. */
import { sql, type RawBuilder } from 'kysely';
import { shownRow, showsVersion, wholeRow, type Admission, type WholeRow } from './admission.ts';
import { SHOWN, type Audience, type StoredFacts } from './audience.ts';
import { portions } from './candidates.ts';
import type { Database } from './database.ts';
import { entriesHere } from './entries.ts';
import type { Parts } from './everything.ts';
import { given, Statement, written, type Values } from './statement.ts';
import { STATE } from './tables.ts';

/** The same answers as those of the statements; they are for the audience that the admission decides for meanwhile. */
export function prepareHere(
  db: Database,
  types: number | undefined,
  since: boolean,
  admission: Admission,
): Parts {
  const names = Array.from({ length: types ?? 0 }, (_, i) => given(`type${i}`));
  const asked = sql`${since ? sql` and r.updated >= ${given('since')}` : sql``}${types === undefined ? sql`` : sql` and r.type in (${sql.join(names)})`}`;
  const rows = <Row>(query: RawBuilder<Row>) => new Statement<Row>(db, written(query));
  const self = rows(
    sql<WholeRow>`select ${wholeRow} from resource r where r.key = ${given('self')} and ${live}${asked}`,
  );
  const compartment = rows(
    sql<WholeRow>`select ${wholeRow} from compartment c join resource r on r.key = c.resource where c.patient = ${given('patient')} and (c.type, c.resource) > (${given('type')}, ${given('key')}) and c.resource <> ${given('self')}${asked} order by c.type, c.resource`,
  );
  // Only what belongs to no patient: a reference must not open another person's record.
  const shared = rows(
    sql<Reference>`select ${wholeRow}, n.name, x.key as "byKey", x.position as "byPosition", x.patient as "byPatient", x.labels as "byLabels", x.type as "byType" from patient_target t join target n on n.id = t.target join resource r on r.stream = n.name join resource x on x.key = t.resource where t.patient = ${given('patient')} and r.key > ${given('key')} and r.patient = 0 and ${live} and x.state = 0${asked} order by r.key, x.key`,
  );
  const bodyOf = rows(sql<{ body: string }>`select body from resource where key = ${given('key')}`);
  const shown = (row: WholeRow) => shownRow(row, admission.audience);
  const entriesOf = (some: Iterable<WholeRow>, values: Values) => {
    const taken = Iterator.from(some).take(Number(values['limit'])).toArray();
    const frame = { head: String(values['head']), between: String(values['between']), tail: String(values['tail']) }; // prettier-ignore
    return { ...entriesHere(taken.map(shown), frame), lastType: taken.at(-1)?.type ?? null };
  };
  return {
    self: { get: (values) => entriesOf(self.all(values), { ...values, limit: 1 }) },
    compartment: {
      get: (values) => entriesOf(shownTo(admission.audience, compartment.iterate(values)), values),
    },
    shared: {
      get: (values) => {
        const body = (key: number) => bodyOf.get({ key })?.body ?? null;
        return entriesOf(referredTo(admission.audience, shared.iterate(values), body), values);
      },
    },
  };
}

function* shownTo(audience: Audience | undefined, rows: Iterable<WholeRow>): Iterable<WholeRow> {
  for (const some of portions(rows)) {
    audience?.readAhead(some);
    for (const row of some) if (audience !== undefined && showsVersion(audience, row) !== SHOWN.no) yield row;
  }
}

/** A shared resource, and one resource of the patient that refers to it by this name. */
interface Reference extends WholeRow {
  readonly name: string;
  readonly byKey: number;
  readonly byPosition: number;
  readonly byPatient: number;
  readonly byLabels: number;
  readonly byType: number;
}

// By something that is shown, and not only in what is taken out of it. Each once.
function* referredTo(
  audience: Audience | undefined,
  references: Iterable<Reference>,
  bodyOf: (key: number) => string | null,
): Iterable<WholeRow> {
  let met = 0;
  for (const some of portions(references)) {
    const by = some.map(byWhom);
    audience?.readAhead([...some, ...by]);
    for (const [i, row] of some.entries()) {
      const from = by[i];
      if (audience === undefined || from === undefined || row.key === met) continue;
      if (showsVersion(audience, row) === SHOWN.no || audience.shows(from) === SHOWN.no) continue;
      if (!refersOpenly(audience, from, row.name, bodyOf)) continue;
      met = row.key;
      yield row;
    }
  }
}

function refersOpenly(
  audience: Audience,
  from: StoredFacts & { readonly key: number },
  name: string,
  bodyOf: (key: number) => string | null,
): boolean {
  const isWhole = audience.shows(from) === SHOWN.whole;
  if (isWhole && !audience.isLimited) return true;
  const body = bodyOf(from.key);
  if (body === null || showsVersion(audience, { ...from, body }) === SHOWN.no) return false;
  return isWhole || audience.shownPart(from.type, body).includes(`"reference":"${name}"`);
}

const byWhom = ({ byKey, byPosition, byPatient, byLabels, byType }: Reference) => ({
  key: byKey,
  position: byPosition,
  patient: byPatient,
  labels: byLabels,
  type: byType,
});

const live = sql<boolean>`r.state = ${sql.lit(STATE.live)}`;
