import { describe, expect, test } from 'vitest';
import { resourceTypes } from '../definitions.ts';
import { PROBLEMS_MAX } from './run.ts';
import { validateResource } from './validate-resource.ts';

const observation = {
  resourceType: 'Observation',
  id: 'example',
  meta: { profile: ['https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation'] },
  status: 'final',
  category: [
    {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }],
    },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '85354-9' }], text: 'Blood pressure' },
  subject: { reference: 'Patient/1' },
  effectiveDateTime: '2024-05-31T09:30:00+01:00',
  component: [
    {
      code: { text: 'Systolic' },
      valueQuantity: { value: 120, unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    },
    { code: { text: 'Diastolic' }, dataAbsentReason: { text: 'not heard' } },
  ],
};
const patient = {
  resourceType: 'Patient',
  name: [{ given: ['Ann', 'B'], family: 'C' }],
  birthDate: '1970-03-12',
};
const extension = { url: 'https://example.org/e', valueString: 'x' };

test('a valid resource has no problems', () => {
  expect(validateResource(observation)).toEqual([]);
  expect(validateResource(patient)).toEqual([]);
});

describe('accepts', () => {
  test.each<[string, object]>([
    [
      'unknown extensions, nested and on primitives',
      {
        ...patient,
        extension: [{ url: 'https://example.org/n', extension: [extension] }],
        _birthDate: { id: 'b', extension: [extension] },
      },
    ],
    ['unknown modifier extensions', { ...patient, modifierExtension: [extension] }],
    [
      'an extension in place of a primitive value',
      { ...patient, birthDate: undefined, _birthDate: { extension: [extension] } },
    ],
    ['an id beside a primitive value', { ...patient, _birthDate: { id: 'b' } }],
    [
      'arrays of primitives with gaps',
      { ...patient, name: [{ given: ['A', null], _given: [null, { extension: [extension] }] }] },
    ],
    [
      'a required element that is only extended',
      { ...observation, status: undefined, _status: { extension: [extension] } },
    ],
    [
      'a contained resource that is referred to',
      { ...observation, contained: [{ resourceType: 'Patient', id: 'p' }], subject: { reference: '#p' } },
    ],
    [
      'a contained resource that refers to its container',
      {
        ...patient,
        contained: [
          {
            resourceType: 'Observation',
            id: 'o',
            status: 'final',
            code: { text: 'x' },
            subject: { reference: '#' },
          },
        ],
      },
    ],
    [
      'references of any form',
      {
        ...observation,
        subject: { reference: 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', type: 'Patient' },
        performer: [
          { display: 'x' },
          { reference: 'Practitioner?identifier=1' },
          { reference: 'https://example.org/fhir/Practitioner/1/_history/2' },
        ],
      },
    ],
    [
      'a CodeableConcept with one coding of the required value set among others',
      {
        resourceType: 'Condition',
        subject: { reference: 'Patient/1' },
        clinicalStatus: {
          coding: [
            { code: 'x' },
            { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
          ],
        },
      },
    ],
    [
      'periods that end on the day they begin',
      { ...patient, name: [{ text: 'x', period: { start: '2024-05-31T09:30:00Z', end: '2024-05-31' } }] },
    ],
    [
      'times compared across offsets',
      {
        ...patient,
        name: [{ text: 'x', period: { start: '2024-05-31T09:30:00+01:00', end: '2024-05-31T08:45:00Z' } }],
      },
    ],
    ['empty Parameters', { resourceType: 'Parameters' }],
    [
      'a recursive element',
      {
        resourceType: 'Questionnaire',
        status: 'draft',
        item: [{ linkId: '1', type: 'group', item: [{ linkId: '1.1', type: 'string' }] }],
      },
    ],
    [
      'an element that happens to be called resourceType',
      {
        resourceType: 'ExampleScenario',
        status: 'draft',
        instance: [{ resourceId: '1', resourceType: 'Patient' }],
      },
    ],
  ])('%s', (_, resource) => {
    expect(validateResource(JSON.parse(JSON.stringify(resource)))).toEqual([]);
  });
});

describe('refuses', () => {
  test.each<[string, object, string, string, string]>([
    // Structure
    [
      'an unknown element, and names the nearest',
      { ...patient, birthdate: '1970' },
      'Patient.birthdate',
      'structure',
      '`birthDate`',
    ],
    [
      'an unknown element that is like none',
      { ...patient, shoeSizeInInches: 9 },
      'Patient.shoeSizeInInches',
      'structure',
      'in an extension',
    ],
    [
      'an element deep inside',
      { ...observation, component: [{ code: { coding: [{ sistem: 'x' }] } }] },
      'Observation.component[0].code.coding[0].sistem',
      'structure',
      '`system`',
    ],
    [
      'an element of another FHIR version',
      { ...observation, context: { reference: 'Encounter/1' } },
      'Observation.context',
      'structure',
      'no element',
    ],
    [
      '__proto__',
      JSON.parse('{"resourceType":"Patient","__proto__":{"a":1}}'),
      'Patient',
      'structure',
      'Remove it',
    ],
    ['a name it had better not repeat', { ...patient, 'Ann Smith': 1 }, 'Patient', 'structure', 'Remove it'],
    [
      'a missing element',
      { ...observation, status: undefined },
      'Observation.status',
      'required',
      '`status` is required',
    ],
    [
      'a missing choice',
      {
        resourceType: 'MedicationRequest',
        status: 'active',
        intent: 'order',
        subject: { reference: 'Patient/1' },
      },
      'MedicationRequest.medication',
      'required',
      '`medication[x]`',
    ],
    [
      'one value where an array belongs',
      { ...patient, name: { family: 'x' } },
      'Patient.name',
      'structure',
      'Send an array',
    ],
    [
      'an array where one value belongs',
      { ...patient, birthDate: ['1970'] },
      'Patient.birthDate',
      'structure',
      'not an array',
    ],
    [
      'an array of complex values where one belongs',
      { ...observation, code: [{ text: 'x' }] },
      'Observation.code',
      'structure',
      'not an array',
    ],
    [
      'two members of a choice',
      { ...observation, component: undefined, valueString: 'x', valueInteger: 1 },
      'Observation.value',
      'structure',
      '`valueString`, `valueInteger`',
    ],
    [
      'two members of a choice, one only extended',
      { ...observation, component: undefined, _valueString: { extension: [extension] }, valueInteger: 1 },
      'Observation.value',
      'structure',
      'Only one',
    ],
    [
      'a type the choice does not have',
      { ...observation, component: undefined, valueDecimal: 1 },
      'Observation.valueDecimal',
      'structure',
      'no element',
    ],
    ['an empty object', { ...patient, name: [{}] }, 'Patient.name[0]', 'invariant', 'ele-1'],
    [
      'an object with only an id',
      { ...patient, name: [{ id: 'x' }] },
      'Patient.name[0]',
      'invariant',
      'ele-1',
    ],
    ['an empty array', { ...patient, name: [] }, 'Patient.name', 'structure', 'never empty'],
    ['an empty string', { ...patient, birthDate: '' }, 'Patient.birthDate', 'value', 'a date that exists'],
    ['null for a primitive', { ...patient, birthDate: null }, 'Patient.birthDate', 'value', 'a date'],
    [
      'null for an object',
      { ...observation, code: null },
      'Observation.code',
      'structure',
      'a CodeableConcept',
    ],
    [
      'null in an array of objects',
      { ...patient, name: [null] },
      'Patient.name[0]',
      'structure',
      'a HumanName',
    ],
    [
      'null in an array without an extension in its place',
      { ...patient, name: [{ given: ['a', null] }] },
      'Patient.name[0].given[1]',
      'value',
      '`null`',
    ],
    [
      'a string for an object',
      { ...observation, code: 'x' },
      'Observation.code',
      'structure',
      'a CodeableConcept',
    ],
    [
      'an object for a string',
      { ...patient, name: [{ family: {} }] },
      'Patient.name[0].family',
      'value',
      'a string',
    ],

    // Primitives
    [
      'a date that does not exist',
      { ...patient, birthDate: '2023-02-29' },
      'Patient.birthDate',
      'value',
      'a date that exists',
    ],
    [
      'a time without an offset',
      { ...observation, effectiveDateTime: '2024-05-31T09:30:00' },
      'Observation.effective.ofType(dateTime)',
      'value',
      'an offset',
    ],
    [
      'a number in quotes',
      { ...observation, component: [{ code: { text: 'x' }, valueQuantity: { value: '1' } }] },
      'Observation.component[0].value.ofType(Quantity).value',
      'value',
      'without quotes',
    ],
    ['an id that is none', { ...patient, id: 'a b' }, 'Patient.id', 'value', 'an id'],
    [
      'a primitive extension without content',
      { ...patient, _birthDate: {} },
      'Patient.birthDate',
      'invariant',
      'ele-1',
    ],
    [
      'a primitive that is nothing but an id',
      { ...patient, birthDate: undefined, _birthDate: { id: 'x' } },
      'Patient.birthDate',
      'invariant',
      'ele-1',
    ],
    [
      'a primitive extension that is no object',
      { ...patient, _birthDate: 'x' },
      'Patient.birthDate',
      'structure',
      '`extension` or `id`',
    ],
    [
      'primitive extensions of another length',
      { ...patient, name: [{ given: ['a'], _given: [{ id: 'x' }, { extension: [extension] }] }] },
      'Patient.name[0].given',
      'structure',
      'length',
    ],
    [
      'null beside null',
      { ...patient, name: [{ given: ['a', null], _given: [{ id: 'x' }, null] }] },
      'Patient.name[0].given[1]',
      'value',
      '`null`',
    ],
    [
      'a primitive extension on an object',
      { ...observation, _code: { extension: [extension] } },
      'Observation',
      'structure',
      'inside it',
    ],

    // Codes
    [
      'a code outside its value set, and lists the codes',
      { ...observation, status: 'done' },
      'Observation.status',
      'code-invalid',
      'registered | preliminary | final | amended',
    ],
    [
      'a code in the wrong case',
      { ...patient, gender: 'Female' },
      'Patient.gender',
      'code-invalid',
      'male | female | other | unknown',
    ],
    [
      'a code of a long list',
      { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'nonsense' }] },
      'OperationOutcome.issue[0].code',
      'code-invalid',
      'http://hl7.org/fhir/ValueSet/issue-type',
    ],
    [
      'a concept without a code of the required value set',
      {
        resourceType: 'Condition',
        subject: { reference: 'Patient/1' },
        clinicalStatus: { coding: [{ system: 'http://example.org', code: 'active' }] },
      },
      'Condition.clinicalStatus',
      'code-invalid',
      'http://terminology.hl7.org/CodeSystem/condition-clinical',
    ],
    [
      'a concept with only text where a code is required',
      { resourceType: 'Condition', subject: { reference: 'Patient/1' }, clinicalStatus: { text: 'active' } },
      'Condition.clinicalStatus',
      'code-invalid',
      'active | recurrence',
    ],

    // References
    [
      'a reference to a type that is not allowed',
      { ...observation, subject: { reference: 'Practitioner/1' } },
      'Observation.subject.reference',
      'value',
      'Refer to Patient, Group, Device, Location',
    ],
    [
      'a type that is not allowed',
      { ...observation, subject: { type: 'Practitioner', identifier: { value: '1' } } },
      'Observation.subject.type',
      'value',
      'Refer to Patient',
    ],
    [
      'a type that contradicts the reference',
      { ...observation, subject: { reference: 'Patient/1', type: 'Group' } },
      'Observation.subject.type',
      'value',
      'Make them agree',
    ],
    [
      'a reference to a contained resource that is not there',
      { ...observation, subject: { reference: '#p' } },
      'Observation.subject.reference',
      'invariant',
      'ref-1',
    ],
    [
      'a reference to a contained resource of a wrong type',
      {
        ...observation,
        contained: [{ resourceType: 'Practitioner', id: 'p' }],
        subject: { reference: '#p' },
      },
      'Observation.subject.reference',
      'value',
      'Practitioner',
    ],

    // Contained resources
    [
      'a contained resource that nothing refers to',
      { ...patient, contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }] },
      'Patient.contained[0]',
      'invariant',
      'dom-3',
    ],
    [
      'a contained resource without an id',
      { ...patient, contained: [{ resourceType: 'Organization', name: 'x' }] },
      'Patient.contained[0].id',
      'required',
      '`id`',
    ],
    [
      'two contained resources with one id',
      {
        ...patient,
        generalPractitioner: [{ reference: '#o' }],
        contained: [
          { resourceType: 'Organization', id: 'o', name: 'x' },
          { resourceType: 'Organization', id: 'o', name: 'y' },
        ],
      },
      'Patient.contained[1].id',
      'duplicate',
      'its own',
    ],
    [
      'contained inside contained',
      {
        ...patient,
        managingOrganization: { reference: '#o' },
        contained: [
          {
            resourceType: 'Organization',
            id: 'o',
            name: 'x',
            contained: [{ resourceType: 'Basic', id: 'b', code: { text: 'x' } }],
          },
        ],
      },
      'Patient.contained[0].contained',
      'invariant',
      'dom-2',
    ],
    [
      'a version of a contained resource',
      {
        ...patient,
        managingOrganization: { reference: '#o' },
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x', meta: { versionId: '1' } }],
      },
      'Patient.contained[0].meta',
      'invariant',
      'dom-4',
    ],
    [
      'a security label of a contained resource',
      {
        ...patient,
        managingOrganization: { reference: '#o' },
        contained: [
          { resourceType: 'Organization', id: 'o', name: 'x', meta: { security: [{ code: 'R' }] } },
        ],
      },
      'Patient.contained[0].meta',
      'invariant',
      'dom-5',
    ],
    [
      'what is wrong inside a contained resource',
      {
        ...patient,
        managingOrganization: { reference: '#o' },
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x', nam: 'x' }],
      },
      'Patient.contained[0].nam',
      'structure',
      '`name`',
    ],

    // Invariants, of each kind one
    [
      'an extension with a value and extensions',
      { ...patient, extension: [{ ...extension, extension: [extension] }] },
      'Patient.extension[0]',
      'invariant',
      'ext-1',
    ],
    [
      'an extension with neither',
      { ...patient, extension: [{ url: 'x' }] },
      'Patient.extension[0]',
      'invariant',
      'ext-1',
    ],
    [
      'an extension without a URL',
      { ...patient, extension: [{ valueString: 'x' }] },
      'Patient.extension[0].url',
      'required',
      '`url`',
    ],
    [
      'a period that ends before it begins',
      { ...patient, name: [{ text: 'x', period: { start: '2024-06', end: '2024-05-31' } }] },
      'Patient.name[0].period',
      'invariant',
      'per-1',
    ],
    [
      'a telecom without a system',
      { ...patient, telecom: [{ value: '1' }] },
      'Patient.telecom[0]',
      'invariant',
      'cpt-2',
    ],
    [
      'a comparator where a simple quantity belongs',
      { ...observation, referenceRange: [{ low: { value: 1, comparator: '<' } }] },
      'Observation.referenceRange[0].low',
      'invariant',
      'sqty-1',
    ],
    [
      'an absent value that is there',
      { ...observation, component: undefined, valueString: 'x', dataAbsentReason: { text: 'y' } },
      'Observation',
      'invariant',
      'obs-6',
    ],
    [
      'a component with the code of its observation',
      { ...observation, valueString: 'x', component: [{ code: observation.code, valueString: 'y' }] },
      'Observation',
      'invariant',
      'obs-7',
    ],
    [
      'a home address of an organisation',
      { resourceType: 'Organization', name: 'x', address: [{ use: 'home' }] },
      'Organization.address[0]',
      'invariant',
      'org-2',
    ],
    [
      'an upper limit that is no number',
      {
        resourceType: 'StructureDefinition',
        url: 'x',
        name: 'x',
        status: 'draft',
        kind: 'logical',
        abstract: true,
        type: 'X',
        differential: { element: [{ id: 'X', path: 'X', max: 'many' }] },
      },
      'StructureDefinition.differential.element[0]',
      'invariant',
      'eld-3',
    ],
    [
      'a script in a narrative',
      {
        ...patient,
        text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><script/>x</div>' },
      },
      'Patient.text.div',
      'invariant',
      '`script`',
    ],

    // Bundles and Parameters
    [
      'what is wrong inside a Bundle entry',
      {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [{ resource: patient }, { resource: { ...observation, status: 1 } }],
      },
      'Bundle.entry[1].resource.status',
      'value',
      'a code',
    ],
    [
      'an entry whose resource has no type',
      { resourceType: 'Bundle', type: 'collection', entry: [{ resource: { id: 'x' } }] },
      'Bundle.entry[0].resource',
      'structure',
      '`resourceType`',
    ],
    [
      'an entry whose resource has a wrong type',
      { resourceType: 'Bundle', type: 'collection', entry: [{ resource: { resourceType: 'Pacient' } }] },
      'Bundle.entry[0].resource.resourceType',
      'structure',
      'Patient',
    ],
    [
      'a transaction entry without a request',
      { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: patient }] },
      'Bundle',
      'invariant',
      'bdl-3',
    ],
    [
      'a document without a composition',
      {
        resourceType: 'Bundle',
        type: 'document',
        timestamp: '2024-05-31T09:30:00Z',
        identifier: { system: 'x', value: 'y' },
        entry: [{ resource: patient }],
      },
      'Bundle',
      'invariant',
      'bdl-11',
    ],
    [
      'a full URL twice',
      {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [
          { fullUrl: 'urn:x', resource: patient },
          { fullUrl: 'urn:x', resource: patient },
        ],
      },
      'Bundle',
      'invariant',
      'bdl-7',
    ],
    [
      'a resource of the wrong kind where one type belongs',
      { resourceType: 'Parameters', parameter: [{ name: 'x', valueString: 'y', resource: patient }] },
      'Parameters.parameter[0]',
      'invariant',
      'inv-1',
    ],
  ])('%s', (_, resource, expression, code, message) => {
    const problems = validateResource(
      JSON.parse(JSON.stringify(resource).replace('"__proto__x"', '"__proto__"')),
    );
    expect(problems).toContainEqual({
      category: 'incorrect',
      code,
      expression,
      message: expect.stringContaining(message),
    });
    expect(problems).toHaveLength(1);
  });
});

test.each([
  ['undefined', undefined],
  ['null', null],
  ['a string', 'Patient'],
  ['a number', 1],
  ['an array', [patient]],
  ['an empty object', {}],
  ['no type', { id: 'x' }],
  ['a type that is no string', { resourceType: 1 }],
  ['an abstract type', { resourceType: 'DomainResource' }],
  ['a data type', { resourceType: 'HumanName' }],
  ['a name that every object has', { resourceType: 'constructor' }],
])('%s is no resource', (_, value) => {
  expect(validateResource(value)).toEqual([
    expect.objectContaining({
      category: 'incorrect',
      code: 'structure',
      message: expect.stringContaining('esource'),
    }),
  ]);
});

test('all problems come at once, in the order of the resource', () => {
  const resource = {
    resourceType: 'Patient',
    gender: 'x',
    birthDate: 'x',
    telecom: [{ value: '1' }, { system: 'x' }],
  };
  expect(validateResource(resource).map((problem) => problem.expression)).toEqual([
    'Patient.gender',
    'Patient.birthDate',
    'Patient.telecom[0]',
    'Patient.telecom[1].system',
  ]);
});

test('more problems than anyone reads are cut off, and said to be', () => {
  const problems = validateResource({
    resourceType: 'Patient',
    name: Array.from({ length: 1000 }, () => ({})),
  });
  expect(problems).toHaveLength(PROBLEMS_MAX + 1);
  expect(problems.at(-1)).toMatchObject({
    severity: 'information',
    message: expect.stringContaining('There may be more'),
  });
});

test('what is nested without end is refused, not followed', () => {
  const item: Record<string, unknown> = { linkId: '1', type: 'group' };
  item['item'] = [item];
  expect(
    validateResource({ resourceType: 'Questionnaire', status: 'draft', item: [item] }).length,
  ).toBeGreaterThan(0);
});

test('every concrete resource type of R4 can be validated', () => {
  expect(resourceTypes()).toHaveLength(146);
  for (const resourceType of resourceTypes()) {
    expect(validateResource({ resourceType, notAnElement: 1 })).toContainEqual(
      expect.objectContaining({ code: 'structure', expression: `${resourceType}.notAnElement` }),
    );
  }
});
