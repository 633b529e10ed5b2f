/**
 * What can happen to a record, as one table: which resource, under which condition, is which activity; which care
 * settings it concerns first; and the name national event services know it by (NEMS event types, MNS event types:
 * https://digital.nhs.uk/developer/api-catalogue/multicast-notification-service). The first row that fits names the activity.
 */

export type CareSetting =
  | 'general-practice'
  | 'acute'
  | 'urgent-care'
  | 'community'
  | 'mental-health'
  | 'social-care'
  | 'pharmacy'
  | 'any';

type Resource = Readonly<Record<string, unknown>>;

export interface CatalogueRow {
  readonly resource: string;
  readonly when?: (resource: Resource) => boolean;
  readonly type: string;
  readonly careSettings: readonly CareSetting[];
  /** NEMS (`…-1`) or MNS (`…-2`) event type, where a national one exists. */
  readonly nationalEvent?: string;
}

const status =
  (...values: readonly string[]) =>
  (resource: Resource): boolean =>
    values.includes(resource['status'] as string);

const typeCode =
  (code: string) =>
  (resource: Resource): boolean =>
    codings(resource['type']).some((coding) => coding['code'] === code);

const codeIs =
  (...codes: readonly string[]) =>
  (resource: Resource): boolean =>
    codings(resource['code']).some((coding) => codes.includes(coding['code'] as string));

const isReplaced = (resource: Resource): boolean =>
  list(resource['link']).some((link) => (link as Resource)['type'] === 'replaced-by');

const isDeceased = (resource: Resource): boolean =>
  resource['deceasedDateTime'] !== undefined || resource['deceasedBoolean'] === true;

// SNOMED CT: 373942005 discharge summary; 823681000000100 outpatient letter; 736253002 mental health crisis plan.
export const CATALOGUE: readonly CatalogueRow[] = [
  {
    resource: 'Patient',
    when: isReplaced,
    type: 'patient.linked',
    careSettings: ['any'],
    nationalEvent: 'nhs-number-change-2',
  },
  {
    resource: 'Patient',
    when: isDeceased,
    type: 'patient.died',
    careSettings: ['any'],
    nationalEvent: 'pds-death-notification-2',
  },
  {
    resource: 'Patient',
    type: 'patient.registered',
    careSettings: ['any'],
    nationalEvent: 'pds-record-change-2',
  },
  { resource: 'RelatedPerson', type: 'related-person.recorded', careSettings: ['any'] },
  {
    resource: 'EpisodeOfCare',
    when: status('finished', 'cancelled'),
    type: 'episode.ended',
    careSettings: ['any'],
  },
  {
    resource: 'EpisodeOfCare',
    type: 'episode.started',
    careSettings: ['any'],
    nationalEvent: 'pds-change-of-gp-2',
  },
  { resource: 'Encounter', when: status('planned'), type: 'encounter.planned', careSettings: ['any'] },
  {
    resource: 'Encounter',
    when: status('finished'),
    type: 'encounter.ended',
    careSettings: ['any'],
    nationalEvent: 'professional-contacts-1',
  },
  { resource: 'Encounter', when: status('cancelled'), type: 'encounter.cancelled', careSettings: ['any'] },
  { resource: 'Encounter', type: 'encounter.started', careSettings: ['any'] },
  {
    resource: 'Composition',
    when: typeCode('373942005'),
    type: 'discharge-summary.issued',
    careSettings: ['acute', 'general-practice'],
  },
  { resource: 'Composition', type: 'document.issued', careSettings: ['any'] },
  {
    resource: 'DocumentReference',
    when: typeCode('373942005'),
    type: 'discharge-summary.issued',
    careSettings: ['acute', 'general-practice'],
  },
  {
    resource: 'DocumentReference',
    when: typeCode('823681000000100'),
    type: 'outpatient-letter.issued',
    careSettings: ['acute', 'general-practice'],
  },
  { resource: 'DocumentReference', type: 'document.issued', careSettings: ['any'] },
  { resource: 'Observation', type: 'observation.recorded', careSettings: ['any'] },
  {
    resource: 'DiagnosticReport',
    type: 'result.reported',
    careSettings: ['acute', 'general-practice'],
    nationalEvent: 'pathology-laboratory-reporting-test-result-stored-1',
  },
  { resource: 'Condition', type: 'condition.recorded', careSettings: ['any'] },
  { resource: 'AllergyIntolerance', type: 'allergy.recorded', careSettings: ['any'] },
  { resource: 'Procedure', type: 'procedure.recorded', careSettings: ['any'] },
  {
    resource: 'Immunization',
    type: 'immunisation.given',
    careSettings: ['general-practice', 'pharmacy'],
    nationalEvent: 'imms-vaccination-record-change-1',
  },
  {
    resource: 'MedicationRequest',
    when: status('stopped', 'cancelled'),
    type: 'medication.stopped',
    careSettings: ['any'],
  },
  { resource: 'MedicationRequest', type: 'medication.prescribed', careSettings: ['any'] },
  { resource: 'MedicationDispense', type: 'medication.dispensed', careSettings: ['pharmacy'] },
  {
    resource: 'MedicationAdministration',
    type: 'medication.administered',
    careSettings: ['acute', 'community'],
  },
  { resource: 'MedicationStatement', type: 'medication.stated', careSettings: ['any'] },
  { resource: 'ServiceRequest', when: status('revoked'), type: 'referral.withdrawn', careSettings: ['any'] },
  { resource: 'ServiceRequest', type: 'referral.made', careSettings: ['any'] },
  { resource: 'Appointment', when: status('noshow'), type: 'appointment.missed', careSettings: ['any'] },
  {
    resource: 'Appointment',
    when: status('cancelled'),
    type: 'appointment.cancelled',
    careSettings: ['any'],
  },
  { resource: 'Appointment', type: 'appointment.booked', careSettings: ['any'] },
  {
    resource: 'CarePlan',
    when: codeCategory('736253002'),
    type: 'crisis-plan.agreed',
    careSettings: ['mental-health', 'urgent-care'],
  },
  {
    resource: 'CarePlan',
    type: 'care-plan.agreed',
    careSettings: ['community', 'social-care', 'urgent-care'],
  },
  { resource: 'CareTeam', type: 'care-team.recorded', careSettings: ['community', 'social-care'] },
  { resource: 'Flag', when: status('inactive'), type: 'flag.lowered', careSettings: ['any'] },
  {
    resource: 'Flag',
    when: codeIs('NRAF'),
    type: 'flag.raised',
    careSettings: ['any'],
    nationalEvent: 'patientflags-change-1',
  },
  { resource: 'Flag', type: 'flag.raised', careSettings: ['any'] },
  { resource: 'Consent', type: 'consent.recorded', careSettings: ['any'] },
  { resource: 'QuestionnaireResponse', type: 'assessment.recorded', careSettings: ['any'] },
  { resource: 'RiskAssessment', type: 'risk.assessed', careSettings: ['mental-health', 'social-care'] },
  { resource: 'Communication', type: 'communication.sent', careSettings: ['any'] },
  { resource: 'Task', type: 'task.updated', careSettings: ['any'] },
];

const rowsOf = Map.groupBy(CATALOGUE, (row) => row.resource);

/** The activity type of a resource as sent; every resource type has one, at least `<kebab-type>.recorded`. */
export function activityTypeOf(resource: Resource): string {
  const type = resource['resourceType'] as string;
  return rowOf(resource)?.type ?? `${type.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.recorded`;
}

/** The name that national event services know this activity by, where they know it. */
export const nationalEventOf = (resource: Resource): string | undefined => rowOf(resource)?.nationalEvent;

function rowOf(resource: Resource): CatalogueRow | undefined {
  const rows = rowsOf.get(resource['resourceType'] as string);
  return rows?.find((candidate) => candidate.when === undefined || candidate.when(resource));
}

// In this order the first that is present says when it happened; a period says it by its end once it has ended.
const TIMES = [
  'effectiveDateTime', 'effectiveInstant', 'effectivePeriod', 'occurrenceDateTime', 'occurrencePeriod',
  'performedDateTime', 'performedPeriod', 'period', 'whenHandedOver', 'whenPrepared', 'authoredOn', 'authored',
  'start', 'onsetDateTime', 'recordedDate', 'dateTime', 'date', 'issued', 'sent', 'created', 'deceasedDateTime',
] as const; // prettier-ignore

/** Clinical time with offset, ISO 8601; `fallback` where the resource says none. A partial date means its first instant, UTC. */
export function occurredAtOf(resource: Resource, fallback: string): string {
  for (const name of TIMES) {
    const value = resource[name];
    if (typeof value === 'string') return withOffset(value);
    if (typeof value === 'object' && value !== null) {
      const { start, end } = value as { start?: unknown; end?: unknown };
      const instant = typeof end === 'string' && resource['status'] === 'finished' ? end : (start ?? end);
      if (typeof instant === 'string') return withOffset(instant);
    }
  }
  return fallback;
}

function withOffset(dateTime: string): string {
  if (dateTime.length > 10) return dateTime;
  return `${dateTime}${'-01-01'.slice(dateTime.length === 4 ? 0 : dateTime.length === 7 ? 3 : 6)}T00:00:00Z`;
}

/** Codes of `meta.security`: confidentiality and sensitivity, never content. */
export function labelsOf(resource: Resource): readonly string[] {
  const security = list((resource['meta'] as Resource | undefined)?.['security']) as Resource[];
  return security
    .filter((label) => typeof label['code'] === 'string')
    .map((label) => label['code'] as string);
}

function codeCategory(code: string) {
  return (resource: Resource): boolean =>
    list(resource['category']).some((category) =>
      codings(category).some((coding) => coding['code'] === code),
    );
}

function codings(concept: unknown): readonly Resource[] {
  return list((concept as Resource | undefined)?.['coding']) as Resource[];
}

/** What is asked may not have been validated yet. */
function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.filter((it) => typeof it === 'object' && it !== null) : [];
}
