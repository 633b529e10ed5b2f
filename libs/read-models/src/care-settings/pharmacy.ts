/** Pharmacy: medicines, what was handed over, allergies; and whose medicines changed since they were last here. */
import { allergySection } from './allergies.ts';
import type { CareSetting, Placed, Section, WorkItem, Worklist } from './care-setting.ts';
import { newestWordFirst, saidAt, things } from './matching.ts';
import { doseOf, hasEnded, medicineSection, medicinesOf, reconciliationSection, type Medicine } from './medicines.ts'; // prettier-ignore
import { DAY_MS, HEADING, lineOf, ofKind, section, timeOf } from './sections.ts';

/** What is new, other or ended since anything was last handed over: what the pharmacist should look at before the next time. */
export const changesSinceDispensing: Worklist = {
  name: 'changes-since-dispensing',
  title: 'Changes since last dispensing',
  kinds: new Set(['allergy', 'medicine', 'dispensing']),
  items: (facts) => {
    const last = handedOver(facts)[0];
    if (last === undefined) return [];
    const medicines = medicinesOf(facts).flatMap((it) => medicineChange(it, last));
    return [...medicines, ...allergyChanges(facts, last)];
  },
};

export const pharmacy: CareSetting = {
  name: 'pharmacy',
  version: 4,
  title: 'Pharmacy',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'encounter']),
  worklists: [changesSinceDispensing],
  page: (facts, now) => {
    const reconciliation = reconciliationSection(facts, now);
    return [
      allergySection(facts),
      ...(reconciliation === undefined ? [] : [reconciliation]),
      medicineSection(facts, now),
      dispensingSection(facts, now),
    ];
  },
};

const YEAR = 365 * DAY_MS;

function dispensingSection(facts: readonly Placed[], now: number): Section {
  const supplies = ofKind(facts, 'dispensing').filter((it) => it.fact.grade !== 'administered' && timeOf(it) > now - YEAR); // prettier-ignore
  return section(HEADING.medicines, 'Dispensed in 12 months', supplies.map((it) => lineOf(it, notHandedOver(it)))); // prettier-ignore
}

/** https://hl7.org/fhir/R4/valueset-medicationdispense-status.html */
function notHandedOver({ fact: { status, note } }: Placed) {
  if (status === 'completed') return {};
  const detail = [status, note].filter((it) => it !== undefined).join('; ');
  return status === 'preparation' || status === 'in-progress' ? { detail, inTransit: true as const } : { detail }; // prettier-ignore
}

const handedOver = (facts: readonly Placed[]) =>
  ofKind(facts, 'dispensing').filter(({ fact }) => fact.status === 'completed' && fact.grade !== 'administered'); // prettier-ignore

function medicineChange({ listed, dispensed }: Medicine, last: Placed): readonly WorkItem[] {
  const [newest] = listed;
  const had = dispensed[0];
  if (hasEnded(newest)) {
    // The day of an ending is not in the record: what was handed over at the last time, or shortly before, counts.
    const isNews = had !== undefined && timeOf(last) - timeOf(had) <= SUPPLY;
    return isNews ? [itemOf(newest, 'stopped', timeOf(had), last)] : [];
  }
  if (saidAt(newest) <= timeOf(last)) return [];
  if (had === undefined && listed.every((it) => saidAt(it) > timeOf(last))) return [itemOf(newest, 'started', saidAt(newest), last)]; // prettier-ignore
  const [was, is] = [
    doseOf(had ?? listed.find((it) => saidAt(it) <= timeOf(last)) ?? newest),
    doseOf(newest),
  ];
  return was === '' || is === '' || was === is ? [] : [itemOf(newest, 'changed', saidAt(newest), last)];
}

/** A month of tablets. */
const SUPPLY = 31 * DAY_MS;

function allergyChanges(facts: readonly Placed[], last: Placed): readonly WorkItem[] {
  const allergies = things(ofKind(facts, 'allergy')).map((it) => it.toSorted(newestWordFirst).at(-1)!);
  return allergies.filter((it) => saidAt(it) > timeOf(last) && it.fact.status === 'active').map((it) => itemOf(it, 'allergy', saidAt(it), last)); // prettier-ignore
}

/** The work of the pharmacy that dispensed last. */
function itemOf({ stream, fact }: Placed, state: string, since: number, last: Placed): WorkItem {
  const text = fact.text === '' ? fact.type : fact.text;
  return { stream, since: new Date(since).toISOString(), owner: last.source.organisation, state, text };
}
