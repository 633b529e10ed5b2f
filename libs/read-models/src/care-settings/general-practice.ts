/** General practice: the longitudinal summary, what hospital did to the medicines, and what waits for the practice. */
import { allergySection } from './allergies.ts';
import type { CareSetting, Placed, Section } from './care-setting.ts';
import { letterSection } from './letters.ts';
import { medicineSection, reconciliationSection } from './medicines.ts';
import {
  appointmentsMissed,
  lettersNotFiled,
  referralsWithoutAppointment,
  resultsNotActedOn,
} from './practice-work.ts';
import { immunisationSection, pastProblemSection, problemSection } from './problems.ts';
import { observationSection, resultSection } from './results.ts';
import { DAY_MS, HEADING, lineOf, ofKind, section, timeOf } from './sections.ts';

export const generalPractice: CareSetting = {
  name: 'general-practice',
  version: 4,
  title: 'General practice summary',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'problem', 'procedure', 'immunisation', 'observation', 'result', 'document', 'encounter', 'referral', 'appointment', 'task', 'message', 'plan', 'flag']), // prettier-ignore
  worklists: [lettersNotFiled, resultsNotActedOn, referralsWithoutAppointment, appointmentsMissed],
  page: (facts, now) => {
    const reconciliation = reconciliationSection(facts, now);
    return [
      alertSection(facts),
      allergySection(facts),
      ...(reconciliation === undefined ? [] : [reconciliation]),
      medicineSection(facts, now),
      problemSection(facts),
      section(HEADING.plans, 'Care plans', standing(facts, 'plan')),
      contactSection(facts, now),
      letterSection(facts),
      resultSection(facts),
      observationSection(facts),
      section(HEADING.requests, 'Referrals', standing(facts, 'referral')),
      immunisationSection(facts),
      section(HEADING.procedures, 'Procedures', ofKind(facts, 'procedure').slice(0, 20).map((it) => lineOf(it))), // prettier-ignore
      pastProblemSection(facts),
    ];
  },
};

const standing = (facts: readonly Placed[], kind: 'plan' | 'referral' | 'flag') =>
  ofKind(facts, kind).filter(({ fact }) => fact.status === 'active').map((it) => lineOf(it)); // prettier-ignore

const alertSection = (facts: readonly Placed[]) =>
  section(HEADING.alerts, 'Alerts', standing(facts, 'flag').map((it) => ({ ...it, urgent: true as const }))); // prettier-ignore

const RECENT = 90 * DAY_MS;

/** Where the person was seen, other than in the practice. */
function contactSection(facts: readonly Placed[], now: number): Section {
  const own = new Set(ofKind(facts, 'person').flatMap(({ fact }) => fact.refs['practice'] ?? []));
  const elsewhere = ofKind(facts, 'encounter').filter((it) => {
    const isOwn = it.fact.refs['organisation']?.some((ref) => own.has(ref)) === true;
    return !isOwn && timeOf(it) <= now && Date.parse(it.fact.to ?? '9999') > now - RECENT;
  });
  return section(HEADING.contacts, 'Seen elsewhere in 90 days', elsewhere.map((it) => lineOf(it))); // prettier-ignore
}
