/** What a pharmacist opens first, and what changed since the person was last there. Codes are dm+d and SNOMED CT. */
import { describe, expect, it } from 'vitest';
import {
  about,
  deleted,
  linesOf,
  pageAfter,
  person,
  snomed,
  workAfter,
  type Activity,
} from './care-setting-scene.ts';
import { pharmacy } from './pharmacy.ts';

const NOW = '2026-06-01T09:00:00Z';
const PHARMACY = 'FA1';
const amlodipine = snomed('319284000', 'Amlodipine 10mg tablets');
const apixaban = snomed('42206511000001102', 'Apixaban 5mg tablets');
const coded = (code: string) => ({ coding: [{ code }] });

const prescribed = (id: string, authoredOn: string, more: object = {}, issued?: string): Activity => ({
  by: 'Y01',
  resource: about('MedicationRequest', id, { status: 'active', intent: 'order', category: [coded('community')], medicationCodeableConcept: amlodipine, authoredOn, dosageInstruction: [{ text: 'One tablet once a day' }], ...more }), // prettier-ignore
  ...(issued !== undefined && { issued }),
});
const dispensed = (id: string, whenHandedOver: string, more: object = {}, issued?: string): Activity => ({
  by: PHARMACY,
  resource: about('MedicationDispense', id, { status: 'completed', medicationCodeableConcept: amlodipine, whenHandedOver, authorizingPrescription: [{ reference: 'MedicationRequest/m' }], dosageInstruction: [{ text: 'One tablet once a day' }], ...more }), // prettier-ignore
  ...(issued !== undefined && { issued }),
});
const allergy = (id: string, recordedDate: string, status = 'active') => ({ by: 'Y01', resource: about('AllergyIntolerance', id, { clinicalStatus: coded(status), code: snomed('91936005', 'Allergy to penicillin'), recordedDate }) }); // prettier-ignore

const page = (...activities: readonly Activity[]) => pageAfter(pharmacy, [person(), ...activities], NOW);
const changes = async (...activities: readonly Activity[]) =>
  (await workAfter(pharmacy, 'changes-since-dispensing', [person(), ...activities])).map(({ stream, state, owner }) => `${stream} ${state} for ${owner ?? 'nobody'}`); // prettier-ignore

describe('medicines and what was handed over', () => {
  it('given a medicine was dispensed twice, then it is one line that says when last', async () => {
    const sections = await page(
      prescribed('m', '2026-04-01'),
      dispensed('d1', '2026-04-02'),
      dispensed('d2', '2026-05-02'),
    );
    expect(linesOf(sections, 'Medicines')).toEqual(['Amlodipine 10mg tablets | One tablet once a day; last dispensed 2026-05-02']); // prettier-ignore
    expect(linesOf(sections, 'Dispensed in 12 months')).toHaveLength(2);
  });

  it('given a brand was handed over for what was prescribed by its general name, then it counts for that', async () => {
    const brand = { medicationCodeableConcept: snomed('9999991000001106', 'Istin 10mg tablets') };
    const sections = await page(prescribed('m', '2026-04-01'), dispensed('d', '2026-05-02', brand));
    expect(linesOf(sections, 'Medicines')).toEqual(['Amlodipine 10mg tablets | One tablet once a day; last dispensed 2026-05-02']); // prettier-ignore
  });

  it('given a course that is over, then it is no longer taken but was dispensed', async () => {
    const over = { dispenseRequest: { validityPeriod: { start: '2026-04-01', end: '2026-04-28' } } };
    const sections = await page(prescribed('m', '2026-04-01', over), dispensed('d', '2026-04-02'));
    expect(linesOf(sections, 'Medicines')).toEqual(['(unavailable)']);
    expect(linesOf(sections, 'Dispensed in 12 months')).toEqual(['Amlodipine 10mg tablets | One tablet once a day']); // prettier-ignore
  });

  it('given what is being prepared, then it is in transit and not yet handed over', async () => {
    const sections = await page(prescribed('m', '2026-05-01'), dispensed('d', '2026-05-31', { status: 'preparation' })); // prettier-ignore
    expect(linesOf(sections, 'Dispensed in 12 months')).toEqual(['Amlodipine 10mg tablets | preparation; One tablet once a day | in transit']); // prettier-ignore
    expect(linesOf(sections, 'Medicines')).toEqual(['Amlodipine 10mg tablets | One tablet once a day']);
  });

  it('given what was given on a ward, then it is not what was dispensed', async () => {
    const ward: Activity = { by: 'RX9', resource: about('MedicationAdministration', 'a', { status: 'completed', medicationCodeableConcept: amlodipine, effectiveDateTime: '2026-05-01' }) }; // prettier-ignore
    expect(linesOf(await page(ward), 'Dispensed in 12 months')).toEqual(['(unavailable)']);
  });

  it('given a dispensing that was entered in error, then it never was', async () => {
    const sections = await page(
      dispensed('d', '2026-05-02', {}, '2026-05-02T10:00:00Z'),
      dispensed('d', '2026-05-02', { status: 'entered-in-error' }, '2026-05-03T10:00:00Z'),
    );
    expect(linesOf(sections, 'Dispensed in 12 months')).toEqual(['(unavailable)']);
  });

  it('given hospital started a medicine, then the pharmacy sees what the discharge did', async () => {
    const stay: Activity = { by: 'RX9', resource: about('Encounter', 'stay', { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-10', end: '2026-05-14T11:00:00Z' } }) }; // prettier-ignore
    const started = { ...prescribed('h', '2026-05-14', { encounter: { reference: 'Encounter/stay' }, medicationCodeableConcept: apixaban, reasonCode: [{ text: 'Atrial fibrillation' }] }), by: 'RX9' }; // prettier-ignore
    expect(linesOf(await page(stay, started), 'Medicines changed in hospital')).toEqual(['Apixaban 5mg tablets | One tablet once a day; because: Atrial fibrillation | started']); // prettier-ignore
  });
});

describe('changes since the last dispensing', () => {
  const [before, last, after] = ['2026-04-01', '2026-05-02', '2026-05-20'];

  it('given nothing was ever dispensed, then there is nothing to compare with', async () => {
    expect(await changes(prescribed('m', before))).toEqual([]);
  });

  it('given the same medicine in the same dose is renewed, then nothing changed', async () => {
    expect(await changes(prescribed('m', before), dispensed('d', last), prescribed('n', after))).toEqual([]);
  });

  it('given another dose since, then the pharmacy that dispensed is told', async () => {
    const more = { dosageInstruction: [{ text: 'Two tablets once a day' }] };
    expect(await changes(prescribed('m', before), dispensed('d', last), prescribed('n', after, more))).toEqual(['MedicationRequest/n changed for FA1']); // prettier-ignore
  });

  it('given a new medicine since, then it is told until the person comes again', async () => {
    const started = prescribed('n', after, { medicationCodeableConcept: apixaban });
    expect(await changes(prescribed('m', before), dispensed('d', last), started)).toEqual(['MedicationRequest/n started for FA1']); // prettier-ignore
    expect(await changes(prescribed('m', before), dispensed('d', last), started, dispensed('e', '2026-05-25'))).toEqual([]); // prettier-ignore
  });

  it('given a medicine that was handed over is stopped, then that is told, whichever version arrives first', async () => {
    const stopped = prescribed('m', before, { status: 'stopped' }, '2026-05-20T09:00:00Z');
    expect(await changes(prescribed('m', before, {}, '2026-04-01T09:00:00Z'), dispensed('d', last), stopped)).toEqual(['MedicationRequest/m stopped for FA1']); // prettier-ignore
  });

  it('given an allergy that became known since, then it is told; one known before is not, though hospital repeats it', async () => {
    expect(await changes(dispensed('d', last), allergy('new', after))).toEqual(['AllergyIntolerance/new allergy for FA1']); // prettier-ignore
    expect(await changes(dispensed('d', last), allergy('known', before), allergy('again', after))).toEqual([]); // prettier-ignore
  });

  it('given a dispensing or an allergy is deleted, then it is as if it had never been', async () => {
    const handedOver = { ...dispensed('d', last), issued: last };
    expect(await changes(handedOver, { ...allergy('new', after), issued: after }, deleted(allergy('new', after), NOW))).toEqual([]); // prettier-ignore
    expect(await changes(handedOver, allergy('new', after), deleted(handedOver, NOW))).toEqual([]);
  });

  it('given nobody said anything of allergies, then the page does not say that there are none', async () => {
    expect(linesOf(await page(), 'Allergies and adverse reactions')).toEqual(['(unavailable)']);
  });
});
