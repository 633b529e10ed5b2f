/** The person's own record, in plain words. What is kept from them never reaches this page. */
import { allergySection } from './allergies.ts';
import type { CareSetting, Item, Placed, Section } from './care-setting.ts';
import { letterSection } from './letters.ts';
import { medicineSection } from './medicines.ts';
import { immunisationSection, problemSection } from './problems.ts';
import { abnormalityOf, resultsIn, type Result } from './results.ts';
import { DAY_MS, HEADING, lineOf, ofKind, section, timeOf, valueText } from './sections.ts';

export const patient: CareSetting = {
  name: 'patient',
  version: 4,
  title: 'My record',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'problem', 'immunisation', 'observation', 'result', 'document', 'encounter', 'appointment', 'plan']), // prettier-ignore
  worklists: [],
  page: (facts, now) =>
    [
      appointmentSection(facts, now),
      medicineSection(facts, now, 'My medicines'),
      allergySection(facts, 'My allergies'),
      problemSection(facts, 'My health problems'),
      letterSection(facts, 'My letters'),
      section(HEADING.results, 'My test results', resultsIn(facts).slice(0, 20).map(resultLine)),
      immunisationSection(facts, 'My vaccinations'),
      section(HEADING.plans, 'My care plans', ofKind(facts, 'plan').filter(({ fact }) => fact.status === 'active').map((it) => lineOf(it))), // prettier-ignore
    ].map((it) => ({ ...it, items: it.items.map(inPlainWords) })),
};

const PAST = 90 * DAY_MS;

/** Those to come, the next one first; then those of the last 90 days. */
function appointmentSection(facts: readonly Placed[], now: number): Section {
  const known = ofKind(facts, 'appointment').filter(({ fact }) => !NOT_MADE.has(fact.status));
  const coming = known.filter((it) => timeOf(it) >= now).toReversed();
  const past = known.filter((it) => timeOf(it) < now && timeOf(it) > now - PAST);
  return section(HEADING.contacts, 'My appointments', [...coming, ...past].map((it) => appointmentLine(it, now))); // prettier-ignore
}

/** https://hl7.org/fhir/R4/valueset-appointmentstatus.html */
const NOT_MADE = new Set(['proposed', 'waitlist', 'entered-in-error']);
const STATUS: Readonly<Record<string, string>> = {
  pending: 'not confirmed yet',
  cancelled: 'cancelled',
  noshow: 'you did not come',
};

function appointmentLine(appointment: Placed, now: number): Item {
  const { status, from } = appointment.fact;
  const isMissing = from === undefined || Number.isNaN(Date.parse(from));
  const detail = [isMissing ? 'time not said' : moment(from), STATUS[status]].filter((it) => it !== undefined).join('; '); // prettier-ignore
  return lineOf(appointment, { detail, ...(status === 'pending' && timeOf(appointment) >= now && { inTransit: true as const }) }); // prettier-ignore
}

/** Each part on its own: what stands between them is not the same in every version of the locale. */
function moment(dateTime: string): string {
  const at = new Date(dateTime);
  return `${WEEKDAY.format(at)} ${DAY.format(at)} at ${TIME.format(at)}`;
}

const ZONE = { timeZone: 'Europe/London' } as const;
const WEEKDAY = new Intl.DateTimeFormat('en-GB', { ...ZONE, weekday: 'long' });
const DAY = new Intl.DateTimeFormat('en-GB', { ...ZONE, day: 'numeric', month: 'long', year: 'numeric' });
const TIME = new Intl.DateTimeFormat('en-GB', { ...ZONE, hour: '2-digit', minute: '2-digit' });

function resultLine(result: Result): Item {
  const [shown, ...members] = result;
  const own = shown.fact.value === undefined ? [] : [valueText(shown.fact.value)];
  const values = members.map(({ fact }) => `${fact.text} ${fact.value === undefined ? '' : valueText(fact.value)}`.trim()); // prettier-ignore
  const outside = abnormalityOf(result) === undefined ? [] : ['some of this is outside the usual range'];
  const detail = [...(shown.fact.note === undefined ? [] : [shown.fact.note]), ...own, ...values, ...outside];
  return lineOf(shown, { sources: result, detail: detail.join('; ') });
}

const CHANGE: Readonly<Record<NonNullable<Item['change']>, string>> = {
  started: 'new since you were in hospital',
  stopped: 'stopped in hospital',
  changed: 'changed in hospital',
  unexplained: 'the hospital and your other services do not list the same: ask your pharmacist or practice',
};

/** Urgency is for those who act on it; what differs and what changed is said in a sentence. */
function inPlainWords({ urgent: _, differs, detail, change, ...item }: Item): Item {
  const said = [detail, change && CHANGE[change]].filter((it) => it !== undefined && it !== '').join('; ');
  return {
    ...item,
    ...(said !== '' && { detail: said }),
    ...(differs !== undefined && { differs: `Your services do not all say the same. ${differs}` }),
    ...(change !== undefined && { change }),
  };
}
