/** Random records of a few people, with everything in them that access depends on, valid and told by a seed. */
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import type { Json } from './access-table.ts';

const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const ORGANISATIONS = ['Y90001', 'RZZ', 'RZY', 'RZX', 'RZW', '9ZZ', 'FZZ01', 'Y99999'];
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const AUDIENCE = 'https://fhir.carelog.example/CodeSystem/audience';
const LABELS = [[CONFIDENTIALITY, 'R'], [CONFIDENTIALITY, 'V'], [ACT_CODE, 'HIV'], [ACT_CODE, 'PSY'], [ACT_CODE, 'TABOO'], [AUDIENCE, 'hidden-from-proxy'], [AUDIENCE, 'gender']] as const; // prettier-ignore

export interface Random {
  /** From 0, below `below`. */
  number(below: number): number;
  of<T>(items: readonly T[]): T;
  chance(of: number): boolean;
}

/** The same numbers for the same seed. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    number: (below) => Math.floor(next() * below),
    of: (items) => items[Math.floor(next() * items.length)]!,
    chance: (of) => next() < of,
  };
}

/** Patients `p0` (who signs in) to `p<people - 1>`, places and organisations, then `count` records of them. */
export function madeRecords(random: Random, people: number, count: number): Json[] {
  const who = () => ({ reference: `Patient/p${random.number(people)}` });
  const party = () => {
    const n = random.number(ORGANISATIONS.length);
    return random.of([
      { identifier: { system: ODS, value: ORGANISATIONS[n] } },
      { reference: `Organization/o${n}` },
    ]);
  };
  const label = (chance: number) => {
    if (!random.chance(chance)) return {};
    const [system, code] = random.of(LABELS);
    return { meta: { security: [{ system, code }] } };
  };
  const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  const records: Json[] = [{ resourceType: 'Practitioner', id: 'doctor', name: [{ family: 'Green' }] }];
  for (const [n, value] of ORGANISATIONS.entries()) {
    records.push({ resourceType: 'Organization', id: `o${n}`, name: value, identifier: [{ system: ODS, value }] });
    records.push({ resourceType: 'Location', id: `l${n}`, name: 'Ward', managingOrganization: { reference: `Organization/o${n}` } });
  } // prettier-ignore
  for (let n = 0; n < people; n += 1) {
    const security = random.chance(0.3) ? { meta: { security: [{ system: CONFIDENTIALITY, code: 'R' }] } } : {};
    const identifier = n === 0 ? { identifier: [{ system: NHS, value: firstPersonNhsNumber(DEMO_SEED) }] } : {};
    records.push({
      resourceType: 'Patient',
      id: `p${n}`,
      ...security,
      ...identifier,
      name: [{ family: random.of(['Grey', 'Green', 'Gold']) }],
      gender: random.of(['male', 'female']),
      address: [{ city: random.of(['Leeds', 'York']) }],
      ...(random.chance(0.8) && { generalPractitioner: [party()] }),
    });
  } // prettier-ignore

  const make: Record<string, (id: string) => Json> = {
    Observation: (id) => ({
      resourceType: 'Observation',
      id,
      ...label(0.4),
      status: random.of(['final', 'preliminary']),
      category: [{ coding: [{ code: random.of(['laboratory', 'vital-signs']) }] }],
      code: { coding: [{ system: 'http://loinc.org', code: random.of(['8867-4', '8310-5']) }] },
      subject: who(),
      performer: [{ reference: 'Practitioner/doctor' }, ...(random.chance(0.15) ? [who()] : []), ...(random.chance(0.4) ? [party()] : [])],
      ...(random.chance(0.3) && { text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">At the ward</div>' } }),
      effectiveDateTime: day(-random.number(90)),
    }),
    Condition: (id) => ({ resourceType: 'Condition', id, ...label(0.2), subject: who(), code: { coding: [{ system: 'http://snomed.info/sct', code: random.of(['86406008', '38341003']) }] }, recordedDate: day(-random.number(90)) }), // prettier-ignore
    Encounter: (id) => {
      const over = random.chance(0.5);
      return { resourceType: 'Encounter', id, ...label(0.2), status: over ? 'finished' : 'in-progress', class: { code: 'AMB' }, subject: who(), period: { start: day(-120), ...(over && { end: day(-random.of([30, 110])) }) }, ...(random.chance(0.7) && { serviceProvider: party() }), location: [{ location: { reference: `Location/l${random.number(ORGANISATIONS.length)}` } }] }; // prettier-ignore
    },
    EpisodeOfCare: (id) => ({ resourceType: 'EpisodeOfCare', id, status: random.of(['active', 'finished', 'cancelled']), patient: who(), managingOrganization: party(), period: { start: day(-60) } }), // prettier-ignore
    ServiceRequest: (id) => ({ resourceType: 'ServiceRequest', id, ...label(0.2), status: random.of(['active', 'completed']), intent: 'order', subject: who(), performer: [party()], authoredOn: day(-20) }), // prettier-ignore
    Appointment: (id) => ({ resourceType: 'Appointment', id, status: 'booked', start: `${day(3)}T09:00:00Z`, end: `${day(3)}T09:10:00Z`, participant: [{ actor: who(), status: 'accepted' }, { actor: random.chance(0.5) ? who() : { reference: `Location/l${random.number(ORGANISATIONS.length)}` }, status: 'accepted' }] }), // prettier-ignore
    MedicationRequest: (id) => ({ resourceType: 'MedicationRequest', id, ...label(0.2), status: 'active', intent: 'order', subject: who(), medicationCodeableConcept: { text: 'Aspirin' }, authoredOn: day(-random.number(90)) }), // prettier-ignore
    Procedure: (id) => ({ resourceType: 'Procedure', id, ...label(0.2), status: 'completed', subject: who(), performer: [{ actor: { reference: 'Practitioner/doctor' }, onBehalfOf: { reference: `Organization/o${random.number(ORGANISATIONS.length)}` } }, ...(random.chance(0.5) ? [{ actor: { reference: `Organization/o${random.number(ORGANISATIONS.length)}` } }] : [])], ...(random.chance(0.6) && { location: { reference: `Location/l${random.number(ORGANISATIONS.length)}` } }) }), // prettier-ignore
    Immunization: (id) => ({ resourceType: 'Immunization', id, status: 'completed', vaccineCode: { text: 'MMR' }, patient: who(), occurrenceDateTime: day(-random.number(200)), ...(random.chance(0.6) && { location: { reference: `Location/l${random.number(ORGANISATIONS.length)}` } }), performer: [{ actor: party() }, { actor: { reference: 'Practitioner/doctor' } }] }), // prettier-ignore
    DocumentReference: (id) => ({ resourceType: 'DocumentReference', id, ...label(0.2), status: 'current', subject: who(), author: [{ reference: 'Practitioner/doctor' }, ...(random.chance(0.5) ? [party()] : [])], content: [{ attachment: { title: 'Letter' } }], ...(random.chance(0.6) && { custodian: party() }) }), // prettier-ignore
    RelatedPerson: (id) => ({ resourceType: 'RelatedPerson', id, patient: who() }),
    Task: (id) => ({ resourceType: 'Task', id, status: 'requested', intent: 'order', for: who(), ...(random.chance(0.3) && { code: { coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'broken-glass-review' }] } }) }), // prettier-ignore
    Consent: (id) => ({
      resourceType: 'Consent',
      id,
      status: random.chance(0.9) ? 'active' : 'inactive',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: random.of(['patient-privacy', 'patient-privacy', 'research']) }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      policyRule: { coding: [{ code: 'OPTIN' }] },
      patient: who(),
      provision: random.of([
        { type: 'deny', actor: [{ role: { coding: [{ code: 'PRCP' }] }, reference: party() }] },
        { type: 'deny', class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] },
        { type: 'deny', securityLabel: [{ system: CONFIDENTIALITY, code: 'R' }] },
        { type: 'permit', actor: [{ role: { coding: [{ code: 'DELEGATEE' }] }, reference: { reference: 'Patient/p0' } }] },
      ]),
    }),
  }; // prettier-ignore
  const types = [...Object.keys(make), 'Observation', 'Observation', 'Observation', 'Encounter', 'Condition'];
  for (let n = 0; n < count; n += 1) {
    const type = random.of(types);
    records.push(make[type]!(`${type.toLowerCase()}-${n}`));
  }
  return records;
}
