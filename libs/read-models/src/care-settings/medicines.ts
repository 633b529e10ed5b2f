/**
 * What a person takes now, of the practice's list, discharge prescriptions, statements and dispensings; and what a stay in
 * hospital did to it. The rules in words: docs/reference/care-settings.md
 */
import type { Item, Placed, Section } from './care-setting.ts';
import { differing, newestWordFirst, saidAt, things, type Told } from './matching.ts';
import { normalised } from './names.ts';
import { DAY_MS, HEADING, isCoded, lineOf, section, timeOf } from './sections.ts';

/** One line for each medicine that is taken, with its dose, when it was last dispensed, and what the last discharge did to it. */
export function medicineSection(facts: readonly Placed[], now: number, title = 'Medicines'): Section {
  const discharge = lastDischarge(facts, now);
  const items = medicinesOf(facts)
    .filter((it) => it.listed.some((one) => isCurrent(one, now)))
    .map((it) => medicineLine(it, discharge, now));
  return section(HEADING.medicines, title, items);
}

/** What the last discharge of the last 90 days did to each medicine: lines with `change` only. Undefined where there was none. */
export function reconciliationSection(
  facts: readonly Placed[],
  now: number,
  title = 'Medicines changed in hospital',
): Section | undefined {
  const discharge = lastDischarge(facts, now);
  if (discharge === undefined) return undefined;
  const lines = medicinesOf(facts).map((it) => medicineLine(it, discharge, now));
  const items = lines.filter(({ change }) => change !== undefined);
  return items.length === 0 ? undefined : section(HEADING.medicines, title, items);
}

/** A medicine: what orders or states it, newest word first, and what was handed over of it, last first. */
export interface Medicine {
  readonly listed: Told;
  readonly dispensed: readonly Placed[];
}

/** Every medicine that anybody ever ordered or stated, newest word first; ward charts and what is being drafted are left out. */
export function medicinesOf(facts: readonly Placed[]): readonly Medicine[] {
  const told = facts.filter(({ fact }) => isListed(fact) || isSupply(fact));
  const groups = things(told);
  const prescribedIn = new Map<string, Told>();
  for (const it of groups) for (const { stream } of it) prescribedIn.set(stream, it);
  // Handed over under another name, a brand's: what it was prescribed as.
  const supplies = Map.groupBy(
    groups.flatMap((it) => it.filter(({ fact }) => isSupply(fact)).map((one) => ({ one, own: it }))),
    ({ one, own }) =>
      one.fact.refs['prescription']?.map((it) => prescribedIn.get(it)).find((it) => it !== undefined) ?? own,
  );
  return groups.flatMap((it): Medicine[] => {
    const [first, ...others] = it.filter(({ fact }) => isListed(fact));
    if (first === undefined) return [];
    const dispensed = (supplies.get(it) ?? [])
      .map(({ one }) => one)
      .toSorted((a, b) => timeOf(b) - timeOf(a));
    return [{ listed: [first, ...others], dispensed }];
  });
}

/** Ordered for use at home, or said to be taken. https://hl7.org/fhir/R4/codesystem-medicationrequest-category.html */
const isListed = ({ kind, status, grade = '', categories }: Placed['fact']) =>
  kind === 'medicine' && status !== 'draft' && !PROPOSED.has(grade) && !isCoded(categories, ON_THE_WARD);
const PROPOSED = new Set(['proposal', 'option']);
const ON_THE_WARD = new Set(['inpatient']);
const isSupply = ({ kind, status, grade }: Placed['fact']) =>
  kind === 'dispensing' && status === 'completed' && grade !== 'administered';

/** Ordered or stated as taken, begun, and not over at `now`. */
export function isCurrent({ fact }: Placed, now: number): boolean {
  const { status, from, to } = fact;
  return TAKEN.has(status) && !(Date.parse(from ?? '') > now) && !(endOf(to) < now);
}

/** https://hl7.org/fhir/R4/valueset-medicationrequest-status.html and of statements; "on-hold" is shown, as being on hold. */
const TAKEN = new Set(['active', 'on-hold', 'intended', 'unknown']);
const ENDED = new Set(['stopped', 'cancelled', 'not-taken', 'ended']);

/** It was taken and is no longer, by a decision rather than by time. */
export const hasEnded = ({ fact }: Placed) => ENDED.has(fact.status);

/** A day, a month or a year holds until it is over. NaN where none is said. */
const endOf = (to = '') => Date.parse(to) + (DAYS_IN[to.length] ?? 0) * DAY_MS;
const DAYS_IN: Readonly<Record<number, number>> = { 4: 366, 7: 31, 10: 1 };

/** The last stay that ended: what was prescribed, continued or stopped at its end. */
export interface Discharge {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly stay: string | undefined;
  readonly organisation: string;
  /** Every stay of the person: what was ordered in one is on no list at home. */
  readonly stays: ReadonlySet<string>;
}

const RECONCILED_WITHIN = 90 * DAY_MS;

/** Of those that speak of medicines: where nothing is prescribed at the end of a stay, nothing can be concluded from that. */
export function lastDischarge(facts: readonly Placed[], now: number): Discharge | undefined {
  const stays = new Map(facts.filter(({ fact }) => isStay(fact)).map((it) => [it.stream, it]));
  const ofAny = new Set(stays.keys());
  const discharges = facts.flatMap((it): Discharge[] => {
    if (!isListed(it.fact)) return [];
    const stay = it.fact.refs['encounter']?.map((ref) => stays.get(ref)).find((one) => one !== undefined);
    if (stay === undefined && !isCoded(it.fact.categories, DISCHARGE)) return [];
    const ended = Date.parse(stay?.fact.to ?? '');
    if (stay !== undefined && stay.fact.status !== 'finished') return [];
    const at = Number.isNaN(ended) ? saidAt(it) : ended;
    return [{ at, stay: stay?.stream, organisation: it.source.organisation, stays: ofAny }];
  });
  const past = discharges.filter(({ at }) => at <= now && at > now - RECONCILED_WITHIN);
  return past.toSorted((a, b) => b.at - a.at || ((a.stay ?? '') < (b.stay ?? '') ? -1 : 1)).at(0);
}

const DISCHARGE = new Set(['discharge']);
/** Admissions. An emergency department or a day case adds to what is taken and does not go through it. */
const STAYS = new Set(['IMP', 'ACUTE', 'NONAC']);

const isStay = ({ kind, grade = '' }: Placed['fact']) => kind === 'encounter' && STAYS.has(grade);

/** Which of its listings are of the discharge, and which are of any list that the person had at home. */
function listsOf({ listed }: Medicine, { at, stay, organisation, stays }: Discharge) {
  const isOfStay = ({ fact }: Placed) =>
    fact.refs['encounter']?.some((it) => stays.has(it)) === true || isCoded(fact.categories, DISCHARGE);
  const isOfDischarge = (it: Placed) => {
    const during = it.fact.refs['encounter'];
    if (during !== undefined) return stay !== undefined && during.includes(stay);
    // Without a stay to belong to: what the same hospital wrote within a day of it.
    return it.source.organisation === organisation && Math.abs(saidAt(it) - at) <= DAY_MS;
  };
  return {
    discharged: listed.filter((it) => isOfStay(it) && isOfDischarge(it)),
    atHome: listed.filter((it) => !isOfStay(it)),
  };
}

/** What the discharge did to a medicine; `because` in words, where it cannot be told. */
interface Changed {
  readonly change: NonNullable<Item['change']>;
  readonly because?: string;
}

/** What the discharge did to it, until a later word of those who care for the person at home settles it. */
function changeOf(medicine: Medicine, discharge: Discharge, now: number): Changed | undefined {
  const { discharged, atHome } = listsOf(medicine, discharge);
  const taken = atHome.filter((it) => wasTaken(it, discharge.at) === true);
  const before = taken.find((it) => !hasEnded(it));
  const isEndedSince = before === undefined && taken.length > 0;
  const maybe = atHome.find((it) => wasTaken(it, discharge.at) === undefined);
  const since = atHome.find((it) => saidAt(it) > discharge.at && isCurrent(it, now));
  const given = discharged.find(({ fact }) => TAKEN.has(fact.status) || fact.status === 'completed');
  if (since !== undefined || isEndedSince) return undefined;
  if (given !== undefined) {
    if (before !== undefined) return doseChange(before, given);
    if (maybe !== undefined) return { change: 'unexplained', because: `${maybe.fact.status} at home (${maybe.source.organisation}), before or after the stay: when is not said` }; // prettier-ignore
    return { change: isExplained(given) ? 'started' : 'unexplained' };
  }
  if (before === undefined || !isCurrent(before, now)) return undefined;
  return { change: discharged.some(hasEnded) ? 'stopped' : 'unexplained' };
}

/**
 * Whether it was taken at `at`, by when it began and ended rather than by what is its status now; undefined where it has
 * ended and nobody said when.
 */
function wasTaken(it: Placed, at: number): boolean | undefined {
  const { type, status, to, statusSince } = it.fact;
  if (NEVER_TAKEN.has(status) || timeOf(it) > at || endOf(to) < at) return false;
  if (TAKEN.has(status)) return true;
  const changed = endOf(statusSince);
  if (!Number.isNaN(changed)) return changed >= at;
  // A statement's period is that of taking it; a prescription that was stopped ended some time before its own.
  const isPeriodOfUse = type === 'MedicationStatement' || status === 'completed';
  return isPeriodOfUse && to !== undefined ? true : undefined;
}

const NEVER_TAKEN = new Set(['not-taken', 'cancelled']);

const isExplained = ({ fact }: Placed) => fact.reason !== undefined || fact.refs['reason'] !== undefined;

function doseChange(before: Placed, given: Placed): Changed | undefined {
  const [was, is] = [doseOf(before), doseOf(given)];
  return was === '' || is === '' || was === is ? undefined : { change: 'changed' };
}

/** Words of a dose that can be compared: differences of wording count as differences of dose. */
export const doseOf = ({ fact }: Pick<Placed, 'fact'>) =>
  normalised(fact.note ?? '').replaceAll(/\b(?:one|two|three|four|five|six)\b/g, (it) => NUMBERS[it]!);
const NUMBERS: Readonly<Record<string, string>> = { one: '1', two: '2', three: '3', four: '4', five: '5', six: '6' }; // prettier-ignore

/** Each source's newest word counts; what a source itself replaced does not disagree with it. */
function newestOfEach(listed: Told, now: number): Told {
  const standing = listed.filter((it) => isCurrent(it, now));
  const told = standing.length > 0 ? standing : listed;
  const each = Map.groupBy(told.toSorted(newestWordFirst), ({ source, fact }) => `${source.organisation} ${fact.type}`); // prettier-ignore
  return [...each.values()].map(([newest]) => newest!) as unknown as Told;
}

function medicineLine(medicine: Medicine, discharge: Discharge | undefined, now: number): Item {
  const { change, because } = (discharge && changeOf(medicine, discharge, now)) ?? {};
  const sources = newestOfEach(medicine.listed, now);
  const ended = medicine.listed.find(
    (it) => hasEnded(it) && it.source.organisation === discharge?.organisation,
  );
  const shown = change === 'stopped' && ended !== undefined ? ended : sources[0];
  const last = medicine.dispensed[0];
  const detail = [
    shown.fact.note,
    shown.fact.status === 'on-hold' ? 'on hold' : undefined,
    change !== undefined && shown.fact.reason !== undefined ? `because: ${shown.fact.reason}` : undefined,
    last === undefined ? undefined : `last dispensed ${last.fact.from?.slice(0, 10) ?? 'on a day not said'}`,
  ].filter((it) => it !== undefined);
  const differs = [
    differing('dose', sources, doseAsWritten(sources)),
    disagreement(medicine.listed, sources, now),
    because,
  ].filter((it) => it !== undefined);
  return lineOf(shown, {
    sources: [shown, ...[...sources, ...(last === undefined ? [] : [last])].filter((it) => it !== shown)],
    detail: detail.join('; '),
    ...(differs.length > 0 && { differs: differs.join('; ') }),
    ...(change !== undefined && { change }),
  });
}

/** The dose as the first who says it so wrote it. */
function doseAsWritten(sources: readonly Placed[]) {
  const written = new Map(sources.toReversed().map((it) => [doseOf(it), it.fact.note]));
  return (it: Placed) => written.get(doseOf(it));
}

/** One source says that it is taken and another, later or not, that it was ended. */
function disagreement(listed: Told, shown: Told, now: number): string | undefined {
  if (!isCurrent(shown[0], now)) return undefined;
  const others = listed.filter((it) => hasEnded(it) && !shown.some((one) => one.source.organisation === it.source.organisation)); // prettier-ignore
  return others.length === 0 ? undefined : differing('status', [shown[0], ...others], (it) => it.fact.status);
}
