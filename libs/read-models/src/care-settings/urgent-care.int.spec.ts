/** What a paramedic or an emergency department opens first, and who is deteriorating. Codes are SNOMED CT and LOINC. */
import { describe, expect, it } from 'vitest';
import type { Activity } from './care-setting-scene.ts';
import { about, linesOf, pageAfter, person, snomed, workAfter } from './care-setting-scene.ts';
import { urgentCare } from './urgent-care.ts';

const NOW = '2026-06-01T12:00:00Z';
const PLANS = 'Resuscitation and emergency care plans';
const SCORE = 'Early warning score (NEWS2)';
const CONTACTS = 'Discharges and attendances in 90 days';

const active = { coding: [{ code: 'active' }] };
const flag = (id: string, code: object, more: object = {}): Activity => ({ resource: about('Flag', id, { status: 'active', code, period: { start: '2026-01-01' }, ...more }) }); // prettier-ignore
const contact = (id: string, grade: string, start: string, more: object = {}): Activity => ({ resource: about('Encounter', id, { status: 'finished', class: { code: grade }, type: [grade === 'VR' ? snomed('401267002', 'Telephone triage encounter') : snomed('4525004', 'Emergency department patient visit')], period: { start, end: start }, ...more }) }); // prettier-ignore

const WELL = { respiration: 16, saturation: 97, systolic: 125, pulse: 72, temperature: 37 };
const LOINC = { respiration: '9279-1', saturation: '2708-6', systolic: '8480-6', pulse: '8867-4', temperature: '8310-5' }; // prettier-ignore
const ALERT = snomed('248234008', 'Mentally alert');

/** Measurements as single observations of one moment, on air, alert unless told. */
function measured(
  name: string,
  at: string,
  values: Partial<typeof WELL>,
  more: { mind?: object; air?: boolean; issued?: string } = {},
): Activity[] {
  // prettier-ignore
  const observe = (id: string, told: object): Activity => ({
    resource: about('Observation', `${name}-${id}`, { status: 'final', effectiveDateTime: at, encounter: { reference: 'Encounter/ride' }, ...told }), // prettier-ignore
    ...(more.issued && { issued: more.issued }),
  });
  const numbers = Object.entries(values).map(([part, value]) => observe(part, { code: { coding: [{ system: 'http://loinc.org', code: LOINC[part as keyof typeof LOINC] }] }, valueQuantity: { value } })); // prettier-ignore
  const air = more.air === false ? [] : [observe('air', { code: snomed('722742002', 'Breathing room air') })];
  const mind = observe('mind', { code: snomed('1104441000000107', 'ACVPU'), valueCodeableConcept: more.mind ?? ALERT }); // prettier-ignore
  return [...numbers, ...air, mind];
}

const emergencies = (activities: readonly Activity[]) => workAfter(urgentCare, 'news2-emergency', activities);
const urgencies = (activities: readonly Activity[]) => workAfter(urgentCare, 'news2-urgent', activities);

const GRAVE = { ...WELL, respiration: 26, saturation: 93, pulse: 118 }; // 3 + 2 + 2

describe('the emergency summary', () => {
  it('given a decision against resuscitation and a ReSPECT form, then the decision stands first', async () => {
    const form = about('DocumentReference', 'r', { status: 'current', type: snomed('1382601000000107', 'ReSPECT form'), description: 'ReSPECT form', date: '2026-05-01' }); // prettier-ignore
    const page = await pageAfter(urgentCare, [{ resource: form }, flag('f', snomed('450476008', 'Not for cardiopulmonary resuscitation'))], NOW); // prettier-ignore
    expect(linesOf(page, PLANS)).toEqual(['Not for cardiopulmonary resuscitation | urgent', 'ReSPECT form']);
  });

  it('given two decisions in force that contradict each other, then both stand, and each says so', async () => {
    const against = flag('f', snomed('450476008', 'Not for cardiopulmonary resuscitation'));
    const page = await pageAfter(urgentCare, [against, flag('g', snomed('450475007', 'For cardiopulmonary resuscitation'))], NOW); // prettier-ignore
    expect(linesOf(page, PLANS)).toEqual([
      'Not for cardiopulmonary resuscitation | another decision in force says otherwise | urgent',
      'For cardiopulmonary resuscitation | another decision in force says otherwise | urgent',
    ]);
  });

  it('given a decision that was withdrawn, and the withdrawal comes first, then it does not stand', async () => {
    const made = { ...flag('f', snomed('450476008', 'Not for cardiopulmonary resuscitation')), issued: '2026-01-01T00:00:00Z' }; // prettier-ignore
    const withdrawn = { resource: { ...made.resource, status: 'inactive' }, issued: '2026-04-01T00:00:00Z' };
    expect(linesOf(await pageAfter(urgentCare, [withdrawn, made], NOW), PLANS)).toEqual(['(unavailable)']);
  });

  it('given its source counts versions and does not date them, then a withdrawal that came first stands', async () => {
    const made = { ...flag('f', snomed('450476008', 'Not for cardiopulmonary resuscitation')), number: 9 };
    const withdrawn = { resource: { ...made.resource, status: 'inactive' }, number: 10 };
    expect(linesOf(await pageAfter(urgentCare, [withdrawn, made], NOW), PLANS)).toEqual(['(unavailable)']);
  });

  it('given a crisis plan that a newer one replaced, then only the newer one stands', async () => {
    const plan = (id: string, status: string, date: string) => ({ resource: about('DocumentReference', id, { status, type: snomed('736253002', 'Mental health crisis plan'), description: `Crisis plan ${date}`, date }) }); // prettier-ignore
    const page = await pageAfter(urgentCare, [plan('new', 'current', '2026-05-01'), plan('old', 'superseded', '2025-05-01')], NOW); // prettier-ignore
    expect(linesOf(page, PLANS)).toEqual(['Crisis plan 2026-05-01']);
  });

  it('given a child protection plan that a team and a flag tell of, then it stands once with both sources', async () => {
    const protection = snomed('342191000000101', 'Subject to child protection plan');
    const team = { resource: about('CareTeam', 't', { status: 'active', category: [protection], name: 'Child protection plan', period: { start: '2026-01-01' } }) }; // prettier-ignore
    const page = await pageAfter(urgentCare, [team, flag('f', protection)], NOW);
    expect(linesOf(page, 'Safeguarding')).toEqual(['Subject to child protection plan | urgent']);
    expect(page.find(({ title }) => title === 'Safeguarding')!.items[0]!.sources).toHaveLength(2);
    expect(linesOf(page, 'Safety alerts')).toEqual(['(unavailable)']);
  });

  it('given a flag that is over, then it is no alert', async () => {
    const over = flag('f', snomed('225444004', 'At risk for suicide'), { status: 'inactive', period: { start: '2025-01-01', end: '2025-06-01' } }); // prettier-ignore
    const page = await pageAfter(urgentCare, [over, flag('g', snomed('390790000', 'Lives alone'))], NOW);
    expect(linesOf(page, 'Safety alerts')).toEqual(['Lives alone | urgent']);
  });

  it('given nobody said anything of allergies, then the page does not say that there are none', async () => {
    expect(linesOf(await pageAfter(urgentCare, [person()], NOW), 'Allergies and adverse reactions')).toEqual(['(unavailable)']); // prettier-ignore
  });

  it('given problems that stand and that are over, then those that stand show', async () => {
    const problem = (id: string, clinicalStatus: object, code: object) => ({ resource: about('Condition', id, { clinicalStatus, code }) }); // prettier-ignore
    const page = await pageAfter(urgentCare, [problem('a', active, snomed('84114007', 'Heart failure')), problem('b', { coding: [{ code: 'resolved' }] }, snomed('54150009', 'Upper respiratory infection'))], NOW); // prettier-ignore
    expect(linesOf(page, 'Problems').filter((line) => line.includes('Heart failure'))).toHaveLength(1);
    expect(linesOf(page, 'Problems').filter((line) => line.startsWith('Upper'))).toEqual([]);
  });

  it('given a discharge 20 days ago and one 200 days ago, then the page shows the last 90 days, and that no summary came', async () => {
    const stay = (id: string, start: string, end: string) => contact(id, 'IMP', start, { type: [snomed('394802001', 'General medicine')], period: { start, end } }); // prettier-ignore
    const page = await pageAfter(urgentCare, [stay('a', '2026-05-08T10:00:00Z', '2026-05-12T10:00:00Z'), stay('b', '2025-11-01T10:00:00Z', '2025-11-03T10:00:00Z')], NOW); // prettier-ignore
    expect(linesOf(page, CONTACTS)).toEqual(['General medicine | in-patient 2026-05-08 10:00 to 2026-05-12 10:00; no discharge summary yet, was due 2026-05-13 10:00 | in transit | urgent']); // prettier-ignore
  });

  it('given three calls within 96 hours, one of them sent twice by two systems, then the caller is a repeat caller; with a fourth day between, not', async () => {
    const calls = [contact('c1', 'VR', '2026-05-29T20:00:00Z'), contact('c2', 'VR', '2026-05-30T20:00:00Z')];
    const again = contact('c2b', 'VR', '2026-05-30T20:00:00Z');
    expect(linesOf(await pageAfter(urgentCare, [...calls, again], NOW), CONTACTS)[0]).not.toContain('Repeat');
    const page = await pageAfter(urgentCare, [...calls, again, contact('c3', 'VR', '2026-06-01T08:00:00Z')], NOW); // prettier-ignore
    expect(linesOf(page, CONTACTS)[0]).toBe('Repeat caller: 3 calls in 96 hours | urgent');
    const later = await pageAfter(urgentCare, [...calls, contact('c3', 'VR', '2026-06-01T08:00:00Z')], '2026-06-03T12:00:00Z'); // prettier-ignore
    expect(linesOf(later, CONTACTS)[0]).not.toContain('Repeat');
  });

  it('given five attendances in a year, then they attend often; given one of them was somebody else, not', async () => {
    const visits = ['2025-08-01', '2025-10-01', '2025-12-01', '2026-02-01', '2026-04-01'].map((day, index) => ({ ...contact(`v${index}`, 'EMER', `${day}T10:00:00Z`), issued: `${day}T11:00:00Z` })); // prettier-ignore
    expect(linesOf(await pageAfter(urgentCare, visits, NOW), CONTACTS)[0]).toBe('Frequent attender: 5 attendances in a year | urgent'); // prettier-ignore
    const wrong = { resource: { ...visits[1]!.resource, status: 'entered-in-error' }, issued: '2026-05-01T00:00:00Z' }; // prettier-ignore
    expect(linesOf(await pageAfter(urgentCare, [...visits, wrong], NOW), CONTACTS)[0]).not.toContain('Frequent'); // prettier-ignore
  });
});

describe('NEWS2 as observations come', () => {
  it('given single measurements of one moment, then they make one score, with what each adds', async () => {
    const page = await pageAfter(urgentCare, measured('a', '2026-06-01T10:00:00Z', GRAVE), NOW);
    expect(linesOf(page, SCORE)).toEqual(['NEWS2 7 | 2026-06-01 10:00; emergency response; respiration rate 3, oxygen saturation 2, pulse 2 | urgent']); // prettier-ignore
  });

  it('given nobody said whether it was on air, then the score says that it is at least this', async () => {
    const page = await pageAfter(urgentCare, measured('a', '2026-06-01T10:00:00Z', { ...WELL, temperature: 38.4 }, { air: false }), NOW); // prettier-ignore
    expect(linesOf(page, SCORE)).toEqual(['NEWS2 at least 1 | 2026-06-01 10:00; temperature 1; not measured: air or oxygen']); // prettier-ignore
  });

  it('given a blood pressure alone, then there is no score; given it is so low that it scores three, then that waits, and says what is missing', async () => {
    const pressure = (value: number) => about('Observation', 'bp', { status: 'final', code: snomed('75367002', 'Blood pressure'), effectiveDateTime: '2026-06-01T10:00:00Z', component: [{ code: snomed('72313002', 'Systolic arterial pressure'), valueQuantity: { value } }] }); // prettier-ignore
    const missing = 'not measured: respiration rate, oxygen saturation, air or oxygen, pulse, consciousness, temperature'; // prettier-ignore
    expect(linesOf(await pageAfter(urgentCare, [{ resource: pressure(125) }], NOW), SCORE)).toEqual(['(unavailable)']); // prettier-ignore
    expect(await urgencies([{ resource: pressure(95) }])).toEqual([]);
    expect(linesOf(await pageAfter(urgentCare, [{ resource: pressure(88) }], NOW), SCORE)).toEqual([`NEWS2 at least 3 | 2026-06-01 10:00; urgent response; systolic blood pressure 3; ${missing} | urgent`]); // prettier-ignore
    expect(await urgencies([{ resource: pressure(88) }])).toMatchObject([{ stream: 'Observation/bp', text: `NEWS2 at least 3; ${missing}` }]); // prettier-ignore
  });

  const alone = (id: string, at: string, part: keyof typeof WELL, value: number) => measured(id, at, { [part]: value }, { air: false }).slice(0, 1); // prettier-ignore

  it('given three measurements that make seven, and no more, then an emergency waits', async () => {
    const [respiration, saturation, , pulse] = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    expect(await emergencies([respiration!, saturation!, pulse!])).toMatchObject([{ text: expect.stringContaining('NEWS2 at least 7') }]); // prettier-ignore
  });

  it('given seven, and then one measurement that scores three by itself, then it is an emergency still', async () => {
    const told = [...measured('a', '2026-06-01T10:00:00Z', GRAVE), ...alone('b', '2026-06-01T11:00:00Z', 'pulse', 135)]; // prettier-ignore
    expect(await emergencies(told)).toMatchObject([{ text: 'NEWS2 7' }]);
    expect(await urgencies(told)).toEqual([]);
    expect(linesOf(await pageAfter(urgentCare, told, NOW), SCORE)[0]).not.toContain('falling');
  });

  it('given a pulse that scores three, when it is taken again and is well, then nothing waits; when it was another, it does', async () => {
    const fast = alone('a', '2026-06-01T10:00:00Z', 'pulse', 135);
    expect(await urgencies(fast)).toHaveLength(1);
    expect(await urgencies([...fast, ...alone('b', '2026-06-01T11:00:00Z', 'pulse', 80)])).toEqual([]);
    expect(await urgencies([...fast, ...alone('b', '2026-06-01T11:00:00Z', 'temperature', 37)])).toHaveLength(1); // prettier-ignore
  });

  it('given a total that the source added up wrongly, then both show, and the higher one is acted on', async () => {
    const set = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const total = (value: number) => about('Observation', 'a-total', { status: 'final', code: snomed('1104051000000101', 'NEWS2 total score'), effectiveDateTime: '2026-06-01T10:00:00Z', valueInteger: value, hasMember: set.map(({ resource: { id } }) => ({ reference: `Observation/${id}` })) }); // prettier-ignore
    const page = await pageAfter(urgentCare, [...set, { resource: total(4) }], NOW);
    expect(linesOf(page, SCORE)[0]).toContain('recorded as 4, the measurements make 7');
    expect(await emergencies([...set, { resource: total(4) }])).toHaveLength(1);
    expect(linesOf(await pageAfter(urgentCare, [...set, { resource: total(7) }], NOW), SCORE)[0]).not.toContain('recorded as'); // prettier-ignore
  });

  it('given a total alone, then it stands as recorded, and a three among its parts asks for an urgent response', async () => {
    const total = about('Observation', 't', { status: 'final', code: snomed('1104051000000101', 'NEWS2 total score'), effectiveDateTime: '2026-06-01T10:00:00Z', valueQuantity: { value: 3 }, component: [{ code: snomed('1104361000000100', 'consciousness score'), valueQuantity: { value: 3 } }] }); // prettier-ignore
    const [work] = await urgencies([{ resource: total }]);
    expect(work?.state).toBe('urgent');
    expect(linesOf(await pageAfter(urgentCare, [{ resource: total }], NOW), SCORE)[0]).toContain('NEWS2 3 | 2026-06-01 10:00; urgent response; consciousness 3'); // prettier-ignore
  });

  it('given a target of 88 to 92 %, then saturation is scored on scale 2 from then on, and waits for nobody', async () => {
    const target = about('Observation', 'target', { status: 'final', code: snomed('852641000000103', 'Target peripheral oxygen saturation'), effectiveDateTime: '2026-05-31T10:00:00Z', valueQuantity: { value: 90, code: '%' } }); // prettier-ignore
    const low = { ...WELL, saturation: 89 };
    const before = measured('a', '2026-05-30T10:00:00Z', low);
    const page = await pageAfter(urgentCare, [{ resource: target }, ...before, ...measured('b', '2026-06-01T10:00:00Z', low)], NOW); // prettier-ignore
    expect(linesOf(page, SCORE)).toEqual([
      'NEWS2 0 | 2026-06-01 10:00; falling from 3; saturation on scale 2',
      'NEWS2 3 | 2026-05-30 10:00; urgent response; oxygen saturation 3 | urgent',
    ]);
    const weekLater = measured('c', '2026-06-08T10:00:00Z', low);
    expect(await urgencies([{ resource: target }, ...weekLater])).toEqual([]);
    expect(await urgencies(weekLater)).toHaveLength(1);
  });

  it('given new confusion and nothing else amiss, then an urgent response waits', async () => {
    const [work] = await urgencies(measured('a', '2026-06-01T10:00:00Z', WELL, { mind: snomed('130987000', 'Acute confusion') })); // prettier-ignore
    expect(work).toMatchObject({ state: 'urgent', text: 'NEWS2 3', since: '2026-06-01T10:00:00.000Z', owner: 'RX1' }); // prettier-ignore
  });

  it('given a measurement that was of somebody else, when it is withdrawn, then the score and the alert fall', async () => {
    const set = measured('a', '2026-06-01T10:00:00Z', GRAVE, { issued: '2026-06-01T10:00:00Z' });
    const wrong = { resource: { ...set[0]!.resource, status: 'entered-in-error' }, issued: '2026-06-01T10:30:00Z' }; // prettier-ignore
    expect(await emergencies([...set, wrong])).toEqual([]);
    expect(linesOf(await pageAfter(urgentCare, [...set, wrong], NOW), SCORE)[0]).toContain(
      'NEWS2 at least 4',
    );
  });

  it('given a score that stays high, then it waits once, since it became so, however the sets arrive', async () => {
    const told = [...measured('b', '2026-06-01T10:30:00Z', GRAVE), ...measured('a', '2026-06-01T10:00:00Z', GRAVE)]; // prettier-ignore
    expect((await emergencies(told)).map(({ since }) => since)).toEqual(['2026-06-01T10:00:00.000Z']);
  });

  it('given the score falls, then nothing waits; given only a pulse was taken since, it still does', async () => {
    const high = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    expect(await emergencies([...high, ...measured('b', '2026-06-01T11:00:00Z', WELL)])).toEqual([]);
    expect(await emergencies([...high, ...measured('b', '2026-06-01T11:00:00Z', { pulse: 80 }, { air: false })])).toHaveLength(1); // prettier-ignore
  });

  it('given a task about it is done, then only a worse score waits again', async () => {
    const high = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const done = { resource: about('Task', 't', { status: 'completed', intent: 'order', focus: { reference: 'Observation/a-pulse' }, lastModified: '2026-06-01T10:20:00Z' }) }; // prettier-ignore
    const same = measured('b', '2026-06-01T10:40:00Z', GRAVE);
    expect(await emergencies([...high, done, ...same])).toEqual([]);
    const worse = measured('c', '2026-06-01T11:00:00Z', { ...GRAVE, systolic: 85 });
    expect((await emergencies([...high, done, ...same, ...worse])).map(({ since, text }) => `${since} ${text}`)).toEqual(['2026-06-01T11:00:00.000Z NEWS2 10']); // prettier-ignore
  });

  it('given a device sends the same measurement again and again, then what waits rests on it once, and a task about any of them answers it', async () => {
    const again = ['a', 'b', 'c'].flatMap((name) => alone(name, '2026-06-01T10:00:00Z', 'pulse', 135));
    expect(await urgencies(again)).toMatchObject([{ stream: 'Observation/a-pulse', because: ['Observation/a-pulse'] }]); // prettier-ignore
    const came = { resource: about('Task', 't', { status: 'in-progress', intent: 'order', focus: { reference: 'Observation/c-pulse' }, lastModified: '2026-06-01T10:20:00Z' }) }; // prettier-ignore
    expect(await urgencies([...again, came])).toEqual([]);
  });

  it.each([
    ['requested', 1], ['received', 1], ['rejected', 1], ['cancelled', 1], ['failed', 1], ['on-hold', 1],
    ['accepted', 0], ['in-progress', 0],
  ])('given a task about it is %s, then it waits: %i', async (status, waiting) => {
    const task = { resource: about('Task', 't', { status, intent: 'order', focus: { reference: 'Observation/a-pulse' }, lastModified: '2026-06-01T10:20:00Z' }) }; // prettier-ignore
    expect(await emergencies([...measured('a', '2026-06-01T10:00:00Z', GRAVE), task])).toHaveLength(waiting);
  }); // prettier-ignore

  it('given somebody came, and then something else scores three by itself, then that waits', async () => {
    const high = measured('a', '2026-06-01T10:00:00Z', { ...WELL, respiration: 26, saturation: 93 });
    const came = { resource: about('Task', 't', { status: 'in-progress', intent: 'order', focus: { reference: 'Observation/a-pulse' }, lastModified: '2026-06-01T10:20:00Z' }) }; // prettier-ignore
    expect(await urgencies([...high, came, ...alone('b', '2026-06-01T11:00:00Z', 'respiration', 27)])).toEqual([]); // prettier-ignore
    expect(await urgencies([...high, came, ...alone('b', '2026-06-01T11:00:00Z', 'pulse', 135)])).toHaveLength(1); // prettier-ignore
  });

  const alert = (code: string, focus: string, more: object = {}): Activity => ({ resource: about('Task', code, { status: 'requested', intent: 'order', code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code }] }, focus: { reference: focus }, ...more }), by: 'carelog' }); // prettier-ignore

  it('given an older set of the same run comes after the alert, then it stays the alert of the run', async () => {
    const later = measured('b', '2026-06-01T10:30:00Z', GRAVE);
    const [work] = await emergencies(later);
    const older = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const told = [...older, ...later, alert('news2-emergency', work!.stream)];
    expect(await emergencies(told)).toMatchObject([{ stream: work!.stream, since: '2026-06-01T10:00:00.000Z', isQuiet: true }]); // prettier-ignore
  });

  it('given an older set of the same run comes before anybody was told, then the alert has the name that it had without it', async () => {
    const later = measured('b', '2026-06-01T10:30:00Z', GRAVE);
    const older = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const [[alone], [both]] = [await emergencies(later), await emergencies([...later, ...older])];
    expect([both!.stream === alone!.stream, both!.cause]).toEqual([false, alone!.cause]);
    // Another run is another cause.
    const well = measured('c', '2026-06-01T11:00:00Z', WELL);
    const [again] = await emergencies([...later, ...well, ...measured('d', '2026-06-01T11:30:00Z', GRAVE)]);
    expect(again!.cause).not.toBe(alone!.cause);
  });

  it('given the alert was about a measurement that was withdrawn, and others still make the score, then they are told of anew', async () => {
    const high = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const [before] = await emergencies(high);
    const withdrawn = high.map((it) => (`Observation/${it.resource.id}` === before!.stream ? { ...it, resource: { ...it.resource, status: 'entered-in-error' } } : it)); // prettier-ignore
    const others = measured('b', '2026-06-01T10:00:00Z', GRAVE);
    const cancelled = alert('news2-emergency', before!.stream, { status: 'cancelled', lastModified: '2026-06-01T10:30:00Z' }); // prettier-ignore
    const [still] = await emergencies([...withdrawn, ...others, cancelled]);
    expect(still).not.toHaveProperty('isQuiet');
    expect(still!.cause).toContain('Task/news2-emergency');
  });

  it('given they were last measured two days ago, then it waits and alerts nobody any more', async () => {
    const [work] = await emergencies(measured('a', '2026-06-01T10:00:00Z', GRAVE));
    expect(work).toMatchObject({
      alertsUntil: '2026-06-03T10:00:00.000Z',
      until: '2026-06-04T10:00:00.000Z',
    });
  });

  it('given the score falls from seven to five, then it waits on the lower list without another alert; unless nobody was told of the seven', async () => {
    const falling = [...measured('a', '2026-06-01T10:00:00Z', GRAVE), ...measured('b', '2026-06-01T11:00:00Z', { ...GRAVE, pulse: 72 })]; // prettier-ignore
    expect(await emergencies(falling)).toEqual([]);
    expect((await urgencies(falling))[0]).not.toHaveProperty('isQuiet');
    const [work] = await urgencies([...falling, alert('news2-emergency', 'Observation/a-air')]);
    expect(work).toMatchObject({ state: 'urgent', text: 'NEWS2 5', isQuiet: true });
  });

  it('given nothing was measured for three days, then it says nothing of how they are now', async () => {
    const high = measured('a', '2026-06-01T10:00:00Z', GRAVE);
    const on = (now: string) => workAfter(urgentCare, 'news2-emergency', high, now);
    expect(await on('2026-06-04T09:59:59Z')).toHaveLength(1);
    expect(await on('2026-06-04T10:00:00Z')).toEqual([]);
  });

  it('given they went home since, then nothing waits', async () => {
    const visit = contact('v', 'EMER', '2026-06-01T09:00:00Z', { period: { start: '2026-06-01T09:00:00Z', end: '2026-06-01T11:00:00Z' } }); // prettier-ignore
    expect(await emergencies([...measured('a', '2026-06-01T10:00:00Z', GRAVE), visit])).toEqual([]);
  });

  it('given a child of fifteen, then there is no score: NEWS2 is not made for children', async () => {
    const told = [person({ birthDate: '2010-06-02' }), ...measured('a', '2026-06-01T10:00:00Z', GRAVE)];
    expect(linesOf(await pageAfter(urgentCare, told, NOW), SCORE)).toEqual(['(unavailable)']);
    expect(await emergencies(told)).toEqual([]);
  });
});

describe('people with a care plan who just called', () => {
  const plan = (status: string, issued: string): Activity => ({ resource: about('CarePlan', 'p', { status, intent: 'plan', category: [snomed('736253002', 'Mental health crisis plan')], title: 'Crisis plan', period: { start: '2026-01-01' } }), by: 'MH1', issued }); // prettier-ignore
  const callers = (activities: readonly Activity[]) => workAfter(urgentCare, 'care-plan-callers', activities);
  const made = plan('active', '2026-01-01T00:00:00Z');
  const call = contact('c', 'VR', '2026-05-31T23:00:00Z');

  it('given a crisis plan, when the person calls 111, then its authors have it on their list', async () => {
    expect(await callers([made, call])).toEqual([{ stream: 'Encounter/c', since: '2026-05-31T23:00:00.000Z', owner: 'MH1', state: 'called', text: 'Telephone triage encounter; there is a care plan' }]); // prettier-ignore
  });

  it('given no plan, or one that was withdrawn, then a call is not on the list', async () => {
    expect(await callers([call])).toEqual([]);
    expect(await callers([plan('entered-in-error', '2026-02-01T00:00:00Z'), made, call])).toEqual([]);
  });

  it('given the team saw the person after the call, then it is off the list; given the visit was before it, it is not', async () => {
    const seen = (start: string) => contact('s', 'HH', start, { type: [snomed('439708006', 'Home visit')] });
    expect(await callers([made, call, seen('2026-06-01T09:00:00Z')])).toEqual([]);
    expect(await callers([made, call, seen('2026-05-31T09:00:00Z')])).toHaveLength(1);
  });
});
