import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVERY_CLASS, EVERY_LABEL, labels, maskOf, recordClasses, type Label } from './facts.ts';
import { classOf, labellingDigest, labelsOf } from './labels-of.ts';
import { defaultPolicy } from './policy.ts';

const policy = defaultPolicy();
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const SNOMED = 'http://snomed.info/sct';
const concept = (system: string, code: string) => ({ coding: [{ system, code }] });
const secured = (...codes: readonly (readonly [string, string])[]) => ({
  security: codes.map(([system, code]) => ({ system, code })),
});

describe('the bits', () => {
  it('stand where they stood, as they are stored', () => {
    expect(labels.map((label) => maskOf([label]))).toEqual(labels.map((_, place) => 2 ** place));
    expect(maskOf(['restricted', 'very-restricted', 'hidden-from-proxy'])).toBe(0b1_0000_0000_0011);
    expect(maskOf(['demographics'])).toBe(2 ** 15);
    expect(maskOf(['other'])).toBe(2 ** 30);
  });

  it('fit into 31, none twice', () => {
    expect(EVERY_CLASS & EVERY_LABEL).toBe(0);
    expect(EVERY_CLASS | EVERY_LABEL).toBeLessThan(2 ** 31);
    expect([...labels, ...recordClasses].length).toBeLessThanOrEqual(31);
  });
});

describe('labels of a resource', () => {
  it.each<[string, Record<string, unknown>, readonly Label[]]>([
    ['none', { resourceType: 'Observation' }, []],
    ['R', { resourceType: 'CarePlan', meta: secured([CONFIDENTIALITY, 'R']) }, ['restricted']],
    ['V', { resourceType: 'Observation', meta: secured([CONFIDENTIALITY, 'V']) }, ['very-restricted']],
    ['N', { resourceType: 'Observation', meta: secured([CONFIDENTIALITY, 'N']) }, []],
    ['R of another system', { resourceType: 'Observation', meta: secured(['urn:x', 'R']) }, []],
    [
      'several',
      { resourceType: 'Observation', meta: secured([CONFIDENTIALITY, 'R'], [ACT, 'HIV'], [ACT, 'PSY']) },
      ['restricted', 'hiv', 'mental-health'],
    ],
    [
      'not to be told yet',
      { resourceType: 'Observation', meta: secured([ACT, 'TABOO']) },
      ['not-for-patient'],
    ],
    [
      'of a document',
      { resourceType: 'DocumentReference', securityLabel: [concept(CONFIDENTIALITY, 'V')] },
      ['very-restricted'],
    ],
    ['of a composition', { resourceType: 'Composition', confidentiality: 'R' }, ['restricted']],
    [
      'of what is contained',
      {
        resourceType: 'MedicationRequest',
        contained: [{ resourceType: 'Medication', meta: secured([ACT, 'HIV']) }],
      },
      ['hiv'],
    ],
    ['by its code', { resourceType: 'Condition', code: concept(SNOMED, '86406008') }, ['hiv']],
    [
      'by a reason',
      { resourceType: 'Encounter', reasonCode: [concept(SNOMED, '57797005')] },
      ['termination'],
    ],
    [
      'by a code in a component',
      { resourceType: 'Observation', component: [{ valueCodeableConcept: concept(SNOMED, '165816005') }] },
      ['hiv'],
    ],
    [
      'by a code in an extension',
      {
        resourceType: 'Procedure',
        extension: [{ url: 'urn:x', valueCoding: { system: SNOMED, code: '63487001' } }],
      },
      ['assisted-fertilisation'],
    ],
    [
      'the same code of another system',
      { resourceType: 'Condition', code: concept('urn:x', '86406008') },
      [],
    ],
    [
      'of a child protection plan',
      {
        resourceType: 'CareTeam',
        category: [concept(SNOMED, '342191000000101')],
        meta: secured([CONFIDENTIALITY, 'R']),
      },
      ['restricted', 'abuse'],
    ],
    [
      'a Patient with an S-flag is not restricted',
      { resourceType: 'Patient', meta: secured([CONFIDENTIALITY, 'R']) },
      [],
    ],
    [
      'a Patient very restricted is',
      { resourceType: 'Patient', meta: secured([CONFIDENTIALITY, 'V']) },
      ['very-restricted'],
    ],
  ])('%s', (_, resource, expected) => {
    const mask = labelsOf(resource, policy);
    expect(labels.filter((label) => (mask & maskOf([label])) !== 0)).toEqual(expected);
    expect(mask & EVERY_CLASS).toBe(maskOf([classOf(String(resource['resourceType']), policy)]));
  });

  it('names one class, also for types that the policy does not know', () => {
    expect(classOf('MedicationRequest', policy)).toBe('medicines');
    expect(classOf('Group', policy)).toBe('other');
    expect(classOf('constructor', policy)).toBe('other');
  });

  it('knows the Task that a broken glass raises', () => {
    const { system, code } = policy.breakGlass.alert;
    const alert = { resourceType: 'Task', code: concept(system, code) };
    const asAlert = maskOf(['audit', 'not-for-patient', 'hidden-from-proxy']);
    expect(labelsOf(alert, policy)).toBe(asAlert);
    const twice = { coding: [...concept('urn:x', 'other').coding, ...alert.code.coding] };
    expect(labelsOf({ ...alert, code: twice }, policy)).toBe(asAlert);
    expect(labelsOf({ ...alert, code: concept(system, 'other') }, policy)).toBe(maskOf(['requests']));
    expect(labelsOf({ ...alert, code: concept('urn:x', code) }, policy)).toBe(maskOf(['requests']));
    expect(labelsOf({ ...alert, resourceType: 'Observation' }, policy)).toBe(maskOf(['results']));
  });

  it('never throws, whatever stands in the resource', () => {
    const type = fc.constantFrom('Patient', 'Task', 'Composition', 'DocumentReference', 'Observation');
    fc.assert(
      fc.property(
        type,
        fc.dictionary(fc.constantFrom('meta', 'code', 'confidentiality', 'x'), fc.jsonValue()),
        (resourceType, rest) => {
          const mask = labelsOf({ ...rest, resourceType }, policy);
          expect(mask).toBe(mask & (EVERY_CLASS | EVERY_LABEL));
        },
      ),
    );
  });
});

describe('the digest of the labelling', () => {
  it('tells when labels have to be made anew, and only then', () => {
    const digest = labellingDigest(policy);
    expect(labellingDigest({ ...policy, version: 'another', settings: {} })).toBe(digest);
    const { labelling } = policy;
    const other = {
      ...labelling,
      content: { ...labelling.content, hiv: [{ system: SNOMED, codes: ['62479008'] }] },
    };
    expect(labellingDigest({ ...policy, labelling: other })).not.toBe(digest);
  });
});
