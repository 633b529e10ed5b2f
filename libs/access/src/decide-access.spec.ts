import { describe, expect, it } from 'vitest';
import { accessActions, type AccessAction } from './actions.ts';
import type { Caller, Scope } from './caller.ts';
import { decideAccess, type AccessDecision } from './decide-access.ts';
import {
  maskOf,
  replacing,
  type Label,
  type PatientFacts,
  type RecordClass,
  type ResourceFacts,
} from './facts.ts';
import { defaultPolicy } from './policy.ts';
import { parseScopes } from './scopes.ts';

const policy = defaultPolicy();

const who = (kind: Caller['kind'], more: Partial<Caller> = {}): Caller => ({
  subject: 'subject',
  kind,
  organisation: 'Y90001',
  system: 'test',
  careSetting: 'general-practice',
  ...more,
});
const inRole = (role: string, more: Partial<Caller> = {}): Caller =>
  who('staff', { roleCode: role, ...more });
const callers = {
  system: who('system'),
  gp: inRole('S8000:G8000:R8000'),
  'ed doctor': inRole('S8000:G8000:R8000', { organisation: 'RZZ', careSetting: 'urgent-care' }),
  pharmacist: inRole('S8000:G8000:R8003', {
    organisation: 'FZZ01',
    careSetting: 'pharmacy',
    activityCodes: ['B0570', 'B0572'],
  }),
  'social worker': inRole('S8000:G8000:R8014', { organisation: '9ZZ', careSetting: 'social-care' }),
  receptionist: inRole('S8001:G8002:R8009'),
  student: inRole('S8000:G8000:R8004'),
  'privacy officer': inRole('S8002:G8003:R0001', { organisation: 'QZZ', careSetting: 'governance' }),
  patient: who('patient'),
  auditor: who('auditor'),
  operator: who('operator'),
} as const;
type Persona = keyof typeof callers;

const stranger: PatientFacts = {
  relationships: [],
  sFlag: false,
  withheld: 0,
  reviewPending: false,
  optedOut: false,
};
const related: PatientFacts = { ...stranger, relationships: ['registered'] };
const own: PatientFacts = { ...stranger, ownOrProxy: 'own' };
const proxied: PatientFacts = { ...stranger, ownOrProxy: 'proxy' };
const glass: PatientFacts = { ...stranger, brokenGlass: true };

const resource = (type: string, name: RecordClass, ...labels: readonly Label[]): ResourceFacts => ({
  type,
  patients: ['p'],
  labels: maskOf([name, ...labels]),
});
const observation = resource('Observation', 'results');
const patient = resource('Patient', 'demographics');
const organisation: ResourceFacts = { type: 'Organization', patients: [], labels: maskOf(['reference']) };

function ask(
  caller: Caller,
  action: AccessAction,
  what: ResourceFacts,
  facts: PatientFacts | undefined,
): AccessDecision {
  return decideAccess(caller, action, what, new Map(facts === undefined ? [] : [['p', facts]]), policy);
}

/** `basis`, with `+concealed` where an S-flag takes something out; or `-code` of the refusal, with `?` where existence is not told. */
function said(decision: AccessDecision): string {
  if (decision.permit) return `${decision.basis}${decision.conceals ? '+concealed' : ''}`;
  return `-${decision.code}${decision.asUnknown ? '?' : ''}`;
}

describe('who may do what to an ordinary resource', () => {
  const reading = ['read', 'vread', 'search', 'history', 'everything'] as const;
  const writing = ['create', 'update', 'delete'] as const;
  const row = (
    read: string,
    write: string,
    [carry, metadata, glassed, status, rebuild]: readonly [string, string, string, string, string],
  ): Record<AccessAction, string> => ({
    ...(Object.fromEntries(reading.map((action) => [action, read])) as Record<
      (typeof reading)[number],
      string
    >),
    ...(Object.fromEntries(writing.map((action) => [action, write])) as Record<
      (typeof writing)[number],
      string
    >),
    transaction: carry,
    batch: carry,
    metadata,
    'break-glass': glassed,
    status,
    rebuild,
  });
  const carries = 'entry-by-entry';
  const table: Record<string, readonly [Persona, PatientFacts, Record<AccessAction, string>]> = {
    'a system': [
      'system',
      stranger,
      row('system-to-system', 'system-to-system', [
        carries,
        'public',
        '-care-givers-only',
        'platform-operation',
        '-operators-only',
      ]),
    ],
    'staff with a relationship': [
      'gp',
      related,
      row('direct-care', 'direct-care', [
        carries,
        'public',
        '-type-not-permitted',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'staff without one': [
      'gp',
      stranger,
      row('-no-relationship?', '-no-relationship?', [
        carries,
        'public',
        '-type-not-permitted',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'staff who broke the glass': [
      'gp',
      glass,
      row('broken-glass', 'broken-glass', [
        carries,
        'public',
        '-type-not-permitted',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'staff whose role is without such results': [
      'receptionist',
      related,
      row('-type-not-permitted', '-type-not-permitted', [
        carries,
        'public',
        '-break-glass-not-permitted',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'a privacy officer': [
      'privacy officer',
      stranger,
      row('-type-not-permitted', '-type-not-permitted', [
        carries,
        'public',
        '-break-glass-not-permitted',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'the patient': [
      'patient',
      own,
      row('own-record', '-reads-only', [
        carries,
        'public',
        '-care-givers-only',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'a proxy': [
      'patient',
      proxied,
      row('proxy', '-reads-only', [
        carries,
        'public',
        '-care-givers-only',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'another patient': [
      'patient',
      stranger,
      row('-not-own-record?', '-reads-only', [
        carries,
        'public',
        '-care-givers-only',
        '-operators-only',
        '-operators-only',
      ]),
    ],
    'an auditor': [
      'auditor',
      stranger,
      row('audit', '-reads-only', [
        carries,
        'public',
        '-care-givers-only',
        'platform-operation',
        '-operators-only',
      ]),
    ],
    'an operator': [
      'operator',
      stranger,
      row('-no-clinical-content', '-no-clinical-content', [
        '-no-clinical-content',
        'public',
        '-no-clinical-content',
        'platform-operation',
        'platform-operation',
      ]),
    ],
  };

  it.each(
    Object.entries(table).flatMap(([title, [persona, facts, cells]]) =>
      accessActions.map((action) => [title, action, persona, facts, cells[action]] as const),
    ),
  )('%s: %s', (_, action, persona, facts, expected) => {
    expect(said(ask(callers[persona], action, observation, facts))).toBe(expected);
  });
});

describe('labels', () => {
  const labelled: Record<string, ResourceFacts> = {
    restricted: resource('CarePlan', 'plans', 'restricted'),
    'very restricted': resource('CarePlan', 'plans', 'very-restricted'),
    'sexual health': resource('Condition', 'problems', 'sexual-health'),
    'a termination': resource('Procedure', 'procedures', 'termination'),
    gender: resource('Condition', 'problems', 'gender'),
    'mental health': resource('Condition', 'problems', 'mental-health'),
    abuse: resource('Flag', 'problems', 'restricted', 'abuse'),
    'not for the patient': resource('DiagnosticReport', 'results', 'not-for-patient'),
    'hidden from proxies': resource('Condition', 'problems', 'hidden-from-proxy'),
    medicine: resource('MedicationRequest', 'medicines'),
    demographics: patient,
    'an audit record': resource('AuditEvent', 'audit'),
  };
  const [yes, no, unseen] = ['direct-care', '-confidential?', '-type-not-permitted'];
  const expected: Record<string, readonly [Persona, PatientFacts, Record<string, string>]> = {
    'a system': ['system', stranger, {}],
    gp: ['gp', related, { 'very restricted': no, 'an audit record': unseen }],
    'gp who broke the glass': ['gp', glass, { 'very restricted': no, 'an audit record': unseen }],
    'ed doctor': [
      'ed doctor',
      related,
      {
        'very restricted': no,
        'sexual health': no,
        'a termination': no,
        gender: no,
        'an audit record': unseen,
      },
    ],
    'ed doctor who broke the glass': [
      'ed doctor',
      glass,
      { 'very restricted': no, gender: no, 'an audit record': unseen },
    ],
    pharmacist: [
      'pharmacist',
      related,
      {
        restricted: unseen,
        'very restricted': unseen,
        'sexual health': no,
        'a termination': unseen,
        gender: no,
        'mental health': no,
        abuse: no,
        'an audit record': unseen,
      },
    ],
    'social worker': [
      'social worker',
      related,
      {
        'very restricted': no,
        'sexual health': no,
        'a termination': unseen,
        gender: no,
        'not for the patient': unseen,
        'an audit record': unseen,
      },
    ],
    student: [
      'student',
      related,
      {
        restricted: no,
        'very restricted': no,
        'sexual health': no,
        'a termination': no,
        gender: no,
        'mental health': no,
        abuse: no,
        'an audit record': unseen,
      },
    ],
    'privacy officer': [
      'privacy officer',
      stranger,
      Object.fromEntries(
        Object.keys(labelled).map((name) => [name, name === 'an audit record' ? 'audit' : unseen]),
      ),
    ],
    patient: ['patient', own, { 'very restricted': no, abuse: no, 'not for the patient': no }],
    proxy: [
      'patient',
      proxied,
      {
        ...Object.fromEntries(Object.keys(labelled).map((name) => [name, no])),
        medicine: 'proxy',
        demographics: 'proxy',
        'an audit record': unseen,
      },
    ],
    auditor: ['auditor', stranger, { 'very restricted': no }],
  };
  const bases: Record<string, string> = {
    'a system': 'system-to-system',
    'gp who broke the glass': 'broken-glass',
    'ed doctor who broke the glass': 'broken-glass',
    patient: 'own-record',
    auditor: 'audit',
  };
  it.each(
    Object.entries(expected).flatMap(([title, [persona, facts, but]]) =>
      Object.keys(labelled).map(
        (label) => [title, label, persona, facts, but[label] ?? bases[title] ?? yes] as const,
      ),
    ),
  )('%s reads %s', (_, label, persona, facts, outcome) => {
    expect(said(ask(callers[persona], 'read', labelled[label]!, facts))).toBe(outcome);
  });

  it('V is opened by the activity for sealed data', () => {
    const sealed = labelled['very restricted']!;
    const caller = { ...callers.gp, activityCodes: ['B0083'] };
    expect(said(ask(caller, 'read', sealed, related))).toBe('direct-care');
    expect(said(ask(caller, 'read', sealed, stranger))).toBe('-no-relationship?');
  });
});

describe('what a patient decided', () => {
  const withheld = { ...related, withheld: maskOf(['results']) };
  it.each<[string, Caller, AccessAction, ResourceFacts, PatientFacts, string]>([
    ['is heeded', callers.gp, 'read', observation, withheld, '-withheld?'],
    ['is heeded in writing too', callers.gp, 'update', observation, withheld, '-withheld?'],
    ['leaves the rest alone', callers.gp, 'read', resource('Condition', 'problems'), withheld, 'direct-care'],
    [
      'gives way to a broken glass',
      callers.gp,
      'read',
      observation,
      { ...withheld, brokenGlass: true },
      'broken-glass',
    ],
    [
      'is about staff, not about themselves',
      callers.patient,
      'read',
      observation,
      { ...own, withheld: maskOf(['results']) },
      'own-record',
    ],
    [
      'is about staff, not about the engine',
      callers.system,
      'read',
      observation,
      { ...withheld },
      'system-to-system',
    ],
    [
      'to opt out is not about care',
      callers.gp,
      'read',
      observation,
      { ...related, optedOut: true },
      'direct-care',
    ],
    [
      'to opt out is not about the engine',
      callers.system,
      'read',
      observation,
      { ...stranger, optedOut: true },
      'system-to-system',
    ],
    [
      'to opt out is about research',
      { ...callers.system, purpose: 'research' },
      'read',
      observation,
      { ...stranger, optedOut: true },
      '-opted-out?',
    ],
    [
      'to opt out is about planning',
      { ...callers.system, purpose: 'planning' },
      'search',
      observation,
      { ...stranger, optedOut: true },
      '-opted-out?',
    ],
    [
      'not to opt out lets research be',
      { ...callers.system, purpose: 'research' },
      'read',
      observation,
      stranger,
      'system-to-system',
    ],
  ])('%s', (_, caller, action, what, facts, outcome) => {
    expect(said(ask(caller, action, what, facts))).toBe(outcome);
  });
});

describe('a patient of whom nothing is known', () => {
  it.each<[string, Caller, string]>([
    ['may have opted out of research', { ...callers.system, purpose: 'research' }, '-fact-missing?'],
    ['may have an S-flag', callers.auditor, '-fact-missing?'],
    ['is not related', callers.gp, '-fact-missing?'],
    ['is not the caller', callers.patient, '-not-own-record?'],
    ['is no matter to the engine', callers.system, 'system-to-system'],
  ])('%s', (_, caller, outcome) => {
    expect(said(ask(caller, 'read', observation, undefined))).toBe(outcome);
  });
});

describe('purpose', () => {
  it.each<[string, Caller, ResourceFacts, PatientFacts, string]>([
    [
      'staff do no research',
      { ...callers.gp, purpose: 'research' },
      observation,
      related,
      '-purpose-not-permitted',
    ],
    [
      'safeguarding is not for everybody to state',
      { ...callers.gp, purpose: 'safeguarding' },
      observation,
      related,
      '-purpose-not-permitted',
    ],
    [
      'nor for an engine',
      { ...callers.system, purpose: 'safeguarding' },
      observation,
      related,
      '-purpose-not-permitted',
    ],
    [
      'a social worker safeguards',
      { ...callers['social worker'], purpose: 'safeguarding' },
      resource('CarePlan', 'plans'),
      related,
      'direct-care',
    ],
    [
      'so does whose token has the activity',
      { ...callers['ed doctor'], activityCodes: ['X0001'], purpose: 'safeguarding' },
      observation,
      related,
      'direct-care',
    ],
    [
      'patients plan nothing',
      { ...callers.patient, purpose: 'planning' },
      observation,
      own,
      '-purpose-not-permitted',
    ],
    [
      'research sees nothing restricted',
      { ...callers.system, purpose: 'research' },
      resource('CarePlan', 'plans', 'restricted'),
      stranger,
      '-confidential?',
    ],
  ])('%s', (_, caller, what, facts, outcome) => {
    expect(said(ask(caller, 'read', what, facts))).toBe(outcome);
  });
});

describe('roles', () => {
  it.each<[string, Partial<Caller>, string]>([
    ['no role', {}, '-no-role'],
    ['a role that the policy does not know', { roleCode: 'S0:G0:R9999' }, '-role-without-activities'],
    ['a role named like what every object has', { roleCode: 'constructor' }, '-role-without-activities'],
    [
      'an activity that the policy does not know',
      { roleCode: 'R9999', activityCodes: ['B9999', '__proto__'] },
      '-role-without-activities',
    ],
    ['an activity of the token alone', { roleCode: 'R9999', activityCodes: ['B0360'] }, 'direct-care'],
    [
      'a setting that the policy does not know',
      { roleCode: 'R8000', careSetting: 'moon' },
      '-setting-not-in-policy',
    ],
  ])('%s', (_, more, outcome) => {
    expect(said(ask(who('staff', more), 'read', observation, related))).toBe(outcome);
  });

  it.each<[Persona, AccessAction, ResourceFacts, string]>([
    ['receptionist', 'read', patient, 'direct-care'],
    ['receptionist', 'update', patient, 'direct-care'],
    ['receptionist', 'create', resource('Appointment', 'appointments'), 'direct-care'],
    ['receptionist', 'create', resource('Condition', 'problems'), '-type-not-permitted'],
    ['student', 'read', observation, 'direct-care'],
    ['student', 'create', observation, '-type-not-permitted'],
    ['pharmacist', 'create', resource('MedicationDispense', 'medicines'), 'direct-care'],
    ['pharmacist', 'read', resource('Encounter', 'encounters'), '-type-not-permitted'],
    ['gp', 'create', organisation, '-type-not-permitted'],
    ['privacy officer', 'update', resource('Task', 'audit'), 'audit'],
    ['privacy officer', 'read', resource('Task', 'requests'), '-confidential?'],
    ['gp', 'read', resource('Task', 'audit'), '-confidential?'],
  ])('%s: %s', (persona, action, what, outcome) => {
    expect(said(ask(callers[persona], action, what, related))).toBe(outcome);
  });
});

describe('registering a patient', () => {
  const unborn: ResourceFacts = { ...patient, patients: [] };
  it.each<[Persona, string]>([
    ['system', 'system-to-system'],
    ['gp', 'registration'],
    ['receptionist', '-register-not-permitted'],
    ['pharmacist', '-register-not-permitted'],
    ['privacy officer', '-register-not-permitted'],
    ['patient', '-reads-only'],
  ])('%s', (persona, outcome) => {
    expect(said(ask(callers[persona], 'create', unborn, undefined))).toBe(outcome);
  });

  it('lets the same request record what belongs to them, and nobody read it by that', () => {
    const registering = { ...stranger, registering: true };
    expect(said(ask(callers.gp, 'create', resource('EpisodeOfCare', 'encounters'), registering))).toBe(
      'registration',
    );
    expect(said(ask(callers.gp, 'read', observation, registering))).toBe('-no-relationship?');
  });
});

describe('recording', () => {
  const secret = resource('Condition', 'problems', 'sexual-health', 'very-restricted');
  it('is not held up by what the caller could not be shown', () => {
    const doctor = callers['ed doctor'];
    expect(said(ask(doctor, 'read', secret, related))).toBe('-confidential?');
    expect(said(ask(doctor, 'create', secret, related))).toBe('direct-care');
    expect(said(ask(doctor, 'create', observation, { ...related, withheld: -1 }))).toBe('direct-care');
    const relative = resource('RelatedPerson', 'demographics');
    expect(said(ask(callers.gp, 'create', relative, { ...related, sFlag: true }))).toBe('direct-care');
  });

  it('is of what the role records, about patients of the organisation', () => {
    expect(said(ask(callers['ed doctor'], 'create', secret, stranger))).toBe('-no-relationship?');
    expect(said(ask(callers.gp, 'create', resource('Task', 'audit'), related))).toBe('-confidential?');
  });

  const update = (
    standing: ResourceFacts,
    made: ResourceFacts,
    facts: Record<string, PatientFacts>,
  ): string =>
    said(
      decideAccess(
        callers['ed doctor'],
        'update',
        replacing(standing, made),
        new Map(Object.entries(facts)),
        policy,
      ),
    );
  it('anew may add what is confidential, where the caller sees what stands', () => {
    const open = resource('Condition', 'problems');
    expect(update(open, secret, { p: related })).toBe('direct-care');
    expect(update(secret, open, { p: related })).toBe('-confidential?');
  });

  it('anew does not hand over to another patient, nor take from one', () => {
    const other = { ...observation, patients: ['q'] };
    expect(update(observation, other, { p: related, q: related })).toBe('direct-care');
    expect(update(observation, other, { p: related, q: stranger })).toBe('-no-relationship?');
    expect(update(other, observation, { p: related, q: stranger })).toBe('-no-relationship?');
  });

  it('anew does not make a request into an alert, nor an alert into a request', () => {
    const request = resource('Task', 'requests');
    const alert = resource('Task', 'audit');
    expect(update(request, alert, { p: related })).toBe('-confidential?');
    expect(update(alert, request, { p: related })).toBe('-confidential?');
  });

  it('anew stays within conditions of scopes before and after', () => {
    const caller = { ...callers.gp, scopes: parseScopes('user/Observation.u?category=lab')! };
    const lab = { ...observation, meets: ['category=lab'] };
    const by = (standing: ResourceFacts, made: ResourceFacts): string =>
      said(ask(caller, 'update', replacing(standing, made), related));
    expect(by(lab, lab)).toBe('direct-care');
    expect(by(lab, observation)).toBe('-outside-scope?');
    expect(by(observation, lab)).toBe('-outside-scope?');
  });
});

describe('an S-flag', () => {
  const flagged = { ...related, sFlag: true };
  const relative = resource('RelatedPerson', 'demographics');
  const seeing = { ...callers.gp, activityCodes: ['B1611'] };
  const placeless = { ...observation, hasPlaces: false };
  it.each<[string, Caller, AccessAction, ResourceFacts, PatientFacts, string]>([
    ['takes the location out', callers.gp, 'read', patient, flagged, 'direct-care+concealed'],
    ['takes it out of what is found', callers.gp, 'search', patient, flagged, 'direct-care+concealed'],
    ['does so whatever the type', callers.gp, 'read', observation, flagged, 'direct-care+concealed'],
    ['hides relatives', callers.gp, 'read', relative, flagged, '-confidential?'],
    ['forbids an update that would erase it', callers.gp, 'update', patient, flagged, '-location-protected'],
    ['forbids a deletion', callers.gp, 'delete', patient, flagged, '-location-protected'],
    [
      'lets what tells of no place be updated',
      callers.gp,
      'update',
      placeless,
      flagged,
      'direct-care+concealed',
    ],
    ['and be deleted', callers.gp, 'delete', placeless, flagged, 'direct-care+concealed'],
    ['lets anything be recorded', callers.gp, 'create', observation, flagged, 'direct-care'],
    ['hides nothing from those with the activity', seeing, 'read', patient, flagged, 'direct-care'],
    ['shows them relatives', seeing, 'read', relative, flagged, 'direct-care'],
    ['lets them update', seeing, 'update', patient, flagged, 'direct-care'],
    [
      'stays behind a broken glass',
      callers.gp,
      'read',
      patient,
      { ...glass, sFlag: true },
      'broken-glass+concealed',
    ],
    [
      'hides nothing from the patient',
      callers.patient,
      'read',
      patient,
      { ...own, sFlag: true },
      'own-record',
    ],
    [
      'hides it from a proxy',
      callers.patient,
      'read',
      patient,
      { ...proxied, sFlag: true },
      'proxy+concealed',
    ],
    [
      'hides it from an auditor',
      callers.auditor,
      'read',
      patient,
      { ...stranger, sFlag: true },
      'audit+concealed',
    ],
    [
      'hides nothing from the engine',
      callers.system,
      'read',
      patient,
      { ...stranger, sFlag: true },
      'system-to-system',
    ],
  ])('%s', (_, caller, action, what, facts, outcome) => {
    expect(said(ask(caller, action, what, facts))).toBe(outcome);
  });

  it('of one of two patients takes the location out for both', () => {
    const linked = { ...patient, patients: ['p', 'q'] };
    const known = new Map([
      ['p', related],
      ['q', flagged],
    ]);
    expect(said(decideAccess(callers.gp, 'read', linked, known, policy))).toBe('direct-care+concealed');
  });
});

describe('the patient’s own view', () => {
  it('waits for a review, for proxies too', () => {
    expect(said(ask(callers.patient, 'read', observation, { ...own, reviewPending: true }))).toBe(
      '-own-access-under-review?',
    );
    expect(said(ask(callers.patient, 'read', observation, { ...proxied, reviewPending: true }))).toBe(
      '-own-access-under-review?',
    );
    expect(said(ask(callers.gp, 'read', observation, { ...related, reviewPending: true }))).toBe(
      'direct-care',
    );
  });

  it('does not search for the places it may open', () => {
    const location: ResourceFacts = { type: 'Location', patients: [], labels: maskOf(['reference']) };
    expect(said(ask(callers.patient, 'read', location, undefined))).toBe('shared-reference-data');
    expect(said(ask(callers.patient, 'search', location, undefined))).toBe('-not-searchable');
  });

  it('opens reference data without a record of their own, and nothing else', () => {
    expect(said(ask(callers.patient, 'read', organisation, undefined))).toBe('shared-reference-data');
    expect(said(ask(callers.patient, 'search', { ...observation, patients: [] }, undefined))).toBe(
      '-unregistered',
    );
  });
});

describe('a permission', () => {
  it('names the relationship that it rests on, where it does', () => {
    expect(
      ask(callers.gp, 'read', observation, { ...stranger, relationships: ['caseload', 'registered'] }),
    ).toEqual({
      permit: true,
      basis: 'direct-care',
      relationship: 'caseload',
    });
    expect(ask(callers.gp, 'read', observation, glass)).toEqual({ permit: true, basis: 'broken-glass' });
    expect(ask(callers.system, 'read', observation, related)).toEqual({
      permit: true,
      basis: 'system-to-system',
    });
  });
});

describe('breaking the glass', () => {
  const operation = (caller: Caller, what: ResourceFacts, facts: PatientFacts | undefined): string =>
    said(ask(caller, 'break-glass', what, facts));
  it('is for those with the activity, for one patient who is known', () => {
    expect(operation(callers.gp, patient, stranger)).toBe('broken-glass');
    expect(operation(callers['ed doctor'], patient, { ...related, withheld: -1 })).toBe('broken-glass');
    expect(operation(callers.receptionist, patient, stranger)).toBe('-break-glass-not-permitted');
    expect(operation(callers.patient, patient, own)).toBe('-care-givers-only');
    expect(operation(callers.system, patient, stranger)).toBe('-care-givers-only');
    expect(operation(callers.gp, patient, undefined)).toBe('-fact-missing?');
    expect(operation(callers.gp, { ...patient, patients: [] }, stranger)).toBe('-fact-missing?');
    expect(operation(callers.gp, { ...patient, patients: ['p', 'q'] }, stranger)).toBe('-fact-missing?');
    expect(operation(callers.gp, observation, stranger)).toBe('-type-not-permitted');
  });

  it('is worth nothing to a role that has lost the activity', () => {
    expect(said(ask(callers.student, 'read', observation, glass))).toBe('-no-relationship-no-glass?');
  });
});

describe('a resource of several patients', () => {
  const both: ResourceFacts = { ...observation, patients: ['p', 'q'] };
  const decide = (caller: Caller, p: PatientFacts, q: PatientFacts | undefined): string =>
    said(decideAccess(caller, 'read', both, new Map([['p', p], ...(q ? [['q', q] as const] : [])]), policy));
  it('is shown to those who may see each of them', () => {
    expect(decide(callers.gp, related, related)).toBe('direct-care');
    expect(decide(callers.gp, related, glass)).toBe('direct-care');
    expect(decide(callers.gp, related, stranger)).toBe('-no-relationship?');
    expect(decide(callers.gp, related, undefined)).toBe('-fact-missing?');
    expect(decide(callers.patient, own, proxied)).toBe('own-record');
    expect(decide(callers.patient, own, stranger)).toBe('-not-own-record?');
    expect(decide(callers.auditor, stranger, undefined)).toBe('-fact-missing?');
    expect(decide(callers.system, stranger, undefined)).toBe('system-to-system');
  });
});

describe('what is tied to nobody', () => {
  const untied: ResourceFacts = { ...observation, patients: [] };
  it.each<[Persona, string, string]>([
    ['system', 'system-to-system', 'shared-reference-data'],
    ['gp', '-about-nobody?', 'shared-reference-data'],
    ['receptionist', '-type-not-permitted', 'shared-reference-data'],
    ['auditor', 'audit', 'shared-reference-data'],
    ['operator', '-no-clinical-content', '-no-clinical-content'],
    ['privacy officer', '-type-not-permitted', 'shared-reference-data'],
  ])('%s', (persona, clinical, reference) => {
    expect(said(ask(callers[persona], 'read', untied, undefined))).toBe(clinical);
    expect(said(ask(callers[persona], 'read', organisation, undefined))).toBe(reference);
  });
});

describe('scopes', () => {
  const scoped = (caller: Caller, text: string, launchPatient?: string): Caller => {
    const scopes = parseScopes(text) as readonly Scope[];
    return { ...caller, scopes, ...(launchPatient !== undefined && { launchPatient }) };
  };
  const { gp, system } = callers;
  it.each<[string, Caller, AccessAction, PatientFacts, string]>([
    ['permit what they name', scoped(gp, 'user/Observation.rs'), 'read', related, 'direct-care'],
    ['of any type', scoped(gp, 'user/*.rs'), 'search', related, 'direct-care'],
    ['no other action', scoped(gp, 'user/Observation.rs'), 'update', related, '-scope-missing'],
    ['reading is not searching', scoped(gp, 'user/Observation.r'), 'search', related, '-scope-missing'],
    ['searching is not reading', scoped(gp, 'user/Observation.s'), 'read', related, '-scope-missing'],
    ['no other type', scoped(gp, 'user/Condition.rs'), 'read', related, '-scope-missing'],
    [
      'nothing where none was well formed',
      scoped(gp, 'user/Observation.x'),
      'read',
      related,
      '-scope-missing',
    ],
    ['give nothing that the user has not', scoped(gp, 'user/*.cruds'), 'read', stranger, '-no-relationship?'],
    ['nor the patient', scoped(callers.patient, 'patient/*.cruds', 'p'), 'update', own, '-reads-only'],
    ['of the patient of the launch', scoped(gp, 'patient/*.rs', 'p'), 'read', related, 'direct-care'],
    ['of no other patient', scoped(gp, 'patient/*.rs', 'q'), 'read', related, '-other-launch-patient?'],
    ['of no patient without a launch', scoped(gp, 'patient/*.rs'), 'read', related, '-scope-missing'],
    [
      'the wider of two holds',
      scoped(gp, 'patient/*.rs user/Observation.r', 'q'),
      'read',
      related,
      'direct-care',
    ],
    ['of a user are nothing to a system', scoped(system, 'user/*.rs'), 'read', stranger, '-scope-missing'],
    ['of a system are nothing to a user', scoped(gp, 'system/*.rs'), 'read', related, '-scope-missing'],
    ['of a system', scoped(system, 'system/Observation.r'), 'read', stranger, 'system-to-system'],
    [
      'with conditions that are met',
      scoped(gp, 'user/Observation.r?category=lab'),
      'read',
      related,
      'direct-care',
    ],
    [
      'with conditions that are not',
      scoped(gp, 'user/Observation.r?category=vital'),
      'read',
      related,
      '-outside-scope?',
    ],
    [
      'with one condition of two',
      scoped(gp, 'user/Observation.r?category=lab&status=x'),
      'read',
      related,
      '-outside-scope?',
    ],
    [
      'either of two',
      scoped(gp, 'user/Observation.r?category=x user/Observation.r?category=lab'),
      'read',
      related,
      'direct-care',
    ],
  ])('%s', (_, caller, action, facts, outcome) => {
    expect(said(ask(caller, action, { ...observation, meets: ['category=lab'] }, facts))).toBe(outcome);
  });

  it('of a launch cover nothing that names another patient too', () => {
    const launched = scoped(gp, 'patient/*.rs', 'p');
    const both = { ...observation, patients: ['p', 'q'] };
    const known = new Map([
      ['p', related],
      ['q', related],
    ]);
    expect(said(decideAccess(launched, 'read', both, known, policy))).toBe('-other-launch-patient?');
  });

  it('count a condition of which nothing is known as not met', () => {
    expect(said(ask(scoped(gp, 'user/Observation.r?category=lab'), 'read', observation, related))).toBe(
      '-outside-scope?',
    );
  });

  it('of a launch neither register nor break the glass', () => {
    const launched = scoped(gp, 'patient/*.cruds', 'p');
    expect(said(ask(launched, 'create', { ...patient, patients: [] }, undefined))).toBe('-scope-missing');
    expect(said(ask(launched, 'break-glass', patient, stranger))).toBe('-scope-missing');
    expect(said(ask(scoped(gp, 'user/Patient.u'), 'break-glass', patient, stranger))).toBe('broken-glass');
  });
});

describe('every refusal', () => {
  it('says why and what to do, in sentences', () => {
    const refusals = Object.values(callers).flatMap((caller) =>
      accessActions.flatMap((action) =>
        [observation, patient, organisation].map((what) => ask(caller, action, what, stranger)),
      ),
    );
    for (const decision of refusals) {
      if (decision.permit) continue;
      expect([decision.reason, decision.remedy]).toEqual([
        expect.stringMatching(/^[A-Z].*\.$/),
        expect.stringMatching(/^[A-Z].*\.$|reason\.$/),
      ]);
    }
  });
});
