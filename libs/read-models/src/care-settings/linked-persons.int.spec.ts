/** Two records of one person, linked and parted again: what waits is what would wait of one record, and each thing once. */
import { describe, expect, it } from 'vitest';
import { acute } from './acute.ts';
import { about, inEveryOrder, linesOf, oneByOne, pageAfter, person, snomed, workAfter, type Activity, type Resource } from './care-setting-scene.ts'; // prettier-ignore
import { generalPractice } from './general-practice.ts';
import { socialCare } from './social-care.ts';

const of = (id: string) => ({ subject: { reference: `Patient/${id}` } });
const plan: Activity = { resource: about('CareTeam', 'plan', { status: 'active', category: [snomed('342191000000101', 'Subject to child protection plan')], period: { start: '2026-01-10' }, managingOrganization: [{ reference: 'Organization/council' }] }) }; // prettier-ignore
const visit = (id: string, by: string, more: Partial<Resource> = {}): Activity => ({
  resource: { resourceType: 'Encounter', id, status: 'in-progress', class: { code: 'EMER' }, ...of(by), period: { start: '2026-05-31T21:10:00Z' }, ...more }, // prettier-ignore
});
/** The other record: what its links are from then on. */
const other = (issued: string, ...links: readonly string[]): Activity => ({
  resource: { resourceType: 'Patient', id: 'q', ...(links.length > 0 && { link: links.map((id) => ({ type: 'replaced-by', other: { reference: `Patient/${id}` } })) }) }, // prettier-ignore
  issued,
});
const APART = other('2026-05-01T00:00:00Z');
const LINKED = other('2026-05-02T00:00:00Z', 'p');
const PARTED = other('2026-05-03T00:00:00Z');

const alerts = async (...activities: readonly Activity[]) =>
  (await workAfter(socialCare, 'safeguarding-alerts', [person(), ...activities])).map((it) => it.stream).toSorted(); // prettier-ignore

describe('records that are linked', () => {
  it('given a plan under one and an attendance under the other, when they are linked, then the team hears of it', async () => {
    expect(await alerts(APART, plan, visit('ed', 'q'))).toEqual([]);
    expect(await alerts(APART, plan, visit('ed', 'q'), LINKED)).toEqual(['Encounter/ed']);
  });

  it('given they are linked by a third, then the three are one', async () => {
    const between: Activity = { resource: { resourceType: 'Patient', id: 'between', link: [{ type: 'replaces', other: { reference: 'Patient/p' } }] } }; // prettier-ignore
    const linked = other('2026-05-02T00:00:00Z', 'between');
    expect(await alerts(between, linked, plan, visit('ed', 'q'))).toEqual(['Encounter/ed']);
    expect(await alerts(between, linked, plan, visit('ed', 'q'), PARTED)).toEqual([]);
  });

  it('given they are parted again, then each is as if they had never been one', async () => {
    const both = [APART, plan, visit('ed', 'q'), visit('own', 'p'), LINKED];
    expect(await alerts(...both)).toEqual(['Encounter/ed', 'Encounter/own']);
    expect(await alerts(...both, PARTED)).toEqual(['Encounter/own']);
  });

  it('given a Patient that links them is withdrawn, then they are parted', async () => {
    const gone = { resource: { ...LINKED.resource, link: undefined, active: false }, issued: '2026-05-04T00:00:00Z' }; // prettier-ignore
    expect(await alerts(plan, visit('ed', 'q'), LINKED, gone)).toEqual([]);
  });

  it('given the attendance under one is acknowledged by a Task under the other, then nothing waits', async () => {
    const taken: Activity = { resource: about('Task', 't', { status: 'accepted', intent: 'order', code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'safeguarding-alert' }] }, focus: { reference: 'Encounter/ed' } }) }; // prettier-ignore
    expect(await alerts(plan, visit('ed', 'q'), LINKED, taken)).toEqual([]);
  });

  it('given a stay under one and its summary under the other, then the clock stops for as long as they are linked', async () => {
    const stay = visit('stay', 'q', { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-20', end: '2026-05-31T08:00:00Z' } }); // prettier-ignore
    const summary: Activity = { resource: about('Composition', 's', { status: 'final', type: snomed('373942005', 'Discharge summary'), date: '2026-05-31T09:00:00Z', encounter: { reference: 'Encounter/stay' } }) }; // prettier-ignore
    const clock = async (...more: readonly Activity[]) => (await workAfter(acute, 'discharge-clock', [person(), stay, summary, ...more])).length; // prettier-ignore
    expect([await clock(APART), await clock(APART, LINKED), await clock(APART, LINKED, PARTED)]).toEqual([1, 0, 1]); // prettier-ignore
  });

  it('given an appointment that both records are named in, then it is one, on the page and on the list', async () => {
    const missed: Activity = { resource: { resourceType: 'Appointment', id: 'a', status: 'noshow', description: 'Asthma review', start: '2026-05-30T09:00:00Z', participant: ['p', 'q'].map((id) => ({ actor: { reference: `Patient/${id}` }, status: 'accepted' })) } }; // prettier-ignore
    const list = (more: Activity) => workAfter(generalPractice, 'appointments-missed', [person(), missed, more]); // prettier-ignore
    expect(await list(APART)).toHaveLength(2);
    expect(await list(LINKED)).toHaveLength(1);
  });

  it('given more are linked than a person can have, then each is read alone and says so, until they are fewer', async () => {
    const ring = (size: number, issued: string) => Array.from({ length: size - 2 }, (_, at): Activity => ({ resource: { resourceType: 'Patient', id: `r${at}`, link: [{ type: 'refer', other: { reference: at === size - 3 ? 'Patient/q' : `Patient/r${at + 1}` } }] }, issued })); // prettier-ignore
    const between: Activity = { ...person({ link: [{ type: 'refer', other: { reference: 'Patient/r0' } }] }), issued: '2026-05-01T00:00:00Z' }; // prettier-ignore
    const told = [between, APART, plan, visit('ed', 'q')];
    const waiting = (...more: readonly Activity[]) => inEveryOrder(socialCare, [...told, ...more], async (queries) => [(await queries.work('safeguarding-alerts', { count: 9, now: Date.UTC(2026, 5, 1) })).length, await queries.isReadAlone('Patient/p'), await queries.isReadAlone('Patient/q')]); // prettier-ignore
    const most = ring(20, '2026-05-02T00:00:00Z');
    const tooMany = ring(21, '2026-05-02T00:00:00Z');
    expect(await waiting(...most)).toEqual([1, false, false]);
    expect(await waiting(...tooMany)).toEqual([0, true, true]);
    const shorter: Activity = { resource: { ...most[0]!.resource, id: 'r0', link: [{ type: 'refer', other: { reference: 'Patient/r2' } }] }, issued: '2026-05-03T00:00:00Z' }; // prettier-ignore
    const out: Activity = { resource: { resourceType: 'Patient', id: 'r1' }, issued: '2026-05-03T00:00:00Z' };
    expect(await waiting(...tooMany, shorter, out)).toEqual([1, false, false]);
  });

  it('given two groups are linked, which together are too many, then what waited in either is made anew, and again when they are parted', async () => {
    const group = (name: string, links: (at: number) => string) => Array.from({ length: 10 }, (_, at): Activity => ({ resource: { resourceType: 'Patient', id: `${name}${at}`, link: [{ type: 'refer', other: { reference: links(at) } }] }, issued: '2026-05-01T00:00:00Z' })); // prettier-ignore
    const own = group('a', () => 'Patient/p');
    const others = group('b', () => 'Patient/q');
    const made = [person(), APART, ...own, ...others, plan, visit('of-a', 'a3'), { ...plan, resource: { ...plan.resource, id: 'other', ...of('q') } }, visit('of-b', 'b3')]; // prettier-ignore
    const bridge = other('2026-05-02T00:00:00Z', 'p');
    const waiting = (...more: readonly Activity[]) => oneByOne(socialCare, [...made, ...more], async (queries) => (await queries.work('safeguarding-alerts', { count: 9, now: Date.UTC(2026, 5, 1) })).length); // prettier-ignore
    expect([await waiting(), await waiting(bridge), await waiting(bridge, PARTED)]).toEqual([2, 0, 2]);
  });

  it('given the page of either, then it holds what both say', async () => {
    const page = await pageAfter(socialCare, [person(), plan, visit('ed', 'q'), LINKED], '2026-06-01T09:00:00Z'); // prettier-ignore
    expect(linesOf(page, 'Unscheduled attendances')).toHaveLength(1);
    expect(linesOf(page, 'Unscheduled attendances')[0]).toContain('urgent');
  });
});
