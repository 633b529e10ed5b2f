import { describe, expect, it } from 'vitest';
import { activityTypeOf, CATALOGUE, labelsOf, nationalEventOf, occurredAtOf } from './catalogue.ts';

describe('the activity catalogue', () => {
  it.each([
    [{ resourceType: 'Patient' }, 'patient.registered'],
    [{ resourceType: 'Patient', link: [{ type: 'replaced-by' }] }, 'patient.linked'],
    [{ resourceType: 'Patient', deceasedBoolean: true }, 'patient.died'],
    [{ resourceType: 'Patient', deceasedBoolean: false }, 'patient.registered'],
    [{ resourceType: 'Encounter', status: 'in-progress' }, 'encounter.started'],
    [{ resourceType: 'Encounter', status: 'finished' }, 'encounter.ended'],
    [{ resourceType: 'Composition', type: { coding: [{ code: '373942005' }] } }, 'discharge-summary.issued'],
    [{ resourceType: 'Composition', type: { coding: [{ code: '1' }] } }, 'document.issued'],
    [{ resourceType: 'MedicationRequest', status: 'stopped' }, 'medication.stopped'],
    [{ resourceType: 'CarePlan', category: [{ coding: [{ code: '736253002' }] }] }, 'crisis-plan.agreed'],
    [{ resourceType: 'BiologicallyDerivedProduct' }, 'biologically-derived-product.recorded'],
  ])('%j is %s', (resource, type) => {
    expect(activityTypeOf(resource)).toBe(type);
  });

  it('knows the national name of what has one', () => {
    expect(nationalEventOf({ resourceType: 'Patient', deceasedBoolean: true })).toBe(
      'pds-death-notification-2',
    );
    expect(nationalEventOf({ resourceType: 'Observation' })).toBeUndefined();
    expect(nationalEventOf({ resourceType: 'BiologicallyDerivedProduct' })).toBeUndefined();
  });

  it('ends the rows of each resource with one that always fits, so that no condition hides another row', () => {
    for (const [resource, rows] of Map.groupBy(CATALOGUE, (row) => row.resource)) {
      expect(
        rows.map((row) => row.when === undefined),
        resource,
      ).toEqual(rows.map((_, index) => index === rows.length - 1));
    }
  });
});

describe('when an activity occurred', () => {
  it.each([
    [{ effectiveDateTime: '2024-02-03T10:00:00+01:00' }, '2024-02-03T10:00:00+01:00'],
    [{ effectiveDateTime: '2024-02-03' }, '2024-02-03T00:00:00Z'],
    [{ onsetDateTime: '2024-02' }, '2024-02-01T00:00:00Z'],
    [{ onsetDateTime: '2024' }, '2024-01-01T00:00:00Z'],
    [
      { period: { start: '2024-01-01T00:00:00Z', end: '2024-01-03T00:00:00Z' }, status: 'in-progress' },
      '2024-01-01T00:00:00Z',
    ],
    [
      { period: { start: '2024-01-01T00:00:00Z', end: '2024-01-03T00:00:00Z' }, status: 'finished' },
      '2024-01-03T00:00:00Z',
    ],
    [{ period: { end: '2024-01-03T00:00:00Z' } }, '2024-01-03T00:00:00Z'],
    [{}, 'now'],
  ])('%j: %s', (resource, occurredAt) => {
    expect(occurredAtOf(resource, 'now')).toBe(occurredAt);
  });
});

it('labels an event by the codes of meta.security', () => {
  expect(labelsOf({ meta: { security: [{ code: 'R' }, { display: 'no code' }] } })).toEqual(['R']);
  expect(labelsOf({})).toEqual([]);
});
