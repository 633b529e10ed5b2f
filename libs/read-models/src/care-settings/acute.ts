/** What a doctor opens first who admits somebody: what the practice knows, what was found lately, why they are here. */
import type { CareSetting, Placed, Section } from './care-setting.ts';
import { allergySection } from './allergies.ts';
import {
  alertSection,
  earlyWarningSection,
  emergencyPlanSection,
  safeguardingSection,
} from './emergency-care.ts';
import { dischargeClock, inPatients, spellLine } from './spell-lines.ts';
import { DAY_MS, HEADING, lineOf, ofKind, section, timeOf } from './sections.ts';
import { medicineSection } from './medicines.ts';
import { letterSection } from './letters.ts';
import { problemSection } from './problems.ts';
import { resultSection } from './results.ts';
import { spells } from './discharge-clock.ts';
import { withdrawnAlerts } from './withdrawn-alerts.ts';

export const acute: CareSetting = {
  name: 'acute',
  version: 4,
  title: 'Admission view',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'problem', 'procedure', 'observation', 'result', 'document', 'encounter', 'flag', 'plan', 'team', 'task']), // prettier-ignore
  worklists: [
    inPatients,
    dischargeClock,
    withdrawnAlerts('discharge-clock-withdrawn', [dischargeClock], ['encounter']),
  ],
  page: (facts, now) => [
    staySection(facts, now),
    alertSection(facts, now),
    safeguardingSection(facts, now),
    emergencyPlanSection(facts, now),
    allergySection(facts),
    medicineSection(facts, now, 'Medicines before admission'),
    problemSection(facts),
    earlyWarningSection(facts, now),
    resultSection(recentResults(facts, now), `Results of the last ${RESULT_DAYS} days`),
    section(HEADING.procedures, 'Procedures', ofKind(facts, 'procedure').filter(({ fact }) => fact.status !== 'not-done').slice(0, 20).map((it) => lineOf(it))), // prettier-ignore
    letterSection(facts),
  ],
};

/** Stays that go on, and those of the last 30 days. */
function staySection(facts: readonly Placed[], now: number): Section {
  const shown = spells(facts).filter(({ endedAt }) => endedAt === undefined || endedAt > now - 30 * DAY_MS);
  return section(HEADING.contacts, 'This stay and the last 30 days in hospital', shown.map((it) => spellLine(it, now))); // prettier-ignore
}

/** What was found long before says little of why somebody comes now. */
const recentResults = (facts: readonly Placed[], now: number) =>
  facts.filter((it) => timeOf(it) > now - RESULT_DAYS * DAY_MS && it.fact.status !== 'cancelled');

const RESULT_DAYS = 90;
