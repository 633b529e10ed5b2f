/** For specs: random histories of a few people and organisations, with everything in them that access depends on, and who asks. */
import { defaultPolicy, type Caller, type Scope } from '@carelog/access';
import fc from 'fast-check';
import { Log, observation, patient, type Resource } from './miniature-log.ts';

const policy = defaultPolicy();
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const AUDIENCE = 'https://fhir.carelog.example/CodeSystem/audience';
export const PEOPLE = 4;
const ORGANISATIONS = 3;
export const nhsNumber = (i: number) => `999000000${i}`;

interface Version {
  readonly resource: Resource | undefined;
  readonly version: number;
}
export interface Recorded {
  readonly stream: string;
  readonly type: string;
  readonly partition: string;
  readonly versions: Version[];
}

export class World {
  readonly log = new Log();
  readonly recorded = new Map<string, Recorded>();

  /** A stream stays in the partition in which it began. */
  put(home: string, resource: Resource): void {
    const stream = `${resource.resourceType}/${resource.id}`;
    const partition = this.recorded.get(stream)?.partition ?? home;
    this.log.record(partition, resource);
    this.#keep(partition, stream, resource);
  }

  end(stream: string): void {
    const recorded = this.recorded.get(stream);
    if (recorded === undefined || recorded.versions.at(-1)?.resource === undefined) return;
    this.log.record(recorded.partition, stream);
    this.#keep(recorded.partition, stream, undefined);
  }

  current(): Resource[] {
    return [...this.recorded.values()].flatMap((it) => it.versions.at(-1)?.resource ?? []);
  }

  #keep(partition: string, stream: string, resource: Resource | undefined): void {
    const type = stream.slice(0, stream.indexOf('/'));
    const recorded = this.recorded.get(stream) ?? { stream, type, partition, versions: [] };
    this.recorded.set(stream, recorded);
    recorded.versions.push({ resource, version: recorded.versions.length + 1 });
  }
}

const security = ['', 'R', 'V', 'not-for-patient', 'hidden-from-proxy', ''] as const;
export const happening = fc.record({
  kind: fc.constantFrom('Observation', 'Observation', 'Encounter', 'Appointment', 'Condition', 'Consent', 'Consent', 'proxy', 'Patient', 'Patient', 'RelatedPerson', 'Task', 'Group', 'EpisodeOfCare', 'DocumentReference', 'review', 'end', 'Organization', 'Location', 'Coverage'), // prettier-ignore
  who: fc.nat(PEOPLE - 1),
  other: fc.nat(PEOPLE - 1),
  id: fc.nat(5),
  organisation: fc.nat(ORGANISATIONS - 1),
  /** How the organisation is named: by code, itself, a place of its. */
  by: fc.constantFrom('code', 'Organization', 'Location', 'nobody'),
  label: fc.constantFrom(...security),
  variant: fc.nat(5),
});
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const labelled = (label: string) =>
  label === ''
    ? {}
    : { meta: { security: [{ system: label.length === 1 ? CONFIDENTIALITY : AUDIENCE, code: label }] } };
const party = ({ by, organisation }: Happening) =>
  by === 'code'
    ? { identifier: { system: ODS, value: `Y0000${organisation}` } }
    : { reference: `${by}/${by === 'Organization' ? 'o' : 'l'}${organisation}` };
const parties = (it: Happening) => (it.by === 'nobody' ? [] : [party(it)]);
const about = (it: Happening) => ({ reference: `Patient/p${it.who}` });

function happen(world: World, it: Happening): void {
  const { kind, who, other, organisation, label, variant } = it;
  const [id, home] = [`${kind.toLowerCase()}${it.id}`, `p${who}`];
  const put = (resourceType: string, more: object) =>
    world.put(home, { resourceType, id, ...labelled(label), ...more });
  switch (kind) {
    case 'Patient': {
      const flag = variant === 0 ? labelled('R') : {};
      const where = variant % 2 === 0 ? { address: [{ city: ['Leeds', 'York'][variant % 3] ?? 'Ely' }], telecom: [{ value: 'x' }] } : {}; // prettier-ignore
      world.put(home, patient(home, { ...flag, ...where, gender: ['male', 'female'][variant % 2], identifier: [{ system: NHS, value: nhsNumber(who) }], generalPractitioner: parties(it) })); // prettier-ignore
      return;
    }
    case 'Observation': {
      const performer = variant === 5 ? { performer: [{ reference: `Patient/p${other}` }] } : {};
      const category = [{ coding: [{ code: ['laboratory', 'vital-signs'][variant % 2] }] }];
      world.put(home, observation(id, home, ['x', 'y'][it.by.length % 2] ?? '', { ...labelled(label), category, ...performer, performer: [...(performer.performer ?? []), { reference: 'Practitioner/doc' }], valueQuantity: { value: variant }, effectiveDateTime: `2026-01-0${variant + 1}` })); // prettier-ignore
      return;
    }
    case 'Encounter':
      put('Encounter', { status: ['in-progress', 'finished', 'cancelled'][variant % 3], subject: about(it), period: { start: '2026-05-01', ...(variant % 3 === 1 && { end: ['2026-05-02', '2025-06-01'][other % 2] }) }, location: [{ location: { reference: `Location/l${organisation}` }, period: { start: `2026-05-0${variant + 1}` } }], serviceProvider: party(it) }); // prettier-ignore
      return;
    case 'EpisodeOfCare':
      put('EpisodeOfCare', { status: 'active', patient: about(it), managingOrganization: party(it) });
      return;
    case 'Coverage':
      put('Coverage', { status: 'active', beneficiary: about(it), payor: parties(it), ...(variant > 2 && { subscriber: { reference: `Patient/p${other}` } }) }); // prettier-ignore
      return;
    case 'Appointment':
      put('Appointment', { status: 'booked', start: '2026-06-02T10:00:00Z', participant: [{ actor: about(it) }, { actor: { reference: `Patient/p${other}` } }, ...parties(it).map((actor) => ({ actor }))] }); // prettier-ignore
      return;
    case 'Condition':
      put('Condition', { subject: about(it), code: { coding: [{ system: 'http://snomed.info/sct', code: ['86406008', '8098009', '1'][variant % 3] }] } }); // prettier-ignore
      return;
    case 'Consent': {
      const actor = variant % 2 === 0 ? { actor: [{ role: {}, reference: variant === 4 ? { identifier: { system: policy.sharing.settingSystem, value: 'general-practice' } } : party(it) }] } : {}; // prettier-ignore
      const what = [{}, { class: [{ code: 'Observation' }] }, { purpose: [{ code: 'HRESCH' }] }, { securityLabel: [{ system: CONFIDENTIALITY, code: 'R' }] }][other] ?? {}; // prettier-ignore
      put('Consent', { status: variant === 5 ? 'inactive' : 'active', patient: about(it), scope: {}, category: [], provision: { type: 'deny', ...actor, ...what } }); // prettier-ignore
      return;
    }
    case 'proxy':
      world.put(home, { resourceType: 'Consent', id, status: 'active', patient: about(it), provision: { type: 'permit', actor: [{ role: {}, reference: variant % 2 === 0 ? { reference: `Patient/p${other}` } : { type: 'Patient', identifier: { system: NHS, value: nhsNumber(other) } } }] } }); // prettier-ignore
      return;
    case 'RelatedPerson':
      put('RelatedPerson', { patient: about(it) });
      return;
    case 'Task':
      put('Task', { status: 'requested', intent: 'order', for: about(it), ...(variant === 0 && { code: { coding: [{ system: policy.breakGlass.alert.system, code: policy.breakGlass.alert.code }] } }) }); // prettier-ignore
      return;
    case 'Group':
      world.put('shared', { resourceType: 'Group', id, type: 'person', actual: true, ...labelled(label) });
      return;
    case 'DocumentReference':
      put('DocumentReference', { status: 'current', subject: about(it), author: [{ reference: `Patient/p${other}` }], content: [] }); // prettier-ignore
      return;
    case 'review':
      world.put(home, { resourceType: 'Observation', id, status: 'final', subject: about(it), effectiveDateTime: `2026-0${variant + 1}-01`, code: { coding: [{ system: policy.review.system, code: variant % 2 === 0 ? policy.review.pending[0] : policy.review.lifted[0] }] } }); // prettier-ignore
      return;
    case 'Organization':
      world.put('shared', { resourceType: 'Organization', id: `o${organisation}`, name: 'A', ...(variant > 0 && { identifier: [{ system: ODS, value: `Y0000${variant < 4 ? organisation : other % ORGANISATIONS}` }] }) }); // prettier-ignore
      return;
    case 'Location':
      world.put('shared', { resourceType: 'Location', id: `l${organisation}`, managingOrganization: { reference: `Organization/o${variant < 4 ? organisation : other % ORGANISATIONS}` } }); // prettier-ignore
      return;
    case 'end': {
      const streams = [...world.recorded.keys()];
      world.end(streams[(it.id * 7 + who) % Math.max(1, streams.length)] ?? '');
    }
  }
}

export function worldOf(happenings: readonly Happening[]): World {
  const world = new World();
  for (let i = 0; i < PEOPLE; i += 1) world.put(`p${i}`, patient(`p${i}`, { identifier: [{ system: NHS, value: nhsNumber(i) }], address: [{ city: 'Leeds' }] })); // prettier-ignore
  world.put('shared', { resourceType: 'Practitioner', id: 'doc' });
  for (const it of happenings) happen(world, it);
  return world;
}

export interface Asker {
  readonly caller: Caller;
  readonly brokenGlass: readonly string[];
}

const observationScopes: readonly Scope[] = ['category=laboratory', 'category=vital-signs', 'subject=Patient/p1', 'status:not=final'].map((text) => ({ level: 'user', type: 'Observation', actions: 'rs', where: [text.split('=') as [string, string]] })); // prettier-ignore
const scopes = fc.uniqueArray(
  fc.constantFrom<Scope>(
    { level: 'user', type: '*', actions: 'rs', where: [] },
    { level: 'user', type: 'Patient', actions: 'rs', where: [['gender', 'female']] },
    { level: 'patient', type: '*', actions: 'rs', where: [] },
    { level: 'patient', type: 'Observation', actions: 'rs', where: [['category', 'laboratory']] },
    { level: 'user', type: 'Encounter', actions: 'rs', where: [] },
    { level: 'user', type: 'Observation', actions: 'rs', where: [['nonsense', 'x']] },
    ...observationScopes,
  ),
  { minLength: 1, maxLength: 4 },
);

const organisations = ['Y00000', 'Y00001', 'Y00002', 'Y99999'];
export const asker: fc.Arbitrary<Asker> = fc
  .record({
    kind: fc.constantFrom('staff', 'staff', 'staff', 'patient', 'patient', 'auditor', 'system'),
    organisation: fc.constantFrom(...organisations),
    careSetting: fc.constantFrom('general-practice', 'acute', 'pharmacy'),
    role: fc.constantFrom('R8000', 'R8001', 'R8009', 'R8010', 'R0001'),
    activities: fc.subarray(['B1611', 'B0083']),
    purpose: fc.constantFrom(undefined, undefined, 'research', 'safeguarding'),
    scopes: fc.option(scopes, { nil: undefined, freq: 3 }),
    launch: fc.nat(PEOPLE - 1),
    person: fc.nat(PEOPLE - 1),
    broken: fc.subarray(['p0', 'p1', 'p2']),
  })
  .map(({ kind, role, activities, purpose, scopes, launch, person, broken, ...rest }) => ({
    caller: {
      subject: 'somebody',
      system: 'app',
      ...rest,
      kind,
      roleCode: `S0:G0:${role}`,
      activityCodes: activities,
      ...(purpose !== undefined && { purpose }),
      ...(scopes && {
        scopes: kind === 'system' ? scopes.map((it) => ({ ...it, level: 'system' })) : scopes,
      }),
      launchPatient: `p${launch}`,
      ...(kind === 'patient' && { nhsNumber: nhsNumber(person) }),
    },
    brokenGlass: kind === 'staff' ? broken : [],
  }));
