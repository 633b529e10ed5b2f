/**
 * What somebody may do beside seeing and recording, written down by hand: undo what a patient decided, name who stands for
 * them, say what the record is for; and by which questions a place comes out that is concealed.
 */
import { refused, type RefusalCode } from '@carelog/access';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, consent, kinds, TRUST, WARD, type Json } from '../support/access-table.ts';
import { startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;

const bundle = (type: string, entry: readonly object[]) => ({ resourceType: 'Bundle', type, entry });
const urlOf = ({ resourceType, id }: Json) => `${resourceType}/${id}`;
const putOf = (resource: Json) => ({ resource, request: { method: 'PUT', url: urlOf(resource) } });

beforeAll(async () => {
  stack = await startEmptyStack();
  const all = new Map([...background, ...kinds.map(({ resource }) => resource)].map((it) => [it.id, it]));
  const answer = await stack.fhir('POST', '', { body: bundle('transaction', [...all.values()].map(putOf)) });
  if (answer.status !== 200) throw new Error(answer.text);
});
afterAll(() => stack.remove());

const said = ({ status, json }: Answer) => {
  const problem = (json.issue ?? json.entry?.[0]?.response?.outcome?.issue)?.[0]?.diagnostics as string | undefined; // prettier-ignore
  return [Number(json.entry?.[0]?.response?.status?.slice(0, 3) ?? status), problem ?? ''] as const;
};
function expectRefusal(answer: Answer, code: RefusalCode): void {
  const { reason, remedy } = refused(code);
  expect(said(answer)).toEqual([403, `${reason} ${remedy}`]);
}

describe('what a patient decided', () => {
  const decision = background.find(({ id }) => id === 'no-plans')!;
  const url = `/${urlOf(decision)}`;
  const ods = (value: string) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value } }); // prettier-ignore
  const provision = decision['provision'] as object;
  const weaker: readonly (readonly [string, object])[] = [
    ['inactive', { status: 'inactive' }],
    ['of others', { provision: { ...provision, actor: [{ role: { coding: [{ code: 'PRCP' }] }, reference: ods('RZW') }] } }],
    ['over', { provision: { ...provision, period: { end: '2026-01-01' } } }],
    ['kept by those whom it denies', { organization: [ods('RZZ')] }],
  ]; // prettier-ignore

  it.each(weaker)('is not made %s by those whom it denies', async (_, more) => {
    const body = { ...decision, ...more };
    expectRefusal(await stack.fhir('PUT', url, { as: 'ed-doctor', body }), 'denies-you');
    for (const type of ['batch', 'transaction'])
      expectRefusal(await stack.fhir('POST', '', { as: 'ed-doctor', body: bundle(type, [putOf(body)]) }), 'denies-you'); // prettier-ignore
  });

  it('is not ended by those whom it denies, and stands', async () => {
    expectRefusal(await stack.fhir('DELETE', url, { as: 'ed-doctor' }), 'denies-you');
    const entry = [{ request: { method: 'DELETE', url: urlOf(decision) } }];
    expectRefusal(await stack.fhir('POST', '', { as: 'ed-doctor', body: bundle('batch', entry) }), 'denies-you'); // prettier-ignore
    const query = `/AuditEvent?patient=own&_count=1`;
    const [last] = (await stack.fhir('GET', query, { as: 'auditor' })).json.entry;
    expect(last.resource.outcomeDesc).toBe('refused: denies-you');
    const { json } = await stack.fhir('GET', url);
    expect([json.status, json.meta.versionId]).toEqual(['active', '1']);
  });

  it('is changed by those whom it leaves alone, and by systems', async () => {
    const body = { ...decision, status: 'inactive' };
    expect((await stack.fhir('PUT', url, { as: 'gp', body })).status).toBe(200);
    expect((await stack.fhir('PUT', url, { body: decision })).status).toBe(200);
  });
});

describe('who stands for a patient', () => {
  const number = { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9000000009' };
  const actor = [{ role: { coding: [{ code: 'DELEGATEE' }] }, reference: { type: 'RelatedPerson', identifier: number } }]; // prettier-ignore
  const proxy = (of: string): Json => consent('new-proxy', of, { type: 'permit', actor });

  it.each([
    ['ed-doctor', 'own', 403],
    ['community-nurse', 'own', 403],
    ['social-worker', 'own', 403],
    ['gp', 'own', 200],
    ['publisher', 'opened', 200],
  ] as const)('is named by %s of %s: %i', async (as, of, expected) => {
    const answer = await stack.fhir('POST', '', { as, body: bundle('transaction', [{ resource: proxy(of), request: { method: 'POST', url: 'Consent' } }]) }); // prettier-ignore
    if (expected === 403) expectRefusal(answer, 'proxy-not-permitted');
    else expect(answer.status).toBe(200);
  });
});

it('an alert is followed up by the privacy officer, who is shown nothing else of the patient, also of one with an S-flag', async () => {
  const alert = kinds.find(({ name }) => name === 'alert about the patient')!.resource;
  const task = { ...alert, id: 'flagged-alert', for: { reference: 'Patient/flagged' }, owner: TRUST };
  expect((await stack.fhir('PUT', '/Task/flagged-alert', { body: task })).status).toBe(201);
  const { status, text } = await stack.fhir('GET', '/Task/flagged-alert', { as: 'privacy-officer' });
  expect([status, text.includes(TRUST.reference)]).toEqual([200, true]);
  const body = { ...task, status: 'completed' };
  const closed = await stack.fhir('PUT', '/Task/flagged-alert', { as: 'privacy-officer', body });
  expect([closed.status, closed.text]).toEqual([200, expect.any(String)]);
});

describe('the purpose', () => {
  it.each([
    ['gp', 403],
    ['paramedic', 403],
    ['community-nurse', 403],
    ['publisher', 403],
    ['patient', 403],
    ['ed-doctor', 200],
    ['crisis-worker', 200],
    ['social-worker', 200],
  ] as const)('of safeguarding is stated by %s: %i', async (as, expected) => {
    const answer = await stack.fhir('GET', '/Patient/own', { as, limits: { purpose: 'safeguarding' } });
    if (expected === 403) expectRefusal(answer, 'purpose-not-permitted');
    else expect(answer.status).toBe(expected);
  });
});

describe('a place that is concealed', () => {
  const idsOf = ({ json }: Answer) =>
    ((json.entry ?? []) as { resource: Json }[]).map(({ resource }) => urlOf(resource)).sort();
  const asked = async (as: string, path: string) => {
    const answer = await stack.fhir('GET', path, { as });
    expect([path, answer.status]).toEqual([path, 200]);
    return idsOf(answer);
  };

  it.each([
    ['Procedure', 'flagged-procedure', [`location=${WARD.reference}`, `performer=${TRUST.reference}`, 'location:missing=false']],
    ['Encounter', 'flagged-visit', [`location=${WARD.reference}`, 'service-provider:identifier=Y90001', 'location-period=ge2026-01-01', 'location:missing=false']],
    ['Immunization', 'flagged-immunisation', [`location=${WARD.reference}`, 'performer:identifier=Y90001']],
    ['DocumentReference', 'flagged-document', [`author=${TRUST.reference}`, `custodian=${TRUST.reference}`]],
    ['ServiceRequest', 'flagged-referral', ['performer:identifier=Y90001']],
    ['Appointment', 'flagged-appointment', [`actor=${WARD.reference}`, `location=${WARD.reference}`]],
    ['Observation', 'flagged-pulse', [`performer=${TRUST.reference}`]],
    ['MedicationRequest', 'flagged-prescription', ['intended-dispenser:missing=false']],
  ] as const)('is not asked for of a %s', async (type, id, conditions) => {
    for (const condition of conditions) {
      const path = `/${type}?_id=${id}&${condition}`;
      expect([condition, await asked('publisher', path)]).toEqual([condition, [`${type}/${id}`]]);
      for (const as of ['gp', 'ed-doctor', 'auditor'])
        expect([condition, await asked(as, path)]).toEqual([condition, []]);
    }
  }); // prettier-ignore

  it('does not keep the resource from being found by a person', async () => {
    for (const [type, id, condition] of [
      ['Procedure', 'flagged-procedure', 'performer=Practitioner/doctor'],
      ['Appointment', 'flagged-appointment', 'actor=Practitioner/doctor'],
      ['Observation', 'flagged-pulse', 'performer=Practitioner/doctor&subject=Patient/flagged'],
    ] as const)
      expect(await asked('gp', `/${type}?_id=${id}&${condition}`)).toEqual([`${type}/${id}`]);
  });

  it.each([
    ['Organization', 'Leeds-trust', 'DocumentReference:custodian', 'flagged-document'],
    ['Organization', 'Leeds-trust', 'Procedure:performer', 'flagged-procedure'],
    ['Organization', 'Leeds-trust', 'Observation:performer', 'flagged-pulse'],
    ['Location', 'Leeds-ward', 'Encounter:location', 'flagged-visit'],
    ['Location', 'Leeds-ward', 'Appointment:actor', 'flagged-appointment'],
  ] as const)('is no way from %s/%s by %s', async (type, id, include, found) => {
    const path = `/${type}?_id=${id}&_revinclude=${include}`;
    const name = `${include.split(':')[0]}/${found}`;
    expect(await asked('publisher', path)).toContain(name);
    for (const as of ['gp', 'ed-doctor', 'auditor']) expect(await asked(as, path)).toEqual([`${type}/${id}`]);
  });

  it('does not come along with what refers to it', async () => {
    for (const path of ['/Encounter?_id=flagged-visit&_include=*', '/DocumentReference?_id=flagged-document&_include=DocumentReference:custodian', '/Patient/flagged/$everything?_count=1000']) {
      const places = (ids: readonly string[]) => ids.filter((it) => it.includes('Leeds')).length > 0;
      expect([path, places(await asked('publisher', path))]).toEqual([path, true]);
      for (const as of ['gp', 'ed-doctor', 'auditor'])
        expect([path, places(await asked(as, path))]).toEqual([path, false]);
    }
  }); // prettier-ignore

  it('is no condition of a scope either', async () => {
    const scope = (condition: string) => ({ scope: `user/Encounter.rs?${condition}` });
    for (const [condition, isThere] of [[`location=${WARD.reference}`, false], ['location:missing=true', false], ['class=AMB', true]] as const) {
      const limits = scope(condition);
      const found = await stack.fhir('GET', '/Encounter?_id=flagged-visit', { as: 'gp', limits });
      expect([condition, idsOf(found)]).toEqual([condition, isThere ? ['Encounter/flagged-visit'] : []]);
      const read = await stack.fhir('GET', '/Encounter/flagged-visit', { as: 'gp', limits });
      expect([condition, read.status]).toEqual([condition, isThere ? 200 : 404]);
    }
  }); // prettier-ignore

  it('does not order what is shown', async () => {
    const path = '/Encounter?_id=flagged-visit,flagged-at-hospital&_sort=location';
    const order = async (as: string) =>
      ((await stack.fhir('GET', path, { as })).json.entry as { resource: Json }[]).map(
        (it) => it.resource.id,
      );
    expect([await order('publisher'), await order('gp')]).toEqual([
      ['flagged-visit', 'flagged-at-hospital'],
      ['flagged-at-hospital', 'flagged-visit'],
    ]);
  });
});
