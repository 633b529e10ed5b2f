/** Which contacts with a service nobody had planned: a child who comes to an emergency department, not one who comes to a clinic. */
import type { Placed } from './care-setting.ts';
import { isCoded, timeOf } from './sections.ts';

/**
 * Whether the encounter happened and was unscheduled: emergency department (`EMER`), ambulance (`FLD`), a call that was triaged,
 * an admission by an emergency method, or anything of emergency or urgent priority; never one that was booked. Care on
 * unscheduled access is what child protection information is told of: https://digital.nhs.uk/services/child-protection-information-sharing-project
 */
export function isUnscheduled({ fact, source }: Placed): boolean {
  const { kind, status, grade = '', codes, categories, refs } = fact;
  if (kind !== 'encounter' || NOT_HELD.has(status)) return false;
  if (EMERGENCY_CLASSES.has(grade)) return true;
  if (refs['appointment'] !== undefined) return false;
  if (categories.some(isEmergencyMark)) return true;
  return grade === 'VR' && (isCoded(codes, TRIAGE) || source.careSetting === 'urgent-care');
}

/** Each attendance once: what is part of another one is not one more. */
export function unscheduledAttendances(facts: readonly Placed[]): readonly Placed[] {
  const attendances = facts.filter(isUnscheduled);
  const known = new Set(attendances.map(({ stream }) => stream));
  return attendances.filter(({ fact }) => !fact.refs['partOf']?.some((it) => known.has(it)));
}

/** Whether it took place or takes place. https://hl7.org/fhir/R4/valueset-encounter-status.html */
export const isHeld = ({ fact }: Placed): boolean => fact.kind === 'encounter' && !NOT_HELD.has(fact.status);

/** `Organization/id` that is responsible for it, else the one that published it. */
export function organisationOf({ fact: { refs }, source }: Placed): string {
  const named = [...(refs['organisation'] ?? []), ...(refs['author'] ?? [])];
  return named.find((it) => it.startsWith('Organization/')) ?? source.organisation;
}

/** ISO 8601 in UTC: when it began. */
export const begun = (placed: Placed): string => new Date(timeOf(placed)).toISOString();

const NOT_HELD = new Set(['planned', 'cancelled', 'entered-in-error']);

/** https://terminology.hl7.org/ValueSet-v3-ActEncounterCode.html */
const EMERGENCY_CLASSES = new Set(['EMER', 'FLD']);

/** SNOMED CT: telephone triage encounter. */
const TRIAGE = new Set(['401267002']);

/** By code system: emergency methods of admission, admission from an emergency department, emergency and urgent priority. */
const EMERGENCY_MARKS: Readonly<Record<string, ReadonlySet<string>>> = {
  'https://fhir.hl7.org.uk/CodeSystem/UKCore-AdmissionMethodEngland': new Set(['21', '22', '23', '24', '25', '28', '2A', '2B', '2D']), // prettier-ignore
  'http://terminology.hl7.org/CodeSystem/admit-source': new Set(['emd']),
  'http://terminology.hl7.org/CodeSystem/v3-ActPriority': new Set(['EM', 'UR', 'S']),
};

function isEmergencyMark({ system, code }: { readonly system?: string; readonly code: string }): boolean {
  return system !== undefined && EMERGENCY_MARKS[system]?.has(code) === true;
}
