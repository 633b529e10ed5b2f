/** What a crisis worker opens first, and whom of their own patients somebody else sees in crisis. Codes are SNOMED CT and those of UK Core. */
import { describe, expect, it } from 'vitest';
import { about, linesOf, pageAfter, person, snomed, workAfter, type Activity } from './care-setting-scene.ts';
import { mentalHealth } from './mental-health.ts';

const NOW = '2026-06-01T09:00:00Z';
const TRUST = { reference: 'Organization/trust' };
const HOSPITAL = { reference: 'Organization/hospital' };
const CRISIS_PLAN = snomed('736253002', 'Mental health crisis plan');

type More = Readonly<Record<string, unknown>>;
const episode = (more: More = {}): Activity => ({
  resource: about('EpisodeOfCare', 'e', { status: 'active', type: [snomed('788002001', 'Adult mental health service')], managingOrganization: TRUST, period: { start: '2026-01-01' }, ...more }), // prettier-ignore
});
const crisisPlan = (more: More = {}): Activity => ({
  resource: about('CarePlan', 'plan', { status: 'active', intent: 'plan', category: [CRISIS_PLAN], title: 'Crisis plan', description: 'A quiet room.', period: { start: '2026-01-01' }, author: TRUST, ...more }), // prettier-ignore
});
const encounter = (id: string, grade: string, start: string, more: More = {}): Activity => ({
  resource: about('Encounter', id, { status: 'finished', class: { code: grade }, type: [snomed('4525004', 'Emergency department patient visit')], period: { start }, serviceProvider: HOSPITAL, ...more }), // prettier-ignore
});
const attendance = encounter('ed', 'EMER', '2026-05-30T23:10:00Z');
const contact = (id: string, start: string, more: More = {}) => encounter(id, 'AMB', start, { type: [snomed('92151000000102', 'Mental health crisis resolution team')], serviceProvider: TRUST, ...more }); // prettier-ignore
const status = (code: string, display: string, context: string) => ({
  url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-LegalStatus',
  extension: [
    { url: 'legalStatusContext', valueCodeableConcept: { coding: [{ system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-LegalStatusContext', code: context }] } },
    { url: 'legalStatusClassification', valueCodeableConcept: { coding: [{ system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-LegalStatusClassificationEngland', code, display }] } },
  ],
}); // prettier-ignore
const SECTION_2 = 'Formally detained under Mental Health Act Section 2';

const lines = async (title: string, ...activities: readonly Activity[]) =>
  linesOf(await pageAfter(mentalHealth, [person(), ...activities], NOW), title);
const waiting = async (...activities: readonly Activity[]) =>
  (await workAfter(mentalHealth, 'crisis-elsewhere', [person(), ...activities])).map(({ stream, state, owner }) => [stream, state, owner]); // prettier-ignore

describe('own patients in crisis contact elsewhere', () => {
  it('given an open episode, when they come to an emergency department, then their team hears of it and by when to see them', async () => {
    expect(await workAfter(mentalHealth, 'crisis-elsewhere', [episode(), crisisPlan(), attendance])).toEqual([
      {
        stream: 'Encounter/ed',
        since: '2026-05-30T23:10:00.000Z',
        due: '2026-05-31T23:10:00.000Z',
        owner: 'Organization/trust',
        state: 'emergency-department',
        text: 'Emergency department patient visit; has Crisis plan',
      },
    ]);
  });

  it('given a crisis plan alone, then it is enough, also as a document', async () => {
    const paper = { resource: about('DocumentReference', 'd', { status: 'current', type: CRISIS_PLAN, date: '2026-02-01T10:00:00Z', custodian: TRUST }) }; // prettier-ignore
    const ride = encounter('ride', 'FLD', '2026-05-30T22:00:00Z');
    expect(await waiting(crisisPlan(), ride)).toEqual([
      ['Encounter/ride', 'ambulance', 'Organization/trust'],
    ]);
    expect(await waiting(paper, ride)).toEqual([['Encounter/ride', 'ambulance', 'Organization/trust']]);
  });

  it('given nobody cares for their mind, or it ended before, then nobody waits for them', async () => {
    expect(await waiting(attendance)).toEqual([]);
    const ended = episode({ status: 'finished', period: { start: '2026-01-01', end: '2026-05-29' } });
    expect(await waiting(ended, attendance)).toEqual([]);
  });

  it('given the contact is with the own service, or was planned, then it is not elsewhere, nor in crisis', async () => {
    expect(await waiting(episode(), encounter('own', 'EMER', '2026-05-30T23:10:00Z', { serviceProvider: TRUST }))).toEqual([]); // prettier-ignore
    expect(await waiting(episode(), encounter('clinic', 'AMB', '2026-05-30T10:00:00Z'))).toEqual([]);
  });

  it('given the own service saw them since, then nobody waits; given it had seen them before, they do', async () => {
    expect(await waiting(episode(), attendance, contact('c', '2026-05-31T08:00:00Z'))).toEqual([]);
    expect(await waiting(episode(), attendance, contact('c', '2026-05-30T08:00:00Z'))).toHaveLength(1);
  });

  it('given the contact of the own service turns out to be entered in error, then they wait again', async () => {
    const saw = { ...contact('c', '2026-05-31T08:00:00Z'), issued: '2026-05-31T09:00:00Z' };
    const not = { ...contact('c', '2026-05-31T08:00:00Z', { status: 'entered-in-error' }), issued: '2026-05-31T10:00:00Z' }; // prettier-ignore
    expect(await waiting(episode(), attendance, saw, not)).toHaveLength(1);
  });

  it('given somebody of the team took it on, then nobody waits', async () => {
    const task = { resource: about('Task', 't', { status: 'accepted', intent: 'order', focus: { reference: 'Encounter/ed' } }) }; // prettier-ignore
    expect(await waiting(episode(), attendance, task)).toEqual([]);
  });
});

describe('the page', () => {
  it('given a crisis plan, then it is told with what helps; given nobody wrote one, the page does not say that none is needed', async () => {
    expect(await lines('Crisis plan', crisisPlan())).toEqual(['Crisis plan | A quiet room.']);
    expect(await lines('Crisis plan')).toEqual(['(unavailable)']);
  });

  it('given a newer paper replaces the older, whichever came first, then the newer one is shown', async () => {
    const paper = (id: string, date: string, more: More = {}) => ({ resource: about('DocumentReference', id, { status: 'current', type: CRISIS_PLAN, description: `Plan of ${date}`, date: `${date}T10:00:00Z`, custodian: TRUST, ...more }) }); // prettier-ignore
    const older = paper('one', '2026-02-01');
    const newer = paper('two', '2026-04-01', { relatesTo: [{ code: 'replaces', target: { reference: 'DocumentReference/one' } }] }); // prettier-ignore
    expect(await lines('Crisis plan', older, newer)).toEqual(['Plan of 2026-04-01']);
  });

  it('given crisis plans of two organisations, then both are shown and said to be two', async () => {
    const other = { resource: { ...crisisPlan().resource, id: 'other', title: 'Plan of the practice', author: HOSPITAL } }; // prettier-ignore
    const told = await lines('Crisis plan', crisisPlan(), other);
    expect(told.toSorted()).toEqual([
      'Crisis plan | A quiet room. | there are crisis plans of 2 organisations',
      'Plan of the practice | A quiet room. | there are crisis plans of 2 organisations',
    ]);
  });

  it('given a risk that stands and one that stood, then both are told, the standing one first', async () => {
    const flag = (id: string, more: More) => ({ resource: about('Flag', id, { code: snomed('225444004', 'At risk for suicide'), ...more }) }); // prettier-ignore
    const stood = flag('then', { status: 'inactive', code: { text: 'Violence' }, period: { start: '2026-03-01', end: '2026-04-01' } }); // prettier-ignore
    const stands = flag('now', { status: 'active', period: { start: '2026-01-01' } });
    expect(await lines('Risk', stood, stands)).toEqual([
      'At risk for suicide | urgent',
      'Violence | until 2026-04-01 | stopped',
    ]);
  });

  it('given detention on admission, then the page says the section; after discharge as informal, that', async () => {
    const ward = (more: More) => encounter('ward', 'IMP', '2026-05-20T10:00:00Z', more);
    const admitted = { ...ward({ status: 'in-progress', extension: [status('02', SECTION_2, 'admission')] }), issued: '2026-05-20T11:00:00Z' }; // prettier-ignore
    expect(await lines('Legal status', admitted)).toEqual([
      `${SECTION_2} | encounter from 2026-05-20 | urgent`,
    ]);
    const left = { ...ward({ extension: [status('02', SECTION_2, 'admission'), status('01', 'Informal', 'discharge')] }), issued: '2026-05-30T11:00:00Z' }; // prettier-ignore
    expect(await lines('Legal status', admitted, left)).toEqual(['Informal | encounter from 2026-05-20']);
  });

  it('given a stay that ended without a word of discharge, then the section is told as past', async () => {
    const stay = encounter('ward', 'IMP', '2026-05-20T10:00:00Z', { extension: [status('02', SECTION_2, 'admission')] }); // prettier-ignore
    expect(await lines('Legal status', stay)).toEqual([`${SECTION_2} | encounter from 2026-05-20 | stopped`]);
  });

  it('given two stays that go on and do not agree, then the page says so', async () => {
    const stay = (id: string, start: string, code: string, display: string) => encounter(id, 'IMP', start, { status: 'in-progress', extension: [status(code, display, 'admission')] }); // prettier-ignore
    expect(await lines('Legal status', stay('a', '2026-05-20T10:00:00Z', '02', SECTION_2), stay('b', '2026-05-10T10:00:00Z', '01', 'Informal'))).toEqual([
      `${SECTION_2} | encounter from 2026-05-20 | encounters that go on do not agree | urgent`,
      'Informal | encounter from 2026-05-10 | encounters that go on do not agree',
    ]);
  }); // prettier-ignore

  it('given contacts here and elsewhere, then each is under its heading, and what waits wants to be seen', async () => {
    const told = [episode(), attendance, contact('c', '2026-05-01T10:00:00Z')];
    expect(await lines('Contacts with mental health services', ...told)).toEqual([
      'Mental health crisis resolution team | 2026-05-01',
    ]);
    expect(await lines('Crisis contacts elsewhere', ...told)).toEqual([
      'Emergency department patient visit | 2026-05-30 | urgent',
    ]);
  });

  it('given two records of one person, then the plan of either is on the page while they are linked, and not after', async () => {
    const elsewhere = { resource: { ...crisisPlan().resource, subject: { reference: 'Patient/q' } } };
    const twin: Activity = { resource: { resourceType: 'Patient', id: 'q' } };
    const linked = { ...person({ link: [{ other: { reference: 'Patient/q' }, type: 'refer' }] }), issued: '2026-02-01T00:00:00Z' }; // prettier-ignore
    const unlinked = { ...person(), issued: '2026-03-01T00:00:00Z' };
    const shown = async (...activities: readonly Activity[]) =>
      linesOf(await pageAfter(mentalHealth, activities, NOW), 'Crisis plan');
    expect(await shown(linked, twin, elsewhere)).toHaveLength(1);
    expect(await shown(linked, twin, elsewhere, unlinked)).toEqual(['(unavailable)']);
  });
});
