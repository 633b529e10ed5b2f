/**
 * Who sees what, written down by hand: the kinds of records that are told apart, and for each what each persona is shown of
 * it, or why not. The reasons are words of the decision point (libs/access/src/refusals.ts).
 */
import type { RefusalCode } from '@carelog/access';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import type { TokenLimits } from './start-stack.ts';

const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const AUDIENCE = 'https://fhir.carelog.example/CodeSystem/audience';
export const OTHER_NUMBER = '9434765919';

export type Json = { readonly resourceType: string; readonly id: string } & Record<string, unknown>;

const organisation = (code: string) => ({ identifier: { system: ODS, value: code } });
const patient = (id: string) => ({ reference: `Patient/${id}` });
const labelled = (system: string, code: string) => ({ meta: { security: [{ system, code }] } });
const laboratory = { category: [{ coding: [{ code: 'laboratory' }] }] };
const longAgo = { start: '2026-01-01' };

function person(id: string, practice: string, more: object = {}): Json {
  return {
    resourceType: 'Patient',
    id,
    name: [{ family: `Person-${id}` }],
    generalPractitioner: [organisation(practice)],
    address: [{ city: 'Leeds', postalCode: 'LS1 1AA' }],
    telecom: [{ system: 'phone', value: '07700900001' }],
    ...more,
  };
}

function observation(id: string, of: string, more: object = {}): Json {
  return {
    resourceType: 'Observation',
    id,
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }], text: 'Pulse' },
    subject: patient(of),
    performer: [{ reference: 'Practitioner/doctor' }],
    effectiveDateTime: '2026-05-01',
    valueQuantity: { value: 71, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
    identifier: [{ system: 'urn:table', value: id }],
    ...more,
  };
}

const encounter = (id: string, of: string, by: string): Json => ({
  resourceType: 'Encounter',
  id,
  status: 'in-progress',
  class: { code: 'AMB' },
  subject: patient(of),
  serviceProvider: organisation(by),
  period: { start: new Date(Date.now() - 86_400_000).toISOString() },
});

export const consent = (id: string, of: string, provision: object, scope = 'patient-privacy'): Json => ({
  resourceType: 'Consent',
  id,
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: scope }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  policyRule: { coding: [{ code: 'OPTIN' }] },
  patient: patient(of),
  provision,
});

const role = (code: string) => ({ role: { coding: [{ code }] } });

/**
 * Everybody but the paramedic has `own` in their care; the practice also has `flagged`, `sharing`, `child` and `opted`, the
 * hospital `flagged` and `sharing`; `other` and `unknown-to-all` are strangers to all of them.
 */
export const background: readonly Json[] = [
  { resourceType: 'Practitioner', id: 'doctor', name: [{ family: 'Green' }] },
  person('own', 'Y90001', { identifier: [{ system: NHS, value: firstPersonNhsNumber(DEMO_SEED) }] }),
  person('child', 'Y90001'),
  person('flagged', 'Y90001', { ...labelled(CONFIDENTIALITY, 'R'), address: [{ city: 'Leeds', postalCode: 'LS1 1AA' }, { city: 'Aldeburgh' }] }), // prettier-ignore
  person('sharing', 'Y90001'),
  person('opted', 'Y90001'),
  person('other', 'Y99999', { identifier: [{ system: NHS, value: OTHER_NUMBER }] }),
  person('opened', 'Y99999'),
  encounter('at-hospital', 'own', 'RZZ'),
  encounter('flagged-at-hospital', 'flagged', 'RZZ'),
  encounter('sharing-at-hospital', 'sharing', 'RZZ'),
  { resourceType: 'EpisodeOfCare', id: 'caseload', status: 'active', patient: patient('own'), managingOrganization: organisation('RZX'), period: longAgo }, // prettier-ignore
  { resourceType: 'ServiceRequest', id: 'referral', status: 'active', intent: 'order', subject: patient('own'), performer: [organisation('RZW')], authoredOn: '2026-06-01' }, // prettier-ignore
  { resourceType: 'CareTeam', id: 'team', status: 'active', subject: patient('own'), managingOrganization: [organisation('9ZZ')], period: longAgo }, // prettier-ignore
  { resourceType: 'EpisodeOfCare', id: 'pharmacy-first', status: 'active', patient: patient('own'), managingOrganization: organisation('FZZ01'), period: longAgo }, // prettier-ignore
  consent('not-the-hospital', 'sharing', { type: 'deny', actor: [{ ...role('PRCP'), reference: organisation('RZZ') }] }), // prettier-ignore
  consent('no-plans', 'own', { type: 'deny', actor: [{ ...role('PRCP'), reference: organisation('RZZ') }], class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'NutritionOrder' }] }), // prettier-ignore
  { resourceType: 'Organization', id: 'Leeds-trust', name: 'Leeds trust' },
  { resourceType: 'Location', id: 'Leeds-ward', name: 'Leeds, ward 1' },
  consent('proxy', 'child', { type: 'permit', actor: [{ ...role('DELEGATEE'), reference: patient('own') }] }), // prettier-ignore
  consent('opt-out', 'opted', { type: 'deny' }, 'research'),
];

export interface Kind {
  readonly name: string;
  readonly resource: Json;
  /** Whose record it is in; the first of them. */
  readonly of?: string;
  /** What is shown of it though it is shown in part. */
  readonly left?: readonly string[];
}

/** Where the S-flagged are seen: every name of it has the town in it. */
export const WARD = { reference: 'Location/Leeds-ward', display: 'Leeds, ward 1' };
export const TRUST = { reference: 'Organization/Leeds-trust', display: 'Leeds trust' };
const DOCTOR = { reference: 'Practitioner/doctor' };
const narrative = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Seen in Leeds</div>' }; // prettier-ignore

const alertAbout = (of: string): Json => ({
  resourceType: 'Task',
  id: `alert-about-${of}`,
  status: 'requested',
  intent: 'order',
  code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'broken-glass-review' }] },
  for: patient(of),
});

/** Of somebody with an S-flag, each with what is shown of it all the same. */
const flagged: readonly Kind[] = [
  { name: 'procedure of the S-flagged', resource: { resourceType: 'Procedure', id: 'flagged-procedure', status: 'completed', code: { text: 'Biopsy' }, subject: patient('flagged'), location: WARD, performer: [{ actor: DOCTOR, onBehalfOf: TRUST }, { actor: TRUST }] }, left: ['Biopsy', DOCTOR.reference] },
  { name: 'encounter of the S-flagged', resource: { ...encounter('flagged-visit', 'flagged', 'Y90001'), text: narrative, participant: [{ individual: DOCTOR }], location: [{ location: WARD, period: longAgo }], hospitalization: { origin: WARD, destination: TRUST } }, left: ['AMB', DOCTOR.reference] },
  { name: 'immunisation of the S-flagged', resource: { resourceType: 'Immunization', id: 'flagged-immunisation', status: 'completed', vaccineCode: { text: 'MMR' }, patient: patient('flagged'), occurrenceDateTime: '2026-05-01', location: WARD, performer: [{ actor: DOCTOR }, { actor: organisation('Y90001') }] }, left: ['MMR', DOCTOR.reference] },
  { name: 'document of the S-flagged', resource: { resourceType: 'DocumentReference', id: 'flagged-document', status: 'current', subject: patient('flagged'), author: [DOCTOR, TRUST], custodian: TRUST, content: [{ attachment: { title: 'Letter' } }] }, left: ['Letter', DOCTOR.reference] },
  { name: 'referral of the S-flagged', resource: { resourceType: 'ServiceRequest', id: 'flagged-referral', status: 'active', intent: 'order', code: { text: 'Echo' }, subject: patient('flagged'), requester: DOCTOR, performer: [organisation('Y90001')], locationCode: [{ text: 'Leeds' }], locationReference: [WARD], authoredOn: '2026-06-01' }, left: ['Echo', DOCTOR.reference] },
  { name: 'appointment of the S-flagged', resource: { resourceType: 'Appointment', id: 'flagged-appointment', status: 'booked', start: '2099-01-02T09:00:00Z', end: '2099-01-02T09:10:00Z', comment: 'In Leeds', participant: [patient('flagged'), DOCTOR, WARD].map((actor) => ({ actor, status: 'accepted' })) }, left: ['2099-01-02', 'Patient/flagged', DOCTOR.reference] },
  { name: 'pulse of the S-flagged', resource: observation('flagged-pulse', 'flagged', { ...laboratory, performer: [DOCTOR, TRUST], extension: [{ url: 'urn:at', valueReference: WARD }] }), left: ['8867-4', DOCTOR.reference] },
  { name: 'prescription of the S-flagged', resource: { resourceType: 'MedicationRequest', id: 'flagged-prescription', text: narrative, contained: [{ resourceType: 'Medication', id: 'm', code: { text: 'Aspirin' } }, { resourceType: 'Organization', id: 'o', name: 'Leeds pharmacy' }], status: 'active', intent: 'order', medicationReference: { reference: '#m' }, subject: patient('flagged'), requester: DOCTOR, dispenseRequest: { performer: { reference: '#o' }, quantity: { value: 28 } } }, left: ['Aspirin', '28', DOCTOR.reference] },
  { name: 'problem of the S-flagged, of no place', resource: { resourceType: 'Condition', id: 'flagged-problem', subject: patient('flagged'), code: { text: 'Asthma' }, recorder: DOCTOR }, left: ['Asthma', DOCTOR.reference] },
]; // prettier-ignore

/** Whose glass the hospital's doctor breaks before anything is asked. */
export const OPENED = 'opened';

export const kinds: readonly Kind[] = [
  { name: 'normal', of: 'own', resource: observation('normal', 'own', { ...laboratory, hasMember: ['restricted', 'very-restricted', 'sensitive', 'untold', 'of-child', 'not-for-proxy', 'of-other', 'withheld', 'opened-normal', 'opened-sealed', 'opened-protected', 'of-opted'].map((id) => ({ reference: `Observation/${id}` })) }) }, // prettier-ignore
  { name: 'restricted', of: 'own', resource: observation('restricted', 'own', labelled(CONFIDENTIALITY, 'R')) }, // prettier-ignore
  { name: 'very restricted', of: 'own', resource: observation('very-restricted', 'own', labelled(CONFIDENTIALITY, 'V')) }, // prettier-ignore
  { name: 'sensitive', of: 'own', resource: observation('sensitive', 'own', labelled(ACT_CODE, 'HIV')) },
  { name: 'sensitive by its content', of: 'own', resource: { resourceType: 'Condition', id: 'by-content', subject: patient('own'), code: { coding: [{ system: 'http://snomed.info/sct', code: '86406008' }] } } }, // prettier-ignore
  { name: 'not for the patient yet', of: 'own', resource: observation('untold', 'own', labelled(ACT_CODE, 'TABOO')) }, // prettier-ignore
  { name: 'of whom the patient is a proxy for', of: 'child', resource: observation('of-child', 'child', laboratory) }, // prettier-ignore
  { name: 'hidden from the proxy', of: 'child', resource: observation('not-for-proxy', 'child', labelled(AUDIENCE, 'hidden-from-proxy')) }, // prettier-ignore
  { name: 'S-flagged', of: 'flagged', resource: background.find(({ id }) => id === 'flagged')! },
  { name: 'relative of the S-flagged', of: 'flagged', resource: { resourceType: 'RelatedPerson', id: 'relative', patient: patient('flagged'), address: [{ city: 'Leeds' }] } }, // prettier-ignore
  { name: 'other patient’s', of: 'other', resource: observation('of-other', 'other', laboratory) },
  { name: 'other patient', of: 'other', resource: background.find(({ id }) => id === 'other')! },
  { name: 'withheld by consent', of: 'sharing', resource: observation('withheld', 'sharing', laboratory) },
  { name: 'after break-glass', of: OPENED, resource: observation('opened-normal', OPENED, laboratory) },
  { name: 'very restricted, after break-glass', of: OPENED, resource: observation('opened-sealed', OPENED, { ...laboratory, ...labelled(CONFIDENTIALITY, 'V') }) }, // prettier-ignore
  { name: 'protected by law, after break-glass', of: OPENED, resource: observation('opened-protected', OPENED, { ...laboratory, ...labelled(AUDIENCE, 'gender') }) }, // prettier-ignore
  { name: 'encounter', of: 'own', resource: encounter('visit', 'own', 'RZZ') },
  { name: 'of two patients', of: 'own', resource: { resourceType: 'Appointment', id: 'both', status: 'booked', start: '2099-01-01T09:00:00Z', end: '2099-01-01T09:10:00Z', participant: ['own', 'other'].map((id) => ({ actor: patient(id), status: 'accepted' })) } }, // prettier-ignore
  { name: 'opted out of research', of: 'opted', resource: observation('of-opted', 'opted', laboratory) },
  { name: 'alert for the privacy officer', of: OPENED, resource: { resourceType: 'Task', id: 'alert', status: 'requested', intent: 'order', code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'broken-glass-review' }] }, for: patient(OPENED) } }, // prettier-ignore
  { name: 'decision about sharing', of: 'own', resource: consent('own-decision', 'own', { type: 'deny', actor: [{ ...role('PRCP'), reference: organisation('X99999') }] }) }, // prettier-ignore
  { name: 'alert about the patient', of: 'own', resource: alertAbout('own') },
  { name: 'alert about the child', of: 'child', resource: alertAbout('child') },
  ...flagged.map((it) => ({ ...it, of: 'flagged' })),
  {
    name: 'about nobody',
    resource: { resourceType: 'Organization', id: 'organisation', name: 'A practice' },
  },
];

export interface Asker {
  readonly name: string;
  readonly persona: string;
  readonly limits?: TokenLimits;
}

export const askers: readonly Asker[] = [
  ...['publisher', 'gp', 'ed-doctor', 'paramedic', 'community-nurse', 'crisis-worker', 'social-worker', 'pharmacist', 'privacy-officer', 'patient', 'auditor', 'operator'].map((persona) => ({ name: persona, persona })), // prettier-ignore
  { name: 'laboratory app', persona: 'gp', limits: { scope: 'user/Observation.rs?category=laboratory user/Patient.rs' } }, // prettier-ignore
  { name: 'problems app', persona: 'gp', limits: { scope: 'user/Condition.rs' } },
  { name: 'research', persona: 'publisher', limits: { purpose: 'research' } },
];

/** `+`: shown; `~`: shown without its location; else the reason why not. */
export type Outcome = '+' | '~' | RefusalCode;

const CODES: Readonly<Record<string, Outcome>> = {
  '+': '+',
  '~': '~',
  rel: 'no-relationship',
  own: 'not-own-record',
  con: 'confidential',
  wit: 'withheld',
  opt: 'opted-out',
  typ: 'type-not-permitted',
  scp: 'scope-missing',
  out: 'outside-scope',
  cli: 'no-clinical-content',
};

/** A row for each kind, a column for each asker, in their order. */
export const seen = readTable(`
  publisher gp  ed  par nur cri soc pha pri pat aud ope lab pro res
  +         +   +   rel +   +   typ +   typ +   +   cli +   scp +    normal
  +         +   +   rel +   +   typ con typ +   +   cli out scp con  restricted
  +         con con rel con con typ con typ con con cli out scp con  very restricted
  +         +   con rel con con typ con typ +   +   cli out scp con  sensitive
  +         +   con rel con con con con typ +   +   cli scp +   con  sensitive by its content
  +         +   +   rel +   +   typ +   typ con +   cli out scp +    not for the patient yet
  +         +   rel rel rel rel typ rel typ +   +   cli +   scp +    of whom the patient is a proxy for
  +         +   rel rel rel rel typ rel typ con +   cli out scp +    hidden from the proxy
  +         ~   ~   rel rel rel rel rel typ own ~   cli ~   scp +    S-flagged
  +         con con rel rel rel rel rel typ own con cli scp scp +    relative of the S-flagged
  +         rel rel rel rel rel typ rel typ own +   cli rel scp +    other patient’s
  +         rel rel rel rel rel rel rel typ own +   cli rel scp +    other patient
  +         +   wit rel rel rel typ rel typ own +   cli +   scp +    withheld by consent
  +         rel +   rel rel rel typ rel typ own +   cli rel scp +    after break-glass
  +         rel con rel rel rel typ rel typ own con cli rel scp con  very restricted, after break-glass
  +         rel con rel rel rel typ rel typ own +   cli rel scp con  protected by law, after break-glass
  +         +   +   rel +   +   +   typ typ +   +   cli scp scp +    encounter
  +         rel rel rel rel rel rel rel typ own +   cli scp scp +    of two patients
  +         +   rel rel rel rel typ rel typ own +   cli +   scp opt  opted out of research
  +         rel con rel rel rel rel rel +   own +   cli scp scp con  alert for the privacy officer
  +         +   +   rel +   +   +   typ typ +   +   cli scp scp +    decision about sharing
  +         con con rel con con con con +   con +   cli scp scp con  alert about the patient
  +         con rel rel rel rel rel rel +   con +   cli scp scp con  alert about the child
  +         ~   ~   rel rel rel typ typ typ own ~   cli scp scp +    procedure of the S-flagged
  +         ~   ~   rel rel rel rel typ typ own ~   cli scp scp +    encounter of the S-flagged
  +         ~   ~   rel rel rel typ rel typ own ~   cli scp scp +    immunisation of the S-flagged
  +         ~   ~   rel rel rel rel rel typ own ~   cli scp scp +    document of the S-flagged
  +         ~   ~   rel rel rel rel rel typ own ~   cli scp scp +    referral of the S-flagged
  +         ~   ~   rel rel rel rel rel typ own ~   cli scp scp +    appointment of the S-flagged
  +         ~   ~   rel rel rel typ rel typ own ~   cli ~   scp +    pulse of the S-flagged
  +         ~   ~   rel rel rel rel rel typ own ~   cli scp scp +    prescription of the S-flagged
  +         ~   ~   rel rel rel rel rel typ own ~   cli scp ~   +    problem of the S-flagged, of no place
  +         +   +   +   +   +   +   +   +   +   +   cli scp scp +    about nobody
`);

const WRITE_CODES: Readonly<Record<string, Outcome>> = { ...CODES, loc: 'location-protected', rea: 'reads-only' }; // prettier-ignore

/** What they may change: the reasons are those of an update or a deletion. A row for each kind. */
export const changed = readTable(
  `
  publisher gp  ed  par nur cri soc pha pri pat aud ope lab pro res
  +         +   +   rel +   +   typ +   typ rea rea cli scp scp +    normal
  +         +   +   rel +   +   typ con typ rea rea cli scp scp con  restricted
  +         con con rel con con typ con typ rea rea cli scp scp con  very restricted
  +         +   con rel con con typ con typ rea rea cli scp scp con  sensitive
  +         +   con rel con con con con typ rea rea cli scp scp con  sensitive by its content
  +         +   +   rel +   +   typ +   typ rea rea cli scp scp +    not for the patient yet
  +         +   rel rel rel rel typ rel typ rea rea cli scp scp +    of whom the patient is a proxy for
  +         +   rel rel rel rel typ rel typ rea rea cli scp scp +    hidden from the proxy
  +         loc loc rel rel rel rel rel typ rea rea cli scp scp +    S-flagged
  +         con con rel rel rel rel rel typ rea rea cli scp scp +    relative of the S-flagged
  +         rel rel rel rel rel typ rel typ rea rea cli scp scp +    other patient’s
  +         rel rel rel rel rel rel rel typ rea rea cli scp scp +    other patient
  +         +   wit rel rel rel typ rel typ rea rea cli scp scp +    withheld by consent
  +         rel +   rel rel rel typ rel typ rea rea cli scp scp +    after break-glass
  +         rel con rel rel rel typ rel typ rea rea cli scp scp con  very restricted, after break-glass
  +         rel con rel rel rel typ rel typ rea rea cli scp scp con  protected by law, after break-glass
  +         +   +   rel +   +   +   typ typ rea rea cli scp scp +    encounter
  +         rel rel typ rel typ typ typ typ rea rea cli scp scp +    of two patients
  +         +   rel rel rel rel typ rel typ rea rea cli scp scp opt  opted out of research
  +         rel con rel rel rel rel rel +   rea rea cli scp scp con  alert for the privacy officer
  +         +   +   rel +   +   +   typ typ rea rea cli scp scp +    decision about sharing
  +         con con rel con con con con +   rea rea cli scp scp con  alert about the patient
  +         con rel rel rel rel rel rel +   rea rea cli scp scp con  alert about the child
  +         loc loc rel rel rel typ typ typ rea rea cli scp scp +    procedure of the S-flagged
  +         loc loc rel rel rel rel typ typ rea rea cli scp scp +    encounter of the S-flagged
  +         loc loc rel rel rel typ rel typ rea rea cli scp scp +    immunisation of the S-flagged
  +         loc loc rel rel rel rel rel typ rea rea cli scp scp +    document of the S-flagged
  +         loc loc rel rel rel rel rel typ rea rea cli scp scp +    referral of the S-flagged
  +         loc loc typ rel typ typ typ typ rea rea cli scp scp +    appointment of the S-flagged
  +         loc loc rel rel rel typ rel typ rea rea cli scp scp +    pulse of the S-flagged
  +         loc loc rel rel rel typ rel typ rea rea cli scp scp +    prescription of the S-flagged
  +         +   +   rel rel rel rel rel typ rea rea cli scp scp +    problem of the S-flagged, of no place
  +         typ typ typ typ typ typ typ typ rea rea cli scp scp +    about nobody
`,
  WRITE_CODES,
);

/** Of whom they may record something new: a pulse. */
export const created: ReadonlyMap<string, readonly Outcome[]> = readTable(
  `
  publisher gp  ed  par nur cri soc pha pri pat aud ope lab pro res
  +         +   +   rel +   +   typ +   typ rea rea cli scp scp +    own
  +         +   +   rel rel rel typ rel typ rea rea cli scp scp +    sharing
  +         +   +   rel rel rel typ rel typ rea rea cli scp scp +    flagged
  +         rel +   rel rel rel typ rel typ rea rea cli scp scp +    opened
  +         +   rel rel rel rel typ rel typ rea rea cli scp scp +    child
  +         +   rel rel rel rel typ rel typ rea rea cli scp scp opt  opted
  +         rel rel rel rel rel typ rel typ rea rea cli scp scp +    other
`,
  WRITE_CODES,
);

function readTable(text: string, codes = CODES): ReadonlyMap<string, readonly Outcome[]> {
  const [head = '', ...rows] = text.trim().split('\n');
  const columns = head.trim().split(/\s+/).length;
  return new Map(
    rows.map((row) => {
      const words = row.trim().split(/\s+/);
      const outcomes = words.slice(0, columns).map((word) => {
        const outcome = codes[word];
        if (outcome === undefined) throw new Error(`No outcome is written as ${word}.`);
        return outcome;
      });
      return [words.slice(columns).join(' '), outcomes] as const;
    }),
  );
}

export function pulse(of: object, id = 'new'): Json {
  const { identifier: _, ...rest } = observation(id, '', { subject: of });
  return rest;
}
