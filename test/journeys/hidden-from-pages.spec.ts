/**
 * What a reader may not see is in nothing that is made of it: on no page, no worklist of any setting and no alert, neither in words, nor
 * as an item that would not be there without it. What is hidden is labelled very restricted, which no persona of staff may see; the same
 * of other people, of whom nothing is hidden, is seen.
 */
import { careSettings } from '@carelog/read-models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
  const entry = [...known, ...hidden, ...openly([...known, ...hidden])].map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
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
const pageOf = (setting: string, as: string, of = 'kept') => stack.fhir('GET', `/Patient/${of}/$summary?profile=${setting}`, { as }); // prettier-ignore

/** Who sees nothing on the list of what is open, since its type is none of their work's, or the person is not in their care. */
const SEES_NONE: Readonly<Record<string, readonly string[]>> = {
  'results-not-acted-on': ['social-worker'],
  'in-patients': ['pharmacist'],
  'discharge-clock': ['pharmacist'],
  'news2-emergency': ['social-worker'],
  'news2-urgent': STAFF.filter((as) => as !== 'gp'),
  'care-plan-callers': ['pharmacist'],
  'community-caseload': ['pharmacist'],
  'community-visits': ['pharmacist'],
  'crisis-elsewhere': ['pharmacist'],
  'safeguarding-alerts': ['pharmacist'],
  'safeguarding-escalations': ['pharmacist'],
};

const isOpen = (reference: string) => /\/(?:zqshown|open)-/.test(reference);

describe.each(LISTS)('the list %s', (name) => {
  it('holds what is hidden for who sees everything, and of anybody else what they may know', async () => {
    const items = ({ json }: Awaited<ReturnType<typeof listOf>>): readonly string[] => (json.entry[0].resource.entry ?? []).map(({ item }: { item: { reference: string } }) => item.reference); // prettier-ignore
    const whole = items(await listOf(name, 'publisher'));
    const open = whole.filter(isOpen);
    expect([whole.length > open.length, open.length > 0]).toEqual([true, true]);
    for (const as of STAFF) {
      const answer = await listOf(name, as);
      expect([as, answer.status, items(answer)]).toEqual([as, 200, SEES_NONE[name]?.includes(as) ? [] : open]); // prettier-ignore
      expect([as, answer.text.toLowerCase().includes('zqhidden')]).toEqual([as, false]);
      expect([as, answer.json.link.length]).toEqual([as, 1]);
    }
    expect((await listOf(name, 'patient')).status).toBe(403);
  });
});

describe('the alerts', () => {
  const tasksOf = async (of: string, as: string): Promise<readonly string[]> => {
    const { status, text, json } = await stack.fhir('GET', `/Task?patient=${of}&_count=50`, { as });
    expect([as, status, as !== 'publisher' && text.toLowerCase().includes('zqhidden')]).toEqual([as, 200, false]); // prettier-ignore
    return (json.entry ?? []).map(({ resource }: { resource: { code: { coding: [{ code: string }] }; focus: { reference: string } } }) => `${resource.code.coding[0].code} ${resource.focus.reference}`).toSorted(); // prettier-ignore
  };
  const RAISED = [
    'discharge-summary-overdue Encounter/zqhidden-left',
    'discharge-summary-overdue Encounter/zqhidden-yesterday',
    'news2-emergency Observation/zqhidden-271649006',
    // Nobody hides that they came, but by which plan they are protected.
    'safeguarding-alert Encounter/contact',
    'safeguarding-alert Encounter/zqhidden-ambulance',
    'safeguarding-alert Encounter/zqhidden-yesterday',
    'safeguarding-escalation Encounter/contact',
    'safeguarding-escalation Encounter/zqhidden-yesterday',
  ];
  const OPEN = RAISED.map((it) => it.replace('zqhidden', 'zqshown').replace('Encounter/contact', 'Encounter/open-contact')).toSorted(); // prettier-ignore

  it('of what is hidden are there for who sees everything, and for nobody else', async () => {
    await expect.poll(() => tasksOf('kept', 'publisher'), { timeout: 10_000 }).toEqual(RAISED);
    for (const as of STAFF) expect([as, await tasksOf('kept', as)]).toEqual([as, []]);
  });

  it('of what is not hidden are there for who cares for the person; of safeguarding not for who may see nothing restricted', async () => {
    await expect.poll(() => tasksOf('open-kept', 'publisher'), { timeout: 10_000 }).toEqual(OPEN);
    for (const as of STAFF) {
      const seen = as === 'pharmacist' ? OPEN.filter((it) => !it.startsWith('safeguarding')) : OPEN;
      expect([as, await tasksOf('open-kept', as)]).toEqual([as, seen]);
    }
    expect((await stack.fhir('GET', '/Task?patient=open-kept', { as: 'patient' })).status).toBe(403);
  });
});

describe.each(careSettings.map((it) => it.name))('the page of %s', (setting) => {
  it('says that something is withheld, and not what', async () => {
    const whole = await pageOf(setting, 'publisher');
    expect(whole.text.toLowerCase()).toContain('zqhidden');
    expect(withheld(whole)).toBe(false);
    const seers: string[] = [];
    for (const as of STAFF) {
      const answer = await pageOf(setting, as);
      expect([as, answer.status, answer.text.toLowerCase().includes('zqhidden'), withheld(answer)]).toEqual([as, 200, false, true]); // prettier-ignore
      // A line that is left out leaves no gap: what is not there is not counted either.
      expect(answer.text).toContain('Some information about this person is withheld');
      const open = await pageOf(setting, as, 'open-kept');
      if (open.text.toLowerCase().includes('zqshown')) seers.push(as);
    }
    // What is not hidden is on it for those whose work it is.
    expect(seers.length).toBeGreaterThan(STAFF.length / 2);
  });
});

it('a page of a list is filled past what is hidden, and ends where the list ends for its reader', async () => {
  const missed = (id: string, from: number) => ({ resourceType: 'Appointment', id, status: 'noshow', start: hours(from), end: hours(from + 0.5), participant: [{ actor: subject, status: 'accepted' }] }); // prettier-ignore
  for (const [at, id] of ['first', 'second'].entries())
    expect((await stack.fhir('PUT', `/Appointment/${id}`, { body: missed(id, at - 50) })).status).toBe(201);
  const shown: string[] = [];
  let path: string | undefined = '/List?code=https://fhir.carelog.example/CodeSystem/worklist|appointments-missed&_count=1'; // prettier-ignore
  while (path !== undefined) {
    const { json }: Awaited<ReturnType<typeof listOf>> = await stack.fhir('GET', path, { as: 'gp' });
    shown.push(json.entry[0].resource.entry.map(({ item }: { item: { reference: string } }) => item.reference).join()); // prettier-ignore
    path = json.link.find((it: { relation: string }) => it.relation === 'next')?.url;
  }
  expect(shown).toEqual(['Appointment/zqshown-missed', 'Appointment/first', 'Appointment/second']);
});

it('of whom it is hidden where they are seen, no page or list says which organisation told of it', async () => {
  const whose = { reference: 'Patient/moved-away' };
  const R = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }; // prettier-ignore
  const publish = async (resource: { resourceType: string; id?: string }, as = 'publisher') => {
    const [method, path] = resource.id === undefined ? ['POST', ''] : ['PUT', `/${resource.id}`];
    const { status, text } = await stack.fhir(method, `/${resource.resourceType}${path}`, {
      as,
      body: resource,
    });
    expect([status, status === 201 ? '' : text]).toEqual([201, '']);
  };
  const open = {
    status: 'in-progress',
    class: { code: 'IMP' },
    subject: whose,
    period: { start: hours(-2) },
  };
  const person = { resourceType: 'Patient', id: 'moved-away', generalPractitioner: [ods('Y90001')] };
  await publish({ ...person, ...R });
  await publish({ resourceType: 'Encounter', id: 'away', ...open, serviceProvider: ods('RZZ') } as never);
  const allergy = { resourceType: 'AllergyIntolerance', clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] }, code: { text: 'Allergy to latex' }, patient: whose }; // prettier-ignore
  await publish(allergy, 'ed-doctor');
  const letter = { resourceType: 'Composition', status: 'final', type: snomed('371531000', 'Letter'), title: 'Letter', subject: whose, date: hours(-1), author: [ods('RZZ')] }; // prettier-ignore
  await publish(letter, 'ed-doctor');
  const page = await stack.fhir('GET', '/Patient/moved-away/$summary?profile=general-practice', { as: 'gp' });
  expect([page.status, page.text.includes('Allergy to latex'), page.text.includes('RZZ')]).toEqual([200, true, false]); // prettier-ignore
  // Each line says that something of it is withheld, and tells nothing by which one could find out what.
  const whereFrom = ({ json }: typeof page): readonly { url: string }[][] => json.entry[0].resource.section.flatMap(({ entry = [] }: { entry?: { extension: [{ extension: object[] }] }[] }) => entry.map((it) => it.extension[0].extension)); // prettier-ignore
  const said = (of: typeof page, url: string) => whereFrom(of).filter((it) => it.some((one) => one.url === url)).length; // prettier-ignore
  const lines = whereFrom(page).length;
  expect(lines).toBeGreaterThan(0);
  expect(['withheld', 'author', 'event'].map((url) => said(page, url))).toEqual([lines, 0, 0]);
  const whole = await stack.fhir('GET', '/Patient/moved-away/$summary?profile=general-practice');
  expect(whole.text).toContain('RZZ');
  expect([said(whole, 'withheld'), said(whole, 'author') > 0, said(whole, 'event')]).toEqual([0, true, whereFrom(whole).length]); // prettier-ignore
  for (const name of ['letters-not-filed', 'in-patients']) {
    const { text } = await listOf(name, 'gp');
    expect([name, text.includes('moved-away'), text.includes('RZZ')]).toEqual([name, true, false]);
  }
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

/** The same of other people, with nothing hidden: what everybody who cares for them may know. */
const openly = (resources: readonly Resource[]): readonly Resource[] =>
  resources.map(({ meta: _, ...it }) => {
    const text = JSON.stringify(it).replaceAll('zqhidden', 'zqshown').replaceAll('Zqhidden', 'Zqshown');
    const moved = text.replaceAll(/Patient\/(kept|other)/g, 'Patient/open-$1');
    const resource = JSON.parse(moved) as Resource;
    return resource.id.startsWith('zqshown') ? resource : { ...resource, id: `open-${resource.id}` };
  });
