/** Visits of community services: which were made, and which should have been. */
import { begun, isHeld, organisationOf } from './attendances.ts';
import type { Placed, WorkItem } from './care-setting.ts';
import { hasDied } from './death.ts';
import { protectionOf } from './protection.ts';
import { DAY_MS, isCoded, ofKind, timeOf } from './sections.ts';

/** At home, or by a community service. */
export function isVisit({ fact, source }: Placed): boolean {
  if (fact.kind !== 'encounter' && fact.kind !== 'appointment') return false;
  return fact.grade === 'HH' || isCoded(fact.codes, VISITS) || source.careSetting === 'community';
}

/** Plans and episodes by which a community service has the person on its caseload. */
export function onCaseload(facts: readonly Placed[]): readonly Placed[] {
  const visiting = new Set(
    facts.filter((it) => it.fact.kind === 'encounter' && isVisit(it)).map(organisationOf),
  );
  return ofKind(facts, 'plan', 'episode').filter((it) => {
    const { codes, status } = it.fact;
    if (status !== 'active' || protectionOf(it) !== undefined || isCoded(codes, OTHERS_PLANS)) return false;
    if (it.source.careSetting === 'community' || isCoded(codes, SERVICES)) return true;
    return visiting.has(organisationOf(it));
  });
}

/** One for each service that has the person on its caseload. */
export function caseload(facts: readonly Placed[]): readonly WorkItem[] {
  if (hasDied(facts)) return [];
  const byService = Map.groupBy(onCaseload(facts), organisationOf);
  return [...byService].map(([owner, plans]): WorkItem => {
    // Newest first, so the last is the one they came with.
    const first = plans.at(-1)!;
    const ends = plans.flatMap(({ fact }) => fact.to ?? []).filter((it) => !Number.isNaN(Date.parse(it)));
    return {
      stream: first.stream,
      since: begun(first),
      ...(ends.length === plans.length && { due: new Date(Math.max(...ends.map((it) => Date.parse(it)))).toISOString() }), // prettier-ignore
      owner,
      state: 'active',
      text: plans.map(({ fact }) => fact.text).join(', '),
    };
  });
}

/** Each visit that is planned, with the time from which it is overdue, until it is made or called off. */
export function visitsToMake(facts: readonly Placed[]): readonly WorkItem[] {
  if (hasDied(facts)) return [];
  const made = facts.filter((it) => isHeld(it) && isVisit(it));
  const booked = facts.filter((it) => isVisit(it) && EXPECTED[it.fact.kind]?.has(it.fact.status) === true);
  const single = booked
    .filter((it) => !made.some((visit) => isThatVisit(visit, it)))
    .map((it) => workOf(it, begun(it), endOf(it), 'booked'));
  const repeated = onCaseload(facts).flatMap((plan) => repeatedVisit(plan, made));
  return [...single, ...repeated];
}

/** A plan's most pressing activity: counted from the last visit by the plan's own service. */
function repeatedVisit(plan: Placed, made: readonly Placed[]): readonly WorkItem[] {
  const own = made.filter((it) => organisationOf(it) === organisationOf(plan) && timeOf(it) >= timeOf(plan));
  const since = Math.max(timeOf(plan), ...own.map(timeOf));
  const due = (plan.fact.parts ?? []).flatMap(({ everyDays, until, value }) => {
    if (value?.kind === 'text' && DONE.has(value.text)) return [];
    if (everyDays !== undefined) return [since + everyDays * DAY_MS];
    const end = Date.parse(until ?? '');
    return Number.isNaN(end) || own.length > 0 ? [] : [end];
  });
  if (due.length === 0) return [];
  return [workOf(plan, new Date(since).toISOString(), Math.min(...due), 'repeated')];
}

/** Linked to it, or made by the same service within half a day of it. */
function isThatVisit(visit: Placed, planned: Placed): boolean {
  if (visit.fact.refs['appointment']?.includes(planned.stream) === true) return true;
  return organisationOf(visit) === organisationOf(planned) && Math.abs(timeOf(visit) - timeOf(planned)) <= DAY_MS / 2; // prettier-ignore
}

function workOf(placed: Placed, since: string, due: number, state: string): WorkItem {
  const { stream, fact } = placed;
  return { stream, since, due: new Date(due).toISOString(), owner: organisationOf(placed), state, text: fact.text }; // prettier-ignore
}

function endOf(placed: Placed): number {
  const end = Date.parse(placed.fact.to ?? '');
  return Number.isNaN(end) ? timeOf(placed) : end;
}

/** https://hl7.org/fhir/R4/valueset-appointmentstatus.html */
const EXPECTED: Readonly<Record<string, ReadonlySet<string>>> = {
  encounter: new Set(['planned']),
  appointment: new Set(['booked', 'pending', 'waitlist']),
};

/** https://hl7.org/fhir/R4/valueset-care-plan-activity-status.html */
const DONE = new Set(['completed', 'cancelled', 'stopped', 'entered-in-error', 'on-hold']);

/** SNOMED CT: home visit, dressing of wound. */
const VISITS = new Set(['439708006', '182531007']);
/** SNOMED CT: community nursing, community health and community rehabilitation services. */
const SERVICES = new Set(['931801000000101', '413294000', '310131003']);
/** SNOMED CT: mental health crisis plan. */
const OTHERS_PLANS = new Set(['736253002']);
