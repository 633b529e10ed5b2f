/** What somebody reads of their own record. */
import { describe, expect, it } from 'vitest';
import { about, linesOf, pageAfter, person, snomed, type Activity } from './care-setting-scene.ts';
import { patient } from './patient.ts';

const NOW = '2026-06-01T09:00:00Z';
const coded = (code: string) => ({ coding: [{ code }] });
const page = (...activities: readonly Activity[]) => pageAfter(patient, [person(), ...activities], NOW);
const lines = async (title: string, ...activities: readonly Activity[]) => linesOf(await page(...activities), title); // prettier-ignore

const appointment = (id: string, status: string, start: string, issued?: string): Activity => ({ resource: about('Appointment', id, { status, start, description: 'Eye clinic', participant: [{ actor: { reference: 'Patient/p' } }] }), ...(issued !== undefined && { issued }) }); // prettier-ignore
const medicine = (id: string, more: object = {}, by = 'Y01'): Activity => ({ by, resource: about('MedicationRequest', id, { status: 'active', intent: 'order', medicationCodeableConcept: snomed('319284000', 'Amlodipine 10mg tablets'), authoredOn: '2026-01-05', dosageInstruction: [{ text: 'One tablet once a day' }], ...more }) }); // prettier-ignore
const penicillin = (id: string, status: string, by: string): Activity => ({ by, resource: about('AllergyIntolerance', id, { clinicalStatus: coded(status), criticality: 'high', code: snomed('91936005', 'Allergy to penicillin'), recordedDate: '2020-01-01' }) }); // prettier-ignore

describe('my record', () => {
  it('given a new record, then every heading is in plain words and none says that there is nothing wrong', async () => {
    const sections = await page();
    expect(sections.map(({ title, empty }) => `${title} ${empty ?? 'filled'}`)).toEqual([
      'My appointments unavailable',
      'My medicines unavailable',
      'My allergies unavailable',
      'My health problems unavailable',
      'My letters unavailable',
      'My test results unavailable',
      'My vaccinations unavailable',
      'My care plans unavailable',
    ]);
  });

  it('given appointments, then the next one comes first and the time is said as on a clock in the United Kingdom', async () => {
    expect(await lines('My appointments', appointment('far', 'booked', '2026-12-01T10:00:00Z'), appointment('past', 'noshow', '2026-05-01T10:00:00Z'), appointment('next', 'booked', '2026-06-03T10:00:00Z'))).toEqual([
      'Eye clinic | Wednesday 3 June 2026 at 11:00',
      'Eye clinic | Tuesday 1 December 2026 at 10:00',
      'Eye clinic | Friday 1 May 2026 at 11:00; you did not come',
    ]); // prettier-ignore
  });

  it('given an appointment is moved and then cancelled, then only the last word stands', async () => {
    const told = [
      appointment('a', 'booked', '2026-06-03T10:00:00Z', '2026-05-01T00:00:00Z'),
      appointment('a', 'booked', '2026-06-10T10:00:00Z', '2026-05-02T00:00:00Z'),
      appointment('a', 'cancelled', '2026-06-10T10:00:00Z', '2026-05-03T00:00:00Z'),
    ];
    expect(await lines('My appointments', ...told)).toEqual(['Eye clinic | Wednesday 10 June 2026 at 11:00; cancelled']); // prettier-ignore
  });

  it('given an appointment that is only proposed, then it is not shown as one; given one not confirmed, then that is said', async () => {
    expect(await lines('My appointments', appointment('a', 'proposed', '2026-06-03T10:00:00Z'))).toEqual(['(unavailable)']); // prettier-ignore
    expect(await lines('My appointments', appointment('a', 'pending', '2026-06-03T10:00:00Z'))).toEqual(['Eye clinic | Wednesday 3 June 2026 at 11:00; not confirmed yet | in transit']); // prettier-ignore
  });

  it('given services disagree about an allergy, then that is said in a sentence', async () => {
    expect(await lines('My allergies', penicillin('gp', 'active', 'Y01'), penicillin('hospital', 'resolved', 'RX9'))).toEqual(['Allergy to penicillin | criticality high | Your services do not all say the same. status: active (Y01), resolved (RX9)']); // prettier-ignore
  });

  it('given a medicine that hospital started, then it is said since when in words', async () => {
    const stay: Activity = { by: 'RX9', resource: about('Encounter', 'stay', { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-10', end: '2026-05-14T11:00:00Z' } }) }; // prettier-ignore
    const started = medicine('h', { encounter: { reference: 'Encounter/stay' }, authoredOn: '2026-05-14', reasonCode: [{ text: 'High blood pressure' }] }, 'RX9'); // prettier-ignore
    expect(await lines('My medicines', stay, started)).toEqual(['Amlodipine 10mg tablets | One tablet once a day; because: High blood pressure; new since you were in hospital | started']); // prettier-ignore
  });

  it('given a medicine was stopped by the practice, then it is no longer mine to take', async () => {
    expect(await lines('My medicines', { ...medicine('m'), issued: '2026-01-05T00:00:00Z' }, { ...medicine('m', { status: 'stopped' }), issued: '2026-03-05T00:00:00Z' })).toEqual(['(unavailable)']); // prettier-ignore
  });

  it('given a result outside the usual range, then it is said in words and not as an alarm', async () => {
    const measured: Activity = { resource: about('Observation', 'o', { status: 'final', category: [coded('laboratory')], code: { text: 'Haemoglobin' }, issued: '2026-05-20T09:00:00Z', valueQuantity: { value: 90, code: 'g/L' }, interpretation: [coded('L')] }) }; // prettier-ignore
    const report: Activity = { resource: about('DiagnosticReport', 'r', { status: 'final', code: { text: 'Blood count' }, issued: '2026-05-20T10:00:00Z', result: [{ reference: 'Observation/o' }] }) }; // prettier-ignore
    expect(await lines('My test results', measured, report)).toEqual(['Blood count | Haemoglobin 90 g/L; some of this is outside the usual range']); // prettier-ignore
  });

  it('given a result that is not final, then it is said that more is to come', async () => {
    const report: Activity = { resource: about('DiagnosticReport', 'r', { status: 'preliminary', code: { text: 'Blood count' }, issued: '2026-05-20T10:00:00Z' }) }; // prettier-ignore
    expect(await lines('My test results', report)).toEqual(['Blood count | in transit']);
  });

  it('given a letter and then the one that replaces it, then I read the one that stands', async () => {
    const letter = (id: string, date: string, more: object = {}): Activity => ({ by: 'RX9', resource: about('Composition', id, { status: 'final', title: `Letter ${id}`, type: snomed('823691000000103', 'Clinical letter'), date, ...more }) }); // prettier-ignore
    const second = letter('two', '2026-05-02', { relatesTo: [{ code: 'replaces', targetReference: { reference: 'Composition/one' } }] }); // prettier-ignore
    expect(await lines('My letters', letter('one', '2026-05-01'), second)).toEqual(['Letter two']);
  });

  it('given a letter that is withdrawn, then it is gone', async () => {
    const letter = (status: string, issued: string): Activity => ({ issued, resource: about('DocumentReference', 'd', { status, description: 'Letter', type: snomed('823691000000103', 'Clinical letter'), date: '2026-05-01' }) }); // prettier-ignore
    expect(await lines('My letters', letter('current', '2026-05-01T00:00:00Z'), letter('entered-in-error', '2026-05-02T00:00:00Z'))).toEqual(['(unavailable)']); // prettier-ignore
  });

  it('given the same vaccination is told by the pharmacy and the practice, then it is one; given none was given, then that is said', async () => {
    const jab = (id: string, by: string, more: object = {}): Activity => ({ by, resource: about('Immunization', id, { status: 'completed', vaccineCode: snomed('86198006', 'Influenza vaccination'), occurrenceDateTime: '2025-10-01', ...more }) }); // prettier-ignore
    expect(await lines('My vaccinations', jab('a', 'Y01'), jab('b', 'FA1'))).toEqual([
      'Influenza vaccination',
    ]);
    expect(await lines('My vaccinations', jab('a', 'Y01', { status: 'not-done', statusReason: { text: 'Declined' } }))).toEqual(['Influenza vaccination | not given: Declined']); // prettier-ignore
  });

  it('given two records of me that are linked, then I read both as one', async () => {
    const other: Activity = { by: 'RX9', resource: about('MedicationRequest', 'q', { ...medicine('m').resource, id: 'q', subject: { reference: 'Patient/q' } }) }; // prettier-ignore
    const link = person({ link: [{ other: { reference: 'Patient/q' }, type: 'replaces' }] });
    expect(linesOf(await pageAfter(patient, [link, other], NOW), 'My medicines')).toEqual(['Amlodipine 10mg tablets | One tablet once a day']); // prettier-ignore
  });
});
