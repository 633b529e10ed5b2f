/**
 * What a reader may not see is in nothing that is made of it: on no page and no worklist of any setting, neither in words, nor as an
 * item that would not be there without it. What is hidden is labelled very restricted, which no persona of staff may see.
 */
import { careSettings } from '@carelog/read-models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
  const entry = [...known, ...hidden].map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const answer = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }); // prettier-ignore
  expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, '']);
});
afterAll(() => stack.remove());

const STAFF = [
  'gp',
  'ed-doctor',
  'paramedic',
  'community-nurse',
  'crisis-worker',
  'social-worker',
  'pharmacist',
];
const LISTS = careSettings.flatMap(({ worklists }) =>
  worklists.filter((it) => it.withdraws !== true).map(({ name }) => name),
);
const listOf = (name: string, as: string) => stack.fhir('GET', `/List?code=https://fhir.carelog.example/CodeSystem/worklist|${name}`, { as }); // prettier-ignore
const pageOf = (setting: string, as: string) => stack.fhir('GET', `/Patient/kept/$summary?profile=${setting}`, { as }); // prettier-ignore

describe.each(LISTS)('the list %s', (name) => {
  it('holds what is hidden for who sees everything, and nothing of it for anybody else', async () => {
    const whole = await listOf(name, 'publisher');
    expect(whole.json.entry[0].resource.entry?.length ?? 0).toBeGreaterThan(0);
    for (const as of [...STAFF, 'patient']) {
      const { status, text, json } = await listOf(name, as);
      expect([as, [200, 403].includes(status)]).toEqual([as, true]);
      expect([as, text.toLowerCase().includes('zqhidden')]).toEqual([as, false]);
      expect([as, json.entry?.[0].resource.entry]).toEqual([as, undefined]);
      expect([as, json.link?.length ?? 1]).toEqual([as, 1]);
    }
  });
});

describe.each(careSettings.map((it) => it.name))('the page of %s', (setting) => {
  it('says that something is withheld, and not what', async () => {
    const whole = await pageOf(setting, 'publisher');
    expect(whole.text.toLowerCase()).toContain('zqhidden');
    expect(withheld(whole)).toBe(false);
    for (const as of STAFF) {
      const answer = await pageOf(setting, as);
      expect([as, answer.status, answer.text.toLowerCase().includes('zqhidden'), withheld(answer)]).toEqual([as, 200, false, true]); // prettier-ignore
      // A line that is left out leaves no gap: what is not there is not counted either.
      expect(answer.text).toContain('Some information about this person is withheld');
    }
  });
});

const withheld = ({ json }: Awaited<ReturnType<typeof pageOf>>): boolean =>
  json.entry[0].resource.extension.find((it: { url: string }) => it.url.endsWith('/withheld')).valueBoolean;

const hours = (count: number) => new Date(Date.now() + count * 3_600_000).toISOString();
const ods = (value: string) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value } }); // prettier-ignore
const snomed = (code: string, text: string) => ({
  coding: [{ system: 'http://snomed.info/sct', code }],
  text,
});
const subject = { reference: 'Patient/kept' };
const patient = subject;

type Resource = { readonly resourceType: string; readonly id: string } & Record<string, unknown>;

/** Everybody has the person in their care. Contacts and a supply that nobody hides, each the occasion of an item that has to be. */
const known: readonly Resource[] = [
  { resourceType: 'Patient', id: 'kept', birthDate: '1960-01-01', generalPractitioner: [ods('Y90001')], managingOrganization: ods('9ZZ') }, // prettier-ignore
  { resourceType: 'Patient', id: 'other', birthDate: '1960-01-01', generalPractitioner: [ods('Y90001')] },
  ...['RZX', 'RZW', 'FZZ01', 'RZY', 'RZZ'].map((by): Resource => ({ resourceType: 'EpisodeOfCare', id: `of-${by}`, status: 'active', patient, managingOrganization: ods(by), period: { start: '2026-01-01' } })), // prettier-ignore
  { resourceType: 'Encounter', id: 'contact', status: 'finished', class: { code: 'FLD' }, subject, serviceProvider: ods('RZY'), period: { start: hours(-30), end: hours(-29) } }, // prettier-ignore
  { resourceType: 'MedicationDispense', id: 'supply', status: 'completed', medicationCodeableConcept: { text: 'Paracetamol 500mg tablets' }, subject, whenHandedOver: hours(-60) }, // prettier-ignore
];

const HIDDEN = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] } }; // prettier-ignore
const hide = (resourceType: string, id: string, more: object): Resource => ({ ...HIDDEN, resourceType, id: `zqhidden-${id}`, ...more }); // prettier-ignore
const visit = (id: string, grade: string, from: number, more: object = {}) => hide('Encounter', id, { status: 'finished', class: { code: grade }, type: [{ text: 'Zqhidden visit' }], subject, serviceProvider: ods('RZZ'), period: { start: hours(from), end: hours(from + 1) }, ...more }); // prettier-ignore
const measured = (code: string, value: object) => hide('Observation', code, { status: 'final', code: snomed(code, 'Zqhidden reading'), subject, effectiveDateTime: hours(-3), encounter: { reference: 'Encounter/zqhidden-ambulance' }, ...value }); // prettier-ignore

/** For each list what puts something on it. */
const hidden: readonly Resource[] = [
  hide('Composition', 'letter', { status: 'final', type: snomed('371531000', 'Zqhidden letter'), title: 'Zqhidden letter', subject, date: hours(-20), author: [ods('RZZ')] }), // prettier-ignore
  hide('Observation', 'potassium', { status: 'final', code: snomed('312468003', 'Zqhidden potassium'), subject, effectiveDateTime: hours(-90), valueQuantity: { value: 7 }, interpretation: [{ coding: [{ code: 'HH' }] }] }), // prettier-ignore
  hide('DiagnosticReport', 'report', { status: 'final', code: { text: 'Zqhidden report' }, subject, issued: hours(-90), result: [{ reference: 'Observation/zqhidden-potassium' }] }), // prettier-ignore
  hide('ServiceRequest', 'referral', { status: 'active', intent: 'order', code: { text: 'Zqhidden referral' }, subject, authoredOn: hours(-90) }), // prettier-ignore
  hide('Appointment', 'missed', { status: 'noshow', description: 'Zqhidden clinic', start: hours(-90), end: hours(-89), participant: [{ actor: subject, status: 'accepted' }] }), // prettier-ignore
  hide('Observation', 'score', { status: 'final', code: snomed('1104051000000101', 'Zqhidden score'), subject: { reference: 'Patient/other' }, effectiveDateTime: hours(-3), valueInteger: 5 }), // prettier-ignore
  visit('stay', 'IMP', -5, { status: 'in-progress', period: { start: hours(-5) } }),
  visit('left', 'SS', -40),
  visit('ambulance', 'FLD', -4),
  ...([['86290005', 28], ['431314004', 88], ['271649006', 85], ['364075005', 135]] as const).map(([code, value]) => measured(code, { valueQuantity: { value } })), // prettier-ignore
  hide('CarePlan', 'crisis', { status: 'active', intent: 'plan', category: [snomed('736253002', 'Zqhidden crisis plan')], title: 'Zqhidden crisis plan', subject, period: { start: '2026-01-01' }, author: { reference: 'Organization/zqhidden-trust' } }), // prettier-ignore
  hide('Organization', 'trust', { name: 'Zqhidden trust' }),
  hide('CarePlan', 'wound', { status: 'active', intent: 'plan', category: [snomed('931801000000101', 'Zqhidden nursing')], title: 'Zqhidden nursing', subject, period: { start: '2026-01-01' }, activity: [{ detail: { status: 'in-progress', description: 'Zqhidden dressing', scheduledTiming: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } } } }] }), // prettier-ignore
  hide('CareTeam', 'protection', { status: 'active', category: [snomed('766561000000109', 'Zqhidden concern')], name: 'Zqhidden team', subject, period: { start: '2026-01-01' }, managingOrganization: [ods('9ZZ')] }), // prettier-ignore
  hide('Encounter', 'yesterday', { status: 'finished', class: { code: 'EMER' }, type: [{ text: 'Zqhidden attendance' }], subject, serviceProvider: ods('RZZ'), period: { start: hours(-50), end: hours(-49) } }), // prettier-ignore
  hide('AllergyIntolerance', 'allergy', { clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] }, code: { text: 'Allergy to zqhidden' }, patient, recordedDate: hours(-10) }), // prettier-ignore
];
