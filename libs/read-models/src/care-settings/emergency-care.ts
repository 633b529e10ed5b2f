/** What must be seen before anything is done to a person whom one does not know: alerts, plans for an emergency, early warning. */
import type { Item, Placed, Section } from './care-setting.ts';
import { isHeld } from './attendances.ts';
import { isScore, observationSets, setLine } from './news2-sets.ts';
import { isInForce, protectionOf } from './protection.ts';
import { DAY_MS, HEADING, isCoded, lineOf, ofKind, section } from './sections.ts';

/** Flags in force at `now` (milliseconds UTC), but for those that have a section of their own. */
export function alertSection(facts: readonly Placed[], now: number): Section {
  const flags = ofKind(facts, 'flag').filter((it) => isInForce(it, now) && !isDecision(it) && protectionOf(it) === undefined); // prettier-ignore
  return section(HEADING.alerts, 'Safety alerts', flags.map((it) => lineOf(it, { urgent: true }))); // prettier-ignore
}

/** Each protection once, whoever of team, plan and flag tells of it. */
export function safeguardingSection(facts: readonly Placed[], now: number): Section {
  const byCode = new Map<string, [Placed, ...Placed[]]>();
  for (const placed of ofKind(facts, 'team', 'plan', 'flag', 'problem')) {
    const code = protectionOf(placed)?.code;
    if (code === undefined || !isInForce(placed, now)) continue;
    const known = byCode.get(code);
    if (known === undefined) byCode.set(code, [placed]);
    else known.push(placed);
  }
  const items = [...byCode.values()].map((sources): Item => {
    const text = protectionOf(sources[0])?.display ?? sources[0].fact.text;
    return { text, sources, urgent: true };
  });
  return section(HEADING.safeguarding, 'Safeguarding', items);
}

/**
 * Decisions about resuscitation first, then plans for an emergency. Where decisions in force say both, each says so: neither is
 * chosen here.
 */
export function emergencyPlanSection(facts: readonly Placed[], now: number): Section {
  const decisions = ofKind(facts, 'flag', 'problem', 'observation', 'procedure').filter((it) => isDecision(it) && isStanding(it, now)); // prettier-ignore
  const isDisputed = decisions.some(isAgainst) && !decisions.every(isAgainst);
  const differs = 'another decision in force says otherwise';
  const lines = [
    ...decisions.map((it) => lineOf(it, { urgent: true, ...(isDisputed && { differs }) })),
    ...emergencyPlans(facts, now).map((it) => lineOf(it)),
  ];
  return section(HEADING.plans, 'Resuscitation and emergency care plans', lines);
}

/** Plans made for a day like this, as CarePlan or as document, in force at `now`; newest first. */
export function emergencyPlans(facts: readonly Placed[], now: number): readonly Placed[] {
  return ofKind(facts, 'plan', 'document').filter((it) => isCoded([...it.fact.codes, ...it.fact.categories], PLANS) && isStanding(it, now)); // prettier-ignore
}

/** Scores of the last 30 days, newest first, at most eight. */
export function earlyWarningSection(facts: readonly Placed[], now: number): Section {
  const sets = observationSets(facts, now - 30 * DAY_MS).filter(isScore);
  const lines = sets.slice(0, 8).map((set, index) => setLine(set, sets[index + 1]));
  return section(HEADING.scores, 'Early warning score (NEWS2)', lines);
}

/** The contacts that took place in this many days before `now`, newest first. */
export function contactsIn(facts: readonly Placed[], days: number, now: number): readonly Placed[] {
  return ofKind(facts, 'encounter').filter((it) => isHeld(it) && Date.parse(it.fact.to ?? it.fact.from ?? it.source.occurredAt) > now - days * DAY_MS); // prettier-ignore
}

function isStanding(placed: Placed, now: number): boolean {
  const { kind, status, grade } = placed.fact;
  if (kind === 'document') return LASTING.has(status) && grade !== 'preliminary';
  if (kind === 'observation' || kind === 'procedure') return LASTING.has(status);
  return isInForce(placed, now);
}

const LASTING = new Set(['current', 'final', 'amended', 'corrected', 'completed']);

const isDecision = ({ fact }: Placed) => isCoded(fact.codes, DECISIONS) || decidedValue(fact, DECISIONS);
const isAgainst = ({ fact }: Placed) => isCoded(fact.codes, AGAINST) || decidedValue(fact, AGAINST);
const decidedValue = ({ value }: Placed['fact'], codes: ReadonlySet<string>) =>
  value?.kind === 'code' && isCoded(value.codes, codes);

/** SNOMED CT: not for cardiopulmonary resuscitation, not for resuscitation, the same with its document. */
const AGAINST = new Set(['450476008', '304253006', '143021000119109']);
/** And: for cardiopulmonary resuscitation, for resuscitation. */
const DECISIONS = new Set([...AGAINST, '450475007', '304252001']);

/** Types of plan of the National Record Locator. https://digital.nhs.uk/services/national-record-locator */
const PLANS = new Set([
  '1382601000000107', // ReSPECT form
  '736253002', // Mental health crisis plan
  '325691000000100', // Contingency plan
  '736373009', // End of life care plan
  '861421000000109', // End of life care coordination summary
  '887701000000100', // Emergency health care plan
  '736366004', // Advance care plan
  '735324008', // Treatment escalation plan
]);
