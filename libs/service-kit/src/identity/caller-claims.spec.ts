import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callerFrom, claimShapes } from './caller-claims.ts';
import type { ClaimRules } from './caller-claims.ts';
import { grantable } from './registrations.ts';
import type { Registration } from './registrations.ts';
import { parseScopes } from '@carelog/access';

const rules: ClaimRules = {
  shapes: ['cis2', 'nhs-login', 'smart', 'carelog'],
  assuranceMin: 2,
  careSettings: { '*': 'acute' },
  clients: { board: { organisation: 'RZZ', careSetting: 'acute' } },
  scopesRequired: false,
};
const role = { person_roleid: '1', role_code: 'S8000:G8000:R8000', org_code: 'RZZ' };
const doctor = { client_id: 'app', nhsid_useruid: '5', nhsid_nrbac_roles: [role], acr: 'AAL2_OR_AAL3_ANY' };

describe('claims', () => {
  const names = [
    ...[
      'sub',
      'client_id',
      'azp',
      'kind',
      'organisation',
      'care_setting',
      'nhsid_useruid',
      'selected_roleid',
    ],
    ...[
      'nhsid_nrbac_roles',
      'authentication_assurance_level',
      'acr',
      'nhs_number',
      'identity_proofing_level',
    ],
    ...['scope', 'patient', 'purpose_of_use', 'gp_registration_details'],
  ];
  const plausible = fc.constantFrom(
    'system',
    'staff',
    'patient',
    'P9',
    '3',
    '9990000018',
    'board',
    'user/*.rs',
    '1',
  );
  const value = fc.oneof(plausible, fc.jsonValue(), fc.constant([role]), fc.constant([role, role]));
  const claims = fc.dictionary(fc.constantFrom(...names), value);

  it('of any kind give a caller or a reason, and never one with another’s rights', () => {
    fc.assert(
      fc.property(claims, fc.subarray([...claimShapes], { minLength: 1 }), (said, shapes) => {
        const outcome = callerFrom(said, { ...rules, shapes });
        if (outcome.kind === 'refused') return outcome.refusal.reason.endsWith('.');
        const { caller } = outcome;
        if (!shapes.includes('carelog')) {
          expect(['staff', 'patient', 'system']).toContain(caller.kind);
          if (caller.kind === 'staff')
            expect([shapes, caller.roleCode]).toMatchObject([
              expect.arrayContaining(['cis2']),
              role.role_code,
            ]);
          if (caller.kind === 'patient') expect(shapes).toContain('nhs-login');
          if (caller.kind === 'system') expect(caller.organisation).toBe('RZZ');
        }
        expect(caller.subject).not.toBe(caller.nhsNumber);
        return true;
      }),
    );
  });

  it.each([
    ['scopes that are not well formed, which permit nothing', { scope: 'user/patient.rs' }, { scopes: [] }],
    ['the patient of the launch', { patient: 'Patient/abc' }, { launchPatient: 'abc' }],
    ['what for', { purpose_of_use: 'planning' }, { purpose: 'planning' }],
  ])('say %s', (_, more, expected) => {
    expect(callerFrom({ ...doctor, ...more }, rules)).toMatchObject({ kind: 'caller', caller: expected });
  });

  it('say nothing on resources with the scopes of identity, which limit nothing', () => {
    expect(callerFrom({ ...doctor, scope: 'openid profile' }, rules)).not.toHaveProperty('caller.scopes');
    const strict = callerFrom({ ...doctor, scope: 'openid profile' }, { ...rules, scopesRequired: true });
    expect(strict).toMatchObject({ kind: 'refused', refusal: { error: 'insufficient_scope' } });
  });

  it.each([
    ['a purpose nobody knows', { purpose_of_use: 'curiosity' }],
    ['a patient that is no id', { patient: '../Patient' }],
    ['an assurance that is no level', { authentication_assurance_level: '9' }],
    ['an assurance that is only said in words', { acr: 'strong' }],
    ['more roles than anybody has', { nhsid_nrbac_roles: Array.from({ length: 501 }, () => role) }],
    ['no software', { client_id: undefined }],
  ])('are refused with %s', (_, more) => {
    expect(callerFrom({ ...doctor, ...more }, rules).kind).toBe('refused');
  });

  it('never make an NHS number the name of a caller', () => {
    const patient = { client_id: 'app', nhs_number: '9990000018', identity_proofing_level: 'P9' };
    expect(callerFrom({ ...patient, sub: 'p-9990000018' }, rules).kind).toBe('refused');
    expect(callerFrom({ ...patient, sub: 'b7c1' }, rules)).toMatchObject({ caller: { subject: 'b7c1' } });
  });
});

describe('what an app may be given', () => {
  const registration = (most: string): Registration => ({
    clientId: 'app',
    title: 'App',
    mayAsk: parseScopes(most) ?? [],
    metadata: { client_id: 'app' },
  });
  it.each([
    ['patient/*.rs', 'patient/Observation.r', 'patient/Observation.r'],
    ['patient/*.rs', 'patient/*.rs openid', 'patient/*.rs'],
    ['patient/*.rs', 'patient/*.cruds', ''],
    ['patient/*.rs', 'user/*.rs', ''],
    ['patient/Observation.rs', 'patient/*.rs', ''],
    ['patient/Observation.rs?category=vital-signs', 'patient/Observation.rs', ''],
    [
      'patient/Observation.rs?category=vital-signs',
      'patient/Observation.r?category=vital-signs&code=x',
      'patient/Observation.r?category=vital-signs&code=x',
    ],
    ['patient/*.rs', 'patient/Observation.read', 'patient/Observation.read'],
    ['system/*.rs', 'system/*.rs', ''],
  ])('with %s, of %s: %s', (most, asked, given) => {
    expect(grantable(registration(most), asked, 'person').join(' ')).toBe(given);
  });
});
