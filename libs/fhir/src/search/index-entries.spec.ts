import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isResourceType, resourceTypes } from '../definitions.ts';
import { BEGINNING_OF_TIME, dateRange, END_OF_TIME } from './dates.ts';
import { HIGHEST, LOWEST } from './decimals.ts';
import { realDataPresent, realFiles } from '../real-data.ts';
import { parseExpression } from './expression.ts';
import type { Json } from './extraction.ts';
import { indexEntries, indexResource, sortValue, tokenTexts } from './index-entries.ts';
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

  it.each<[string, object, object[]]>([
    [
      'a number below',
      { onsetAge: { value: 5, comparator: '<' } },
      [{ low: LOWEST, high: 4.999999999999999 }],
    ],
    ['a number or below', { onsetAge: { value: 5, comparator: '<=' } }, [{ low: LOWEST, high: 5 }]],
    ['a number or above', { onsetAge: { value: 5, comparator: '>=' } }, [{ low: 5, high: HIGHEST }]],
    [
      'a number above',
      { onsetAge: { value: 5, comparator: '>' } },
      [{ low: 5.000000000000001, high: HIGHEST }],
    ],
    ['below zero', { onsetAge: { value: 0, comparator: '<' } }, [{ low: LOWEST, high: -Number.MIN_VALUE }]],
    ['both limits', { onsetRange: { low: { value: 4 }, high: { value: 5 } } }, [{ low: 4, high: 5 }]],
    [
      'a lower limit',
      { onsetRange: { low: { value: 4, unit: 'a' } } },
      [{ low: 4, high: HIGHEST, unit: 'a' }],
    ],
    [
      'an upper limit',
      { onsetRange: { low: { unit: 'a' }, high: { value: 5, unit: 'a' } } },
      [{ low: LOWEST, high: 5, unit: 'a' }],
    ],
    [
      'a unit at one limit',
      { onsetRange: { low: { value: 4 }, high: { value: 5, unit: 'a' } } },
      [{ low: 4, high: 5, unit: 'a' }],
    ],
    [
      'a unit written in two ways',
      {
        onsetRange: {
          low: { value: 1, code: 'a', unit: 'year' },
          high: { value: 5, code: 'a', unit: 'years' },
        },
      },
      [{ low: 1, high: 5, code: 'a', unit: 'year' }],
    ],
    [
      'two units',
      { onsetRange: { low: { value: 6, unit: 'months' }, high: { value: 2, unit: 'years' } } },
      [
        { low: 6, high: HIGHEST, unit: 'months' },
        { low: LOWEST, high: 2, unit: 'years' },
      ],
    ],
    ['no limit', { onsetRange: {} }, []],
  ])('takes quantities for ranges: %s', (_, resource, expected) => {
    const found = indexEntries('Condition', resource as Json);
    expect(found).toEqual(expected.map((it) => ({ kind: 'quantity', parameter: 'onset-age', ...it })));
  });

  // https://hl7.org/fhir/R4/search.html#table
  it.each<[string, string, Json, object[]]>([
    ['Patient', 'active', { active: false }, [{ code: 'false' }]],
    ['Patient', 'gender', { gender: 'female' }, [{ code: 'female' }]],
    ['Patient', 'deceased', { deceasedDateTime: '2020' }, [{ code: 'true' }]],
    ['Patient', 'deceased', { deceasedBoolean: false }, [{ code: 'false' }]],
    ['Patient', 'email', { telecom: [{ system: 'email', value: 'A@b.uk' }] }, [{ code: 'a@b.uk' }]],
    ['Patient', 'email', { telecom: [{ system: 'phone', value: '0113' }] }, []],
    [
      'Patient',
      'language',
      { communication: [{ language: { coding: [{ code: 'en-GB' }] } }] },
      [{ code: 'en-gb' }],
    ],
    [
      'Patient',
      '_tag',
      { meta: { tag: [{ system: 'urn:s', code: 'X' }] } },
      [{ system: 'urn:s', code: 'x' }],
    ],
    ['Patient', '_source', { meta: { source: 'urn:S#1' } }, [{ value: 'urn:S#1' }]],
    [
      'Patient',
      '_profile',
      { meta: { profile: ['http://p|1.0', 'http://q'] } },
      [{ value: 'http://p|1.0' }, { value: 'http://p' }, { value: 'http://q' }],
    ],
    [
      'Patient',
      'name',
      {
        name: [
          { use: 'official', family: 'Å', given: ['B', 'C'], prefix: ['Dr'], suffix: ['MP'], text: 'B Å' },
        ],
      },
      [{ text: 'Å' }, { text: 'B' }, { text: 'C' }, { text: 'Dr' }, { text: 'MP' }, { text: 'B Å' }],
    ],
    [
      'Patient',
      'address',
      { address: [{ line: ['1 Low Rd'], city: 'Leeds', postalCode: 'LS1', country: 'UK', use: 'home' }] },
      [{ text: '1 Low Rd' }, { text: 'Leeds' }, { text: 'LS1' }, { text: 'UK' }],
    ],
    ['Patient', 'birthdate', { birthDate: '1970' }, [dateRange('1970')!]],
    [
      'Observation',
      'value-quantity',
      { valueQuantity: { value: 5.4, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' } },
      [{ low: 5.4, high: 5.4, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' }],
    ],
    ['Observation', 'value-quantity', { valueQuantity: { unit: 'mg' } }, []],
    ['Observation', 'value-quantity', { valueSampledData: { origin: { value: 1 }, data: '1 2' } }, []],
    ['Observation', 'value-string', { valueCodeableConcept: { text: 'Normal' } }, [{ text: 'Normal' }]],
    ['Observation', 'value-date', { valueDateTime: '2024-05' }, [dateRange('2024-05')!]],
    [
      'Invoice',
      'totalnet',
      { totalNet: { value: 9.5, currency: 'GBP' } },
      [{ low: 9.5, high: 9.5, system: 'urn:iso:std:iso:4217', code: 'GBP' }],
    ],
    [
      'RiskAssessment',
      'probability',
      { prediction: [{ probabilityDecimal: 0.3 }, { probabilityRange: {} }] },
      [{ value: 0.3 }],
    ],
    ['ValueSet', 'url', { url: 'http://v' }, [{ value: 'http://v' }]],
    [
      'PlanDefinition',
      'depends-on',
      {
        relatedArtifact: [
          { type: 'depends-on', resource: 'http://l|2' },
          { type: 'citation', resource: 'http://m' },
        ],
      },
      [{ target: 'http://l|2' }, { target: 'http://l' }],
    ],
    [
      'Observation',
      'subject',
      { subject: { reference: 'https://o.example/Patient/1' } },
      [{ target: 'https://o.example/Patient/1' }],
    ],
    ['Observation', 'subject', { subject: { reference: '#p' } }, []],
    [
      'Observation',
      'subject',
      { subject: { identifier: { system: 'urn:s', value: 'A1' }, display: 'Ann' } },
      [{ system: 'urn:s', code: 'a1' }],
    ],
    [
      'Bundle',
      'composition',
      { entry: [{ resource: { resourceType: 'Composition', id: 'c' } }] },
      [{ target: 'Composition/c' }],
    ],
    ['Bundle', 'message', { entry: [{ resource: { resourceType: 'Composition', id: 'c' } }] }, []],
  ])('%s.%s of %j', (type, parameter, resource, expected) => {
    const own = indexEntries(type, { resourceType: type, ...resource }).filter(
      (it) => it.parameter === parameter,
    );
    expect(own.map(({ kind: _kind, parameter: _parameter, ...value }) => value)).toEqual(expected);
  });

  it.each([2, 16, 17, 500])('says once what a resource says %d times over', (times) => {
    const codings = Array.from({ length: 3 * times }, (_, i) => ({ system: 's', code: `c${i % 3}` }));
    const entries = indexEntries('Observation', { code: { coding: codings } });
    expect(entries.filter((it) => it.parameter === 'code')).toEqual(
      ['c0', 'c1', 'c2'].map((code) => ({ kind: 'token', parameter: 'code', system: 's', code })),
    );
  });
});

describe('what is present', () => {
  it.each<[string, Json, string[]]>([
    ['Observation', {}, []],
    ['Observation', { subject: { display: 'somebody' } }, ['subject']],
    ['Observation', { subject: { reference: '#p', type: 'Patient' } }, ['patient', 'subject']],
    [
      'Observation',
      { subject: { reference: '#p' }, contained: [null, { resourceType: 'Patient', id: 'p' }] },
      ['patient', 'subject'],
    ],
    [
      'Observation',
      { subject: { reference: '#p' }, contained: [{ resourceType: 'Group', id: 'p' }] },
      ['subject'],
    ],
    ['Observation', { valueSampledData: {} }, ['combo-value-quantity', 'value-quantity']],
    ['Immunization', { occurrenceString: 'last winter' }, ['date']],
    ['Patient', { deceasedBoolean: false }, ['deceased']],
    ['Patient', { name: [{ use: 'old' }] }, ['name', 'phonetic']],
  ])('%s with %j has %j', (type, resource, expected) => {
    const { present } = indexResource(type, resource);
    const codes = searchParametersOf(type).map((it) => it.code);
    const found = codes.filter((_, i) => Math.floor(present / 2 ** i) % 2 === 1);
    expect(found.toSorted()).toEqual(['_id', '_lastUpdated', ...expected]);
  });
});

describe('tokenTexts', () => {
  it.each<[string, string, Json, string[]]>([
    [
      'Observation',
      'code',
      { code: { text: 'Pulse', coding: [{ display: 'Heart rate' }, { code: 'x' }] } },
      ['Pulse', 'Heart rate'],
    ],
    [
      'Patient',
      'identifier',
      { identifier: [{ type: { text: 'MRN' }, value: '1' }, { value: '2' }] },
      ['MRN'],
    ],
    ['Patient', '_tag', { meta: { tag: [{ display: 'Checked' }] } }, ['Checked']],
    ['Patient', 'gender', { gender: 'male' }, []],
    ['Patient', 'nonsense', {}, []],
  ])('%s.%s of %j: %j', (type, parameter, resource, texts) =>
    expect(tokenTexts(type, parameter, resource)).toEqual(texts),
  );
});

describe('sortValue', () => {
  const two = { name: [{ family: 'Zola' }, { family: 'Åse', given: ['Émile'] }] };
  it.each<[string, string, Json, unknown, unknown]>([
    ['Patient', 'family', two, 'ase', 'zola'],
    ['Patient', 'name', two, 'ase', 'zola'],
    ['Patient', 'birthdate', {}, undefined, undefined],
    ['Patient', 'identifier', { identifier: [{ value: 'B' }, { value: 'a' }] }, 'a', 'b'],
    ['Encounter', 'date', { period: { start: '2024' } }, dateRange('2024')!.low, dateRange('2024')!.low],
    ['Encounter', 'date', { period: { end: '2024' } }, BEGINNING_OF_TIME, BEGINNING_OF_TIME],
    ['Condition', 'onset-age', { onsetRange: { low: { value: 9 }, high: { value: 10 } } }, 9, 9],
    ['Condition', 'onset-age', { onsetRange: { high: { value: 10 } } }, 10, 10],
    ['Observation', 'subject', { subject: { reference: 'Patient/1' } }, 'Patient/1', 'Patient/1'],
    ['ValueSet', 'url', { url: 'http://v' }, 'http://v', 'http://v'],
    ['Patient', 'nonsense', {}, undefined, undefined],
  ])('%s.%s of %j: %j up, %j down', (type, parameter, resource, up, down) => {
    expect(sortValue(type, parameter, resource, false)).toBe(up);
    expect(sortValue(type, parameter, resource, true)).toBe(down);
  });
});

describe('whatever the resource', () => {
  const readAll = (type: string, resource: Record<string, unknown>) => {
    const { entries, present } = indexResource(type, resource);
    for (const { code } of searchParametersOf(type)) {
      tokenTexts(type, code, resource);
      sortValue(type, code, resource, true);
    }
    expect(new Set(entries.map((it) => JSON.stringify(it))).size).toBe(entries.length);
    expect(present).toBeLessThan(2 ** searchParametersOf(type).length);
  };

  it('reads random JSON without a fault', () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    const names = [
      'code',
      'coding',
      'subject',
      'reference',
      'identifier',
      'value',
      'system',
      'period',
      'start',
      'repeat',
    ];
    const element = fc.constantFrom(
      ...names,
      'name',
      'given',
      'entry',
      'resource',
      'telecom',
      'meta',
      'tag',
      'item',
    );
    const resource = fc.dictionary(element, json, { maxKeys: 8 });
    fc.assert(fc.property(fc.constantFrom(...resourceTypes()), resource, readAll), { numRuns: 500 });
  });

  const absent = realDataPresent ? '' : ' (skipped: ../shared/data is not there)';
  it.skipIf(!realDataPresent)(`reads real resources, and real ones with a value replaced${absent}`, () => {
    const resources = realFiles()
      .filter((it) => it.text.length < 100_000)
      .map((it) => JSON.parse(it.text) as Record<string, unknown>)
      .filter((it) => isResourceType(it['resourceType']));
    expect(resources.length).toBeGreaterThan(500);
    for (const it of resources) readAll(String(it['resourceType']), it);
    const other = fc.constantFrom<unknown>(null, 0, 'x', '', true, [], {}, [null], [[1]], { reference: 1 });
    fc.assert(
      fc.property(fc.constantFrom(...resources), fc.nat(), other, (resource, at, replacement) => {
        const places = placesOf(resource);
        const mutated = structuredClone(resource);
        const place = places[at % places.length] ?? [];
        replaceAt(mutated, place, replacement);
        readAll(String(resource['resourceType']), mutated);
      }),
      { numRuns: 1000 },
    );
  });
});

type Place = readonly (string | number)[];

function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [at];
  const inside = Object.entries(value).flatMap(([key, it]) => placesOf(it, [...at, key]));
  return at.length === 0 ? inside : [at, ...inside];
}

function replaceAt(value: unknown, [key, ...rest]: Place, replacement: unknown): void {
  if (key === undefined) return;
  const owner = value as Record<string | number, unknown>;
  if (rest.length === 0) owner[key] = replacement;
  else replaceAt(owner[key], rest, replacement);
}

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
