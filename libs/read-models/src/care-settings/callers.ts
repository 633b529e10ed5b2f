/** Who calls again and again, who attends often, and who called though there is a plan for such a day. */
import type { Item, Placed, Worklist, WorkItem } from './care-setting.ts';
import { begun, isHeld, isUnscheduled, organisationOf, unscheduledAttendances } from './attendances.ts';
import { DAY_MS, newestFirst, ofKind, timeOf } from './sections.ts';
import { emergencyPlans } from './emergency-care.ts';
import { isInForce } from './protection.ts';
import { spells } from './discharge-clock.ts';

/**
 * Repeat caller: three calls within 96 hours, as NHS 111 has it. https://digital.nhs.uk/services/repeat-caller-service
 * Frequent attender: five attendances of emergency departments within a year, where studies and services begin to count
 * (Jacob and others, Clinical Medicine 2016; 16: 325). A call or attendance told by two sources counts once.
 */
export function callerHints(facts: readonly Placed[], now: number): readonly Item[] {
  const calls = within(eachOnce(facts.filter(isCall)), REPEAT_MS, now);
  const visits = spells(facts).filter((it) => it.kind === 'attendance').map((it) => it.sources[0]); // prettier-ignore
  const attended = within(eachOnce(visits), YEAR_MS, now);
  return [
    ...hint(calls, REPEAT_CALLS, `Repeat caller: ${calls.length} calls in 96 hours`),
    ...hint(attended, FREQUENT_VISITS, `Frequent attender: ${attended.length} attendances in a year`),
  ];
}

/**
 * People with a plan who just called, were fetched or came unplanned: the plan's authors want to know, and whoever answers
 * wants the plan. It waits until somebody has seen the person as planned, or a task about it is done.
 */
export const carePlanCallers: Worklist = {
  name: 'care-plan-callers',
  title: 'People with a care plan who just called',
  kinds: new Set(['encounter', 'plan', 'document', 'task']),
  items: (facts): readonly WorkItem[] => {
    const contact = unscheduledAttendances(facts).toSorted(newestFirst)[0];
    if (contact === undefined || isAnswered(facts, contact)) return [];
    const at = timeOf(contact);
    const plans = new Set([...ofKind(facts, 'plan').filter((it) => isInForce(it, at)), ...emergencyPlans(facts, at)]); // prettier-ignore
    const [plan] = [...plans].toSorted(newestFirst);
    if (plan === undefined) return [];
    // Not which plan: it may be one that not everybody who sees the contact may know of.
    const what = contact.fact.text === '' ? 'Unplanned contact' : contact.fact.text;
    return [{ stream: contact.stream, since: begun(contact), owner: organisationOf(plan), state: 'called', text: `${what}; there is a care plan` }]; // prettier-ignore
  },
};

function isAnswered(facts: readonly Placed[], contact: Placed): boolean {
  const isSeenSince = facts.some((it) => isHeld(it) && !isUnscheduled(it) && timeOf(it) > timeOf(contact) && it.fact.grade !== 'VR'); // prettier-ignore
  return isSeenSince || facts.some(({ fact }) => fact.kind === 'task' && fact.status === 'completed' && fact.refs['focus']?.includes(contact.stream) === true); // prettier-ignore
}

/** By telephone or screen, unplanned. */
const isCall = (placed: Placed) => placed.fact.grade === 'VR' && isUnscheduled(placed);

/** Told by two sources: the same identifier, or the same instant. */
function eachOnce(contacts: readonly Placed[]): readonly Placed[] {
  const known = new Set<string>();
  return contacts.toSorted(newestFirst).filter((it) => {
    const names = [...it.fact.identifiers, String(timeOf(it))];
    const isNew = !names.some((name) => known.has(name));
    for (const name of names) known.add(name);
    return isNew;
  });
}

const within = (contacts: readonly Placed[], span: number, now: number) =>
  contacts.filter((it) => timeOf(it) > now - span && timeOf(it) <= now);

function hint(contacts: readonly Placed[], from: number, text: string): readonly Item[] {
  const [first, ...others] = contacts;
  return first === undefined || contacts.length < from ? [] : [{ text, sources: [first, ...others], urgent: true }]; // prettier-ignore
}

const REPEAT_CALLS = 3;
const REPEAT_MS = 4 * DAY_MS;
const FREQUENT_VISITS = 5;
const YEAR_MS = 365 * DAY_MS;
