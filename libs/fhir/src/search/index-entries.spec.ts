import { describe, expect, it } from 'vitest';
import { resourceTypes } from '../definitions.ts';
import { BEGINNING_OF_TIME, dateRange, END_OF_TIME } from './dates.ts';
import { parseExpression } from './expression.ts';
import { subjectParametersOf } from './compartments.ts';
import { indexEntries } from './index-entries.ts';
import {
  buildSearchParameters,
  patientCompartmentParameters,
  searchParametersOf,
} from './search-parameters.ts';

describe('the R4 search parameters', () => {
  it('can all be read, those of later kinds too', () => {
    const expressions = buildSearchParameters().parameters.flatMap((it) => it.expression ?? []);
    expect(expressions.length).toBeGreaterThan(1300);
    for (const expression of expressions) expect(parseExpression(expression).length).toBeGreaterThan(0);
  });

  it('hold every parameter that puts a resource in a patient compartment', () => {
    for (const type of resourceTypes()) {
      const codes = searchParametersOf(type).map((it) => it.code);
      expect(codes).toEqual(expect.arrayContaining([...patientCompartmentParameters(type)]));
    }
  });

  it.each([
    'Observation.value + 1',
    'Patient.name.first()',
    "Patient.name.where(use='old'",
    'Patient..name',
    '',
  ])('refuses what lies outside its FHIRPath: %s', (expression) =>
    expect(() => parseExpression(expression)).toThrow('Not in the subset'),
  );
});

describe('subjectParametersOf', () => {
  it.each([
    ['Observation', ['patient', 'subject']],
    ['Encounter', ['patient', 'subject']],
    ['AllergyIntolerance', ['patient']],
    ['Coverage', ['beneficiary', 'patient']],
    ['Organization', []],
  ])('%s: %j', (type, codes) => expect([...subjectParametersOf(type)].sort()).toEqual(codes));
});

describe('indexEntries', () => {
  it('finds an Observation by what it says', () => {
    const entries = indexEntries('Observation', {
      resourceType: 'Observation',
      identifier: [{ system: 'urn:a', value: '1' }, { value: '2' }, { system: 'urn:only' }, {}],
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }, { code: 'hr' }], text: 'Heart rate' },
      subject: { reference: 'Patient/p/_history/3' },
      performer: [{ reference: 'Practitioner/x' }, { reference: '#contained' }, { display: 'nobody' }],
      effectiveDateTime: '2024-01-05',
    });
    const parameters = ['identifier', 'code', 'subject', 'patient', 'performer', 'date'];
    expect(entries.filter((it) => parameters.includes(it.parameter)).toSorted(byText)).toEqual(
      [
        { kind: 'token', parameter: 'identifier', system: 'urn:a', code: '1' },
        { kind: 'token', parameter: 'identifier', code: '2' },
        { kind: 'token', parameter: 'identifier', system: 'urn:only' },
        { kind: 'token', parameter: 'code', system: 'http://loinc.org', code: '8867-4' },
        { kind: 'token', parameter: 'code', code: 'hr' },
        { kind: 'reference', parameter: 'subject', target: 'Patient/p' },
        { kind: 'reference', parameter: 'subject', target: 'Patient/p/_history/3' },
        { kind: 'reference', parameter: 'patient', target: 'Patient/p' },
        { kind: 'reference', parameter: 'patient', target: 'Patient/p/_history/3' },
        { kind: 'reference', parameter: 'performer', target: 'Practitioner/x' },
        { kind: 'date', parameter: 'date', ...dateRange('2024-01-05') },
      ].toSorted(byText),
    );
  });

  it.each([
    [
      { effectivePeriod: { start: '2024-01', end: '2024-03' } },
      dateRange('2024-01')?.low,
      dateRange('2024-03')?.high,
    ],
    [{ effectivePeriod: { start: '2024-01' } }, dateRange('2024-01')?.low, END_OF_TIME],
    [{ effectivePeriod: { end: '2024-03' } }, BEGINNING_OF_TIME, dateRange('2024-03')?.high],
    [{ effectiveInstant: '2024-01-05T10:00:00.123Z' }, 1704448800123, 1704448800123],
    [
      { effectiveTiming: { event: ['2024-02-01', '2024-01-01'] } },
      dateRange('2024-01-01')?.low,
      dateRange('2024-02-01')?.high,
    ],
    [
      { effectiveTiming: { repeat: { boundsPeriod: { start: '2024', end: '2025' } } } },
      dateRange('2024')?.low,
      dateRange('2025')?.high,
    ],
  ])('reads the dates of %j', (effective, low, high) => {
    expect(indexEntries('Observation', effective)).toEqual([{ kind: 'date', parameter: 'date', low, high }]);
  });

  it('has no date where there is none to read', () => {
    expect(
      indexEntries('Observation', { effectivePeriod: {}, effectiveTiming: { repeat: { count: 3 } } }),
    ).toEqual([]);
    expect(indexEntries('Immunization', { occurrenceString: 'last winter' })).toEqual([]);
  });

  it('tells a patient from another subject', () => {
    const parameters = (subject: object) =>
      indexEntries('Encounter', { subject })
        .map((it) => it.parameter)
        .sort();
    expect(parameters({ reference: 'Patient/1' })).toEqual(['patient', 'subject']);
    expect(parameters({ reference: 'https://other.example/fhir/Patient/1' })).toEqual(['patient', 'subject']);
    expect(parameters({ reference: 'urn:uuid:0', type: 'Patient' })).toEqual(['patient', 'subject']);
    expect(parameters({ reference: 'Group/1' })).toEqual(['subject']);
  });

  it('says the same thing once', () => {
    const coding = { system: 's', code: 'c' };
    const entries = indexEntries('Observation', { code: { coding: [coding, coding] } });
    expect(entries.map((it) => it.parameter).sort()).toEqual(['code', 'combo-code']);
  });
});

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
