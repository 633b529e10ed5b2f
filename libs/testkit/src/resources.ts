/** The smallest resources that are valid FHIR R4; each with whatever a test wants to be special about it. */

interface Resource {
  readonly resourceType: string;
  readonly [element: string]: unknown;
}

export function aPatient(special: Record<string, unknown> = {}): Resource {
  return {
    resourceType: 'Patient',
    name: [{ family: 'Spec' }],
    gender: 'female',
    birthDate: '1970-01-01',
    ...special,
  };
}

/** A heart rate of this subject, a reference such as `Patient/1`. */
export function anObservation(subject: string, special: Record<string, unknown> = {}): Resource {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
    subject: { reference: subject },
    effectiveDateTime: '2026-01-01T09:00:00Z',
    valueQuantity: { value: 72, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
    ...special,
  };
}
