/** What is the same thing, and what must never be taken for it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Placed } from './care-setting.ts';
import { factOf } from './fact.ts';
import { isSameThing, things } from './matching.ts';

const SNOMED = 'http://snomed.info/sct';
const READ = 'http://read.info/readv2';

let number = 0;
function placed(resource: Readonly<Record<string, unknown>>, organisation = 'Y1'): Placed {
  number += 1;
  const source = { event: 'e', position: number, organisation, system: 'spec', careSetting: 'any', occurredAt: '2026-01-01T00:00:00Z', recordedAt: '2026-01-01T00:00:00Z' }; // prettier-ignore
  const stream = `${String(resource['resourceType'])}/${number}`;
  return {
    stream,
    version: 1,
    patient: 'Patient/p',
    fact: factOf({ id: `${number}`, ...resource })!,
    source,
  };
}

const concept = (text: string, ...codings: readonly (readonly [system: string, code: string])[]) => ({
  text,
  coding: codings.map(([system, code]) => ({ system, code })),
});
/** Without words of its own: the name of the code only. */
const coded = (display: string, [system, code]: readonly [string, string]) => ({ coding: [{ system, code, display }] }); // prettier-ignore
/** Of what sort, and not what. */
const BROAD = [
  ['Propensity to adverse reactions', '420134006'],
  ['Propensity to adverse reactions to substance', '418038007'],
  ['Propensity to adverse reactions to drug', '419511003'],
  ['Propensity to adverse reactions to food', '418471000'],
  ['Allergy to drug (finding)', '416098002'],
  ['Food allergy', '414285001'],
  ['Intolerance to drug', '59037007'],
  ['Intolerance to food', '235719002'],
  ['Intolerance to substance', '782197009'],
  ['Adverse reaction', '281647001'],
  ['Adverse reaction caused by drug', '62014003'],
  ['Allergic reaction', '419076005'],
] as const;
const allergy = (code: object) => placed({ resourceType: 'AllergyIntolerance', code });
const medicine = (medicationCodeableConcept: object, more: object = {}) => placed({ resourceType: 'MedicationRequest', status: 'active', intent: 'order', medicationCodeableConcept, ...more }); // prettier-ignore
const by = (route: string) => ({ dosageInstruction: [{ route: concept(route) }] });
const problem = (category: string, more: object) => placed({ resourceType: 'Condition', code: concept('Asthma', [SNOMED, '195967001']), category: [concept('', [READ, category])], ...more }); // prettier-ignore
const listed = (more: object = {}) => problem('problem-list-item', more);
const found = (more: object = {}) => problem('encounter-diagnosis', more);
const jab = (more: object) => placed({ resourceType: 'Immunization', status: 'completed', vaccineCode: concept('Influenza vaccine', [SNOMED, '86198006']), ...more }); // prettier-ignore

const penicillin = [SNOMED, '91936005'] as const;
const degraded = [SNOMED, '196461000000101'] as const;
const drugAllergy = [SNOMED, '416098002'] as const;
const anyAllergy = [SNOMED, '419511003'] as const;
const nuts = [SNOMED, '91934008'] as const;
const hernia = [SNOMED, '396232000'] as const;
const amlodipine = [SNOMED, '319284000'] as const;
const morphine = [SNOMED, '373529000'] as const;

describe('the same thing', () => {
  it.each<[string, Placed, Placed]>([
    ['an allergy with the same SNOMED code, whatever it is called', allergy(concept('Penicillin allergy', penicillin)), allergy(concept('Allergy to penicillin', penicillin))],
    ['an allergy that one source also translates', allergy(concept('', penicillin, [READ, '14L1.'])), allergy(concept('', penicillin))],
    ['an allergy in the same words where neither has a code', allergy(concept('Wasp  stings.')), allergy(concept('wasp stings'))],
    ['an allergy in the same words whose code was lost on the way', allergy(concept('Elastoplast', degraded)), allergy(concept('Elastoplast'))],
    ['an allergy of a broad code in the same words', allergy(concept('Ibuprofen', drugAllergy)), allergy(concept('ibuprofen', anyAllergy))],
    ['an allergy to a kind of things, of which nobody says more', allergy(coded('Allergy to nut', nuts)), allergy(coded('Allergy to nut', nuts))],
    ['a listed problem on the one side that only one source names', listed({ code: concept('Hernia', hernia) }), listed({ code: concept('Left hernia', hernia) })],
    ['a medicine by a route that only one source says', medicine(concept('', amlodipine)), medicine(concept('', amlodipine), by('oral'))],
    ['a medicine whose strength is written in other units', medicine(concept('Drug 500 mg', morphine)), medicine(concept('Drug 0.5g', morphine))],
    ['a medicine and what was handed over of it', medicine(concept('', amlodipine)), placed({ resourceType: 'MedicationDispense', status: 'completed', medicationCodeableConcept: concept('', amlodipine) })],
    ['a medicine that is contained', medicine(concept('', amlodipine)), placed({ resourceType: 'MedicationRequest', status: 'active', intent: 'order', medicationReference: { reference: '#m' }, contained: [{ resourceType: 'Medication', id: 'm', code: concept('', amlodipine) }] })],
    ['a medicine of dm+d by its own address', medicine(concept('', amlodipine)), medicine(concept('', ['https://dmd.nhs.uk', '319284000']))],
    ['a listed problem, whenever each source saw it first', listed({ onsetDateTime: '2010' }), listed({ onsetDateTime: '2012-03-01' })],
    ['a finding of the same day', found({ onsetDateTime: '2026-05-01' }), found({ onsetDateTime: '2026-05-01T10:00:00Z' })],
    ['a vaccination of the same day', jab({ occurrenceDateTime: '2025-10-01' }), jab({ occurrenceDateTime: '2025-10-01T14:00:00Z' })],
  ])('is %s', (_, a, b) => expect([isSameThing(a, b), isSameThing(b, a), things([a, b]).length]).toEqual([true, true, 1])); // prettier-ignore

  it.each<[string, Placed, Placed]>([
    ['an allergy to something else', allergy(concept('', penicillin)), allergy(concept('', [SNOMED, '293586001']))],
    ['an allergy to something else under the same words', allergy(concept('Allergy', penicillin)), allergy(concept('Allergy', [SNOMED, '293586001']))],
    ['an allergy with a code and one in words', allergy(concept('Penicillin', penicillin)), allergy(concept('Penicillin'))],
    ['two allergies whose codes were lost', allergy(concept('Plasters', degraded)), allergy(concept('Nickel', degraded))],
    ...BROAD.map(([name, code]) => [`${name} that the words call something else`, allergy(concept('Ibuprofen', [SNOMED, code])), allergy(concept('Codeine', [SNOMED, code]))] as [string, Placed, Placed]),
    ...BROAD.map(([name, code]) => [`${name} and no more`, allergy(coded(name, [SNOMED, code])), allergy(coded(name, [SNOMED, code]))] as [string, Placed, Placed]),
    ['two allergies whose codes were lost, and no words came', allergy(coded('Transfer-degraded drug allergy', degraded)), allergy(coded('Transfer-degraded drug allergy', degraded))],
    ['two allergies that are called no more than that', allergy(concept('Drug allergy')), allergy(concept('Drug allergy'))],
    ['an allergy to another nut', allergy(concept('Brazil nut', nuts)), allergy(concept('Hazelnut', nuts))],
    ['another medicinal product', medicine(concept('Drug A 5mg', [SNOMED, '763158003'])), medicine(concept('Drug B 5mg', [SNOMED, '763158003']))],
    ['another disease', listed({ code: concept('Gout', [SNOMED, '64572001']) }), listed({ code: concept('Asthma', [SNOMED, '64572001']) })],
    ['another cancer', listed({ code: concept('Cancer of breast', [SNOMED, '363346000']) }), listed({ code: concept('Cancer of lung', [SNOMED, '363346000']) })],
    ['the hernia on the other side', listed({ code: concept('Left hernia', hernia) }), listed({ code: concept('Hernia, right', hernia) })],
    ['two allergies of which nothing is said', allergy(concept('')), allergy(concept(''))],
    ['the same code of two systems', allergy(concept('', ['urn:one', 'A1'])), allergy(concept('', ['urn:two', 'A1']))],
    ['a medicine that one source codes as two', medicine(concept('', amlodipine, morphine)), medicine(concept('', amlodipine))],
    ['another strength', medicine(concept('Morphine 10mg', morphine)), medicine(concept('Morphine 60mg', morphine))],
    ['a strength a thousand times as high', medicine(concept('Digoxin 125micrograms', morphine)), medicine(concept('Digoxin 125mg', morphine))],
    ['units by the thousand', medicine(concept('Heparin 5,000 units', morphine)), medicine(concept('Heparin 1,000 units', morphine))],
    ['another route', medicine(concept('', morphine), by('oral')), medicine(concept('', morphine), by('intravenous'))],
    ['another form', medicine(concept('Morphine tablets', morphine)), medicine(concept('Morphine patches', morphine))],
    ['tablets that let go slowly', medicine(concept('Morphine MR tablets', morphine)), medicine(concept('Morphine tablets', morphine))],
    ['the other knee', listed({ bodySite: [concept('Left knee')] }), listed({ bodySite: [concept('Right knee')] })],
    ['a problem that was over before', listed({ onsetDateTime: '2001', abatementDateTime: '2005' }), listed({ onsetDateTime: '2015-02-03' })],
    ['a finding of another day', found({ onsetDateTime: '2026-05-01' }), found({ onsetDateTime: '2024-05-01' })],
    ['a vaccination of another year', jab({ occurrenceDateTime: '2025-10-01' }), jab({ occurrenceDateTime: '2024-10-01' })],
    ['a vaccination that was not given', jab({ occurrenceDateTime: '2025-10-01' }), jab({ occurrenceDateTime: '2025-10-01', status: 'not-done' })],
    ['a problem and an allergy of the same code', listed(), allergy(concept('Asthma', [SNOMED, '195967001']))],
  ])('is not %s', (_, a, b) => expect([isSameThing(a, b), isSameThing(b, a), things([a, b]).length]).toEqual([false, false, 2])); // prettier-ignore

  it('is not guessed where a third source could be either', () => {
    const [oral, unsaid, vein] = [by('oral'), {}, by('intravenous')].map((it) => medicine(concept('', morphine), it)); // prettier-ignore
    expect(things([oral!, unsaid!, vein!]).map((it) => it.length)).toEqual([1, 1, 1]);
  });
});

/** Few words, so that what is alike meets. */
const anyMedicine = fc
  .record({
    code: fc.constantFrom<readonly (readonly [string, string])[]>([amlodipine], [morphine], [amlodipine, morphine], [[READ, 'x']], []), // prettier-ignore
    text: fc.constantFrom('', 'Drug', 'Drug 5mg tablets', 'Drug 10 mg', 'Drug 0.01g capsules', 'Drug 10mg MR tablets'), // prettier-ignore
    route: fc.constantFrom(undefined, 'oral', 'intravenous'),
    organisation: fc.constantFrom('Y1', 'RX1'),
  })
  .map(({ code, text, route, organisation }) => ({
    told: { code: code.map(([, it]) => it).join(), text, route },
    placed: placed({ resourceType: 'MedicationRequest', status: 'active', medicationCodeableConcept: concept(text, ...code), ...(route !== undefined && by(route)) }, organisation), // prettier-ignore
  }));
const anyProblem = fc
  .record({
    category: fc.constantFrom('problem-list-item', 'encounter-diagnosis'),
    from: fc.constantFrom(undefined, '2001', '2005-06', '2015-02-03'),
    to: fc.constantFrom(undefined, '2003', '2016-01'),
  })
  .map(({ category, from, to }) => problem(category, { onsetDateTime: from, abatementDateTime: to }));
const anything = fc.array(fc.oneof(anyMedicine.map((it) => it.placed), anyProblem), { maxLength: 12 }); // prettier-ignore

describe('things', () => {
  it('holds each fact once, and only facts of which any two are the same thing', () => {
    fc.assert(
      fc.property(anything, (facts) => {
        const groups = things(facts);
        expect(groups.flat().map((it) => it.stream).toSorted()).toEqual(facts.map((it) => it.stream).toSorted()); // prettier-ignore
        for (const group of groups) for (const a of group) for (const b of group) expect(isSameThing(a, b)).toBe(true); // prettier-ignore
      }),
    );
  });

  it('says the same in every order, and with everything told twice', () => {
    const shuffled = anything.chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray(facts, { minLength: facts.length }))); // prettier-ignore
    fc.assert(
      fc.property(shuffled, ([facts, other]) => {
        expect(things([...other, ...facts])).toEqual(things(facts));
      }),
    );
  });

  it('is symmetric, and never joins other codes or other routes', () => {
    fc.assert(
      fc.property(anyMedicine, anyMedicine, (a, b) => {
        expect(isSameThing(a.placed, b.placed)).toBe(isSameThing(b.placed, a.placed));
        expect(isSameThing(a.placed, a.placed)).toBe(true);
        const isOther = a.told.code !== b.told.code || (a.told.route !== b.told.route && a.told.route !== undefined && b.told.route !== undefined); // prettier-ignore
        if (isOther) expect(things([a.placed, b.placed])).toHaveLength(2);
      }),
    );
  });
});
