import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { personIn, proxiesIn } from './proxies-in.ts';

const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
type Json = Record<string, unknown>;
const role = (provision: Json, more: Json = {}): Json => ({
  resourceType: 'Consent',
  status: 'active',
  patient: { reference: 'Patient/child' },
  provision: { type: 'permit', ...provision },
  ...more,
});
const actor = (reference: Json) => ({ actor: [{ reference }] });
const mother = { type: 'RelatedPerson', identifier: { system: NHS, value: '9990000018' } };

describe('a proxy role', () => {
  it.each<[string, Json, readonly string[]]>([
    ['of a person named by NHS number', role(actor(mother)), ['nhs:9990000018']],
    ['of a RelatedPerson', role(actor({ reference: 'RelatedPerson/m' })), ['RelatedPerson/m']],
    ['of a Patient', role(actor({ reference: 'Patient/m' })), ['Patient/m']],
    ['not of an organisation', role(actor({ reference: 'Organization/o' })), []],
    ['not of who only has a number', role(actor({ identifier: { system: NHS, value: '9990000018' } })), []],
    [
      'not with a number of another kind',
      role(actor({ type: 'RelatedPerson', identifier: { system: 'urn:x', value: '9990000018' } })),
      [],
    ],
    ['not proposed', role(actor(mother), { status: 'proposed' }), []],
    ['not denied', role({ ...actor(mother), type: 'deny' }), []],
    ['not where nothing says permit', role({ ...actor(mother), type: undefined }), []],
    ['not for a part of the record', role({ ...actor(mother), class: [{ code: 'Observation' }] }), []],
    ['not with exceptions', role({ ...actor(mother), provision: [{ type: 'deny' }] }), []],
    [
      'not by being a relative',
      { resourceType: 'RelatedPerson', patient: { reference: 'Patient/child' }, active: true },
      [],
    ],
  ])('%s', (_, resource, expected) => {
    expect(proxiesIn(resource)).toEqual(expected.map((who) => ({ patient: 'Patient/child', who, from: 0 })));
  });

  it('lasts as long as it was given for', () => {
    const period = { start: '2026-01-01', end: '2026-12-31' };
    const [proxy] = proxiesIn(role({ ...actor(mother), period }));
    expect([proxy?.from, proxy?.until]).toEqual([Date.parse('2026-01-01'), Date.parse('2027-01-01')]);
  });

  it('is told of without throwing, whatever stands there', () => {
    const element = fc.constantFrom('status', 'patient', 'provision', 'identifier', 'id', 'active');
    fc.assert(
      fc.property(
        fc.constantFrom('Consent', 'RelatedPerson'),
        fc.dictionary(element, fc.jsonValue()),
        (resourceType, rest) => {
          expect(Array.isArray(proxiesIn({ ...rest, resourceType }))).toBe(true);
          personIn({ ...rest, resourceType });
        },
      ),
    );
  });
});

describe('the person', () => {
  const identifier = [
    { system: 'urn:x', value: '1' },
    { system: NHS, value: '9990000018' },
  ];
  it('that a RelatedPerson or a Patient is', () => {
    expect(personIn({ resourceType: 'RelatedPerson', id: 'm', identifier })).toEqual({
      address: 'RelatedPerson/m',
      nhsNumber: '9990000018',
    });
    expect(personIn({ resourceType: 'Patient', id: 'm' })).toEqual({ address: 'Patient/m' });
  });

  it('is nobody in what was ended, or is something else', () => {
    expect(personIn({ resourceType: 'RelatedPerson', id: 'm', active: false, identifier })).toBeUndefined();
    expect(personIn({ resourceType: 'Practitioner', id: 'm', identifier })).toBeUndefined();
  });
});
