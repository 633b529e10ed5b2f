import { describe, expect, test } from 'vitest';
import { businessIdentifiers, forEachReference, patientOf, patientsOf } from './references.ts';

describe('forEachReference', () => {
  test('visits references wherever they are, and nothing that only has a `reference`', () => {
    const resource = {
      resourceType: 'Immunization',
      patient: { reference: 'Patient/1' },
      _status: { extension: [{ url: 'x', valueReference: { reference: 'Basic/2' } }] },
      education: [{ reference: 'http://example.org/leaflet' }],
      performer: [{ actor: { reference: 'Practitioner/3' } }, { actor: { identifier: { value: '4' } } }],
      protocolApplied: [{ authority: { reference: '#inner' } }],
      contained: [{ resourceType: 'Organization', id: 'inner', partOf: { reference: 'Organization/5' } }],
    };
    const seen: string[] = [];
    forEachReference(resource, (_, expression) => seen.push(expression));
    expect(seen).toEqual([
      'Immunization.patient',
      'Immunization.status.extension[0].value.ofType(Reference)',
      'Immunization.performer[0].actor',
      'Immunization.performer[1].actor',
      'Immunization.contained[0].partOf',
    ]);
  });

  test('hands out the references themselves, so that they can be resolved in place', () => {
    const bundle = {
      resourceType: 'Bundle',
      entry: [{ resource: { resourceType: 'Encounter', subject: { reference: 'urn:uuid:1' } } }],
    };
    forEachReference(bundle, (reference) => (reference.reference = 'Patient/1'));
    expect(bundle.entry[0]?.resource.subject.reference).toBe('Patient/1');
  });

  test.each([
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { resourceType: 'Nothing' },
    { resourceType: 'Encounter', subject: 7, participant: {} },
  ])('passes over %j', (value) => {
    forEachReference(value, () => expect.unreachable());
  });
});

const patient = { reference: 'Patient/1' };

describe('patientOf', () => {
  test.each([
    ['Observation', { subject: patient }, 'subject'],
    ['AllergyIntolerance', { patient, recorder: { reference: 'Patient/2' } }, 'patient'],
    ['Coverage', { payor: [{ reference: 'Patient/2' }], beneficiary: patient }, 'beneficiary'],
    ['Task', { for: patient }, 'for'],
    [
      'Appointment',
      { participant: [{ actor: { reference: 'Location/1' } }, { actor: patient }] },
      'participant.actor',
    ],
    ['Encounter', { subject: { reference: 'https://example.org/fhir/Patient/1/_history/2' } }, 'subject'],
    ['Encounter', { subject: { reference: 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0' } }, 'subject'],
    ['Encounter', { subject: { identifier: { system: 's', value: 'v' } } }, 'subject'],
    ['Consent', { patient }, 'patient'],
    ['DeviceUseStatement', { subject: patient }, 'subject'],
    ['Provenance', { target: [{ reference: 'Observation/1' }, patient] }, 'target'],
    ['EnrollmentRequest', { candidate: patient }, 'candidate'],
    ['GuidanceResponse', { subject: patient }, 'subject'],
  ])('of %s %j is in %s', (resourceType, members, element) => {
    expect(patientOf({ resourceType, ...members })?.element).toBe(element);
  });

  test.each([
    ['a group', { resourceType: 'Observation', subject: { reference: 'Group/1' } }],
    ['a contained patient', { resourceType: 'Observation', subject: { reference: '#p' } }],
    ['only a performer', { resourceType: 'Observation', performer: [patient] }],
    ['the patient itself', { resourceType: 'Patient', link: [{ other: patient }] }],
    [
      'an organisation by identifier',
      { resourceType: 'Observation', subject: { type: 'Organization', identifier: {} } },
    ],
    ['a type without patients', { resourceType: 'Organization', name: 'x' }],
    ['no resource', null],
  ])('finds none where there is %s', (_, resource) => {
    expect(patientOf(resource)).toBeUndefined();
  });
});

test('patientsOf gives the subject first and then everyone else of the compartment', () => {
  const resource = { resourceType: 'Condition', asserter: { reference: 'Patient/2' }, subject: patient };
  expect(patientsOf(resource).map(({ element, reference }) => [element, reference.reference])).toEqual([
    ['subject', 'Patient/1'],
    ['asserter', 'Patient/2'],
  ]);
});

test('businessIdentifiers reads one identifier or many, and only complete ones', () => {
  const one = { system: 's', value: '1' };
  expect(businessIdentifiers({ identifier: [one, { value: '2' }, null, { system: 's', value: 3 }] })).toEqual(
    [one],
  );
  expect(businessIdentifiers({ identifier: { ...one, use: 'official' } })).toEqual([one]);
  expect(businessIdentifiers(undefined)).toEqual([]);
});
