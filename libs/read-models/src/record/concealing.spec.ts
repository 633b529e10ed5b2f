// What an S-flag takes out, over resources of every type that may be in a patient's record, with a place planted wherever R4
// lets one stand; and over a few whose shown part is written down by hand.
import { defaultPolicy } from '@carelog/access';
import {
  definitionOf,
  indexEntries,
  parseSearch,
  patientCompartmentParameters,
  resourceTypes,
  type ElementDefinition,
  type IndexEntry,
  type TypeReference,
} from '@carelog/fhir';
import { describe, expect, it } from 'vitest';
import { Concealing } from './concealing.ts';

const policy = defaultPolicy();
const concealing = new Concealing(policy.sFlag);
const types = resourceTypes().filter((it) => it === 'Patient' || patientCompartmentParameters(it).length > 0);

/** Kinds of places, by hand. */
const PLACES = [
  'Location',
  'Organization',
  'HealthcareService',
  'PractitionerRole',
  'CareTeam',
  'Schedule',
  'Slot',
];
const DEEP = 4;

/** One of everything that the shape may hold; every place in it is `planted`, each reference to one of `wanted` if it may be. */
function made(shape: string, wanted: string, depth = 0): Record<string, unknown> {
  const all = (definitionOf(shape)?.elements ?? []).flatMap((element) => {
    const types = element.choice ? element.types.slice(0, 60) : element.types.slice(0, 1);
    const type = element.choice ? (types.find((it) => isTelling(it, wanted)) ?? types[0]) : types[0];
    const value = type === undefined ? undefined : valueOf(element, type, wanted, depth);
    if (value === undefined || type === undefined) return [];
    const name = element.choice ? element.name + type.code.charAt(0).toUpperCase() + type.code.slice(1) : element.name;
    return [[name, element.many ? [value] : value]];
  });
  return Object.fromEntries(all) as Record<string, unknown>;
} // prettier-ignore

const isTelling = ({ code, targets }: TypeReference, wanted: string) =>
  code === 'Address' || code === 'ContactPoint' || (code === 'Reference' && (targets?.includes(wanted) ?? true)); // prettier-ignore

function valueOf({ name }: ElementDefinition, type: TypeReference, wanted: string, depth: number): unknown {
  const { code, shape, targets } = type;
  if (code === 'Reference') return { reference: referenceTo(targets?.includes(wanted) !== false ? wanted : targets[0]!) }; // prettier-ignore
  if (code === 'Address') return { city: 'planted' };
  if (code === 'ContactPoint') return { system: 'phone', value: 'planted' };
  if (shape === 'Resource') return { resourceType: 'Location', id: 'inside', name: 'planted' };
  // The text of a section is what a document says; nobody can tell whether it tells of a place.
  if (code === 'Narrative' && depth > 0) return { status: 'additional', div: '<div>Said</div>' };
  if (code === 'Narrative') return { status: 'generated', div: '<div>planted</div>' };
  if (shape !== undefined) return depth < DEEP ? made(shape, wanted, depth + 1) : undefined;
  if (name === 'source' && code === 'uri') return 'urn:planted';
  return { boolean: true, decimal: 1.5, integer: 1, positiveInt: 1, unsignedInt: 1 }[code] ?? (/^(date|dateTime|instant)$/.test(code) ? '2026-05-01' : 'x'); // prettier-ignore
}

const referenceTo = (type: string) => `${type}/${PLACES.includes(type) ? 'planted' : 'somebody'}`;
const resourceOf = (type: string, wanted: string) => ({
  ...made(type, wanted),
  resourceType: type,
  id: 'made',
});
const shown = (resource: { readonly resourceType: string }) =>
  JSON.parse(concealing.shown(resource.resourceType, JSON.stringify(resource))) as Record<string, unknown>;

describe.each(types)('of %s', (type) => {
  it('no place is left, whatever refers to it', () => {
    for (const wanted of PLACES) {
      const resource = resourceOf(type, wanted);
      // Who made a vaccine tells of no place where somebody is.
      const { manufacturer: _, ...left } = shown(resource);
      expect([wanted, JSON.stringify(left)]).toEqual([wanted, expect.not.stringContaining('planted')]);
      expect(left['id']).toBe('made');
    }
  });

  it('what is taken out is found by no parameter that is answered as if it were there', () => {
    for (const wanted of [...PLACES, 'Practitioner', 'Patient']) {
      const resource = resourceOf(type, wanted);
      const key = (entry: IndexEntry) => JSON.stringify(entry);
      const left = new Set(indexEntries(type, shown(resource)).map(key));
      const lost = indexEntries(type, resource).filter((it) => !left.has(key(it)));
      const touched = concealing.touched(type);
      const untold = lost.filter((it) => {
        const how = touched.get(it.parameter);
        const isPlace = it.kind === 'reference' && PLACES.some((place) => it.target.startsWith(`${place}/`));
        return how !== 'wholly' && !(how === 'partly' && (isPlace || it.kind === 'identifier'));
      });
      expect([wanted, untold]).toEqual([wanted, []]);
    }
  });
});

describe('what is left', () => {
  const doctor = { reference: 'Practitioner/green', display: 'Dr Green' };
  const [ward, trust] = [{ reference: 'Location/ward' }, { reference: 'Organization/trust', display: 'The trust' }]; // prettier-ignore
  const named = { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'RZZ' } };
  const subject = { reference: 'Patient/p' };
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      'Procedure',
      { subject, location: ward, performer: [{ actor: doctor, onBehalfOf: trust }, { actor: trust }] },
      { subject, performer: [{ actor: doctor }] },
    ],
    [
      'Immunization',
      { patient: subject, location: ward, performer: [{ actor: trust }], manufacturer: { display: 'M' } },
      { patient: subject, manufacturer: { display: 'M' } },
    ],
    [
      'ServiceRequest',
      { subject, requester: doctor, performer: [named], locationReference: [ward], locationCode: [{ text: 'Home' }] },
      { subject, requester: doctor },
    ],
    [
      'Appointment',
      { participant: [{ actor: subject, status: 'accepted' }, { actor: ward, status: 'accepted' }, { actor: doctor }], description: 'At the ward' },
      { participant: [{ actor: subject, status: 'accepted' }, { actor: doctor }] },
    ],
    [
      'Encounter',
      { location: [{ location: ward, period: { start: '2026' } }], serviceProvider: named, hospitalization: { origin: ward, admitSource: { text: 'x' } }, participant: [{ individual: doctor }] },
      { hospitalization: { admitSource: { text: 'x' } }, participant: [{ individual: doctor }] },
    ],
    ['DocumentReference', { author: [doctor, trust], custodian: trust }, { author: [doctor] }],
    [
      'Observation',
      { subject, performer: [{ type: 'Organization', display: 'x' }, { type: 'Practitioner', display: 'Dr Green' }, { identifier: { system: 'https://fhir.hl7.org.uk/Id/gmc-number', value: '1' } }, { display: 'Somebody' }] },
      { subject, performer: [{ type: 'Practitioner', display: 'Dr Green' }, { identifier: { system: 'https://fhir.hl7.org.uk/Id/gmc-number', value: '1' } }] },
    ],
    [
      'MedicationRequest',
      { text: { div: 'x' }, contained: [{ resourceType: 'Medication', id: 'm', code: { text: 'Aspirin' } }, { resourceType: 'Organization', id: 'o' }], medicationReference: { reference: '#m' }, dispenseRequest: { performer: { reference: '#o' }, quantity: { value: 28 } } },
      { contained: [{ resourceType: 'Medication', id: 'm', code: { text: 'Aspirin' } }], medicationReference: { reference: '#m' }, dispenseRequest: { quantity: { value: 28 } } },
    ],
    [
      'Condition',
      { subject, recorder: { reference: 'https://elsewhere.example/fhir/PractitionerRole/1' }, extension: [{ url: 'a', valueReference: trust }, { url: 'b', valueString: 'y' }, { url: 'c', extension: [{ url: 'd', valueAddress: { city: 'Leeds' } }] }] },
      { subject, extension: [{ url: 'b', valueString: 'y' }] },
    ],
    ['Consent', { patient: subject, organization: [trust], provision: { type: 'deny', actor: [{ role: {}, reference: named }] } }, { patient: subject, provision: { type: 'deny' } }],
  ])('of %s', (resourceType, resource, expected) => {
    expect(shown({ resourceType, ...resource })).toEqual({ resourceType, ...expected });
  }); // prettier-ignore

  it('is written as it was, and is the very text where nothing is taken out', () => {
    const text = '{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.10},"performer":[{"reference":"Practitioner/p"},{"reference":"Organization/o"}],"note":[{"text":"caf\\u00e9"}]}'; // prettier-ignore
    const [before, after] = text.split(',{"reference":"Organization/o"}');
    expect(concealing.shown('Observation', text)).toBe(`${before}${after!.replace('\\u00e9', 'é')}`);
    const plain = '{"resourceType":"Condition","subject":{"reference":"Patient/p"},"onsetAge":{"value":1.0}}';
    expect(concealing.shown('Condition', plain)).toBe(plain);
  });
});

describe('a condition', () => {
  it.each([
    ['Observation', 'code=x', 'freely'],
    ['Observation', 'patient=p', 'freely'],
    ['Observation', 'subject=Patient/p', 'freely'],
    ['Observation', 'performer=Practitioner/p', 'freely'],
    ['Observation', 'performer=Practitioner/p,Organization/o', 'by-what-is-shown'],
    ['Observation', 'performer=https://elsewhere.example/1', 'by-what-is-shown'],
    ['Observation', 'performer:identifier=RZZ', 'by-what-is-shown'],
    ['Observation', 'performer:missing=true', 'never'],
    ['Observation', 'performer:missing=false', 'by-what-is-shown'],
    ['Encounter', 'location-period=2026', 'by-what-is-shown'],
    ['Encounter', 'status:not=planned', 'freely'],
    ['Appointment', 'part-status=accepted', 'by-what-is-shown'],
    ['Appointment', 'actor=Patient/p', 'freely'],
    ['Appointment', 'actor=Location/l', 'by-what-is-shown'],
    ['Appointment', 'practitioner=Practitioner/p', 'freely'],
    ['Patient', 'general-practitioner=Practitioner/p', 'by-what-is-shown'],
    ['Patient', 'address-use:not=home', 'never'],
    ['DocumentReference', 'custodian=Organization/o', 'by-what-is-shown'],
    ['Condition', '_source=urn:x', 'by-what-is-shown'],
  ] as const)('on %s: %s is answered %s', (type, text, expected) => {
    const { query } = parseSearch(type, new URLSearchParams(text), { base: 'http://127.0.0.1' });
    expect(query.conditions.map((it) => concealing.answering(type, it))).toEqual([expected]);
  });
});

it('names only elements that R4 has', () => {
  const { takesOut, together, keeps } = policy.sFlag;
  const isThere = (path: string) => {
    const [shape, name] = [path.slice(0, path.lastIndexOf('.')), path.slice(path.lastIndexOf('.') + 1)];
    return definitionOf(shape === '*' ? 'Patient' : shape)?.elements.some((it) => it.name === name) === true;
  };
  expect([...takesOut, ...keeps].filter((it) => !isThere(it))).toEqual([]);
  expect(together.filter((it) => definitionOf(it) === undefined)).toEqual([]);
});
