/**
 * The oracle of search against the examples that the specification itself gives: each row is a sentence of
 * https://hl7.org/fhir/R4/search.html
 */
import { describe, expect, it, test } from 'vitest';
import { searchPlainly, type Pair } from '../support/search-oracle.ts';
import type { Resource } from '../support/search-oracle-definitions.ts';
import { exact } from '../support/search-oracle-ranges.ts';

const asking = { base: 'http://example.org/fhir', now: Date.UTC(2026, 0, 1), near: exact(1, 10) };

function found(resources: readonly Resource[], type: string, ...pairs: Pair[]): readonly string[] {
  return searchPlainly(resources, type, pairs, asking).ids;
}

const finds = (type: string, name: string, element: object, value: string): boolean =>
  found([{ resourceType: type, id: 'it', ...element }], type, [name, value]).length > 0;

const periods = {
  'from 15-Mar 2013 onwards': { start: '2013-03-15' },
  'from 21-Jan 2013 onwards': { start: '2013-01-21' },
  'before and including 21-Jan 2013': { end: '2013-01-21' },
};

describe('date', () => {
  test.each<[string, string, boolean]>([
    ['eq2013-01-14', '2013-01-14T00:00:00Z', true],
    ['eq2013-01-14', '2013-01-14T10:00:00Z', true],
    ['eq2013-01-14', '2013-01-15T00:00:00Z', false],
    ['ne2013-01-14', '2013-01-15T00:00:00Z', true],
    ['ne2013-01-14', '2013-01-14T00:00:00Z', false],
    ['ne2013-01-14', '2013-01-14T10:00:00Z', false],
    ['lt2013-01-14T10:00', '2013-01-14', true],
    ['gt2013-01-14T10:00', '2013-01-14', true],
    ['ap2013-03-14', '2013-03-14', true],
    ['ap2013-03-14', '2015-06-15', false],
    ['2000', '2000-12-31T23:59:59Z', true],
    ['2000', '2001-01-01T00:00:00Z', false],
    ['2000-04', '2000-04-30T23:59:59.999Z', true],
    ['2000-04', '2000-05-01', false],
    ['ge2018', '2018-01-01T00:00:00Z', true],
    ['gt2018', '2018-12-31', false],
    ['le2018', '2018-12-31T23:59:59Z', true],
    ['lt2018', '2018-01-01T00:00:00Z', false],
    ['2000-04-01T00:30Z', '2000-04-01T01:30:59+01:00', true],
    ['2000-04-01T00:30Z', '2000-04-01T01:31:00+01:00', false],
    ['2000-04-01T00:30:00Z', '2000-04-01T01:30:00+01:00', true],
    ['2000-03-31', '2000-04-01T00:30:00+01:00', true],
  ])('%s on %s: %s', (value, held, expected) => {
    expect(finds('Observation', 'date', { effectiveDateTime: held }, value)).toBe(expected);
  });

  test.each<[string, keyof typeof periods, boolean]>([
    ['ge2013-03-14', 'from 21-Jan 2013 onwards', true],
    ['le2013-03-14', 'from 21-Jan 2013 onwards', true],
    ['sa2013-03-14', 'from 15-Mar 2013 onwards', true],
    ['sa2013-03-14', 'from 21-Jan 2013 onwards', false],
    ['sa2013-03-14', 'before and including 21-Jan 2013', false],
    ['eb2013-03-14', 'from 15-Mar 2013 onwards', false],
    ['eb2013-03-14', 'from 21-Jan 2013 onwards', false],
    ['eb2013-03-14', 'before and including 21-Jan 2013', true],
  ])('%s on the period %s: %s', (value, period, expected) => {
    expect(finds('Encounter', 'date', { period: periods[period] }, value)).toBe(expected);
  });

  it('reads the outer limits of a Timing', () => {
    const repeat = {
      boundsPeriod: { start: '2013-01-31', end: '2013-03-24' },
      frequency: 1,
      period: 2,
      periodUnit: 'd',
    };
    const activity = [{ detail: { status: 'scheduled', scheduledTiming: { repeat } } }];
    expect(finds('CarePlan', 'activity-date', { activity }, 'ap2013-02-01')).toBe(true);
    expect(finds('CarePlan', 'activity-date', { activity }, 'sa2013-03-24')).toBe(false);
  });
});

test.each<[string, number, boolean]>([
  ['100', 99.5, true],
  ['100', 100.5, false],
  ['100.00', 99.995, true],
  ['100.00', 100.005, false],
  ['1.00e2', 100.4, true],
  ['lt100', 99.9999, true],
  ['lt100', 100, false],
  ['le100', 100, true],
  ['le100', 100.2, false],
  ['gt100', 100, false],
  ['gt100', 100.0001, true],
  ['ge100', 100, true],
  ['ne100', 100.2, false],
  ['ne100', 100.5, true],
  ['gt0.8', 0.81, true],
  ['gt8e-1', 0.81, true],
])('number: probability=%s on %d: %s', (value, probability, expected) => {
  const element = { prediction: [{ probabilityDecimal: probability }] };
  expect(finds('RiskAssessment', 'probability', element, value)).toBe(expected);
});

const UCUM = 'http://unitsofmeasure.org';

test.each<[string, object, boolean]>([
  [`5.4|${UCUM}|mg`, { value: 5.44, system: UCUM, code: 'mg' }, true],
  [`5.4|${UCUM}|mg`, { value: 5.45, system: UCUM, code: 'mg' }, false],
  [`5.40e-3|${UCUM}|g`, { value: 0.005404, system: UCUM, code: 'g' }, true],
  [`5.40e-3|${UCUM}|g`, { value: 5.404, system: UCUM, code: 'mg' }, true],
  [`5.40e-3|${UCUM}|g`, { value: 5.406, system: UCUM, code: 'mg' }, false],
  ['5.4||mg', { value: 5.4, system: UCUM, code: 'mg' }, true],
  ['5.4||mg', { value: 5.4, unit: 'mg' }, true],
  ['5.4||mg', { value: 5.4, unit: 'g' }, false],
  ['5.4', { value: 5.4, unit: 'g' }, true],
  [`le5.4|${UCUM}|mg`, { value: 5.4, system: UCUM, code: 'mg' }, true],
  [`ap5.4|${UCUM}|mg`, { value: 5.9, system: UCUM, code: 'mg' }, true],
  [`ap5.4|${UCUM}|mg`, { value: 6, system: UCUM, code: 'mg' }, false],
  [`0.23|${UCUM}|m/h`, { value: 230, system: UCUM, code: 'mm/h' }, true],
  [`37|${UCUM}|Cel`, { value: 98.6, system: UCUM, code: '[degF]' }, true],
  [`18|${UCUM}|/min`, { value: 0.3, system: UCUM, code: '/s' }, true],
  [`18|${UCUM}|/min`, { value: 18, system: UCUM, code: '{score}' }, false],
  [`7|${UCUM}|mmol/L`, { value: 7, system: UCUM, code: 'mg/dL' }, false],
])('quantity: value-quantity=%s on %j: %s', (value, quantity, expected) => {
  expect(finds('Observation', 'value-quantity', { valueQuantity: quantity }, value)).toBe(expected);
});

// The rows of https://hl7.org/fhir/R4/search.html#prefix, on what is no one number.
test.each<[string, object, boolean]>([
  ['5', { low: { value: 4.6 }, high: { value: 5.4 } }, true],
  ['5', { low: { value: 4.6 }, high: { value: 5.5 } }, false],
  ['5', { low: { value: 5 } }, false],
  ['ne5', { low: { value: 4.6 }, high: { value: 5.5 } }, true],
  ['gt5', { low: { value: 4 }, high: { value: 5 } }, false],
  ['gt5', { low: { value: 4 } }, true],
  ['lt4', { low: { value: 4 }, high: { value: 5 } }, false],
  ['lt4', { high: { value: 5 } }, true],
  ['ge5', { low: { value: 4 }, high: { value: 5 } }, false],
  ['ge5', { low: { value: 5 }, high: { value: 5 } }, true],
  ['ge5', { low: { value: 5 }, high: { value: 6 } }, true],
  ['le4', { low: { value: 4 }, high: { value: 5 } }, false],
  ['sa4', { low: { value: 4 }, high: { value: 5 } }, false],
  ['sa3', { low: { value: 4 }, high: { value: 5 } }, true],
  ['sa3', { high: { value: 5 } }, false],
  ['eb5', { low: { value: 4 }, high: { value: 5 } }, false],
  ['eb6', { low: { value: 4 }, high: { value: 5 } }, true],
  ['ap5.5', { low: { value: 4 }, high: { value: 5 } }, true],
  ['ap6', { low: { value: 4 }, high: { value: 5 } }, false],
  [`lt1|${UCUM}|a`, { low: { value: 6, system: UCUM, code: 'mo' } }, true],
  [`eb2|${UCUM}|a`, { low: { value: 6, system: UCUM, code: 'mo' }, high: { value: 20 } }, true],
])('range: onset-age=%s on %j: %s', (value, range, expected) => {
  expect(finds('Condition', 'onset-age', { onsetRange: range }, value)).toBe(expected);
});

test.each<[string, object, boolean]>([
  ['5', { value: 5, comparator: '<' }, false],
  ['gt5', { value: 5, comparator: '<=' }, false],
  ['gt4', { value: 5, comparator: '<' }, true],
  ['lt5', { value: 5, comparator: '>=' }, false],
  ['lt5', { value: 5, comparator: '<' }, true],
  ['sa5', { value: 5, comparator: '>' }, true],
  ['sa5', { value: 5, comparator: '>=' }, false],
  ['eb5', { value: 5, comparator: '<' }, true],
  ['eb5', { value: 5, comparator: '<=' }, false],
  ['ap50', { value: 45, comparator: '<' }, false],
  ['ap50', { value: 45, comparator: '<=' }, true],
])('comparator: value-quantity=%s on %j: %s', (value, quantity, expected) => {
  expect(finds('Observation', 'value-quantity', { valueQuantity: quantity }, value)).toBe(expected);
});

test.each<[string, string, object, boolean]>([
  ['given', 'eve', { given: ['Eve'] }, true],
  ['given', 'eve', { given: ['Anne', 'Evelyn'] }, true],
  ['given', 'eve', { given: ['Severine'] }, false],
  ['given:contains', 'eve', { given: ['Severine'] }, true],
  ['given:exact', 'Eve', { given: ['Eve'] }, true],
  ['given:exact', 'Eve', { given: ['eve'] }, false],
  ['given:exact', 'Eve', { given: ['EVE'] }, false],
  ['given', 'rene', { given: ['René'] }, true],
  ['given:exact', 'Rene', { given: ['René'] }, false],
  ['name', 'carreno', { family: 'Carreño Quiñones' }, true],
  ['name', 'ana  MARIA', { text: 'Ana\tMaria' }, true],
])('string: %s=%s on %j: %s', (name, value, part, expected) => {
  expect(finds('Patient', name, { name: [part] }, value)).toBe(expected);
});

const acme = 'http://acme.org/codes';

test.each<[string, string, object, boolean]>([
  ['code', 'ha125', { coding: [{ system: acme, code: 'ha125' }] }, true],
  ['code', `${acme}|ha125`, { coding: [{ system: acme, code: 'ha125' }] }, true],
  ['code', `${acme}|`, { coding: [{ system: acme, code: 'ha125' }] }, true],
  ['code', '|ha125', { coding: [{ system: acme, code: 'ha125' }] }, false],
  ['code', '|ha125', { coding: [{ code: 'ha125' }] }, true],
  ['code', 'a,b', { coding: [{ code: 'b' }] }, true],
  ['code', 'a\\,b', { coding: [{ code: 'b' }] }, false],
  ['code', 'a\\,b', { coding: [{ code: 'a,b' }] }, true],
  ['code', 'a\\|b', { coding: [{ code: 'a|b' }] }, true],
  ['code', 'a\\\\b', { coding: [{ code: 'a\\b' }] }, true],
  ['code:not', 'a', { coding: [{ code: 'a' }, { code: 'b' }] }, false],
  ['code:not', 'a', { coding: [{ code: 'b' }] }, true],
  ['code:text', 'headache', { text: 'Headache, severe' }, true],
  ['code:text', 'headache', { coding: [{ display: 'headache' }] }, true],
  ['code:missing', 'false', { text: 'a' }, true],
])('token: %s=%s on %j: %s', (name, value, code, expected) => {
  expect(finds('Condition', name, { code }, value)).toBe(expected);
});

test.each<[string, string, object, boolean]>([
  ['gender:not', 'male', {}, true],
  ['gender:missing', 'true', {}, true],
  ['gender:missing', 'true', { gender: 'male' }, false],
  ['birthdate:missing', 'true', { _birthDate: { extension: [{ url: 'u', valueString: 'v' }] } }, true],
  ['active', 'true', { active: true }, true],
  ['deceased', 'true', { deceasedDateTime: '2020' }, true],
  [
    'identifier',
    'http://acme.org/patient|2345',
    { identifier: [{ system: 'http://acme.org/patient', value: '2345' }] },
    true,
  ],
  ['_tag', `${acme}|needs-review`, { meta: { tag: [{ system: acme, code: 'needs-review' }] } }, true],
  ['_id', 'it', {}, true],
  ['_id', 'IT', {}, false],
])('for all: %s=%s on %j: %s', (name, value, element, expected) => {
  expect(finds('Patient', name, element, value)).toBe(expected);
});

test.each<[string, string, object, boolean]>([
  ['subject', 'Patient/123', { reference: 'Patient/123' }, true],
  ['subject', 'Patient/123', { reference: 'http://example.org/fhir/Patient/123' }, true],
  ['subject', 'http://example.org/fhir/Patient/123', { reference: 'Patient/123' }, true],
  ['subject', '123', { reference: 'Patient/123' }, true],
  ['subject', '123', { reference: 'http://elsewhere.org/fhir/Patient/123' }, false],
  ['subject:Patient', '123', { reference: 'Patient/123' }, true],
  ['subject:Device', '123', { reference: 'Patient/123' }, false],
  ['patient', '123', { reference: 'Patient/123' }, true],
  ['patient', '123', { reference: 'Group/123' }, false],
  ['subject', 'Patient/123', { reference: 'Patient/123/_history/2' }, true],
  ['subject', 'Patient/123/_history/2', { reference: 'Patient/123/_history/2' }, true],
  ['subject', 'Patient/123/_history/2', { reference: 'Patient/123' }, false],
  [
    'subject:identifier',
    'http://acme.org/mrn|1',
    { identifier: { system: 'http://acme.org/mrn', value: '1' } },
    true,
  ],
  [
    'subject:identifier',
    'http://acme.org/mrn|1',
    { identifier: { system: 'http://acme.org/nhs', value: '1' } },
    false,
  ],
])('reference: %s=%s on %j: %s', (name, value, subject, expected) => {
  expect(finds('Observation', name, { subject }, value)).toBe(expected);
});

test('uri: the whole of it, in its case', () => {
  const url = 'http://acme.org/fhir/ValueSet/123';
  expect(finds('ValueSet', 'url', { url }, url)).toBe(true);
  expect(finds('ValueSet', 'url', { url }, url.toUpperCase())).toBe(false);
  expect(finds('ValueSet', 'url', { url }, url.slice(0, -1))).toBe(false);
  expect(finds('ValueSet', 'url', { url: 'urn:oid:1.2.3.4.5' }, 'urn:oid:1.2.3.4.5')).toBe(true);
});

describe('of several', () => {
  const language = (code: string) => ({ language: { coding: [{ code }] } });
  const people = [
    { resourceType: 'Patient', id: 'fr', communication: [language('FR')], birthDate: '1980' },
    {
      resourceType: 'Patient',
      id: 'both',
      communication: [language('FR'), language('NL')],
      birthDate: '1970-02',
    },
    { resourceType: 'Patient', id: 'none' },
    { resourceType: 'Patient', id: 'en', communication: [language('EN')], birthDate: '1990-01-01' },
  ];
  const observations = [
    {
      resourceType: 'Observation',
      id: 'o1',
      subject: { reference: 'Patient/fr' },
      hasMember: [{ reference: 'Observation/o2' }],
    },
    {
      resourceType: 'Observation',
      id: 'o2',
      subject: { reference: 'Patient/en' },
      encounter: { reference: 'Encounter/gone' },
    },
  ];
  const everything = [...people, ...observations];

  it('joins repeated parameters by AND and commas by OR', () => {
    expect(found(people, 'Patient', ['language', 'FR'], ['language', 'NL'])).toEqual(['both']);
    expect(found(people, 'Patient', ['language', 'FR,EN'])).toEqual(['fr', 'both', 'en']);
  });

  it('sorts by what comes first in the order asked for, those without a value last', () => {
    expect(found(people, 'Patient', ['_sort', 'birthdate'])).toEqual(['both', 'fr', 'en', 'none']);
    expect(found(people, 'Patient', ['_sort', '-birthdate'])).toEqual(['en', 'fr', 'both', 'none']);
    expect(found(people, 'Patient', ['_sort', '-language,_id'])).toEqual(['both', 'fr', 'en', 'none']);
  });

  it('includes what is referred to and what refers, once, and on and on when asked to iterate', () => {
    const adds = (type: string, page: string[], ...pairs: Pair[]) =>
      [...searchPlainly(everything, type, pairs, asking).included(page)].sort();
    expect(adds('Observation', ['o1'], ['_include', 'Observation:subject'])).toEqual(['Patient/fr']);
    expect(adds('Observation', ['o1'], ['_include', 'Observation:subject:Group'])).toEqual([]);
    expect(adds('Observation', ['o1'], ['_include', '*'])).toEqual(['Observation/o2', 'Patient/fr']);
    expect(adds('Observation', ['o1'], ['_include:iterate', '*'])).toEqual([
      'Observation/o2',
      'Patient/en',
      'Patient/fr',
    ]);
    expect(adds('Observation', ['o1', 'o2'], ['_include', 'Observation:has-member'])).toEqual([]);
    expect(adds('Patient', ['fr'], ['_revinclude', 'Observation:subject'])).toEqual(['Observation/o1']);
  });
});
