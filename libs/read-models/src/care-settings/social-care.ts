/** Social care: who is protected, what care they get at home, who is close to them; and whom nobody planned to see. */
import { begun, isUnscheduled, unscheduledAttendances } from './attendances.ts';
import type { CareSetting, Item, Placed, WorkItem, Worklist } from './care-setting.ts';
import type { Code } from './fact.ts';
import { isInForce, protectionOf, teamOf } from './protection.ts';
import { activitiesText, DAY_MS, HEADING, lineOf, ofKind, section, timeOf, valueText } from './sections.ts';
import { withdrawnAlerts } from './withdrawn-alerts.ts';

const TASK = 'https://fhir.carelog.example/CodeSystem/task';
const ALERT: Code = { system: TASK, code: 'safeguarding-alert', display: 'Unscheduled attendance of somebody who is protected' }; // prettier-ignore
const ESCALATION: Code = { system: TASK, code: 'safeguarding-escalation', display: 'Safeguarding alert that nobody acknowledged' }; // prettier-ignore

/**
 * A social worker acknowledges within one working day: "Working Together to Safeguard Children" (Department for Education)
 * gives a local authority that long to decide on a referral.
 */
export const ACKNOWLEDGED_WITHIN_MS = DAY_MS;

/**
 * What a team learns of late it still has to know, back to the last review of the plan at least: there is one every six months
 * (the same guidance).
 */
const LATE_WITHIN_MS = 183 * DAY_MS;

const WORK_KINDS = new Set(['encounter', 'team', 'plan', 'flag', 'problem', 'task'] as const);

const safeguardingAlerts: Worklist = {
  name: 'safeguarding-alerts',
  title: 'Unscheduled attendances of people who are protected',
  kinds: WORK_KINDS,
  items: (facts) => unacknowledged(facts, 'unacknowledged'),
  alert: { code: ALERT, priority: 'urgent', isHiddenFromPatient: true, lateWithinMs: LATE_WITHIN_MS },
};

/** Nobody's work before it is due: until then it is on the list of alerts. */
const safeguardingEscalations: Worklist = {
  name: 'safeguarding-escalations',
  title: 'Safeguarding alerts that nobody acknowledged',
  kinds: WORK_KINDS,
  items: (facts) => unacknowledged(facts, 'escalated').map((it) => ({ ...it, opens: it.due! })),
  alert: { code: ESCALATION, priority: 'stat', isHiddenFromPatient: true, whenDue: true },
};

export const socialCare: CareSetting = {
  name: 'social-care',
  version: 4,
  title: 'Social care',
  kinds: new Set(['person', 'relative', 'encounter', 'team', 'plan', 'flag', 'problem', 'risk', 'task']),
  worklists: [
    safeguardingAlerts,
    safeguardingEscalations,
    withdrawnAlerts('safeguarding-withdrawn', [safeguardingAlerts, safeguardingEscalations], ['encounter']),
  ],
  page: (facts, now) => [
    section(HEADING.safeguarding, 'Safeguarding', protections(facts, now)),
    section(HEADING.contacts, 'Unscheduled attendances', attendances(facts, now)),
    section(HEADING.plans, 'Care and support', carePackage(facts, now)),
    section(HEADING.alerts, 'Risks and alerts', risks(facts, now)),
    section(HEADING.people, 'Next of kin and other people', people(facts)),
  ],
};

/** One for each unscheduled attendance that began while a protection was in force, until a social worker takes it on. */
function unacknowledged(facts: readonly Placed[], state: string): readonly WorkItem[] {
  const protecting = facts.filter((it) => protectionOf(it) !== undefined);
  if (protecting.length === 0) return [];
  return unscheduledAttendances(facts).flatMap((attendance): readonly WorkItem[] => {
    const at = timeOf(attendance);
    const inForce = protecting.filter((it) => isInForce(it, at));
    if (inForce.length === 0 || isAcknowledged(attendance, facts)) return [];
    const owner = teamOf(inForce, facts);
    // What others have put in force may be hidden from the team that is told.
    const own = inForce.filter((it) => teamOf([it], facts) === owner);
    return [
      {
        stream: attendance.stream,
        since: begun(attendance),
        due: new Date(at + ACKNOWLEDGED_WITHIN_MS).toISOString(),
        ...(owner !== undefined && { owner }),
        state,
        text: `${lineOf(attendance).text}: ${protectionNames(own)}`,
        because: own.map(({ stream }) => stream).toSorted(),
      },
    ];
  });
}

/** By a Task that this platform raised, or by one of the same kind that somebody made. */
const isAcknowledged = (attendance: Placed, facts: readonly Placed[]): boolean =>
  acknowledgements(attendance, facts).length > 0;

/** What acknowledges the attendance. */
export function acknowledgements({ stream }: Placed, facts: readonly Placed[]): readonly Placed[] {
  return facts.filter(
    ({ fact: { kind, status, refs, codes } }) =>
      kind === 'task' &&
      TAKEN_ON.has(status) &&
      refs['focus']?.includes(stream) === true &&
      codes.some(({ system, code }) => system === TASK && (code === ALERT.code || code === ESCALATION.code)),
  );
}

/** https://hl7.org/fhir/R4/valueset-task-status.html */
const TAKEN_ON = new Set(['accepted', 'in-progress', 'on-hold', 'completed']);

const protectionNames = (protecting: readonly Placed[]): string =>
  [...new Set(protecting.map((it) => nameOf(it)))].toSorted().join(', ');

function nameOf(placed: Placed): string {
  const protection = protectionOf(placed)!;
  return NAMES[protection.code] ?? protection.display ?? placed.fact.text;
}

/** What is shown whatever the sender called it. */
const NAMES: Readonly<Record<string, string>> = {
  '342191000000101': 'Subject to child protection plan',
  '764841000000100': 'Looked after child',
  '818901000000100': 'Unborn child subject to child protection plan',
  '766561000000109': 'Adult safeguarding concern',
};

/** The team's entry and the flag of one organisation are one protection; those of two organisations are two. */
function protections(facts: readonly Placed[], now: number): readonly Item[] {
  const told = ofKind(facts, 'team', 'plan', 'flag', 'problem').filter(
    (it) => protectionOf(it) !== undefined,
  );
  const byWhom = Map.groupBy(told, (it) => `${protectionOf(it)!.code} ${teamOf([it], facts)}`);
  const items = [...byWhom.values()].map((same): Item => {
    const inForce = same.filter((it) => isInForce(it, now));
    const [first, ...others] = [...inForce, ...same.filter((it) => !inForce.includes(it))] as [Placed, ...Placed[]]; // prettier-ignore
    const isMixed = inForce.length > 0 && inForce.length < same.length;
    const phone = same.find(({ fact }) => fact.kind === 'team' && fact.note !== undefined)?.fact.note;
    const detail = [period(first), phone && `telephone ${phone}`].filter((it) => it).join('; ');
    return {
      text: nameOf(first),
      sources: [first, ...others],
      ...(detail !== '' && { detail }),
      ...(isMixed && { differs: 'one source says that it has ended' }),
      ...(inForce.length > 0 ? { urgent: true as const } : { change: 'stopped' as const }),
    };
  });
  return items.toSorted((a, b) => Number(b.urgent ?? false) - Number(a.urgent ?? false));
}

/** Of two years; those that began while a protection was in force want to be seen. */
function attendances(facts: readonly Placed[], now: number): readonly Item[] {
  const protecting = facts.filter((it) => protectionOf(it) !== undefined);
  return ofKind(facts, 'encounter')
    .filter((it) => isUnscheduled(it) && timeOf(it) > now - 2 * 365 * DAY_MS)
    .map((it) => {
      const isProtected = protecting.some((one) => isInForce(one, timeOf(it)));
      const urgent = isProtected && !isAcknowledged(it, facts);
      return lineOf(it, { detail: period(it), ...(urgent && { urgent: true as const }) });
    });
}

function carePackage(facts: readonly Placed[], now: number): readonly Item[] {
  const plans = ofKind(facts, 'plan').filter((it) => protectionOf(it) === undefined && isInForce(it, now));
  const named = new Set(plans.flatMap(({ fact }) => fact.refs['team'] ?? []));
  const teams = ofKind(facts, 'team').filter((it) => protectionOf(it) === undefined && isInForce(it, now) && !named.has(it.stream)); // prettier-ignore
  return [
    ...plans.map((it): Item => {
      const teamsOf = facts.filter(({ stream }) => it.fact.refs['team']?.includes(stream) === true);
      const by = teamsOf.map(({ fact }) => fact.text).toSorted();
      const detail = [activitiesText(it), by.length > 0 && `by ${by.join(', ')}`].filter((one) => one);
      return { ...lineOf(it, { detail: detail.join('; ') }), sources: [it, ...teamsOf] };
    }),
    ...teams.map((it) => lineOf(it)),
  ];
}

function risks(facts: readonly Placed[], now: number): readonly Item[] {
  return ofKind(facts, 'flag', 'risk')
    .filter((it) => protectionOf(it) === undefined)
    .filter((it) => it.fact.kind === 'risk' || isInForce(it, now))
    .map((it) => lineOf(it));
}

/** Relatives by themselves, and contacts that a register of patients holds; told twice in the same words, once. */
function people(facts: readonly Placed[]): readonly Item[] {
  const relatives = ofKind(facts, 'relative').filter(({ fact }) => fact.status === 'active');
  const told = [
    ...relatives.map((it) => ({
      placed: it,
      name: it.fact.text,
      relation: it.fact.codes,
      phone: it.fact.note,
    })),
    ...ofKind(facts, 'person').flatMap((placed) =>
      (placed.fact.parts ?? []).map(({ codes, text, value }) => ({
        placed,
        name: text,
        relation: codes,
        phone: value && valueText(value),
      })),
    ),
  ].map(({ placed, name, relation, phone }) => {
    const detail = [relation.find(({ display }) => display !== undefined)?.display, phone].filter((it) => it).join(', '); // prettier-ignore
    return { placed, text: name, detail };
  });
  return [...Map.groupBy(told, ({ text, detail }) => `${text}|${detail}`).values()].map((same): Item => {
    const [{ text, detail }] = same as [(typeof told)[number]];
    const [first, ...others] = same.map(({ placed }) => placed) as [Placed, ...Placed[]];
    return { text, sources: [first, ...others], ...(detail !== '' && { detail }) };
  });
}

const period = ({ fact: { from, to } }: Placed): string =>
  [from && `since ${from.slice(0, 10)}`, to && `until ${to.slice(0, 10)}`].filter((it) => it).join(' ');
