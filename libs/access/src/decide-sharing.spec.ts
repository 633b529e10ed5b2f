import { describe, expect, it } from 'vitest';
import type { Caller } from './caller.ts';
import { decideSharing, partiesToSharing } from './decide-sharing.ts';
import type { PatientFacts, RelationshipBasis } from './facts.ts';
import { defaultPolicy } from './policy.ts';

const policy = defaultPolicy();
const NOW = Date.UTC(2026, 5, 1);
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';

const staff = (organisation: string, role = 'R8000', careSetting = 'urgent-care'): Caller => ({
  subject: 's',
  kind: 'staff',
  organisation,
  system: 'test',
  careSetting,
  roleCode: role,
});
const hospital = staff('RZZ');
const practice = staff('Y90001', 'R8000', 'general-practice');

const organisation = (value: string) => ({ identifier: { system: ODS, value } });
const setting = (value: string) => ({ identifier: { system: policy.sharing.settingSystem, value } });
const denies = (...actors: object[]) => ({ type: 'deny', actor: actors.map((reference) => ({ role: {}, reference })) }); // prettier-ignore
const observations = { class: [{ code: 'Observation' }] };
const consent = (provision: object, more: object = {}) => ({
  resourceType: 'Consent',
  id: 'c',
  status: 'active',
  patient: { reference: 'Patient/p' },
  provision,
  ...more,
});
const proxy = (more: object = {}, who = 'Patient/q') => consent({ type: 'permit', actor: [{ role: {}, reference: { reference: who } }], ...more }); // prettier-ignore

const knownAs = (...relationships: RelationshipBasis[]): ReadonlyMap<string, PatientFacts> => {
  const facts = { relationships, sFlag: false, withheld: 0, reviewPending: false, optedOut: false };
  return new Map([['p', facts]]);
};
const said = (
  caller: Caller,
  standing: object | undefined,
  recorded: object | undefined,
  patients = knownAs('registered'),
) => {
  const isCaller = (it: string) => it === `ods:${caller.organisation}` || it === `setting:${caller.careSetting}`; // prettier-ignore
  const change = {
    ...(standing && { standing: standing as never }),
    ...(recorded && { recorded: recorded as never }),
  };
  return decideSharing(caller, change, isCaller, patients, policy, NOW)?.code ?? 'permitted';
};

describe('a denial of the caller', () => {
  const [them, theirSetting, everybody] = [
    denies(organisation('RZZ')),
    denies(setting('urgent-care')),
    denies(),
  ];
  it.each<[string, object, object | undefined]>([
    ['is not ended', consent(them), undefined],
    ['by the setting is not ended', consent(theirSetting), undefined],
    ['of everybody is not ended', consent(everybody), undefined],
    ['is not made inactive', consent(them), consent(them, { status: 'inactive' })],
    ['is not made one of others', consent(them), consent(denies(organisation('RZW')))],
    ['is not made one of less', consent(them), consent({ ...them, ...observations })],
    ['is not made a permission', consent(them), consent({ ...them, type: 'permit' })],
    ['gets no exception', consent(them), consent({ ...them, provision: [{ type: 'permit', class: [{ code: 'Consent' }] }] })],
    ['is not made to end sooner', consent(them), consent({ ...them, period: { end: '2026-07-01' } })],
    ['is not made to begin later', consent(them), consent({ ...them, period: { start: '2026-07-01' } })],
    ['that is to begin is not ended', consent({ ...them, period: { start: '2027-01-01' } }), undefined],
    ['is not evaded by keeping the Consent', consent(them), consent(them, { organization: [organisation('RZZ')] })],
    ['is not made one by somebody else', consent(them), consent(them, { patient: { reference: 'Patient/q' } })],
    ['is not made one of research', consent(them), consent(them, { scope: { coding: [{ code: 'research' }] } })],
  ])('%s', (_, standing, recorded) => {
    expect(said(hospital, standing, recorded)).toBe('denies-you');
  }); // prettier-ignore

  it.each<[string, Caller, object | undefined, object | undefined]>([
    ['may be recorded', hospital, undefined, consent(them)],
    ['may be made one of more', hospital, consent({ ...them, ...observations }), consent(them)],
    ['may be corrected in what is no matter', hospital, consent(them), consent(them, { dateTime: '2026' })],
    ['that is over may be ended', hospital, consent({ ...them, period: { end: '2026-05-01' } }), undefined],
    ['that was never active may be ended', hospital, consent(them, { status: 'rejected' }), undefined],
    ['may be ended by others', practice, consent(them), undefined],
    ['by those who keep it, to whom it does not apply', hospital, consent(everybody, { organization: [organisation('RZZ')] }), undefined],
    ['may be ended by a system', { ...hospital, kind: 'system' }, consent(them), undefined],
  ])('%s', (_, caller, standing, recorded) => {
    expect(said(caller, standing, recorded)).toBe('permitted');
  }); // prettier-ignore
});

describe('a proxy', () => {
  const nobody: ReadonlyMap<string, PatientFacts> = new Map();
  it.each<[string, Caller, object | undefined, object | undefined, typeof nobody, string]>([
    ['is named by the practice', practice, undefined, proxy(), knownAs('registered'), 'permitted'],
    ['is not named by a hospital in whose care the patient is', hospital, undefined, proxy(), knownAs('current-encounter', 'referral'), 'proxy-not-permitted'],
    ['is not named of somebody unknown', practice, undefined, proxy(), nobody, 'proxy-not-permitted'],
    ['is not named without the activity', staff('Y90001', 'R8014', 'social-care'), undefined, proxy(), knownAs('registered'), 'proxy-not-permitted'],
    ['is not made another by the hospital', hospital, proxy(), proxy({}, 'Patient/r'), knownAs('caseload'), 'proxy-not-permitted'],
    ['is not made to last by the hospital', hospital, proxy({ period: { end: '2026-07-01' } }), proxy(), knownAs('caseload'), 'proxy-not-permitted'],
    ['is not taken up again by the hospital', hospital, { ...proxy(), status: 'inactive' }, proxy(), knownAs('caseload'), 'proxy-not-permitted'],
    ['may be ended by the hospital', hospital, proxy(), undefined, knownAs('caseload'), 'permitted'],
    ['may be shortened by the hospital', hospital, proxy(), proxy({ period: { end: '2026-07-01' } }), knownAs('caseload'), 'permitted'],
    ['is left as it is by the hospital', hospital, proxy(), { ...proxy(), dateTime: '2026' }, knownAs('caseload'), 'permitted'],
    ['is named by a system', { ...hospital, kind: 'system' }, undefined, proxy(), nobody, 'permitted'],
  ])('%s', (_, caller, standing, recorded, patients, outcome) => {
    expect(said(caller, standing, recorded, patients)).toBe(outcome);
  }); // prettier-ignore
});

it('the parties to a Consent are those whom it names and those who keep it', () => {
  const kept = consent(denies(organisation('RZZ'), setting('pharmacy')), { organization: [organisation('Y90001')] }); // prettier-ignore
  expect(partiesToSharing(kept, policy).toSorted()).toEqual(['ods:RZZ', 'ods:Y90001', 'setting:pharmacy']);
  expect(partiesToSharing({ resourceType: 'Patient', id: 'p' }, policy)).toEqual([]);
});
