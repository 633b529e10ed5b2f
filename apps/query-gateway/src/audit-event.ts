/**
 * An access as an AuditEvent in the shape of the NHS Patient Audit Record Service.
 * https://hl7.org/fhir/R4/auditevent.html, https://simplifier.net/guide/nhs-england-patient-audit-record-service
 */
import type { FoundAccess, RecordedAccess } from '@carelog/access-log';
import { nhsNumberSystem } from '@carelog/fhir';
import { plainWords, type Names } from './plain-words.ts';

/** What is known of an access beside its record. */
export interface AuditFacts extends Names {
  /** Base URL of the answer, without a slash at its end. */
  readonly base: string;
  /** `Type/id/_history/version` of what was shown of this patient; undefined where that is not for the reader. */
  readonly versions?: readonly string[];
  /** Of the patient, where it is known. */
  readonly nhsNumber?: string;
}

/** For a patient (`facts.versions` absent) it says in plain words what happened, and leaves out how it was asked and why it was decided so: the reason may tell what is kept from them. */
export function auditEventOf(access: FoundAccess, facts: AuditFacts): Record<string, unknown> {
  const { record } = access;
  const recorded = new Date(record.at).toISOString();
  return {
    resourceType: 'AuditEvent',
    id: auditIdOf(access),
    meta: { lastUpdated: recorded, profile: [PROFILE] },
    text: { status: 'generated', div: narrative(plainWords(record, facts)) },
    type: { system: EVENT_TYPES, code: 'rest', display: 'Restful Operation' },
    subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: SUBTYPES[record.interaction] ?? record.interaction }], // prettier-ignore
    action: ACTIONS[record.interaction] ?? 'E',
    recorded,
    outcome: record.status < 400 ? '0' : record.status < 500 ? '4' : '8',
    ...(record.basis !== '' &&
      facts.versions !== undefined && { outcomeDesc: `${record.decision}: ${record.basis}` }),
    purposeOfEvent: [
      { coding: [{ system: ACT_REASONS, code: PURPOSES[record.who.purpose ?? 'direct-care'] }] },
    ],
    agent: agentsOf(record, access, facts),
    source: {
      site: facts.base,
      observer: { identifier: { system: ACCREDITED_SYSTEM, value: 'carelog' }, display: 'Carelog' },
      type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '3' }],
    },
    entity: entitiesOf(access, facts),
  };
}

/** The id of its AuditEvent: where it lies in the access log. */
export function auditIdOf({ record, index }: FoundAccess): string {
  return `${record.event}-${record.ordinal}-${index}`;
}

const PROFILE = 'https://fhir.nhs.uk/England/StructureDefinition/England-AuditEvent-PARS';
const EVENT_TYPES = 'http://terminology.hl7.org/CodeSystem/audit-event-type';
const ENTITY_TYPES = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const ENTITY_ROLES = 'http://terminology.hl7.org/CodeSystem/object-role';
const ACT_REASONS = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
const ACCREDITED_SYSTEM = 'https://fhir.nhs.uk/Id/accredited-system';

// https://hl7.org/fhir/R4/valueset-audit-event-action.html; what is not here is E, execute.
const ACTIONS: Readonly<Record<string, string>> = { read: 'R', vread: 'R', history: 'R', everything: 'R', notification: 'R', create: 'C', activities: 'C', update: 'U', delete: 'D' }; // prettier-ignore
const SUBTYPES: Readonly<Record<string, string>> = { search: 'search-type', history: 'history-instance', everything: 'operation', 'break-glass': 'operation', 'evaluate-measure': 'operation', bundle: 'batch', activities: 'batch' }; // prettier-ignore
const PURPOSES = { 'direct-care': 'TREAT', safeguarding: 'PUBHLTH', audit: 'HCOMPL', planning: 'HOPERAT', research: 'HRESCH' } as const; // prettier-ignore

function agentsOf({ who }: RecordedAccess, { record, index }: FoundAccess, names: AuditFacts): object[] {
  const agent = (type: string, system: string, value: string, display?: string) => ({
    who: { type, identifier: { system, value }, ...(display !== undefined && { display }) },
    requestor: false,
  });
  const isPatient = who.kind === 'patient';
  const patient = { who: { type: 'Patient', reference: `Patient/${record.patients[index] ?? ''}` }, requestor: true }; // prettier-ignore
  const isStaff = who.kind === 'staff';
  const user = { ...agent('Practitioner', 'https://fhir.nhs.uk/Id/sds-user-id', who.subject, names.person), requestor: true }; // prettier-ignore
  const organisation = agent('Organization', 'https://fhir.nhs.uk/Id/ods-organization-code', who.organisation, names.organisation); // prettier-ignore
  return [
    { ...organisation, requestor: !isPatient && !isStaff },
    ...(isPatient && record.patients[index] !== undefined ? [patient] : []),
    ...(isStaff ? [user] : []),
    ...(who.roleProfile === undefined ? [] : [agent('PractitionerRole', 'https://fhir.nhs.uk/Id/sds-role-profile-id', who.roleProfile)]), // prettier-ignore
    // PARS has an Endpoint here, which R4 does not let an agent be.
    agent('Device', ACCREDITED_SYSTEM, who.system),
  ];
}

function entitiesOf({ record, index }: FoundAccess, { nhsNumber, versions, base }: AuditFacts): object[] {
  const patient = record.patients[index];
  const number = nhsNumber === undefined ? {} : { identifier: { system: nhsNumberSystem, value: nhsNumber } };
  const details = {
    position: String(record.position),
    view: record.ground.view,
    policy: record.ground.policy,
    decision: record.decision,
    epoch: record.ground.epoch,
  };
  return [
    ...(patient === undefined ? [] : [{
      what: { reference: `Patient/${patient}`, ...number },
      type: { system: ENTITY_TYPES, code: '1', display: 'Person' },
      role: { system: ENTITY_ROLES, code: '1', display: 'Patient' },
    }]),
    {
      what: { identifier: { system: 'https://fhir.nhs.uk/Id/transaction', value: record.correlation } },
      type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' },
    },
    {
      what: { identifier: { system: ACCREDITED_SYSTEM, value: 'carelog' } },
      type: { system: 'http://hl7.org/fhir/resource-types', code: 'Endpoint' },
      role: { system: ENTITY_ROLES, code: '17', display: 'Data Repository' },
      name: base,
      detail: [
        { type: 'productIdentifier', valueString: 'Carelog' },
        { type: 'interactionIdentifier', valueString: record.interaction },
      ],
    },
    ...(versions === undefined ? [] : [{
      type: { system: ENTITY_TYPES, code: '2', display: 'System Object' },
      role: { system: ENTITY_ROLES, code: '24', display: 'Query' },
      query: Buffer.from(record.query).toString('base64'),
      detail: Object.entries(details).map(([type, valueString]) => ({ type, valueString })),
    }]),
    ...(versions ?? []).map((version) => ({
      what: { reference: version },
      type: { system: 'http://hl7.org/fhir/resource-types', code: version.slice(0, version.indexOf('/')) },
      role: { system: ENTITY_ROLES, code: '4', display: 'Domain Resource' },
    })),
  ]; // prettier-ignore
}

function narrative(words: string): string {
  const text = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<div xmlns="http://www.w3.org/1999/xhtml"><p>${text}</p></div>`;
}
