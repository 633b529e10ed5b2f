/** What a doctor who admits somebody opens first, and the 24-hour clock of those who leave. Codes are SNOMED CT. */
import { describe, expect, it } from 'vitest';
import type { Activity } from './care-setting-scene.ts';
import { about, deleted, linesOf, pageAfter, person, snomed, workAfter } from './care-setting-scene.ts';
import { acute } from './acute.ts';

const NOW = '2026-06-03T09:00:00Z';
const STAY = 'This stay and the last 30 days in hospital';
const SUMMARY = snomed('373942005', 'Discharge summary');

const encounter = (id: string, grade: string, status: string, period: object, more: object = {}) =>
  about('Encounter', id, { status, class: { code: grade }, type: [snomed('394802001', 'General medicine')], period, ...more }); // prettier-ignore
const admitted: Activity = { resource: encounter('e', 'IMP', 'in-progress', { start: '2026-05-30T10:00:00Z' }), issued: '2026-05-30T10:00:00Z' }; // prettier-ignore
const left = (end: string, issued = end): Activity => ({ resource: encounter('e', 'IMP', 'finished', { start: '2026-05-30T10:00:00Z', end }), issued }); // prettier-ignore
const summary = (status: string, issued: string, more: object = { encounter: { reference: 'Encounter/e' } }): Activity => ({ resource: about('Composition', 's', { status, type: SUMMARY, title: 'Discharge summary', date: '2026-06-02T12:00:00Z', ...more }), issued }); // prettier-ignore

const clock = async (activities: readonly Activity[]) =>
  (await workAfter(acute, 'discharge-clock', activities)).map(({ stream, state, due }) => `${stream} ${state} ${due}`); // prettier-ignore
const inHospital = async (activities: readonly Activity[]) =>
  (await workAfter(acute, 'in-patients', activities)).map(({ stream, state }) => `${stream} ${state}`);

describe('the admission view', () => {
  it('given a penicillin allergy that the practice recorded, when the person is admitted, then the ward sees it', async () => {
    const allergy = about('AllergyIntolerance', 'a', { clinicalStatus: { coding: [{ code: 'active' }] }, code: snomed('91936005', 'Allergy to penicillin') }); // prettier-ignore
    const page = await pageAfter(acute, [person(), { resource: allergy, by: 'GP1' }, admitted], NOW);
    expect(linesOf(page, 'Allergies and adverse reactions')[0]).toContain('Allergy to penicillin');
    expect(linesOf(page, STAY)).toEqual(['General medicine | in-patient since 2026-05-30 10:00']);
  });

  it('given nobody said anything of allergies, then the ward is not told that there are none', async () => {
    const page = await pageAfter(acute, [person(), admitted], NOW);
    expect(linesOf(page, 'Allergies and adverse reactions')).toEqual(['(unavailable)']);
  });

  it('given a medicine of the practice, when the person is admitted, then it stands under medicines before admission', async () => {
    const medicine = about('MedicationRequest', 'm', { status: 'active', intent: 'order', authoredOn: '2026-05-01', medicationCodeableConcept: snomed('318902004', 'Ramipril 5mg capsules'), dosageInstruction: [{ text: 'One a day' }] }); // prettier-ignore
    const page = await pageAfter(acute, [person(), { resource: medicine, by: 'GP1' }, admitted], NOW);
    expect(linesOf(page, 'Medicines before admission')[0]).toContain('Ramipril 5mg capsules | One a day');
  });

  it('given a result that the laboratory corrected, and the first version comes last, then the corrected one stands and says so', async () => {
    const result = (status: string, value: number) =>
      about('Observation', 'o', { status, category: [{ coding: [{ code: 'laboratory' }] }], code: snomed('1000731000000107', 'Serum creatinine level'), effectiveDateTime: '2026-06-01', valueQuantity: { value, unit: 'umol/L' } }); // prettier-ignore
    const page = await pageAfter(
      acute,
      [
        { resource: result('corrected', 96), issued: '2026-06-02T10:00:00Z' },
        { resource: result('final', 320), issued: '2026-06-01T10:00:00Z' },
      ],
      NOW,
    );
    expect(linesOf(page, 'Results of the last 90 days')).toEqual(['Serum creatinine level | 96 umol/L | corrects what was sent before']); // prettier-ignore
  });

  it('given a report with a finding far out of range, then it stands once, with the finding, to be seen first', async () => {
    const finding = about('Observation', 'k', { status: 'final', category: [{ coding: [{ code: 'laboratory' }] }], code: snomed('1000651000000109', 'Serum potassium level'), effectiveDateTime: '2026-06-02', valueQuantity: { value: 6.9, unit: 'mmol/L' }, interpretation: [{ coding: [{ code: 'HH' }] }] }); // prettier-ignore
    const report = about('DiagnosticReport', 'r', { status: 'final', code: snomed('252167001', 'Urea and electrolytes'), effectiveDateTime: '2026-06-02', issued: '2026-06-02T11:00:00Z', result: [{ reference: 'Observation/k' }] }); // prettier-ignore
    const page = await pageAfter(acute, [{ resource: finding }, { resource: report }], NOW);
    expect(linesOf(page, 'Results of the last 90 days')).toEqual(['Urea and electrolytes | Serum potassium level 6.9 mmol/L (HH) | urgent']); // prettier-ignore
  });

  it('given the hospital registered the person twice, when the records are linked, then the stay of the other record shows, and when they are parted again it does not', async () => {
    const other = { resourceType: 'Patient', id: 'q' };
    const stay: Activity = { resource: { ...admitted.resource, subject: { reference: 'Patient/q' } } };
    const linked: Activity = { ...person({ link: [{ other: { reference: 'Patient/q' }, type: 'replaces' }] }), issued: '2026-06-01T00:00:00Z' }; // prettier-ignore
    const parted: Activity = { ...person(), issued: '2026-06-02T00:00:00Z' };
    const together = [{ resource: other }, stay, linked];
    expect(linesOf(await pageAfter(acute, together, NOW), STAY)).toHaveLength(1);
    expect(linesOf(await pageAfter(acute, [...together, parted], NOW), STAY)).toEqual(['(unavailable)']);
  });
});

describe('in hospital now', () => {
  it('given an in-patient, a day case and somebody in the emergency department, then each is there as what they are', async () => {
    const day: Activity = {
      resource: encounter('d', 'SS', 'in-progress', { start: '2026-06-01T08:00:00Z' }),
    };
    const visit: Activity = { resource: encounter('v', 'EMER', 'triaged', { start: '2026-06-02T08:00:00Z' }) }; // prettier-ignore
    expect(await inHospital([admitted, day, visit])).toEqual(['Encounter/e in-patient', 'Encounter/d day-case', 'Encounter/v in-department']); // prettier-ignore
  });

  it('given a planned and a cancelled admission and a clinic, then nobody is in hospital', async () => {
    const none = [encounter('p', 'IMP', 'planned', { start: '2026-06-01' }), encounter('c', 'IMP', 'cancelled', { start: '2026-06-01' }), encounter('a', 'AMB', 'in-progress', { start: '2026-06-01' })]; // prettier-ignore
    expect(await inHospital(none.map((resource) => ({ resource })))).toEqual([]);
  });

  it('given time on a ward that is part of a stay, then the person is there once', async () => {
    const ward: Activity = { resource: encounter('w', 'IMP', 'in-progress', { start: '2026-05-31T10:00:00Z' }, { partOf: { reference: 'Encounter/e' } }) }; // prettier-ignore
    expect(await inHospital([admitted, ward])).toEqual(['Encounter/e in-patient']);
  });

  it('given an admission recorded for the wrong person and withdrawn, then nobody is in hospital', async () => {
    const wrong: Activity = { resource: encounter('e', 'IMP', 'entered-in-error', { start: '2026-05-30T10:00:00Z' }), issued: '2026-05-30T11:00:00Z' }; // prettier-ignore
    expect(await inHospital([admitted, wrong])).toEqual([]);
  });
});

describe('the 24-hour discharge clock', () => {
  it('given a stay that goes on, then no clock runs', async () => {
    expect(await clock([admitted])).toEqual([]);
  });

  it('given a stay that ended, then the summary is due a day after the end, whenever that was recorded', async () => {
    expect(await clock([admitted, left('2026-06-02T11:00:00Z', '2026-06-02T20:00:00Z')])).toEqual(['Encounter/e awaiting-summary 2026-06-03T11:00:00.000Z']); // prettier-ignore
  });

  it('given no summary, when the day is over, then the page says that it was due', async () => {
    const page = await pageAfter(acute, [admitted, left('2026-06-01T11:00:00Z')], NOW);
    expect(linesOf(page, STAY)).toEqual(['General medicine | in-patient 2026-05-30 10:00 to 2026-06-01 11:00; no discharge summary yet, was due 2026-06-02 11:00 | in transit | urgent']); // prettier-ignore
  });

  it('given the end is corrected, and the correction comes before what it corrects, then the clock runs from the corrected end', async () => {
    const corrected = left('2026-06-02T08:00:00Z', '2026-06-02T15:00:00Z');
    expect(await clock([corrected, left('2026-06-02T11:00:00Z'), admitted])).toEqual(['Encounter/e awaiting-summary 2026-06-03T08:00:00.000Z']); // prettier-ignore
  });

  it('given a discharge that is taken back, then the person is in hospital and the clock stands', async () => {
    const back: Activity = { ...admitted, issued: '2026-06-02T12:00:00Z' };
    const told = [admitted, left('2026-06-02T11:00:00Z'), back];
    expect(await clock(told)).toEqual([]);
    expect(await inHospital(told)).toEqual(['Encounter/e in-patient']);
  });

  it('given a draft, then a signature is awaited; given the signed summary, then nothing is', async () => {
    const drafted = [admitted, left('2026-06-02T11:00:00Z'), summary('preliminary', '2026-06-02T12:00:00Z')];
    expect(await clock(drafted)).toEqual(['Encounter/e awaiting-signature 2026-06-03T11:00:00.000Z']);
    const signed = [...drafted, summary('final', '2026-06-02T13:00:00Z')];
    expect(await clock(signed)).toEqual([]);
    expect(linesOf(await pageAfter(acute, signed, NOW), STAY)).toEqual(['General medicine | in-patient 2026-05-30 10:00 to 2026-06-02 11:00; discharge summary on record']); // prettier-ignore
  });

  it('given a summary of another person that is withdrawn, then the clock runs again', async () => {
    const told = [admitted, left('2026-06-02T11:00:00Z'), summary('final', '2026-06-02T13:00:00Z'), summary('entered-in-error', '2026-06-02T14:00:00Z')]; // prettier-ignore
    expect(await clock(told)).toEqual(['Encounter/e awaiting-summary 2026-06-03T11:00:00.000Z']);
  });

  it('given a letter that names no encounter, then it is of the last stay in its own hospital, not of one elsewhere', async () => {
    const elsewhere: Activity = { resource: encounter('x', 'IMP', 'finished', { start: '2026-06-01T10:00:00Z', end: '2026-06-02T10:00:00Z' }), by: 'RX2' }; // prettier-ignore
    const letter = summary('final', '2026-06-02T13:00:00Z', {});
    expect(await clock([left('2026-06-02T11:00:00Z'), elsewhere, letter])).toEqual(['Encounter/x awaiting-summary 2026-06-03T10:00:00.000Z']); // prettier-ignore
  });

  it('given a letter that names no encounter and a new stay that goes on, then it is of the stay that had ended without one', async () => {
    const again: Activity = { resource: encounter('again', 'IMP', 'in-progress', { start: '2026-06-02T11:30:00Z' }) }; // prettier-ignore
    const told = [left('2026-06-02T11:00:00Z'), again, summary('final', '2026-06-02T13:00:00Z', {})];
    expect(await clock(told)).toEqual([]);
    const later: Activity = { resource: encounter('again', 'IMP', 'finished', { start: '2026-06-02T11:30:00Z', end: '2026-06-02T20:00:00Z' }), issued: '2026-06-02T20:00:00Z' }; // prettier-ignore
    expect(await clock([...told.filter((it) => it !== again), { ...again, issued: '2026-06-02T11:30:00Z' }, later])).toEqual(['Encounter/again awaiting-summary 2026-06-03T20:00:00.000Z']); // prettier-ignore
  });

  it('given two stays and two letters that name neither, then each has its own; the same letter as a file is no second one', async () => {
    const before: Activity = { resource: encounter('before', 'IMP', 'finished', { start: '2026-05-20T10:00:00Z', end: '2026-05-25T10:00:00Z' }) }; // prettier-ignore
    const letter = (id: string, date: string): Activity => ({ resource: { ...summary('final', date, { date }).resource, id }, issued: date }); // prettier-ignore
    const file: Activity = { resource: about('DocumentReference', 'file', { status: 'current', type: SUMMARY, date: '2026-06-02T12:00:00Z' }) }; // prettier-ignore
    const stays = [before, left('2026-06-02T11:00:00Z')];
    expect(await clock([...stays, letter('one', '2026-06-02T12:00:00Z'), file])).toEqual(['Encounter/before awaiting-summary 2026-05-26T10:00:00.000Z']); // prettier-ignore
    expect(await clock([...stays, letter('one', '2026-06-02T12:00:00Z'), letter('two', '2026-06-02T15:00:00Z')])).toEqual([]); // prettier-ignore
  });

  it('given a letter written on the morning of the discharge, then it counts; one written while the person stays on does not', async () => {
    const letter = summary('final', '2026-06-02T12:00:00Z', {});
    expect(await clock([left('2026-06-02T16:00:00Z'), letter])).toEqual([]);
    expect(await clock([left('2026-06-05T16:00:00Z'), letter])).toEqual(['Encounter/e awaiting-summary 2026-06-06T16:00:00.000Z']); // prettier-ignore
  });

  it('given the letter is deleted, then the clock runs again; given the stay is, then there is none', async () => {
    const letter = summary('final', '2026-06-02T13:00:00Z');
    const told = [left('2026-06-02T11:00:00Z'), letter, deleted(letter, '2026-06-02T14:00:00Z')];
    expect(await clock(told)).toEqual(['Encounter/e awaiting-summary 2026-06-03T11:00:00.000Z']);
    expect(await clock([...told, deleted(left('2026-06-02T11:00:00Z'), '2026-06-02T15:00:00Z')])).toEqual([]);
  });

  it('given an attendance that became a stay in the same hospital, then the stay has the clock; in another hospital, then both have', async () => {
    const visit: Activity = { resource: encounter('v', 'EMER', 'finished', { start: '2026-05-30T07:00:00Z', end: '2026-05-30T09:30:00Z' }) }; // prettier-ignore
    expect(await clock([visit, admitted])).toEqual([]);
    expect(await clock([visit, { ...admitted, by: 'RX2' }])).toEqual(['Encounter/v awaiting-summary 2026-05-31T09:30:00.000Z']); // prettier-ignore
  });

  it('given an attendance and a day case that ended, then each has its clock', async () => {
    const visit: Activity = { resource: encounter('v', 'EMER', 'finished', { start: '2026-05-20T07:00:00Z', end: '2026-05-20T09:30:00Z' }) }; // prettier-ignore
    const day: Activity = { resource: encounter('d', 'SS', 'finished', { start: '2026-06-01T08:00:00Z', end: '2026-06-01T16:00:00+01:00' }) }; // prettier-ignore
    expect(await clock([day, visit])).toEqual(['Encounter/v awaiting-summary 2026-05-21T09:30:00.000Z', 'Encounter/d awaiting-summary 2026-06-02T15:00:00.000Z']); // prettier-ignore
  });

  it('given two systems tell of one stay under one number and only one says that it ended, then there is one clock, and the page says that they differ', async () => {
    const identifier = [{ system: 'urn:stay', value: '77' }];
    const ward: Activity = { resource: encounter('w', 'IMP', 'in-progress', { start: '2026-05-30T10:00:00Z' }, { identifier }), by: 'RX1' }; // prettier-ignore
    const office: Activity = { resource: encounter('o', 'IMP', 'finished', { start: '2026-05-30T10:00:00Z', end: '2026-06-02T11:00:00Z' }, { identifier }), by: 'RX1' }; // prettier-ignore
    expect(await clock([ward, office])).toEqual(['Encounter/o awaiting-summary 2026-06-03T11:00:00.000Z']);
    expect(linesOf(await pageAfter(acute, [ward, office], NOW), STAY)[0]).toContain('not every source says that it has ended'); // prettier-ignore
  });
});
