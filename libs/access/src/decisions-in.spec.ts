import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decisionsIn, withheldFrom } from './decisions-in.ts';
import { EVERY_CLASS, EVERY_LABEL, labels, maskOf, recordClasses } from './facts.ts';
import type { Party } from './parties.ts';
import { defaultPolicy } from './policy.ts';

const policy = defaultPolicy();
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
const SNOMED = 'http://snomed.info/sct';
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const TYPES = 'http://hl7.org/fhir/resource-types';
const { settingSystem } = policy.sharing;
const NOW = Date.parse('2026-06-01');

type Json = Record<string, unknown>;
const consent = (provision: Json | undefined, more: Json = {}): Json => ({
  resourceType: 'Consent',
  status: 'active',
  scope: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
  },
  patient: { reference: 'Patient/p' },
  organization: [{ reference: 'Organization/practice' }],
  ...(provision !== undefined && { provision }),
  ...more,
});
const actor = (...references: readonly Json[]) => ({ actor: references.map((reference) => ({ reference })) });
const hospital = { reference: 'Organization/hospital' };
const pharmacies = { identifier: { system: settingSystem, value: 'pharmacy' } };
const psychiatry = { securityLabel: [{ system: ACT, code: 'PSY' }] };

const everything = [...recordClasses].filter((name) => name !== 'demographics' && name !== 'reference');
const withheld = (resources: readonly Json[], parties: readonly Party[], now = NOW): readonly string[] => {
  const decisions = resources.flatMap((resource) => decisionsIn(resource, policy));
  const mask = withheldFrom(decisions, (party) => parties.includes(party), now);
  return [...labels, ...recordClasses].filter((name) => (mask & maskOf([name])) !== 0);
};

const HOSPITAL = ['Organization/hospital', 'ods:RZZ', 'setting:acute'];
const PHARMACY = ['Organization/pharmacy', 'ods:FZZ01', 'setting:pharmacy'];
const PRACTICE = ['Organization/practice', 'ods:Y90001', 'setting:general-practice'];

describe('a Consent', () => {
  it.each<
    [
      string,
      Json,
      { hospital?: readonly string[]; pharmacy?: readonly string[]; practice?: readonly string[] },
    ]
  >([
    ['that permits withholds nothing', consent({ type: 'permit' }), {}],
    ['without provisions withholds nothing', consent(undefined), {}],
    [
      'that denies withholds from all but who keeps it',
      consent({ type: 'deny' }),
      { hospital: everything, pharmacy: everything },
    ],
    [
      'that opts out by its policy does too',
      consent(undefined, { policyRule: { coding: [{ system: ACT, code: 'OPTOUT' }] } }),
      { hospital: everything, pharmacy: everything },
    ],
    ['may deny one organisation', consent({ type: 'deny', ...actor(hospital) }), { hospital: everything }],
    [
      'by its code',
      consent({ type: 'deny', ...actor({ identifier: { system: ODS, value: 'RZZ' } }) }),
      { hospital: everything },
    ],
    ['may deny a care setting', consent({ type: 'deny', ...actor(pharmacies) }), { pharmacy: everything }],
    [
      'may deny a category',
      consent({ type: 'deny', ...psychiatry }),
      { hospital: ['mental-health'], pharmacy: ['mental-health'] },
    ],
    [
      'by codes',
      consent({ type: 'deny', code: [{ coding: [{ system: SNOMED, code: '86406008' }] }] }),
      { hospital: ['hiv'], pharmacy: ['hiv'] },
    ],
    [
      'by resource type, as the class that it is of',
      consent({ type: 'deny', class: [{ system: TYPES, code: 'MedicationRequest' }] }),
      { hospital: ['medicines'], pharmacy: ['medicines'] },
    ],
    [
      'of one document, as all documents',
      consent({
        type: 'deny',
        data: [{ meaning: 'instance', reference: { reference: 'DocumentReference/1' } }],
      }),
      { hospital: ['documents'], pharmacy: ['documents'] },
    ],
    [
      'may deny who people are',
      consent({ type: 'deny', class: [{ system: TYPES, code: 'Patient' }] }),
      { hospital: ['demographics'], pharmacy: ['demographics'] },
    ],
    [
      'may deny all but one',
      consent({ type: 'deny', provision: [{ type: 'permit', ...actor(hospital) }] }),
      { pharmacy: everything },
    ],
    [
      'may permit one a category only',
      consent({
        type: 'deny',
        ...actor(hospital),
        provision: [{ type: 'permit', class: [{ system: TYPES, code: 'AllergyIntolerance' }] }],
      }),
      { hospital: everything.filter((name) => name !== 'allergies') },
    ],
    [
      'permits no class of which it names a part',
      consent({
        type: 'deny',
        ...actor(hospital),
        provision: [{ type: 'permit', class: [{ system: TYPES, code: 'MedicationRequest' }] }],
      }),
      { hospital: everything },
    ],
    [
      'permits nothing by two conditions at once',
      consent({
        type: 'deny',
        ...actor(hospital),
        provision: [
          { type: 'permit', class: [{ system: TYPES, code: 'AllergyIntolerance' }], ...psychiatry },
        ],
      }),
      { hospital: everything },
    ],
    [
      'that permits, with an exception',
      consent({ type: 'permit', provision: [{ type: 'deny', ...actor(pharmacies), ...psychiatry }] }),
      { pharmacy: ['mental-health'] },
    ],
    [
      'with an exception to the exception',
      consent({
        type: 'permit',
        provision: [
          { type: 'deny', ...psychiatry, provision: [{ type: 'permit', ...psychiatry, ...actor(hospital) }] },
        ],
      }),
      { pharmacy: ['mental-health'] },
    ],
    [
      'denies everything by a code that no label is for',
      consent({ type: 'deny', code: [{ coding: [{ system: SNOMED, code: '1' }] }] }),
      { hospital: everything, pharmacy: everything },
    ],
    [
      'denies everybody where it names somebody by words only',
      consent({ type: 'deny', ...actor({ display: 'the hospital' }) }),
      { hospital: everything, pharmacy: everything },
    ],
    [
      'denies everybody where it names one of two by words only',
      consent({ type: 'deny', ...actor(pharmacies, { display: 'the hospital' }) }),
      { hospital: everything, pharmacy: everything },
    ],
    [
      'about research and treatment is about treatment',
      consent({
        type: 'deny',
        purpose: [
          { system: REASON, code: 'HRESCH' },
          { system: REASON, code: 'TREAT' },
        ],
        ...psychiatry,
      }),
      { hospital: ['mental-health'], pharmacy: ['mental-health'] },
    ],
    [
      'permits nobody by words',
      consent({ type: 'deny', provision: [{ type: 'permit', ...actor({ display: 'the hospital' }) }] }),
      { hospital: everything, pharmacy: everything },
    ],
    [
      'about a relative is not about organisations',
      consent({ type: 'deny', ...actor({ type: 'RelatedPerson', display: 'my father' }) }),
      {},
    ],
    [
      'about recording is not about seeing',
      consent({ type: 'deny', action: [{ coding: [{ code: 'collect' }] }] }),
      {},
    ],
    [
      'about disclosure is',
      consent({ type: 'deny', action: [{ coding: [{ code: 'disclose' }] }], ...psychiatry }),
      { hospital: ['mental-health'], pharmacy: ['mental-health'] },
    ],
    [
      'about research is not about care',
      consent({ type: 'deny', purpose: [{ system: REASON, code: 'HRESCH' }] }),
      {},
    ],
    [
      'about treatment is',
      consent({ type: 'deny', purpose: [{ system: REASON, code: 'TREAT' }], ...psychiatry }),
      { hospital: ['mental-health'], pharmacy: ['mental-health'] },
    ],
    [
      'about a purpose that is not known may be',
      consent({ type: 'deny', purpose: [{ system: REASON, code: 'constructor' }], ...psychiatry }),
      { hospital: ['mental-health'], pharmacy: ['mental-health'] },
    ],
    ['that is not active', consent({ type: 'deny' }, { status: 'inactive' }), {}],
    ['that was rejected', consent({ type: 'deny' }, { status: 'rejected' }), {}],
    ['of nobody here', consent({ type: 'deny' }, { patient: { display: 'x' } }), {}],
  ])('%s', (_, resource, { hospital: fromHospital = [], pharmacy = [], practice = [] }) => {
    expect(withheld([resource], HOSPITAL)).toEqual(fromHospital);
    expect(withheld([resource], PHARMACY)).toEqual(pharmacy);
    expect(withheld([resource], PRACTICE)).toEqual(practice);
  });

  it('holds for its period', () => {
    const resource = consent({
      type: 'deny',
      ...psychiatry,
      period: { start: '2026-01-01', end: '2026-06-30' },
    });
    const when = (text: string): readonly string[] => withheld([resource], HOSPITAL, Date.parse(text));
    expect(when('2025-12-31T23:59:59Z')).toEqual([]);
    expect(when('2026-01-01')).toEqual(['mental-health']);
    expect(when('2026-06-30T23:59:59Z')).toEqual(['mental-health']);
    expect(when('2026-07-01')).toEqual([]);
  });

  it('is not undone by another that permits', () => {
    const denies = consent({ type: 'deny', ...psychiatry });
    const permits = consent({ type: 'permit' });
    expect(withheld([denies, permits], HOSPITAL)).toEqual(['mental-health']);
    expect(withheld([permits, denies], HOSPITAL)).toEqual(['mental-health']);
  });

  it('never throws, and withholds no bit that there is not', () => {
    const part = fc.constantFrom('type', 'actor', 'class', 'code', 'securityLabel', 'data', 'purpose', 'action', 'period', 'provision'); // prettier-ignore
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('deny', 'permit'));
    fc.assert(
      fc.property(fc.dictionary(part, value), (provision) => {
        const decisions = decisionsIn(consent({ type: 'deny', ...provision }), policy);
        const mask = withheldFrom(decisions, () => true, NOW);
        expect(mask & ~(EVERY_CLASS | EVERY_LABEL)).toBe(0);
      }),
    );
  });
});

describe('an opt-out', () => {
  const research = {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'research' }],
  };
  const optsOut = (resource: Json): boolean =>
    decisionsIn(resource, policy).some(({ kind }) => kind === 'opt-out');
  it('is a Consent about research that denies, and withholds nothing from care', () => {
    const national = consent({ type: 'deny' }, { scope: research });
    expect(optsOut(national)).toBe(true);
    expect(withheld([national], HOSPITAL)).toEqual([]);
  });

  it('is a denial of purposes beyond care', () => {
    expect(optsOut(consent({ type: 'deny', purpose: [{ system: REASON, code: 'HRESCH' }] }))).toBe(true);
    expect(
      optsOut(
        consent({
          type: 'permit',
          provision: [{ type: 'deny', purpose: [{ system: REASON, code: 'HOPERAT' }] }],
        }),
      ),
    ).toBe(true);
  });

  it('is nothing else', () => {
    expect(optsOut(consent({ type: 'deny' }))).toBe(false);
    expect(optsOut(consent({ type: 'permit' }, { scope: research }))).toBe(false);
    expect(optsOut(consent({ type: 'deny' }, { scope: research, status: 'inactive' }))).toBe(false);
  });

  it('ends with its period', () => {
    const [decision] = decisionsIn(
      consent({ type: 'deny', period: { start: '2026-01-01', end: '2026-02-01' } }, { scope: research }),
      policy,
    );
    expect(decision).toEqual({
      kind: 'opt-out',
      patient: 'Patient/p',
      from: Date.parse('2026-01-01'),
      until: Date.parse('2026-02-02'),
    });
  });
});

describe('an S-flag', () => {
  const patient = (code: string): Json => ({
    resourceType: 'Patient',
    id: 'p',
    meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code }] },
  });
  it.each([
    ['R', 1],
    ['V', 1],
    ['U', 0],
    ['N', 0],
  ])('%s on a Patient', (code, count) => {
    expect(decisionsIn(patient(code), policy)).toEqual(
      count === 1 ? [{ kind: 's-flag', patient: 'Patient/p' }] : [],
    );
  });

  it('is on Patients only', () => {
    expect(decisionsIn({ ...patient('R'), resourceType: 'Observation' }, policy)).toEqual([]);
  });
});

describe('an enhanced review', () => {
  const flag = (code: string, more: Json = {}): Json => ({
    resourceType: 'Observation',
    status: 'final',
    subject: { reference: 'Patient/p' },
    code: { coding: [{ system: SNOMED, code }] },
    effectiveDateTime: '2026-03-01',
    ...more,
  });
  it('is asked for, and found not to be needed, by code', () => {
    const from = Date.parse('2026-03-01');
    expect(decisionsIn(flag('1364731000000104'), policy)).toEqual([
      { kind: 'review', patient: 'Patient/p', from, pending: true },
    ]);
    expect(decisionsIn(flag('1364751000000106'), policy)).toEqual([
      { kind: 'review', patient: 'Patient/p', from, pending: false },
    ]);
  });

  it('is not asked for by what was entered in error, or is another code', () => {
    expect(decisionsIn(flag('1364731000000104', { status: 'entered-in-error' }), policy)).toEqual([]);
    const verificationStatus = { coding: [{ code: 'entered-in-error' }] };
    expect(decisionsIn(flag('1364731000000104', { status: undefined, verificationStatus }), policy)).toEqual(
      [],
    );
    expect(decisionsIn(flag('1'), policy)).toEqual([]);
  });
});
