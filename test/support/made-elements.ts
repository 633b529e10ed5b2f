/** What a made resource has besides what it was made for, so that it is valid. */

export const PERSON = { reference: 'Patient/made-0' };
const MADE = { text: 'Made' };
const NARRATIVE = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Made</div>' };
const TERMS = 'http://terminology.hl7.org/CodeSystem';
const STATEMENT = { kind: 'instance', implementation: { description: 'Made' }, description: 'Made' };

/** What invariants ask for besides, by shape, given the element that is on the path. */
export const ALSO: Readonly<Record<string, (step: string | undefined) => object>> = {
  AllergyIntolerance: () => ({
    clinicalStatus: { coding: [{ system: `${TERMS}/allergyintolerance-clinical`, code: 'active' }] },
  }),
  Appointment: () => ({ status: 'booked', start: '2021-01-11T10:00:00Z', end: '2021-01-11T11:00:00Z' }),
  'Appointment.participant': () => ({ type: [MADE] }),
  AppointmentResponse: () => ({ participantType: [MADE] }),
  Bundle: () => ({ type: 'collection' }),
  CapabilityStatement: () => ({ ...STATEMENT, rest: [{ mode: 'server' }] }),
  'Composition.section': () => ({ text: NARRATIVE }),
  'ConceptMap.group.element': () => ({ code: 'made' }),
  Condition: () => ({
    clinicalStatus: { coding: [{ system: `${TERMS}/condition-clinical`, code: 'resolved' }] },
  }),
  Consent: () => ({ policyRule: MADE }),
  'ImmunizationRecommendation.recommendation': () => ({ vaccineCode: [MADE] }),
  ElementDefinition: () => element('Patient'),
  InsurancePlan: () => ({ name: 'Made' }),
  'MolecularSequence.referenceSeq': (step) =>
    step === 'referenceSeqId' ? {} : { genomeBuild: 'Made', chromosome: MADE },
  Organization: () => ({ name: 'Made' }),
  'Questionnaire.item': () => ({ type: 'string' }),
  'RequestGroup.action': () => ({ resource: PERSON }),
  StructureDefinition: (step) =>
    step === 'snapshot' || step === 'differential'
      ? { ...PROFILE }
      : { ...PROFILE, differential: { element: [element('Patient')] } },
  TerminologyCapabilities: () => STATEMENT,
  TriggerDefinition: () => ({ type: 'named-event', name: 'made' }),
  'ValueSet.compose.include': () => ({ system: 'http://example.org/made' }),
  'ValueSet.expansion.contains': () => ({ system: 'http://example.org/made' }),
};

const PROFILE = {
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
};

function element(path: string): object {
  return { id: path, path, definition: 'Made', min: 0, max: '*', base: { path, min: 0, max: '*' } };
}

const profileOf = (variant: number) => {
  const type = variant === 1 ? 'Patient' : 'Group';
  return {
    url: 'http://example.org/made',
    name: 'Made',
    status: 'draft',
    ...PROFILE,
    type,
    snapshot: { element: [element(type)] },
  };
};

const COMPOSITION = {
  resourceType: 'Composition',
  status: 'final',
  type: MADE,
  date: '2021-01-11',
  author: [PERSON],
  title: 'Made',
};
const MESSAGE = {
  resourceType: 'MessageHeader',
  eventUri: 'http://example.org/made',
  source: { endpoint: 'http://example.org/made' },
};
const bundleOf = (resource: object) => ({ type: 'collection', entry: [{ resource }] });

/** Parameters whose expression is no path, or whose elements have to fit others. */
export const SPECIAL: Readonly<Record<string, (variant: number) => object>> = {
  'Bundle.composition': (variant) => bundleOf({ ...COMPOSITION, id: `made-${variant}` }),
  'Bundle.message': (variant) => bundleOf({ ...MESSAGE, id: `made-${variant}` }),
  'Bundle.type': (variant) => ({ type: variant === 1 ? 'collection' : 'searchset' }),
  'Patient.deceased': (variant) => ({ deceasedBoolean: variant === 1 }),
  'StructureDefinition.base-path': profileOf,
  'StructureDefinition.path': profileOf,
  'StructureDefinition.type': profileOf,
};
