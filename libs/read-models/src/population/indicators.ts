/**
 * Quality indicators: what is counted, in words and as pure functions of one person's facts. Each goes by the rules that the
 * care settings go by. https://hl7.org/fhir/R4/measure.html
 */
import type { Placed, WorkItem } from '../care-settings/care-setting.ts';
import { organisationOf, unscheduledAttendances } from '../care-settings/attendances.ts';
import { diedOn } from '../care-settings/death.ts';
import { spells } from '../care-settings/discharge-clock.ts';
import { isLetter, isSigned, lettersIn } from '../care-settings/letters.ts';
import { saidAt } from '../care-settings/matching.ts';
import { lastDischarge, reconciliationSection } from '../care-settings/medicines.ts';
import { abnormalityToAct, answeredAt, isOwn } from '../care-settings/practice-work.ts';
import { isInForce, protectionOf, teamOf } from '../care-settings/protection.ts';
import { resultsIn } from '../care-settings/results.ts';
import { DAY_MS, ofKind, timeOf } from '../care-settings/sections.ts';
import { ACKNOWLEDGED_WITHIN_MS, acknowledgements } from '../care-settings/social-care.ts';

/** What is known of one case now. It counts from its `due` on, so that those who were quick are not counted before the others. */
export type CaseState = 'met' | 'missed' | 'excluded';

export interface Indicator {
  /** In kebab case. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** What is counted over: each is a case. */
  readonly denominator: string;
  /** Cases that meet it. */
  readonly numerator: string;
  readonly exclusions: string;
  readonly improves: 'increase' | 'decrease';
  /** Where the standard is set. */
  readonly source: string;
  /** Of one person, however many records are linked as theirs. Pure: neither order nor time changes it. */
  readonly cases: (facts: readonly Placed[]) => readonly Case[];
}

/** `since`: of which period it is. `owner`: of which organisation. */
export type Case = Pick<WorkItem, 'stream' | 'since' | 'due' | 'owner'> & { readonly state: CaseState };

const summariesWithinADay: Indicator = {
  name: 'discharge-summaries-within-24-hours',
  title: 'Discharge summaries within 24 hours',
  description: 'How many stays, day cases and emergency attendances have a signed discharge summary a day after their end.', // prettier-ignore
  denominator: 'Stays, day cases and attendances that ended in the period, by the 24-hour discharge clock.',
  numerator: 'Those whose signed discharge summary is dated within 24 hours of the end.',
  exclusions: 'Attendances that became a stay in the same hospital; what ended less than 24 hours ago.', // prettier-ignore
  improves: 'increase',
  source: 'https://www.england.nhs.uk/digitaltechnology/info-revolution/interoperability/transfer-of-care-edischarge/guidance/', // prettier-ignore
  cases: (facts) =>
    spells(facts).flatMap(({ state, sources: [shown], endedAt, dueAt, summary }): Case[] => {
      if (endedAt === undefined || dueAt === undefined) return [];
      const isInTime = summary !== undefined && timeOf(summary) <= dueAt;
      return [caseOf(shown, endedAt, { due: dueAt, state: state === 'handed-on' ? 'excluded' : isInTime ? 'met' : 'missed' })]; // prettier-ignore
    }),
};

const lettersWithinAWeek: Indicator = {
  name: 'letters-filed-within-7-days',
  title: 'Letters filed within 7 days',
  description: 'How many letters of other organisations the practice has dealt with in a week.',
  denominator: 'Signed letters, discharge summaries and reports of other organisations, written in the period.', // prettier-ignore
  numerator: 'Those for which a Task with the letter as its focus was completed within 7 days.',
  exclusions: 'Letters that are less than 7 days old; of people who died before they were due.',
  improves: 'increase',
  source: 'https://www.england.nhs.uk/gp/',
  cases: (facts) => {
    const [practice] = practicesOf(facts);
    return lettersIn(facts).flatMap((letter): Case[] => {
      const isOurs = isOwn(letter, facts) || letter.some(({ source }) => source.organisation === practice);
      if (!isLetter(letter) || !isSigned(letter) || isOurs) return [];
      const written = saidAt(letter[0]);
      return [answered(letter[0], written, written + FILED_WITHIN_MS, answeredAt(letter, facts), facts, practice)]; // prettier-ignore
    });
  },
};
const FILED_WITHIN_MS = 7 * DAY_MS;

const resultsActedOn: Indicator = {
  name: 'abnormal-results-acted-on',
  title: 'Abnormal results acted on in time',
  description: 'How many abnormal results somebody has acted on: critical ones in a day, others in 7 days.',
  denominator: 'Final abnormal results of the period, of people who were not in hospital.',
  numerator: 'Those that a completed Task or message, or a referral, answers in time.',
  exclusions: 'Results whose time is not over yet; of people who died before it was.',
  improves: 'increase',
  source: 'https://www.nice.org.uk/guidance/ng5',
  cases: (facts) =>
    resultsIn(facts).flatMap((result): Case[] => {
      const abnormality = abnormalityToAct(result, facts);
      if (abnormality === undefined) return [];
      const said = saidAt(result[0]);
      const due = said + (abnormality === 'critical' ? DAY_MS : ACTED_ON_WITHIN_MS);
      return [answered(result[0], said, due, answeredAt(result, facts), facts, practicesOf(facts)[0])];
    }),
};
const ACTED_ON_WITHIN_MS = 7 * DAY_MS;

const appointmentsMissed: Indicator = {
  name: 'appointments-missed',
  title: 'Appointments missed',
  description: 'To how many of their appointments people did not come.',
  denominator: 'Appointments of the period that were kept or missed.',
  numerator: 'Those that were missed (`noshow`).',
  exclusions: 'Appointments after the person had died.',
  improves: 'decrease',
  source:
    'https://digital.nhs.uk/data-and-information/publications/statistical/appointments-in-general-practice',
  cases: (facts) => {
    const died = diedOn(facts);
    return ofKind(facts, 'appointment').flatMap((it): Case[] => {
      const state = OUTCOME.get(it.fact.status);
      return state === undefined ? [] : [caseOf(it, timeOf(it), { state: timeOf(it) > died ? 'excluded' : state, owner: it.source.organisation })]; // prettier-ignore
    });
  },
};
/** https://hl7.org/fhir/R4/valueset-appointmentstatus.html */
const OUTCOME = new Map<string, CaseState>([
  ['noshow', 'met'],
  ['fulfilled', 'missed'],
  ['arrived', 'missed'],
  ['checked-in', 'missed'],
]);

const attendancesWithPlan: Indicator = {
  name: 'unscheduled-attendances-with-care-plan',
  title: 'Unscheduled attendances with a care plan',
  description: 'How many of those who come unscheduled have a care plan that was made beforehand.',
  denominator: 'Unscheduled attendances that began in the period.',
  numerator: 'Those of a person of whom a care plan was in force then. A protection plan is none.',
  exclusions: 'None.',
  improves: 'increase',
  source: 'https://www.england.nhs.uk/personalisedcare/',
  cases: (facts) => {
    const plans = ofKind(facts, 'plan').filter((it) => protectionOf(it) === undefined);
    return unscheduledAttendances(facts).map((it) =>
      caseOf(it, timeOf(it), { state: plans.some((plan) => isInForce(plan, timeOf(it))) ? 'met' : 'missed' }),
    );
  },
};

const protectedAcknowledged: Indicator = {
  name: 'protected-attendances-acknowledged-within-a-day',
  title: 'Attendances of protected people acknowledged within a day',
  description: 'How many unscheduled attendances of children and adults under protection a social worker took on in a day.', // prettier-ignore
  denominator: 'Unscheduled attendances of the period that began while a protection was in force.',
  numerator: 'Those whose safeguarding alert was taken on within 24 hours.',
  exclusions: 'Attendances of the last 24 hours.',
  improves: 'increase',
  source: 'https://www.gov.uk/government/publications/working-together-to-safeguard-children--2',
  cases(facts) {
    const protecting = facts.filter((it) => protectionOf(it) !== undefined);
    return unscheduledAttendances(facts).flatMap((it): Case[] => {
      const at = timeOf(it);
      const inForce = protecting.filter((one) => isInForce(one, at));
      if (inForce.length === 0) return [];
      const due = at + ACKNOWLEDGED_WITHIN_MS;
      const isInTime = acknowledgements(it, facts).some((task) => saidAt(task) <= due);
      const owner = teamOf(inForce, facts);
      return [caseOf(it, at, { due, state: isInTime ? 'met' : 'missed', ...(owner && { owner }) })];
    });
  },
};

const medicinesReconciled: Indicator = {
  name: 'medicines-reconciled-within-7-days',
  title: 'Medicines reconciled within 7 days of discharge',
  description: 'After how many stays in hospital the medicines list at home agrees, a week later, with what hospital did to it.', // prettier-ignore
  denominator: 'Admissions that ended in the period, at whose end something was prescribed.',
  numerator: 'Those after which 7 days later no medicine is left that hospital started, stopped or changed and the list at home does not tell of.', // prettier-ignore
  exclusions: 'Stays that ended less than 7 days ago; of people who died or were discharged from another stay within these 7 days.', // prettier-ignore
  improves: 'increase',
  source: 'https://www.nice.org.uk/guidance/qs120/chapter/quality-statement-5-medicines-reconciliation-in-primary-care', // prettier-ignore
  cases: (facts) =>
    spells(facts).flatMap(({ kind, sources: [stay], endedAt }): Case[] => {
      if (kind !== 'in-patient' || endedAt === undefined) return [];
      const due = endedAt + RECONCILED_WITHIN_MS;
      const before = facts.filter((it) => it.fact.kind !== 'medicine' || saidAt(it) <= due);
      if (lastDischarge(before, endedAt)?.stay !== stay.stream) return [];
      const isOver = diedOn(facts) <= due || lastDischarge(before, due)?.stay !== stay.stream;
      const isSettled = reconciliationSection(before, due) === undefined;
      const owner = practicesOf(facts)[0];
      const state = isOver ? 'excluded' : isSettled ? 'met' : 'missed';
      return [caseOf(stay, endedAt, { due, state, ...(owner !== undefined && { owner }) })];
    }),
};
const RECONCILED_WITHIN_MS = 7 * DAY_MS;

/** In the order in which they are listed. */
export const indicators: readonly Indicator[] = [
  summariesWithinADay,
  lettersWithinAWeek,
  resultsActedOn,
  appointmentsMissed,
  attendancesWithPlan,
  protectedAcknowledged,
  medicinesReconciled,
];

/** ODS code before a reference, where the facts tell. */
export function practicesOf(facts: readonly Placed[]): readonly string[] {
  const told = ofKind(facts, 'person').flatMap(({ fact }) => fact.refs['practice'] ?? []);
  return [...new Set(told)].toSorted((a, b) => Number(a.includes('/')) - Number(b.includes('/')) || (a < b ? -1 : 1)); // prettier-ignore
}

function caseOf(
  about: Placed,
  since: number,
  { due, state, owner = organisationOf(about) }: { due?: number; state: CaseState; owner?: string },
): Case {
  return {
    stream: about.stream,
    since: new Date(since).toISOString(),
    ...(due !== undefined && { due: new Date(due).toISOString() }),
    owner,
    state,
  };
}

function answered(
  about: Placed,
  since: number,
  due: number,
  at: number | undefined,
  facts: readonly Placed[],
  owner: string | undefined,
): Case {
  const isInTime = at !== undefined && at <= due;
  const state = isInTime ? 'met' : diedOn(facts) <= due ? 'excluded' : 'missed';
  return caseOf(about, since, { due, state, ...(owner !== undefined && { owner }) });
}
