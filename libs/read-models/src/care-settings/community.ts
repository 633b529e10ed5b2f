/** Community care: what is planned at home, how wounds heal, who came and who should have. */
import { isHeld } from './attendances.ts';
import type { CareSetting, Item, Placed } from './care-setting.ts';
import { isInForce, protectionOf } from './protection.ts';
import { activitiesText, DAY_MS, HEADING, lineOf, ofKind, section, timeOf } from './sections.ts';
import { caseload, isVisit, visitsToMake } from './visits.ts';
import { woundItems } from './wounds.ts';

export const community: CareSetting = {
  name: 'community',
  version: 4,
  title: 'Community care',
  kinds: new Set(['person', 'problem', 'observation', 'episode', 'encounter', 'appointment', 'plan', 'goal']), // prettier-ignore
  worklists: [
    {
      name: 'community-caseload',
      title: 'Caseload',
      kinds: new Set(['person', 'plan', 'episode', 'encounter']),
      items: caseload,
    },
    {
      name: 'community-visits',
      title: 'Visits that are due or overdue',
      kinds: new Set(['person', 'plan', 'episode', 'encounter', 'appointment']),
      items: visitsToMake,
    },
  ],
  page: (facts, now) => [
    section(HEADING.plans, 'Care plans', plans(facts, now)),
    section(HEADING.problems, 'Wounds', woundItems(facts)),
    section(HEADING.plans, 'Visits to make', toMake(facts, now)),
    section(HEADING.contacts, 'Visits made', made(facts, now)),
    section(HEADING.observations, 'Observations', newestOfEach(facts)),
  ],
};

function plans(facts: readonly Placed[], now: number): readonly Item[] {
  return ofKind(facts, 'plan')
    .filter((it) => isInForce(it, now) && protectionOf(it) === undefined)
    .map((plan) => {
      const goals = ofKind(facts, 'goal').filter(({ stream }) => plan.fact.refs['goal']?.includes(stream) === true); // prettier-ignore
      const aims = goals.map(({ fact }) => `goal: ${fact.text}`).toSorted();
      const detail = [plan.fact.note, activitiesText(plan), ...aims].filter((it) => it).join('; ');
      return { ...lineOf(plan, { detail }), sources: [plan, ...goals] as const };
    });
}

function toMake(facts: readonly Placed[], now: number): readonly Item[] {
  const waiting = new Map(visitsToMake(facts).map((it) => [it.stream, it]));
  return ofKind(facts, 'encounter', 'appointment', 'plan').flatMap((it) => {
    const work = waiting.get(it.stream);
    if (work === undefined) return [];
    const isOverdue = Date.parse(work.due!) < now;
    const detail = `${isOverdue ? 'overdue since' : 'due by'} ${work.due!.slice(0, 16).replace('T', ' ')} UTC`;
    return [lineOf(it, { detail, ...(isOverdue && { urgent: true as const }) })];
  });
}

/** Of a year. */
function made(facts: readonly Placed[], now: number): readonly Item[] {
  return ofKind(facts, 'encounter')
    .filter((it) => isVisit(it) && isHeld(it) && timeOf(it) > now - 365 * DAY_MS)
    .map((it) => lineOf(it, { detail: it.fact.from?.slice(0, 10) ?? '' }));
}

/** The newest of each thing that is measured; wounds are under their own heading. */
function newestOfEach(facts: readonly Placed[]): readonly Item[] {
  const isOfWound = new Set(woundItems(facts).flatMap((it) => it.sources.map(({ stream }) => stream)));
  const all = ofKind(facts, 'observation').filter(({ stream }) => !isOfWound.has(stream));
  const byCode = Map.groupBy(all, ({ fact }) => (fact.codes[0] === undefined ? fact.text : `${fact.codes[0].system} ${fact.codes[0].code}`)); // prettier-ignore
  return [...byCode.values()].map(([newest]) => lineOf(newest!));
}
