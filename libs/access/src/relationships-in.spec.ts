import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partOf } from './parties.ts';
import { defaultPolicy } from './policy.ts';
import { basisNow, endOf, relationshipsIn, type Relationship } from './relationships-in.ts';
import { DAY } from './times.ts';

const policy = defaultPolicy();
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const at = (text: string): number => Date.parse(text);
const subject = { reference: 'Patient/p' };
const organisation = { reference: 'Organization/o' };
const period = { start: '2026-01-10T09:00:00Z', end: '2026-01-12T12:00:00Z' };

type Told = readonly [basis: string, party: string, from: number, until?: number];

describe('relationships in a resource', () => {
  it.each<[string, Record<string, unknown>, readonly Told[]]>([
    [
      'a Patient is registered with the practice',
      {
        resourceType: 'Patient',
        id: 'p',
        generalPractitioner: [organisation, { reference: 'Practitioner/x' }],
      },
      [['registered', 'Organization/o', 0]],
    ],
    [
      'and with who keeps the record, named by its code',
      {
        resourceType: 'Patient',
        id: 'p',
        managingOrganization: { identifier: { system: ODS, value: 'RZZ' } },
      },
      [['registered', 'ods:RZZ', 0]],
    ],
    [
      'nobody is named by a number of another kind',
      {
        resourceType: 'Patient',
        id: 'p',
        managingOrganization: { identifier: { system: 'urn:x', value: 'RZZ' } },
      },
      [],
    ],
    [
      'an episode is a caseload',
      {
        resourceType: 'EpisodeOfCare',
        status: 'active',
        patient: subject,
        managingOrganization: organisation,
        period: { start: '2026-01-10' },
      },
      [['caseload', 'Organization/o', at('2026-01-10')]],
    ],
    [
      'until it is finished',
      {
        resourceType: 'EpisodeOfCare',
        status: 'finished',
        patient: subject,
        managingOrganization: organisation,
        period: { start: '2026-01-10', end: '2026-02-01' },
      },
      [['caseload', 'Organization/o', at('2026-01-10'), at('2026-02-02')]],
    ],
    [
      'at once where nobody wrote when',
      {
        resourceType: 'EpisodeOfCare',
        status: 'finished',
        patient: subject,
        managingOrganization: organisation,
        period: { start: '2026-01-10' },
      },
      [['caseload', 'Organization/o', at('2026-01-10'), at('2026-01-10')]],
    ],
    [
      'a team is the caseload of who manages it and of its members',
      {
        resourceType: 'CareTeam',
        status: 'active',
        subject,
        managingOrganization: [organisation],
        participant: [
          { member: { reference: 'PractitionerRole/r' } },
          { member: { reference: 'Practitioner/x' }, onBehalfOf: { reference: 'Organization/q' } },
        ],
      },
      [
        ['caseload', 'Organization/o', 0],
        ['caseload', 'PractitionerRole/r', 0],
        ['caseload', 'Organization/q', 0],
      ],
    ],
    [
      'an encounter that goes on',
      {
        resourceType: 'Encounter',
        status: 'in-progress',
        subject,
        serviceProvider: organisation,
        period: { start: period.start },
      },
      [['encounter', 'Organization/o', at(period.start)]],
    ],
    [
      'an encounter that is over',
      { resourceType: 'Encounter', status: 'finished', subject, serviceProvider: organisation, period },
      [['encounter', 'Organization/o', at(period.start), at(period.end)]],
    ],
    [
      'an encounter known by its place only',
      {
        resourceType: 'Encounter',
        status: 'in-progress',
        subject,
        location: [{ location: { reference: 'Location/l' } }],
      },
      [['encounter', 'Location/l', 0]],
    ],
    [
      'a cancelled encounter is none',
      { resourceType: 'Encounter', status: 'cancelled', subject, serviceProvider: organisation, period },
      [],
    ],
    [
      'nor one entered in error',
      {
        resourceType: 'Encounter',
        status: 'entered-in-error',
        subject,
        serviceProvider: organisation,
        period,
      },
      [],
    ],
    [
      'an open referral',
      {
        resourceType: 'ServiceRequest',
        status: 'active',
        subject,
        performer: [organisation],
        authoredOn: '2026-01-10',
      },
      [['referral', 'Organization/o', at('2026-01-10')]],
    ],
    [
      'a referral that was revoked is none',
      { resourceType: 'ServiceRequest', status: 'revoked', subject, performer: [organisation] },
      [],
    ],
    [
      'nor one that is a draft',
      { resourceType: 'ServiceRequest', status: 'draft', subject, performer: [organisation] },
      [],
    ],
    [
      'an appointment, from when it was booked',
      {
        resourceType: 'Appointment',
        status: 'booked',
        created: '2026-01-01',
        start: '2026-02-01T10:00:00Z',
        end: '2026-02-01T10:20:00Z',
        participant: [
          { actor: subject },
          { actor: { reference: 'Location/l' } },
          { actor: { reference: 'HealthcareService/h' } },
        ],
      },
      [
        ['appointment', 'Location/l', at('2026-01-01'), at('2026-02-01T10:20:00Z')],
        ['appointment', 'HealthcareService/h', at('2026-01-01'), at('2026-02-01T10:20:00Z')],
      ],
    ],
    [
      'a cancelled appointment is none',
      {
        resourceType: 'Appointment',
        status: 'cancelled',
        participant: [{ actor: subject }, { actor: { reference: 'Location/l' } }],
      },
      [],
    ],
    [
      'a medicine that was handed over',
      {
        resourceType: 'MedicationDispense',
        status: 'completed',
        subject,
        performer: [{ actor: organisation }],
        whenHandedOver: '2026-01-10T09:00:00Z',
      },
      [['encounter', 'Organization/o', at('2026-01-10T09:00:00Z'), at('2026-01-10T09:00:00Z')]],
    ],
    [
      'a vaccination that was refused is none',
      {
        resourceType: 'Immunization',
        status: 'not-done',
        patient: subject,
        performer: [{ actor: organisation }],
        occurrenceDateTime: '2026-01-10',
      },
      [],
    ],
    [
      'an observation tells of none',
      { resourceType: 'Observation', status: 'final', subject, performer: [organisation] },
      [],
    ],
    [
      'nor does what is about somebody elsewhere',
      {
        resourceType: 'Encounter',
        status: 'in-progress',
        subject: { reference: 'https://elsewhere.example/Patient/p' },
        serviceProvider: organisation,
      },
      [],
    ],
  ])('%s', (_, resource, expected) => {
    expect(relationshipsIn(resource)).toEqual(
      expected.map(([basis, party, from, until]) => ({
        patient: 'Patient/p',
        party,
        basis,
        from,
        ...(until !== undefined && { until }),
      })),
    );
  });

  it('never throws, whatever stands in it', () => {
    const type = fc.constantFrom('Patient', 'EpisodeOfCare', 'CareTeam', 'Encounter', 'ServiceRequest', 'Appointment', 'MedicationDispense', 'Immunization', 'Organization', 'toString'); // prettier-ignore
    const element = fc.constantFrom('id', 'status', 'subject', 'patient', 'period', 'participant', 'performer', 'managingOrganization', 'generalPractitioner', 'location', 'identifier'); // prettier-ignore
    fc.assert(
      fc.property(type, fc.dictionary(element, fc.jsonValue()), (resourceType, rest) => {
        expect(Array.isArray(relationshipsIn({ ...rest, resourceType }))).toBe(true);
        expect(Array.isArray(partOf({ ...rest, resourceType }))).toBe(true);
      }),
      { examples: [['Appointment', { status: { toString: [] } }]] },
    );
  });
});

describe('a relationship', () => {
  const begun = at('2026-01-10');
  const ended = at('2026-01-20');
  it.each<[string, Pick<Relationship, 'basis' | 'from' | 'until'>, number, string | undefined]>([
    ['not before it begins', { basis: 'caseload', from: begun }, begun - 1, undefined],
    ['from its beginning', { basis: 'caseload', from: begun }, begun, 'caseload'],
    ['of a registration, without end', { basis: 'registered', from: 0 }, at('2126-01-01'), 'registered'],
    [
      'of an encounter, while it goes on',
      { basis: 'encounter', from: begun, until: ended },
      ended - 1,
      'current-encounter',
    ],
    ['of an encounter, lately', { basis: 'encounter', from: begun, until: ended }, ended, 'recent-encounter'],
    [
      'for ninety days',
      { basis: 'encounter', from: begun, until: ended },
      ended + 90 * DAY - 1,
      'recent-encounter',
    ],
    ['and not longer', { basis: 'encounter', from: begun, until: ended }, ended + 90 * DAY, undefined],
    [
      'of an encounter that nobody ended, for a year',
      { basis: 'encounter', from: begun },
      begun + 366 * DAY - 1,
      'current-encounter',
    ],
    ['and not longer', { basis: 'encounter', from: begun }, begun + 366 * DAY, undefined],
    [
      'of a referral that nobody closed, for two',
      { basis: 'referral', from: begun },
      begun + 730 * DAY,
      undefined,
    ],
    [
      'of an appointment, for a fortnight',
      { basis: 'appointment', from: begun, until: ended },
      ended + 14 * DAY - 1,
      'appointment',
    ],
  ])('%s', (_, relationship, now, expected) => {
    expect(basisNow(relationship, now, policy)).toBe(expected);
  });

  it('is live from its beginning until its end, whatever it is', () => {
    const basis = fc.constantFrom<Relationship['basis']>(
      'registered',
      'referral',
      'encounter',
      'caseload',
      'appointment',
    );
    const moment = fc.integer({ min: 0, max: 1_000 }).map((days) => days * DAY);
    fc.assert(
      fc.property(basis, moment, fc.option(moment, { nil: undefined }), moment, (kind, from, until, now) => {
        const relationship = { basis: kind, from, ...(until !== undefined && { until }) };
        const live = basisNow(relationship, now, policy) !== undefined;
        expect(live).toBe(now >= from && now < endOf(relationship, policy));
      }),
    );
  });
});

describe('what belongs to an organisation', () => {
  it.each<[string, Record<string, unknown>, readonly string[]]>([
    [
      'its codes',
      {
        resourceType: 'Organization',
        identifier: [
          { system: ODS, value: 'Y90001' },
          { system: 'urn:x', value: '1' },
        ],
      },
      ['ods:Y90001'],
    ],
    ['a place', { resourceType: 'Location', managingOrganization: organisation }, ['Organization/o']],
    ['a service', { resourceType: 'HealthcareService', providedBy: organisation }, ['Organization/o']],
    [
      'somebody in a role',
      { resourceType: 'PractitionerRole', organization: { identifier: { system: ODS, value: 'RZZ' } } },
      ['ods:RZZ'],
    ],
    ['a team', { resourceType: 'CareTeam', managingOrganization: [organisation] }, ['Organization/o']],
    ['nothing else', { resourceType: 'Practitioner', identifier: [{ system: ODS, value: 'Y90001' }] }, []],
  ])('%s', (_, resource, expected) => {
    expect(partOf(resource)).toEqual(expected);
  });
});
