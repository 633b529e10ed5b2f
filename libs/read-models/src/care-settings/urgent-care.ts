/** What a paramedic, a 111 adviser, an out-of-hours doctor or an emergency department opens first. */
import type { CareSetting, Item, Placed, Section } from './care-setting.ts';
import { allergySection } from './allergies.ts';
import { alertSection, contactsIn, earlyWarningSection, emergencyPlanSection, safeguardingSection } from './emergency-care.ts'; // prettier-ignore
import { carePlanCallers, callerHints } from './callers.ts';
import { emergencyResponse, urgentResponse } from './deterioration.ts';
import { HEADING, lineOf, section } from './sections.ts';
import { medicineSection } from './medicines.ts';
import { problemSection } from './problems.ts';
import { spellLine } from './spell-lines.ts';
import { spells } from './discharge-clock.ts';
import { withdrawnAlerts } from './withdrawn-alerts.ts';

export const urgentCare: CareSetting = {
  name: 'urgent-care',
  version: 5,
  title: 'Emergency summary',
  kinds: new Set(['person', 'allergy', 'medicine', 'dispensing', 'problem', 'procedure', 'observation', 'document', 'encounter', 'flag', 'plan', 'team', 'task']), // prettier-ignore
  worklists: [
    emergencyResponse,
    urgentResponse,
    carePlanCallers,
    withdrawnAlerts('news2-withdrawn', [emergencyResponse, urgentResponse], ['observation']),
  ],
  page: (facts, now) => [
    alertSection(facts, now),
    safeguardingSection(facts, now),
    emergencyPlanSection(facts, now),
    allergySection(facts),
    medicineSection(facts, now),
    problemSection(facts),
    earlyWarningSection(facts, now),
    contactSection(facts, now),
  ],
};

/** Hints first; then discharges, attendances, calls, ambulances and whatever else there was, newest first. */
function contactSection(facts: readonly Placed[], now: number): Section {
  const recent = contactsIn(facts, CONTACT_DAYS, now);
  const streams = new Set(recent.map(({ stream }) => stream));
  const stays = spells(facts).filter(({ sources, state }) => state === 'admitted' || sources.some(({ stream }) => streams.has(stream))); // prettier-ignore
  const shown = new Set(stays.flatMap(({ sources }) => sources.map(({ stream }) => stream)));
  const others = recent.filter(({ stream, fact }) => !shown.has(stream) && !(fact.refs['partOf'] ?? []).some((it) => shown.has(it))); // prettier-ignore
  const timed: readonly (readonly [number, Item])[] = [
    ...stays.map((it) => [it.startedAt, spellLine(it, now)] as const),
    ...others.map((it) => [Date.parse(it.fact.from ?? it.source.occurredAt), lineOf(it)] as const),
  ];
  const lines = timed.toSorted(([a], [b]) => b - a).map(([, line]) => line);
  return section(HEADING.contacts, `Discharges and attendances in ${CONTACT_DAYS} days`, [...callerHints(facts, now), ...lines]); // prettier-ignore
}

const CONTACT_DAYS = 90;
