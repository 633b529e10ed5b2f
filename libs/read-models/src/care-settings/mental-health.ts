/** Mental health: the crisis plan, risks, legal status and contacts; and who is in crisis with somebody else. */
import { begun, isHeld, isUnscheduled, organisationOf, unscheduledAttendances } from './attendances.ts';
import type { CareSetting, Item, Placed, WorkItem } from './care-setting.ts';
import { legalStatusItems } from './legal-status.ts';
import { isInForce } from './protection.ts';
import { DAY_MS, HEADING, isCoded, lineOf, ofKind, section, timeOf } from './sections.ts';

/** Urgent need is seen within a day: https://www.england.nhs.uk/publication/mental-health-clinically-led-review-of-standards/ */
const SEEN_WITHIN_MS = DAY_MS;

export const mentalHealth: CareSetting = {
  name: 'mental-health',
  version: 4,
  title: 'Mental health',
  kinds: new Set(['person', 'episode', 'encounter', 'plan', 'document', 'flag', 'risk', 'task']),
  worklists: [
    {
      name: 'crisis-elsewhere',
      title: 'Own patients in crisis contact elsewhere',
      kinds: new Set(['episode', 'encounter', 'plan', 'document', 'task']),
      items: inCrisisElsewhere,
    },
  ],
  page: (facts, now) => [
    section(HEADING.plans, 'Crisis plan', crisisPlans(facts, now)),
    section(HEADING.alerts, 'Risk', risks(facts, now)),
    section(HEADING.legal, 'Legal status', legalStatusItems(facts)),
    section(HEADING.contacts, 'Crisis contacts elsewhere', elsewhere(facts, now)),
    section(HEADING.contacts, 'Contacts with mental health services', contacts(facts, now)),
  ],
};

/** Each unscheduled contact with another service while an episode or a crisis plan was in force, until the own service sees them or takes it on. */
function inCrisisElsewhere(facts: readonly Placed[]): readonly WorkItem[] {
  const care = facts.filter(isOwnCare);
  if (care.length === 0) return [];
  return unscheduledAttendances(facts).flatMap((contact): readonly WorkItem[] => {
    const at = timeOf(contact);
    const inForce = care.filter((it) => isCurrent(it, at));
    const own = new Set(inForce.map(organisationOf));
    if (own.size === 0 || own.has(organisationOf(contact)) || isFollowedUp(contact, own, facts)) return [];
    const plan = inForce.find(isCrisisPlan);
    const text = [lineOf(contact).text, plan && `has ${lineOf(plan).text}`].filter((it) => it).join('; ');
    return [
      {
        stream: contact.stream,
        since: begun(contact),
        due: new Date(at + SEEN_WITHIN_MS).toISOString(),
        owner: ownerOf(inForce),
        state: PLACES[contact.fact.grade ?? ''] ?? 'unscheduled',
        text,
      },
    ];
  });
}

/** By Encounter.class. */
const PLACES: Readonly<Record<string, string>> = { EMER: 'emergency-department', FLD: 'ambulance', VR: 'call' }; // prettier-ignore

/** Who runs the newest episode, else who wrote the newest plan. */
function ownerOf(care: readonly Placed[]): string {
  const [first] = [...ofKind(care, 'episode'), ...ofKind(care, 'plan', 'document')];
  return organisationOf(first!);
}

function isFollowedUp(contact: Placed, own: ReadonlySet<string>, facts: readonly Placed[]): boolean {
  return facts.some((it) => {
    if (it.fact.kind === 'task') return TAKEN_ON.has(it.fact.status) && it.fact.refs['focus']?.includes(contact.stream) === true; // prettier-ignore
    return isHeld(it) && own.has(organisationOf(it)) && timeOf(it) >= timeOf(contact);
  });
}

/** https://hl7.org/fhir/R4/valueset-task-status.html */
const TAKEN_ON = new Set(['accepted', 'in-progress', 'on-hold', 'completed']);

const isCrisisPlan = ({ fact }: Placed): boolean =>
  (fact.kind === 'plan' || fact.kind === 'document') && isCoded(fact.codes, CRISIS_PLAN);

function isOwnCare(placed: Placed): boolean {
  if (isCrisisPlan(placed)) return true;
  const { fact, source } = placed;
  return fact.kind === 'episode' && (isCoded(fact.codes, SERVICES) || source.careSetting === 'mental-health');
}

/** Of a document: from when it was written until it is replaced. */
function isCurrent(placed: Placed, at: number): boolean {
  if (placed.fact.kind !== 'document') return isInForce(placed, at);
  return WRITTEN.has(placed.fact.status) && timeOf(placed) <= at;
}

const WRITTEN = new Set(['current', 'final', 'amended']);

/** Plans, and papers that no newer one of the same author replaces; several at a time differ, and say so. */
function crisisPlans(facts: readonly Placed[], now: number): readonly Item[] {
  const current = ofKind(facts, 'plan', 'document').filter((it) => isCrisisPlan(it) && isCurrent(it, now));
  const replaced = new Set(current.flatMap(({ fact }) => fact.refs['replaces'] ?? []));
  const standing = current.filter(({ stream }) => !replaced.has(stream));
  const byAuthor = Map.groupBy(standing, (it) => `${it.fact.kind} ${organisationOf(it)}`);
  const authors = new Set(standing.map(organisationOf)).size;
  const differs = `there are crisis plans of ${authors} organisations`;
  return [...byAuthor.values()].map(([newest]) => lineOf(newest!, authors > 1 ? { differs } : {}));
}

/** What stands first; then what stood once, which is told because it may again. */
function risks(facts: readonly Placed[], now: number): readonly Item[] {
  const told = ofKind(facts, 'flag', 'risk');
  const stands = told.filter((it) => it.fact.kind === 'risk' || isInForce(it, now));
  const stood = told.filter((it) => !stands.includes(it));
  return [
    ...stands.map((it) => lineOf(it, it.fact.kind === 'flag' ? { urgent: true } : {})),
    ...stood.map((it) => lineOf(it, { detail: it.fact.to === undefined ? '' : `until ${it.fact.to.slice(0, 10)}`, change: 'stopped' })), // prettier-ignore
  ];
}

/** Of ninety days. */
function elsewhere(facts: readonly Placed[], now: number): readonly Item[] {
  const waiting = new Set(inCrisisElsewhere(facts).map(({ stream }) => stream));
  const own = ownOrganisations(facts);
  return ofKind(facts, 'encounter')
    .filter((it) => isUnscheduled(it) && !own.has(organisationOf(it)) && timeOf(it) > now - 90 * DAY_MS)
    .map((it) => lineOf(it, { detail: it.fact.from?.slice(0, 10) ?? '', ...(waiting.has(it.stream) && { urgent: true }) })); // prettier-ignore
}

/** Of two years. */
function contacts(facts: readonly Placed[], now: number): readonly Item[] {
  const own = ownOrganisations(facts);
  return ofKind(facts, 'encounter')
    .filter((it) => isHeld(it) && timeOf(it) > now - 2 * 365 * DAY_MS)
    .filter((it) => own.has(organisationOf(it)) || isCoded(it.fact.codes, SERVICES))
    .map((it) => lineOf(it, { detail: it.fact.from?.slice(0, 10) ?? '' }));
}

const ownOrganisations = (facts: readonly Placed[]): ReadonlySet<string> => new Set(facts.filter(isOwnCare).map(organisationOf)); // prettier-ignore

/** SNOMED CT: mental health crisis plan. */
const CRISIS_PLAN = new Set(['736253002']);

/** SNOMED CT, of https://fhir.hl7.org.uk/ValueSet/UKCore-CareSettingType: services of mental health. */
const SERVICES = new Set([
  '788002001',
  '708168004',
  '310116007',
  '310117003',
  '310118008',
  '310119000',
  '89301000000108',
  '92151000000102',
  '92221000000103',
  '901221000000102',
  '893251000000101',
]);
