/** What a general practitioner opens first, and what waits for the practice. Codes are SNOMED CT and dm+d. */
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
import { generalPractice } from './general-practice.ts';

const NOW = '2026-06-01T09:00:00Z';
/** The practice, and the hospital. */
const GP = 'Y01';
const HOSPITAL = 'RX9';
const practice = { generalPractitioner: [{ reference: 'Organization/practice' }] };

const coded = (code: string) => ({ coding: [{ code }] });
const text = (words: string) => ({ text: words });
const allergy = (id: string, status: string, more: object = {}) =>
  about('AllergyIntolerance', id, { clinicalStatus: coded(status), code: snomed('91936005', 'Allergy to penicillin'), recordedDate: '2020-03-01', ...more }); // prettier-ignore
const noneKnown = (id: string, recordedDate: string) =>
  about('AllergyIntolerance', id, { clinicalStatus: coded('active'), code: snomed('716186003', 'No known allergy'), recordedDate }); // prettier-ignore
const wrong = { verificationStatus: coded('entered-in-error') };

const amlodipine = snomed('319284000', 'Amlodipine 10mg tablets');
const ramipril = snomed('318902004', 'Ramipril 5mg capsules');
const repeat = (
  id: string,
  medicationCodeableConcept: object,
  dose: string,
  more: object = {},
): Activity => ({
  by: GP,
  resource: about('MedicationRequest', id, { status: 'active', intent: 'order', category: [coded('community')], medicationCodeableConcept, authoredOn: '2026-01-05T09:00:00Z', dosageInstruction: [text(dose)], dispenseRequest: { validityPeriod: { start: '2026-01-05', end: '2027-01-05' } }, ...more }), // prettier-ignore
});
const stay: Activity = {
  by: HOSPITAL,
  resource: about('Encounter', 'stay', { status: 'finished', class: { code: 'IMP' }, type: [text('General medicine')], period: { start: '2026-05-10T02:00:00Z', end: '2026-05-14T11:00:00Z' } }), // prettier-ignore
};
const toTakeHome = (
  id: string,
  medicationCodeableConcept: object,
  dose: string,
  more: object = {},
): Activity => ({
  by: HOSPITAL,
  resource: about('MedicationRequest', id, { status: 'active', intent: 'order', category: [coded('discharge')], encounter: { reference: 'Encounter/stay' }, medicationCodeableConcept, authoredOn: '2026-05-14T10:00:00Z', ...(dose !== '' && { dosageInstruction: [text(dose)] }), ...more }), // prettier-ignore
});

const page = (...activities: readonly Activity[]) => pageAfter(generalPractice, [person(practice), ...activities], NOW); // prettier-ignore
const waiting = async (list: string, ...activities: readonly Activity[]) =>
  (await workAfter(generalPractice, list, [person(practice), ...activities])).map(({ stream, state }) => `${stream} ${state}`); // prettier-ignore

describe('allergies', () => {
  const allergies = async (...activities: readonly Activity[]) => linesOf(await page(...activities), 'Allergies and adverse reactions'); // prettier-ignore

  it('given nobody said anything, then the page does not say that there are none', async () => {
    expect(await allergies()).toEqual(['(unavailable)']);
  });

  it('given somebody said that none is known, then the page says so and who said it', async () => {
    const sections = await page({ by: GP, resource: noneKnown('none', '2020-03-01') });
    expect(linesOf(sections, 'Allergies and adverse reactions')).toEqual(['No known allergy']);
    expect(sections.flatMap((it) => it.items.flatMap((item) => item.sources.map(({ source }) => source.organisation)))).toEqual([GP]); // prettier-ignore
  });

  it('given practice and hospital know the same one, then it is shown once, active, with the disagreement', async () => {
    const lines = await allergies(
      { by: GP, resource: allergy('gp', 'active', { criticality: 'high' }) },
      { by: HOSPITAL, resource: allergy('hospital', 'resolved', { recordedDate: '2025-02-02' }) },
    );
    expect(lines).toEqual(['Allergy to penicillin | criticality high | status: active (Y01), resolved (RX9) | urgent']); // prettier-ignore
  });

  it('given hospital later wrote that none is known, then the known one stands and the page tells of it', async () => {
    const lines = await allergies(
      { by: GP, resource: allergy('gp', 'active') },
      { by: HOSPITAL, resource: noneKnown('none', '2026-05-10') },
    );
    expect(lines).toEqual(['Allergy to penicillin | RX9 says: No known allergy']);
  });

  it('given it was recorded for the wrong person and taken back, then it is gone even when it arrives last', async () => {
    const lines = await allergies(
      { by: GP, resource: allergy('gp', 'active'), issued: '2026-01-01T00:00:00Z' },
      { by: GP, resource: allergy('gp', 'active', wrong), issued: '2026-01-02T00:00:00Z' },
    );
    expect(lines).toEqual(['(unavailable)']);
  });

  it('given two records of one person, then the page of one has the allergy of the other while they are linked', async () => {
    const other: Activity = { by: HOSPITAL, resource: allergy('other', 'active', { patient: { reference: 'Patient/q' } }) }; // prettier-ignore
    const link = { link: [{ other: { reference: 'Patient/q' }, type: 'replaces' }] };
    const linked = [{ ...person(link), issued: '2026-02-01T00:00:00Z' }, other];
    expect(linesOf(await pageAfter(generalPractice, linked, NOW), 'Allergies and adverse reactions')).toEqual(['Allergy to penicillin']); // prettier-ignore
    const unlinked = [...linked, { ...person(), issued: '2026-03-01T00:00:00Z' }];
    expect(linesOf(await pageAfter(generalPractice, unlinked, NOW), 'Allergies and adverse reactions')).toEqual(['(unavailable)']); // prettier-ignore
  });
});

describe('problems', () => {
  const pneumonia = (more: object): Activity => ({ by: GP, resource: about('Condition', 'c', { category: [coded('problem-list-item')], code: snomed('233604007', 'Pneumonia'), ...more }) }); // prettier-ignore
  const lines = async (...activities: readonly Activity[]) => { const sections = await page(...activities); return [linesOf(sections, 'Problems'), linesOf(sections, 'Past problems')]; }; // prettier-ignore
  const NONE = '(unavailable)';

  it('given an onset that took some days, then its end is not the end of the problem', async () => {
    const onsetPeriod = { start: '2026-01-02', end: '2026-01-05' };
    expect(await lines(pneumonia({ onsetPeriod }))).toEqual([['Pneumonia'], [NONE]]);
    const again = pneumonia({ onsetPeriod, clinicalStatus: coded('active') });
    expect(await lines({ ...again, resource: { ...again.resource, id: 'again', onsetDateTime: '2026-02-01', onsetPeriod: undefined } }, again)).toMatchObject([{ length: 1 }, [NONE]]); // prettier-ignore
  });

  it.each([
    ['by a day', { abatementDateTime: '2026-02-01' }, 'ended 2026-02-01'],
    ['by a period', { abatementPeriod: { start: '2026-01-20', end: '2026-02-01' } }, 'ended 2026-02-01'],
    ['by when it began to', { abatementPeriod: { start: '2026-01-20' } }, 'ended after 2026-01-20'],
    ['by an age', { abatementAge: { value: 45, unit: 'year', code: 'a' } }, 'ended at the age of 45 years'],
    ['by two ages', { abatementRange: { low: { value: 40, code: 'a' }, high: { value: 45, code: 'a' } } }, 'ended at the age of 40 years to 45 years'], // prettier-ignore
    ['in words', { abatementString: 'last spring' }, 'ended last spring'],
    ['beside its status', { clinicalStatus: coded('resolved'), abatementString: 'last spring' }, 'resolved last spring'], // prettier-ignore
  ])(
    'given it is said %s that it has ended, then it is past, and the page says when',
    async (_, more, words) => {
      expect(await lines(pneumonia(more))).toEqual([[NONE], [`Pneumonia | ${words}`]]);
    },
  );

  it('given an older version that arrives late, then the newer one stands', async () => {
    const asthma = (status: string) => about('Condition', 'c', { clinicalStatus: coded(status), code: snomed('195967001', 'Asthma') }); // prettier-ignore
    const sections = await page(
      { resource: asthma('active'), issued: '2026-01-01T00:00:00Z' },
      { resource: asthma('resolved'), issued: '2026-03-01T00:00:00Z' },
    );
    expect(linesOf(sections, 'Problems')).toEqual(['(unavailable)']);
    expect(linesOf(sections, 'Past problems')).toEqual(['Asthma | resolved']);
  });

  it('given practice and hospital list the same since other days, then it is one problem with both days', async () => {
    const asthma = (id: string, onsetDateTime: string) => about('Condition', id, { clinicalStatus: coded('active'), category: [coded('problem-list-item')], code: snomed('195967001', 'Asthma'), onsetDateTime }); // prettier-ignore
    const sections = await page(
      { by: GP, resource: asthma('gp', '2010-01-01') },
      { by: HOSPITAL, resource: asthma('hospital', '2024-05-01') },
    );
    expect(linesOf(sections, 'Problems')).toEqual(['Asthma | since: 2024-05-01 (RX9), 2010-01-01 (Y01)']);
  });
});

describe('medicines after discharge', () => {
  it('given the discharge letter and the practice list the same, then it is one medicine with both sources', async () => {
    const sections = await page(stay, repeat('gp', amlodipine, 'One tablet once a day'), toTakeHome('tta', amlodipine, '1 tablet once a day.')); // prettier-ignore
    expect(linesOf(sections, 'Medicines')).toEqual(['Amlodipine 10mg tablets | 1 tablet once a day.']);
    expect(sections.find(({ title }) => title === 'Medicines')!.items[0]!.sources).toHaveLength(2);
    expect(sections.map(({ title }) => title)).not.toContain('Medicines changed in hospital');
  });

  it('given hospital started, stopped and changed medicines, then each is told, with reasons', async () => {
    const sections = await page(
      stay,
      repeat('a', amlodipine, 'One tablet once a day'),
      repeat('r', ramipril, 'One capsule once a day'),
      toTakeHome('ta', amlodipine, 'Half a tablet once a day'),
      toTakeHome('tr', ramipril, '', { status: 'stopped', statusReason: text('Acute kidney injury') }),
      toTakeHome('tc', snomed('319799004', 'Clopidogrel 75mg tablets'), 'One tablet once a day', { reasonCode: [text('Stroke')] }), // prettier-ignore
    );
    expect(linesOf(sections, 'Medicines changed in hospital').toSorted()).toEqual([
      'Amlodipine 10mg tablets | Half a tablet once a day | dose: Half a tablet once a day (RX9), One tablet once a day (Y01) | changed', // prettier-ignore
      'Clopidogrel 75mg tablets | One tablet once a day; because: Stroke | started',
      'Ramipril 5mg capsules | because: Acute kidney injury | status: active (Y01), stopped (RX9) | stopped',
    ]);
  });

  it('given a medicine on one list only and nobody says why, then it is unexplained', async () => {
    const sections = await page(stay, repeat('r', ramipril, 'One capsule once a day'), toTakeHome('ta', amlodipine, 'One tablet once a day')); // prettier-ignore
    expect(linesOf(sections, 'Medicines changed in hospital').toSorted()).toEqual([
      'Amlodipine 10mg tablets | One tablet once a day | unexplained',
      'Ramipril 5mg capsules | One capsule once a day | unexplained',
    ]);
  });

  it('given the practice has since prescribed what hospital started, then nothing is left to reconcile', async () => {
    const since = repeat('gp', amlodipine, 'One tablet once a day', { authoredOn: '2026-05-20T09:00:00Z' });
    const sections = await page(stay, toTakeHome('ta', amlodipine, 'One tablet once a day'), since);
    expect(sections.map(({ title }) => title)).not.toContain('Medicines changed in hospital');
  });

  describe('given the practice has ended a medicine that hospital went on with', () => {
    const STATUS_REASON = 'https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-MedicationStatusReason-1'; // prettier-ignore
    const stopped = (day?: string) => repeat('gp', amlodipine, 'One tablet once a day', { status: 'stopped', ...(day && { extension: [{ url: STATUS_REASON, extension: [{ url: 'statusChangeDate', valueDateTime: day }] }] }) }); // prettier-ignore
    const goesOn = toTakeHome('ta', amlodipine, 'Half a tablet once a day', { reasonCode: [text('Hypertension')] }); // prettier-ignore
    const changes = async (...activities: readonly Activity[]) => (await page(stay, goesOn, ...activities)).filter((it) => it.title === 'Medicines changed in hospital').flatMap((it) => linesOf([it], it.title)); // prettier-ignore

    it('before the stay, then hospital started it', async () => {
      expect(await changes(stopped('2026-04-01'))).toEqual(['Amlodipine 10mg tablets | Half a tablet once a day; because: Hypertension | status: active (RX9), stopped (Y01) | started']); // prettier-ignore
    });

    it('after the stay, then it was at home before and nothing is left to settle', async () => {
      expect(await changes(stopped('2026-05-20'))).toEqual([]);
    });

    it('on a day that nobody said, then the page says so', async () => {
      expect(await changes(stopped())).toEqual(['Amlodipine 10mg tablets | Half a tablet once a day; because: Hypertension | status: active (RX9), stopped (Y01); stopped at home (Y01), before or after the stay: when is not said | unexplained']); // prettier-ignore
    });

    it('by its course that ran out since, then it was at home before, in another dose', async () => {
      const course = (end: string): Activity => ({ by: GP, resource: about('MedicationStatement', 'course', { status: 'completed', medicationCodeableConcept: amlodipine, dateAsserted: '2026-05-01', effectivePeriod: { start: '2026-05-01', end }, dosage: [text('One tablet once a day')] }) }); // prettier-ignore
      expect((await changes(course('2026-05-20')))[0]).toMatch(/changed$/);
      expect((await changes(course('2026-05-09')))[0]).toMatch(/started$/);
    });

    it('and taken it only since the stay, then hospital started it', async () => {
      const later: Activity = { by: GP, resource: about('MedicationStatement', 'later', { status: 'completed', medicationCodeableConcept: amlodipine, dateAsserted: '2026-05-13', effectivePeriod: { start: '2026-05-16', end: '2026-05-20' }, dosage: [text('One tablet once a day')] }) }; // prettier-ignore
      expect((await changes(later))[0]).toMatch(/started$/);
    });
  });

  it('given a prescription is deleted, then it is as if it had never been listed', async () => {
    const listed = repeat('gp', amlodipine, 'One tablet once a day');
    const gone = deleted(listed, '2026-05-30T09:00:00Z');
    const sections = await page({ ...listed, issued: '2026-01-05T09:00:00Z' }, gone);
    expect(linesOf(sections, 'Medicines')).toEqual(['(unavailable)']);
  });

  it('given hospital corrects the dose in a second version, then only the corrected one is compared', async () => {
    const sections = await page(
      stay,
      repeat('gp', amlodipine, 'One tablet once a day'),
      { ...toTakeHome('ta', amlodipine, 'Ten tablets once a day'), issued: '2026-05-14T10:00:00Z' },
      { ...toTakeHome('ta', amlodipine, 'One tablet once a day'), issued: '2026-05-14T12:00:00Z' },
    );
    expect(linesOf(sections, 'Medicines')).toEqual(['Amlodipine 10mg tablets | One tablet once a day']);
  });

  it('given the same medicine in two strengths, then they are two', async () => {
    const sections = await page(
      repeat('ten', amlodipine, 'One tablet once a day'),
      repeat('five', snomed('319283006', 'Amlodipine 5mg tablets'), 'One tablet once a day'),
    );
    expect(linesOf(sections, 'Medicines')).toHaveLength(2);
  });
});

describe('letters not filed', () => {
  const letter = (id: string, more: object = {}): Activity => ({
    by: HOSPITAL,
    resource: about('Composition', id, { status: 'final', type: snomed('373942005', 'Discharge summary'), encounter: { reference: 'Encounter/stay' }, date: '2026-05-14T12:00:00Z', title: 'Discharge summary', custodian: { reference: 'Organization/hospital' }, ...more }), // prettier-ignore
  });
  const file: Activity = { by: HOSPITAL, resource: about('DocumentReference', 'file', { status: 'current', type: snomed('373942005', 'Discharge summary'), context: { encounter: [{ reference: 'Encounter/stay' }] }, date: '2026-05-14T11:00:00Z', custodian: { reference: 'Organization/hospital' } }) }; // prettier-ignore
  const filing = (focus: string, status: string, lastModified: string): Activity => ({ by: GP, resource: about('Task', 'filing', { status, intent: 'order', focus: { reference: focus }, lastModified }) }); // prettier-ignore

  it('given a letter and its file, then one waits; when the practice files either, then none', async () => {
    expect(await waiting('letters-not-filed', letter('l'), file)).toEqual(['Composition/l waiting']);
    expect(await waiting('letters-not-filed', letter('l'), file, filing('DocumentReference/file', 'in-progress', '2026-05-15T09:00:00Z'))).toEqual(['Composition/l in-hand']); // prettier-ignore
    expect(await waiting('letters-not-filed', letter('l'), file, filing('DocumentReference/file', 'completed', '2026-05-15T09:00:00Z'))).toEqual([]); // prettier-ignore
  });

  it('given a filed letter is replaced by another, then the other waits', async () => {
    const replaced = letter('m', { date: '2026-05-16T12:00:00Z', relatesTo: [{ code: 'replaces', targetReference: { reference: 'Composition/l' } }] }); // prettier-ignore
    expect(await waiting('letters-not-filed', letter('l'), filing('Composition/l', 'completed', '2026-05-15T09:00:00Z'), replaced)).toEqual(['Composition/m waiting']); // prettier-ignore
  });

  it("given the practice's own letter, or one that is not signed yet, then nothing waits", async () => {
    const own = letter('own', { custodian: { reference: 'Organization/practice' } });
    expect(await waiting('letters-not-filed', own, letter('draft', { status: 'preliminary', encounter: undefined }))).toEqual([]); // prettier-ignore
  });
});

describe('abnormal results not acted on', () => {
  const measured = (interpretation: string, more: object = {}): Activity => ({ by: HOSPITAL, resource: about('Observation', 'k', { status: 'final', category: [coded('laboratory')], code: text('Serum potassium'), issued: '2026-05-20T09:00:00Z', valueQuantity: { value: 6.9, code: 'mmol/L' }, interpretation: [coded(interpretation)], ...more }) }); // prettier-ignore
  const report = (status: string, issued: string, more: object = {}): Activity => ({ by: HOSPITAL, resource: about('DiagnosticReport', 'r', { status, code: text('Urea and electrolytes'), issued, result: [{ reference: 'Observation/k' }], ...more }) }); // prettier-ignore
  const seen: Activity = { by: GP, resource: about('Task', 't', { status: 'completed', intent: 'order', focus: { reference: 'DiagnosticReport/r' }, lastModified: '2026-05-21T09:00:00Z' }) }; // prettier-ignore

  it('given a report whose measurement is critical, then it waits; given it is not final or not abnormal, then not', async () => {
    expect(await waiting('results-not-acted-on', report('final', '2026-05-20T10:00:00Z'), measured('HH'))).toEqual(['DiagnosticReport/r critical']); // prettier-ignore
    expect(await waiting('results-not-acted-on', report('preliminary', '2026-05-20T10:00:00Z'), measured('HH'))).toEqual([]); // prettier-ignore
    expect(await waiting('results-not-acted-on', report('final', '2026-05-20T10:00:00Z'), measured('N'))).toEqual([]); // prettier-ignore
  });

  it('given it was acted on and then corrected, then it waits again', async () => {
    expect(await waiting('results-not-acted-on', report('final', '2026-05-20T10:00:00Z'), measured('H'), seen)).toEqual([]); // prettier-ignore
    expect(await waiting('results-not-acted-on', report('final', '2026-05-20T10:00:00Z'), measured('H'), seen, report('corrected', '2026-05-22T10:00:00Z'))).toEqual(['DiagnosticReport/r abnormal']); // prettier-ignore
  });

  it('given it is of somebody in hospital, then it is not for the practice', async () => {
    const there = { encounter: { reference: 'Encounter/stay' } };
    expect(await waiting('results-not-acted-on', stay, report('final', '2026-05-20T10:00:00Z', there), measured('H', there))).toEqual([]); // prettier-ignore
  });
});

describe('referrals and appointments', () => {
  const referral: Activity = { by: GP, resource: about('ServiceRequest', 's', { status: 'active', intent: 'order', priority: 'urgent', code: snomed('3457005', 'Patient referral'), authoredOn: '2026-05-01T09:00:00Z' }) }; // prettier-ignore
  const appointment = (id: string, status: string, start: string, issued?: string): Activity => ({ by: HOSPITAL, resource: about('Appointment', id, { status, start, basedOn: [{ reference: 'ServiceRequest/s' }], participant: [{ actor: { reference: 'Patient/p' } }] }), ...(issued !== undefined && { issued }) }); // prettier-ignore

  it('given a referral, then it waits until something is booked, and again when that is cancelled', async () => {
    const booked = appointment('a', 'booked', '2026-05-30T09:00:00Z', '2026-05-02T00:00:00Z');
    expect(await workAfter(generalPractice, 'referrals-without-appointment', [person(practice), referral])).toEqual([
      { stream: 'ServiceRequest/s', since: '2026-05-01T09:00:00.000Z', due: '2026-05-15T09:00:00.000Z', owner: 'Organization/practice', state: 'no-appointment', text: 'Patient referral' },
    ]); // prettier-ignore
    expect(await waiting('referrals-without-appointment', referral, booked)).toEqual([]);
    const cancelled = appointment('a', 'cancelled', '2026-05-30T09:00:00Z', '2026-05-10T00:00:00Z');
    expect(await waiting('referrals-without-appointment', referral, booked, cancelled)).toEqual(['ServiceRequest/s cancelled']); // prettier-ignore
  });

  it('given the person did not come, then it is missed until there is another', async () => {
    const missed = appointment('a', 'noshow', '2026-05-10T09:00:00Z');
    expect(await waiting('appointments-missed', missed)).toEqual(['Appointment/a missed']);
    expect(await waiting('appointments-missed', missed, appointment('b', 'booked', '2026-06-10T09:00:00Z'))).toEqual([]); // prettier-ignore
  });
});
