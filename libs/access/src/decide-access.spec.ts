import { describe, expect, it } from 'vitest';
import type { Caller } from './caller.ts';
import { accessActions, decideAccess, policy } from './decide-access.ts';
import type { AccessAction, AccessDecision, AccessFacts } from './decide-access.ts';

const kinds = ['system', 'staff', 'patient', 'auditor', 'operator'] as const;
const caller = (kind: Caller['kind']): Caller => ({
  subject: 'subject',
  kind,
  organisation: 'Y90001',
  system: 'test',
  careSetting: 'general-practice',
});

/** Where `patient` stands for a resource of the caller's own record. */
const expected: Record<Caller['kind'], Record<AccessAction, 'permit' | 'refuse'>> = {
  system: row('permit', { rebuild: 'refuse' }),
  staff: row('permit', { status: 'refuse', rebuild: 'refuse' }),
  patient: row('permit', {
    create: 'refuse',
    update: 'refuse',
    delete: 'refuse',
    status: 'refuse',
    rebuild: 'refuse',
  }),
  auditor: row('permit', { create: 'refuse', update: 'refuse', delete: 'refuse', rebuild: 'refuse' }),
  operator: row('refuse', { metadata: 'permit', status: 'permit', rebuild: 'permit' }),
};

function row(
  rest: 'permit' | 'refuse',
  but: Partial<Record<AccessAction, 'permit' | 'refuse'>>,
): Record<AccessAction, 'permit' | 'refuse'> {
  return Object.fromEntries(accessActions.map((action) => [action, but[action] ?? rest])) as never;
}

describe('the policy table', () => {
  it('has a row for every kind of caller and a cell for every action, and no others', () => {
    expect(Object.keys(policy).sort()).toEqual([...kinds].sort());
    for (const kind of kinds) expect(Object.keys(policy[kind]).sort()).toEqual([...accessActions].sort());
  });

  const own: AccessFacts = { type: 'Observation', patients: ['mine'], ownPatient: 'mine' };
  it.each(kinds.flatMap((kind) => accessActions.map((action) => [kind, action] as const)))(
    '%s × %s on an ordinary resource',
    (kind, action) => {
      const decision = decideAccess(caller(kind), action, own);
      expect(decision.permit ? 'permit' : 'refuse').toBe(expected[kind][action]);
      if (decision.permit) expect(decision.basis).not.toBe('');
      else
        expect([decision.reason, decision.remedy]).toEqual([
          expect.stringMatching(/\.$/),
          expect.stringMatching(/\.$/),
        ]);
    },
  );
});

describe('a patient', () => {
  const decide = (action: AccessAction, facts: AccessFacts): AccessDecision =>
    decideAccess(caller('patient'), action, facts);
  const permitOwn = { permit: true, basis: 'own-record' };
  const permitShared = { permit: true, basis: 'shared-reference-data' };
  const restricted = { ...permitOwn, restrictTo: { patient: 'mine' } };
  const refuse = expect.objectContaining({ permit: false });

  it.each<[string, AccessAction, AccessFacts, unknown]>([
    [
      'reads their own resource',
      'read',
      { type: 'Condition', patients: ['mine'], ownPatient: 'mine' },
      permitOwn,
    ],
    [
      'opens all of their own record',
      'everything',
      { type: 'Patient', patients: ['mine'], ownPatient: 'mine' },
      permitOwn,
    ],
    [
      "not another's resource",
      'read',
      { type: 'Condition', patients: ['other'], ownPatient: 'mine' },
      refuse,
    ],
    [
      "not another's old version",
      'vread',
      { type: 'Condition', patients: ['other'], ownPatient: 'mine' },
      refuse,
    ],
    [
      "not another's history",
      'history',
      { type: 'Condition', patients: ['other'], ownPatient: 'mine' },
      refuse,
    ],
    [
      "not another's whole record",
      'everything',
      { type: 'Patient', patients: ['other'], ownPatient: 'mine' },
      refuse,
    ],
    [
      'not what also names another',
      'read',
      { type: 'Group', patients: ['mine', 'other'], ownPatient: 'mine' },
      refuse,
    ],
    ['not what is tied to nobody', 'read', { type: 'Observation', patients: [], ownPatient: 'mine' }, refuse],
    ['searches within their own record', 'search', { type: 'Condition', ownPatient: 'mine' }, restricted],
    ['searches all types within it', 'search', { ownPatient: 'mine' }, restricted],
    ['sees a history within it', 'history', { ownPatient: 'mine' }, restricted],
    [
      'reads shared reference data',
      'read',
      { type: 'Organization', patients: [], ownPatient: 'mine' },
      permitShared,
    ],
    ['… registered or not', 'read', { type: 'Practitioner', patients: [] }, permitShared],
    ['searches shared reference data', 'search', { type: 'Organization', ownPatient: 'mine' }, permitShared],
    ['opens a Location', 'read', { type: 'Location', patients: [], ownPatient: 'mine' }, permitShared],
    ['does not search for Locations', 'search', { type: 'Location', ownPatient: 'mine' }, refuse],
    [
      'not a shared type that names another',
      'read',
      { type: 'Medication', patients: ['other'], ownPatient: 'mine' },
      refuse,
    ],
    ['without a record: no search', 'search', { type: 'Condition' }, refuse],
    ['without a record: no read', 'read', { type: 'Condition', patients: ['other'] }, refuse],
    ['reads within their own record', 'read', { type: 'Condition', ownPatient: 'mine' }, restricted],
    [
      'opens a Location that is not known yet',
      'read',
      { type: 'Location', ownPatient: 'mine' },
      permitShared,
    ],
    [
      'no $everything where the patient is not known',
      'everything',
      { type: 'Patient', ownPatient: 'mine' },
      refuse,
    ],
    [
      'never records, not even about themselves',
      'create',
      { type: 'Observation', patients: ['mine'], ownPatient: 'mine' },
      refuse,
    ],
  ])('%s', (_, action, facts, outcome) => {
    expect(decide(action, facts)).toEqual(outcome);
  });
});
