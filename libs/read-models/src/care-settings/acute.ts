/** What a doctor opens first who admits somebody: what the practice knows, what was found lately, why they are here. */
import type { CareSetting, Placed, Section } from './care-setting.ts';
import type { Fact } from './fact.ts';
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
import { spells } from './discharge-clock.ts';

export const acute: CareSetting = {
  name: 'acute',
  version: 2,
  title: 'Admission view',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'problem', 'procedure', 'observation', 'result', 'document', 'encounter', 'flag', 'plan', 'team']), // prettier-ignore
  worklists: [inPatients, dischargeClock],
  page: (facts, now) => [
    staySection(facts, now),
    alertSection(facts, now),
    safeguardingSection(facts, now),
    emergencyPlanSection(facts, now),
    allergySection(facts),
    medicineSection(facts, now, 'Medicines before admission'),
    section(HEADING.problems, 'Problems', ofKind(facts, 'problem').filter(({ fact }) => fact.status === 'active').map((it) => lineOf(it))), // prettier-ignore
    earlyWarningSection(facts, now),
    resultSection(facts, now),
    section(HEADING.procedures, 'Procedures', ofKind(facts, 'procedure').filter(({ fact }) => fact.status !== 'not-done').slice(0, 20).map((it) => lineOf(it))), // prettier-ignore
    section(HEADING.documents, 'Letters and documents', ofKind(facts, 'document').filter(({ fact }) => fact.status !== 'superseded').slice(0, 20).map((it) => lineOf(it))), // prettier-ignore
  ],
};

/** Stays that go on, and those of the last 30 days. */
function staySection(facts: readonly Placed[], now: number): Section {
  const shown = spells(facts).filter(({ endedAt }) => endedAt === undefined || endedAt > now - 30 * DAY_MS);
  return section(HEADING.contacts, 'This stay and the last 30 days in hospital', shown.map((it) => spellLine(it, now))); // prettier-ignore
}

/** Reports and laboratory findings of 90 days; a finding that a report counts among its own stands under the report alone. */
function resultSection(facts: readonly Placed[], now: number): Section {
  const recent = ofKind(facts, 'result', 'observation').filter((it) => timeOf(it) > now - RESULT_DAYS * DAY_MS && it.fact.status !== 'cancelled'); // prettier-ignore
  const reports = recent.filter(({ fact }) => fact.kind === 'result');
  const reported = new Set(reports.flatMap(({ fact }) => fact.refs['members'] ?? []));
  const findings = recent.filter(({ stream, fact }) => isLaboratory(fact) && !reported.has(stream));
  const found = new Map(facts.map((it) => [it.stream, it]));
  const lines = [...reports, ...findings].map((it) => {
    const members = (it.fact.refs['members'] ?? []).flatMap((member) => found.get(member) ?? []);
    const detail = members.map((member) => [member.fact.text, lineOf(member).detail].join(' ')).join(', ');
    return lineOf(it, {
      ...(detail !== '' && {
        detail: [it.fact.note, detail].filter((said) => said !== undefined).join('; '),
      }),
      ...(CORRECTED.has(it.fact.status) && { change: 'changed' as const }),
      ...([it, ...members].some(({ fact }) => CRITICAL.has(fact.grade ?? '')) && { urgent: true as const }),
    });
  });
  return section(HEADING.results, `Results of the last ${RESULT_DAYS} days`, lines);
}

const RESULT_DAYS = 90;
const isLaboratory = ({ kind, categories }: Fact) => kind === 'observation' && categories.some(({ code }) => code === 'laboratory'); // prettier-ignore
const CORRECTED = new Set(['corrected', 'amended', 'appended']);
/** https://terminology.hl7.org/ValueSet-v3-ObservationInterpretation.html: far out of range. */
const CRITICAL = new Set(['HH', 'LL', 'AA', 'HU', 'LU']);
