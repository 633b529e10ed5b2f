/** What is counted of a population, and who is never in it. Codes are SNOMED CT and dm+d. */
import { defaultPolicy } from '@carelog/access';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deleted, snomed, type Activity } from '../care-settings/care-setting-scene.ts';
import { RECORDED } from '../care-settings/scene-log.ts';
import { afterwards, casesIn, groundOf, historiesOf, of, tallied } from './population-scene.ts';
import { openPopulationWriter } from './population-writer.ts';
import { populationSchema } from './postgres.ts';

const GP = 'Y01';
const HOSPITAL = 'RX9';
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const patient = (id: string, more: object = {}): Activity => ({
  by: GP,
  resource: { resourceType: 'Patient', id, birthDate: '1950-03-14', gender: 'female', generalPractitioner: [{ identifier: { system: ODS, value: GP } }], ...more }, // prettier-ignore
});
const coded = (code: string) => ({ coding: [{ code }] });
const stay = (of_: string, id: string, more: object = {}): Activity => ({
  by: HOSPITAL,
  resource: of(of_, 'Encounter', id, { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-10T02:00:00Z', end: '2026-05-14T11:00:00Z' }, ...more }), // prettier-ignore
});
const visit = (of_: string, id: string, start: string): Activity => ({
  by: HOSPITAL,
  resource: of(of_, 'Encounter', id, { status: 'finished', class: { code: 'EMER' }, period: { start, end: start } }), // prettier-ignore
});
const summary = (of_: string, id: string, encounter: string, date: string, more: object = {}): Activity => ({
  by: HOSPITAL,
  resource: of(of_, 'Composition', id, { status: 'final', type: snomed('373942005', 'Discharge summary'), date, encounter: { reference: `Encounter/${encounter}` }, ...more }), // prettier-ignore
});
const consent = (of_: string, status: string, issued: string, more: object = {}): Activity => ({
  by: GP,
  issued,
  resource: of(of_, 'Consent', `choice-${of_}`, { status, scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'research' }] }, provision: { type: 'deny', ...more } }), // prettier-ignore
});
const FIRST = '2026-06-01T09:00:00Z';
const LATER = '2026-06-02T09:00:00Z';

describe('who is counted', () => {
  const left = (...activities: readonly Activity[]) => tallied('discharge-summaries-within-24-hours', activities); // prettier-ignore
  const one = { met: 0, missed: 1, excluded: 0, open: 0 };
  const nobody = { met: 0, missed: 0, excluded: 0, open: 0 };

  it('given somebody opted out before they came, then they are not counted', async () => {
    expect(await left(consent('ann', 'active', FIRST), patient('ann'), stay('ann', 's'))).toEqual(nobody);
  });

  it('given somebody opts out afterwards, then they are taken out, and others are not', async () => {
    expect(await left(patient('ann'), stay('ann', 's'), patient('ben'), stay('ben', 't'), consent('ann', 'active', FIRST))).toEqual(one); // prettier-ignore
  });

  it('given somebody takes their opt-out back, then all that they were counted for is counted again', async () => {
    expect(await left(patient('ann'), stay('ann', 's'), consent('ann', 'active', FIRST), stay('ann', 'later', { period: { start: '2026-07-01', end: '2026-07-02' } }), consent('ann', 'inactive', LATER))).toEqual({ ...one, missed: 2 }); // prettier-ignore
  });

  it('given an opt-out that ended before it was told, then it holds no longer', async () => {
    expect(await left(patient('ann'), stay('ann', 's'), consent('ann', 'active', FIRST, { period: { end: '2026-12-31' } }))).toEqual(one); // prettier-ignore
  });

  it('given an opt-out that begins later, then it holds at once', async () => {
    expect(await left(patient('ann'), stay('ann', 's'), consent('ann', 'active', FIRST, { period: { start: '2050-01-01' } }))).toEqual(nobody); // prettier-ignore
  });

  it('given a Consent about sharing for care, then it is no opt-out', async () => {
    const sharing = of('ann', 'Consent', 'sharing', { status: 'active', scope: coded('patient-privacy'), provision: { type: 'deny', purpose: [{ code: 'TREAT' }] } }); // prettier-ignore
    expect(await left(patient('ann'), stay('ann', 's'), { resource: sharing })).toEqual(one);
  });

  const linked = { link: [{ other: { reference: 'Patient/old' }, type: 'replaces' }] };

  it('given two records of one person with the same stay in each, then it is counted once', async () => {
    const spell = { identifier: [{ system: 'urn:spells', value: '77' }] };
    expect(await left(patient('old'), patient('ann', linked), stay('old', 's', spell), stay('ann', 't', spell))).toEqual(one); // prettier-ignore
  });

  it('given the links are taken back, then both are counted', async () => {
    const spell = { identifier: [{ system: 'urn:spells', value: '77' }] };
    expect(await left({ ...patient('ann', linked), issued: FIRST }, stay('old', 's', spell), stay('ann', 't', spell), patient('old'), { ...patient('ann'), issued: LATER })).toEqual({ ...one, missed: 2 }); // prettier-ignore
  });

  it('given one of two linked records opted out, then neither is counted', async () => {
    expect(await left(patient('old'), patient('ann', linked), stay('old', 's'), stay('ann', 't'), consent('old', 'active', FIRST))).toEqual(nobody); // prettier-ignore
  });

  it('given the opt-out of a linked record is taken back, then both are counted again', async () => {
    expect(await left(patient('old'), patient('ann', linked), stay('old', 's'), stay('ann', 't', { period: { start: '2026-02-01', end: '2026-02-02' } }), consent('old', 'active', FIRST), consent('old', 'inactive', LATER))).toEqual({ ...one, missed: 2 }); // prettier-ignore
  });

  it('given the stay was recorded for the wrong person and taken back, then it is not counted', async () => {
    expect(await left(patient('ann'), { ...stay('ann', 's'), issued: FIRST }, { ...stay('ann', 's', { status: 'entered-in-error' }), issued: LATER })).toEqual(nobody); // prettier-ignore
  });

  it('given the stay is deleted, then it is not counted; given an opt-out is, then they are counted again', async () => {
    const spell = { ...stay('ann', 's'), issued: FIRST };
    expect(await left(patient('ann'), spell, deleted(spell, LATER))).toEqual(nobody);
    const choice = consent('ann', 'active', FIRST);
    expect(await left(patient('ann'), spell, choice, deleted(choice, LATER))).toEqual(one);
  });

  it('given a stay that the law protects, then nothing of it is kept', async () => {
    const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] }; // prettier-ignore
    expect(await left(patient('ann'), stay('ann', 's', { meta }))).toEqual(nobody);
  });
});

describe('discharge summaries within 24 hours', () => {
  const summaries = (...activities: readonly Activity[]) => tallied('discharge-summaries-within-24-hours', [patient('ann'), ...activities]); // prettier-ignore

  it('given a summary the same evening, then it is met', async () => {
    expect(await summaries(stay('ann', 's'), summary('ann', 'l', 's', '2026-05-14T19:00:00Z'))).toMatchObject({ met: 1, missed: 0 }); // prettier-ignore
  });

  it('given a summary two days later, then it is missed', async () => {
    expect(await summaries(stay('ann', 's'), summary('ann', 'l', 's', '2026-05-16T19:00:00Z'))).toMatchObject({ met: 0, missed: 1 }); // prettier-ignore
  });

  it('given the end of the stay is corrected to a later day, then the same summary is in time', async () => {
    const corrected = stay('ann', 's', { period: { start: '2026-05-10T02:00:00Z', end: '2026-05-16T11:00:00Z' } }); // prettier-ignore
    expect(await summaries({ ...stay('ann', 's'), issued: FIRST }, { ...corrected, issued: LATER }, summary('ann', 'l', 's', '2026-05-16T19:00:00Z'))).toMatchObject({ met: 1, missed: 0 }); // prettier-ignore
  });

  it('given an attendance that became a stay, then only the stay is counted', async () => {
    expect(await summaries(visit('ann', 'ed', '2026-05-10T01:00:00Z'), stay('ann', 's'))).toMatchObject({ missed: 1, excluded: 1 }); // prettier-ignore
  });

  it('given the stay ended an hour ago, then it is open', async () => {
    const now = Date.parse('2026-05-14T12:00:00Z');
    expect(await tallied('discharge-summaries-within-24-hours', [patient('ann'), stay('ann', 's')], now)).toMatchObject({ missed: 0, open: 1 }); // prettier-ignore
  });
});

describe('letters and results', () => {
  const letters = (...activities: readonly Activity[]) => tallied('letters-filed-within-7-days', [patient('ann'), stay('ann', 's'), summary('ann', 'l', 's', '2026-05-14T19:00:00Z'), ...activities]); // prettier-ignore
  const filed = (lastModified: string): Activity => ({ by: GP, resource: of('ann', 'Task', 'file', { status: 'completed', intent: 'order', focus: { reference: 'Composition/l' }, lastModified }) }); // prettier-ignore

  it('given nobody filed it, then it is missed', async () => {
    expect(await letters()).toMatchObject({ met: 0, missed: 1 });
  });

  it('given it was filed on the third day, then it is met; on the ninth, it is missed', async () => {
    expect(await letters(filed('2026-05-17T09:00:00Z'))).toMatchObject({ met: 1, missed: 0 });
    expect(await letters(filed('2026-05-23T09:00:00Z'))).toMatchObject({ met: 0, missed: 1 });
  });

  it('given the person died on the second day, then nobody had to file it', async () => {
    expect(await tallied('letters-filed-within-7-days', [patient('ann', { deceasedDateTime: '2026-05-15' }), stay('ann', 's'), summary('ann', 'l', 's', '2026-05-14T19:00:00Z')])).toMatchObject({ missed: 0, excluded: 1 }); // prettier-ignore
  });

  const potassium = (code: string): Activity => ({ by: HOSPITAL, resource: of('ann', 'Observation', 'k', { status: 'final', category: [coded('laboratory')], code: snomed('1000651000000109', 'Potassium'), interpretation: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code }] }], issued: '2026-05-01T09:00:00Z' }) }); // prettier-ignore
  const called: Activity = { by: GP, resource: of('ann', 'Communication', 'call', { status: 'completed', about: [{ reference: 'Observation/k' }], sent: '2026-05-04T09:00:00Z' }) }; // prettier-ignore
  const results = (...activities: readonly Activity[]) => tallied('abnormal-results-acted-on', [patient('ann'), ...activities]); // prettier-ignore

  it('given an abnormal result and a call three days later, then it was acted on in time; a critical one was not', async () => {
    expect(await results(potassium('H'), called)).toMatchObject({ met: 1, missed: 0 });
    expect(await results(potassium('HH'), called)).toMatchObject({ met: 0, missed: 1 });
  });

  it('given a result that was corrected to normal, then it is none', async () => {
    expect(await results({ ...potassium('H'), issued: FIRST }, { ...potassium('N'), issued: LATER })).toMatchObject({ met: 0, missed: 0 }); // prettier-ignore
  });
});

describe('appointments, attendances, medicines', () => {
  it('given three appointments, one missed and one called off, then one of two was missed', async () => {
    const booked = (id: string, status: string): Activity => ({ by: GP, resource: of('ann', 'Appointment', id, { status, start: '2026-05-04T09:00:00Z' }) }); // prettier-ignore
    expect(await tallied('appointments-missed', [patient('ann'), booked('a', 'noshow'), booked('b', 'fulfilled'), booked('c', 'cancelled')])).toMatchObject({ met: 1, missed: 1 }); // prettier-ignore
  });

  it('given a care plan made between two attendances, then the second was with one', async () => {
    const plan: Activity = { by: GP, resource: of('ann', 'CarePlan', 'plan', { status: 'active', intent: 'plan', period: { start: '2026-03-01' } }) }; // prettier-ignore
    expect(await tallied('unscheduled-attendances-with-care-plan', [patient('ann'), visit('ann', 'a', '2026-02-01T10:00:00Z'), visit('ann', 'b', '2026-04-01T10:00:00Z'), plan])).toMatchObject({ met: 1, missed: 1 }); // prettier-ignore
  });

  it('given a child under protection comes and the team takes it on next morning, then it is met; of other children nothing is counted', async () => {
    const child = { birthDate: '2019-01-01' };
    const protection: Activity = { by: 'LA1', resource: of('kim', 'Flag', 'flag', { status: 'active', code: snomed('342191000000101', 'Subject to child protection plan'), period: { start: '2026-01-01' } }) }; // prettier-ignore
    const taken = (lastModified: string): Activity => ({ by: 'LA1', resource: of('kim', 'Task', 'alert', { status: 'accepted', intent: 'order', code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'safeguarding-alert' }] }, focus: { reference: 'Encounter/ed' }, lastModified }) }); // prettier-ignore
    const came = [patient('kim', child), protection, visit('kim', 'ed', '2026-04-01T22:00:00Z'), patient('lee', child), visit('lee', 'other', '2026-04-01T22:00:00Z')]; // prettier-ignore
    const acknowledged = (at: string) => tallied('protected-attendances-acknowledged-within-a-day', [...came, taken(at)]); // prettier-ignore
    expect(await acknowledged('2026-04-02T09:00:00Z')).toMatchObject({ met: 1, missed: 0 });
    expect(await acknowledged('2026-04-03T09:00:00Z')).toMatchObject({ met: 0, missed: 1 });
  });

  const amlodipine = snomed('319284000', 'Amlodipine 10mg tablets');
  const ramipril = snomed('318902004', 'Ramipril 5mg capsules');
  const listed = (id: string, medicationCodeableConcept: object, authoredOn: string, dose = 'One each morning'): Activity => ({ by: GP, resource: of('ann', 'MedicationRequest', id, { status: 'active', intent: 'order', category: [coded('community')], medicationCodeableConcept, authoredOn, dosageInstruction: [{ text: dose }] }) }); // prettier-ignore
  const toTakeHome = (id: string, medicationCodeableConcept: object, dose = 'One each morning'): Activity => ({ by: HOSPITAL, resource: of('ann', 'MedicationRequest', id, { status: 'active', intent: 'order', category: [coded('discharge')], encounter: { reference: 'Encounter/s' }, medicationCodeableConcept, authoredOn: '2026-05-14T10:00:00Z', dosageInstruction: [{ text: dose }] }) }); // prettier-ignore
  const medicines = (...activities: readonly Activity[]) => tallied('medicines-reconciled-within-7-days', [patient('ann'), stay('ann', 's'), ...activities]); // prettier-ignore

  it('given hospital changed nothing, then the list agrees', async () => {
    expect(await medicines(listed('a', amlodipine, '2026-01-05'), toTakeHome('b', amlodipine))).toMatchObject({ met: 1, missed: 0 }); // prettier-ignore
  });

  it('given a code that only says that it is a medicine, then its words tell it from another', async () => {
    const called = (text: string) => ({ ...snomed('763158003', 'Medicinal product'), text });
    const home = listed('a', called('Amlodipine 5mg tablets'), '2026-01-05');
    expect(await medicines(home, toTakeHome('b', called('Amlodipine 5mg tablets')))).toMatchObject({ met: 1, missed: 0 }); // prettier-ignore
    expect(await medicines(home, toTakeHome('b', called('Ramipril 5mg tablets')))).toMatchObject({ met: 0, missed: 1 }); // prettier-ignore
  });

  it('given hospital started a medicine, then the practice has a week to list it', async () => {
    const started = [listed('a', amlodipine, '2026-01-05'), toTakeHome('b', amlodipine), toTakeHome('c', ramipril)]; // prettier-ignore
    expect(await medicines(...started)).toMatchObject({ met: 0, missed: 1 });
    expect(await medicines(...started, listed('d', ramipril, '2026-05-18'))).toMatchObject({ met: 1, missed: 0 }); // prettier-ignore
    expect(await medicines(...started, listed('d', ramipril, '2026-05-28'))).toMatchObject({ met: 0, missed: 1 }); // prettier-ignore
  });

  it('given hospital changed a dose, then it is seen without its words', async () => {
    expect(await medicines(listed('a', amlodipine, '2026-01-05'), toTakeHome('b', amlodipine, 'Two each morning'))).toMatchObject({ met: 0, missed: 1 }); // prettier-ignore
  });

  it('given the person died within the week, or nothing was prescribed, then there was nothing to reconcile', async () => {
    const dead = [patient('ann', { deceasedDateTime: '2026-05-16' }), stay('ann', 's'), toTakeHome('c', ramipril)]; // prettier-ignore
    expect(await tallied('medicines-reconciled-within-7-days', dead)).toMatchObject({ met: 0, missed: 0, excluded: 1 }); // prettier-ignore
    expect(await medicines()).toEqual({ met: 0, missed: 0, excluded: 0, open: 0 });
  });

  it('given it is only said that the person has died, then it is so from the day on which it was said', async () => {
    const told = [patient('ann', { deceasedBoolean: true }), stay('ann', 's'), toTakeHome('c', ramipril)];
    expect(await tallied('medicines-reconciled-within-7-days', told)).toMatchObject({
      missed: 1,
      excluded: 0,
    });
    const late = { start: '2029-12-20', end: '2029-12-30' };
    expect(await tallied('medicines-reconciled-within-7-days', [told[0]!, stay('ann', 's', { period: late }), toTakeHome('c', ramipril)])).toMatchObject({ missed: 0, excluded: 1 }); // prettier-ignore
  });
});

describe('a policy that says otherwise who is counted', () => {
  const shipped = defaultPolicy();
  const otherScopes = { ...shipped, sharing: { ...shipped.sharing, optOutScopes: ['treatment'] } };
  const otherLabels = { ...shipped, purposes: { ...shipped.purposes, planning: { ...shipped.purposes.planning, counts: { leavesOut: ['restricted' as const] } } } }; // prettier-ignore
  const otherRoles = { ...shipped, version: 'another', breakGlass: { ...shipped.breakGlass, hours: 1 } };

  it.each([
    ['by another scope of opting out', otherScopes, undefined],
    ['by other labels', otherLabels, undefined],
    ['by nothing that matters here', otherRoles, 2],
  ])(
    'given one that differs %s, then the population is built anew where it must be',
    async (_, policy, position) => {
      const ground = groundOf([]);
      const reached = await afterwards([patient('ann'), stay('ann', 's')], async (path) => {
        const again = openPopulationWriter({ path, policy, ...ground });
        const known = await again.checkpoint();
        again.close();
        return known?.position;
      });
      expect(reached).toBe(position);
      expect(populationSchema(policy) === populationSchema(shipped)).toBe(position !== undefined);
    },
  );
});

describe('what stands in the file', () => {
  const telling = patient('ann-lovelace', {
    name: [{ family: 'Lovelace', given: ['Ann'] }],
    identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9990000018' }],
    address: [{ line: ['4 Mill Lane'], postalCode: 'LS1 1AA' }],
    telecom: [{ system: 'phone', value: '07700900001' }],
    contact: [{ name: { text: 'Byron Lovelace' } }],
    generalPractitioner: [{ identifier: { system: ODS, value: GP } }, { reference: 'Practitioner/dr-who' }],
  });
  const note = 'Mrs Lovelace of 4 Mill Lane, 9990000018';
  const wordy: readonly Activity[] = [
    telling,
    stay('ann-lovelace', 'stay-of-lovelace', { identifier: [{ system: 'urn:x', value: '9990000018' }], type: [{ text: note, coding: [{ system: 'urn:local', code: 'Lovelace' }, { system: 'http://snomed.info/sct', code: '9990000018', display: note }] }], participant: [{ individual: { reference: 'Practitioner/dr-who' } }] }), // prettier-ignore
    summary('ann-lovelace', 'letter-of-lovelace', 'stay-of-lovelace', '2026-05-14T19:00:00Z', { title: note }), // prettier-ignore
    { by: HOSPITAL, resource: of('ann-lovelace', 'MedicationRequest', 'm', { status: 'active', intent: 'order', medicationCodeableConcept: { text: note }, dosageInstruction: [{ text: note }], reasonCode: [{ text: note }], authoredOn: '2026-05-14' }) }, // prettier-ignore
    { by: GP, resource: of('ann-lovelace', 'Task', 't', { status: 'completed', intent: 'order', description: note, focus: { reference: 'Composition/letter-of-lovelace' }, lastModified: '2026-05-15' }) }, // prettier-ignore
    { by: GP, resource: of('ann-lovelace', 'CarePlan', 'c', { status: 'active', intent: 'plan', title: note, description: note }) }, // prettier-ignore
    { by: GP, resource: of('ann-lovelace', 'Communication', 'w', { status: 'completed', about: [{ reference: 'Composition/letter-of-lovelace' }], topic: { text: note } }) }, // prettier-ignore
    consent('ben', 'active', FIRST),
    patient('ben'),
    stay('ben', 'stay-of-ben'),
  ];
  const SECRETS = ['lovelace', 'byron', '9990000018', 'mill lane', 'ls1 1aa', '07700900001', 'dr-who', '1950-03-14', 'stay-of', 'letter-of', 'patient/ben', 'history of']; // prettier-ignore
  const foundIn = (text: string) => SECRETS.filter((it) => text.toLowerCase().includes(it));

  const rowsOf = (path: string) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
    const rows = tables.map(({ name }) => [String(name), db.prepare(`SELECT * FROM "${String(name)}"`).all()] as const); // prettier-ignore
    db.close();
    return rows;
  };

  it('tells of nobody, in no row and in no page of it, and yet they are counted', async () => {
    await afterwards(wordy, async (path) => {
      const rows = rowsOf(path);
      expect(rows.filter(([, some]) => some.length > 0).map(([name]) => name).toSorted()).toEqual(['checkpoint', 'counted', 'fact', 'person']); // prettier-ignore
      expect(foundIn(JSON.stringify(rows))).toEqual([]);
      expect(foundIn(readFileSync(path, 'latin1') + readFileSync(`${path}-wal`, 'latin1'))).toEqual([]);
      expect(await casesIn(path, 'letters-filed-within-7-days', RECORDED)).toEqual([{ count: 1, state: 'met', isOpen: false, owner: GP, practice: GP, sex: 'female', bornIn: '1950' }]); // prettier-ignore
    });
  });

  it('of somebody with an S-flag names no practice, however it was told', async () => {
    const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] }; // prettier-ignore
    const generalPractitioner = [{ reference: 'Organization/practice-of-hers', identifier: { system: ODS, value: 'Y77' } }]; // prettier-ignore
    const managingOrganization = { reference: 'Organization/hospital-of-hers' };
    const told = patient('flagged', { generalPractitioner, managingOrganization });
    const rows = (more: object) => afterwards([{ ...told, resource: { ...told.resource, ...more } }], (path) => JSON.stringify(rowsOf(path))); // prettier-ignore
    expect(await rows({})).toMatch(/Y77.*of-hers|of-hers.*Y77/);
    expect(await rows({ meta })).toContain('1950');
    expect(await rows({ meta })).not.toMatch(/Y77|of-hers/);
  });

  it('is searched in a way that would find what there is', () => {
    expect(foundIn(JSON.stringify(wordy)).length).toBe(SECRETS.length - 1);
  });

  it('of who opted out is the choice alone', async () => {
    const afterwardsOut = [...wordy, consent('ann-lovelace', 'active', FIRST)];
    const facts = await afterwards(afterwardsOut, (path) => rowsOf(path).find(([name]) => name === 'fact')![1], 1); // prettier-ignore
    expect(facts.filter(({ told }) => told !== null).map(({ kind }) => kind)).toEqual(['consent', 'consent']);
  });

  it('is the same after the log is read again', async () => {
    const all = (path: string) => rowsOf(path).map(([name, rows]) => [name, rows.map((it) => JSON.stringify(it)).toSorted()]); // prettier-ignore
    expect(await afterwards(wordy, all, 1)).toEqual(await afterwards(wordy, all));
  });
});

/** Versions of a few things of two people, most of which count for nothing, and what the people choose. */
const whose = fc.constantFrom('ann', 'ben');
const said = { issued: fc.constantFrom(FIRST, LATER, '2026-06-03T09:00:00Z', undefined), number: fc.constantFrom(undefined, 1, 2, 3) }; // prettier-ignore
const something = fc
  .record({
    ...said,
    who: whose,
    id: fc.constantFrom('x', 'y'),
    what: fc.constantFrom('normal', 'abnormal', 'stay', 'protected', 'gone'),
  }) // prettier-ignore
  .map(({ who, id, what, issued, number }): Activity => {
    const isStay = what === 'stay' || what === 'protected';
    const interpretation = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: what === 'abnormal' ? 'H' : 'N' }] }]; // prettier-ignore
    const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] }; // prettier-ignore
    const { resource } = isStay
      ? stay(who, id, what === 'protected' ? { meta } : {})
      : { resource: of(who, 'Observation', id, { status: 'final', category: [coded('laboratory')], code: snomed('1000651000000109', 'Potassium'), interpretation }) }; // prettier-ignore
    return { resource, by: HOSPITAL, ...(issued && { issued }), ...(number !== undefined && { number }), ...(what === 'gone' && { isDeleted: true as const }) }; // prettier-ignore
  });
const chosen = fc.tuple(whose, fc.constantFrom('active', 'inactive'), fc.constantFrom(FIRST, LATER)).map((it) => consent(...it)); // prettier-ignore

describe('what is not counted', () => {
  const rowsIn = (path: string) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const rows = ['SELECT stream, patient, told FROM fact WHERE told IS NOT NULL', 'SELECT * FROM counted', 'SELECT patient, is_out FROM person'] // prettier-ignore
      .map((it) => db.prepare(it).all().map((row) => JSON.stringify(row)).toSorted()); // prettier-ignore
    const { left } = db.prepare('SELECT count(*) AS left FROM fact WHERE told IS NULL').get() as { left: number }; // prettier-ignore
    db.close();
    return { rows, left };
  };
  /** As a lane is given it, which keeps everything. */
  const keepingAll: typeof groundOf = (log) => {
    const { history, ...ground } = groundOf(log);
    return { ...ground, history: { ofPartition: history.ofPartition } as typeof history };
  };

  const isAsIfKept = async (all: readonly Activity[], size: number) => {
    const made = await afterwards(all, rowsIn, size);
    expect(made.rows).toEqual((await afterwards(all, rowsIn, all.length, keepingAll)).rows);
  };

  it('is not kept, and what stands is as if it were, however it comes', async () => {
    const more = fc.array(fc.oneof({ weight: 3, arbitrary: something }, chosen), { maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(more, fc.integer({ min: 1, max: 5 }), (its, size) => isAsIfKept([patient('ann'), patient('ben'), ...its], size)), // prettier-ignore
      { numRuns: 150 },
    );
  });

  it('is kept from when it counted, so that its versions are read once', async () => {
    const read: string[] = [];
    const reading: typeof groundOf = (log) => {
      const { history, ...ground } = groundOf(log);
      const ofStream: typeof history.ofStream = (stream, until) => {
        read.push(stream);
        return history.ofStream(stream, until);
      };
      return { ...ground, history: { ...history, ofStream } };
    };
    const potassium = (who: string, code: string): Activity => ({ resource: of(who, 'Observation', `k-${who}`, { status: 'final', category: [coded('laboratory')], code: snomed('1000651000000109', 'Potassium'), interpretation: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code }] }] }) }); // prettier-ignore
    const codes = ['N', 'N', 'H', 'N', 'H', 'N', 'H', 'N'];
    const letter: Activity = { resource: { resourceType: 'Task', id: 'about-nobody', status: 'completed', intent: 'order', focus: { reference: 'Composition/x' } } }; // prettier-ignore
    const all = [
      ...['ann', 'ben', 'cleo'].map((it) => patient(it)),
      consent('cleo', 'active', FIRST),
      ...codes.flatMap((it) => [potassium('ann', it), potassium('ben', 'N'), potassium('cleo', it), letter]),
    ];
    const { left } = await afterwards(all, rowsIn, 1, reading);
    expect(read).toEqual(['Observation/k-ann']);
    expect(left).toBe(1);
  });

  const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] }; // prettier-ignore
  it.each<readonly [what: string, then: readonly Activity[]]>([
    ['is protected by now', [{ ...stay('ben', 'x', { meta }), issued: LATER }]],
    ['is of somebody who is out by now', [{ ...stay('ben', 'x'), issued: LATER }, consent('ben', 'active', FIRST)]], // prettier-ignore
  ])('does not come back with who was out where it was moved to another and %s', async (_what, then) => {
    const backAgain = [consent('ann', 'active', FIRST), consent('ann', 'inactive', LATER)];
    await isAsIfKept([patient('ann'), patient('ben'), { ...stay('ann', 'x'), issued: FIRST }, ...then, ...backAgain], 1); // prettier-ignore
  });
});

it('begins again when the log is another one', async () => {
  const people = () => {
    const db = new DatabaseSync(path, { readOnly: true });
    const { there } = db.prepare('SELECT count(*) AS there FROM person').get() as { there: number };
    db.close();
    return there;
  };
  const log = historiesOf([patient('ann'), patient('ben')]);
  const folder = mkdtempSync(join(tmpdir(), 'carelog-population-'));
  const path = join(folder, 'population.sqlite');
  const writer = openPopulationWriter({ path, policy: defaultPolicy(), ...groundOf(log) });
  try {
    for (const [epoch, changes] of [
      ['one', log],
      ['two', log.slice(0, 1)],
    ] as const)
      await writer.apply({
        changes,
        parked: [],
        setAside: [],
        checkpoint: { position: changes.length, epoch },
      });
    expect(people()).toBe(1);
  } finally {
    writer.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
