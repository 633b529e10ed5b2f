// What a viewer gets from the record is what is left of everything when `decideAccess` has gone over it one by one. The facts
// it decides on are worked out here from the resources themselves, in plain loops.
import {
  basisNow,
  decideAccess,
  decisionsIn,
  defaultPolicy,
  labelsOf,
  partOf,
  proxiesIn,
  relationshipsIn,
  restrictionOf,
  withheldFrom,
  type AccessAction,
  type AccessDecision,
  type Caller,
  type CallerFacts,
  type PatientFacts,
  type RelationshipBasis,
  type ResourceFacts,
  type Scope,
} from '@carelog/access';
import { indexEntries, parseSearch, patientCompartmentParameters } from '@carelog/fhir';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  openRecord,
  openRecordWriter,
  type Cursor,
  type RecordQueries,
  type SearchPage,
  type SearchRefusal,
  type Viewer,
} from '../index.ts';
import { apply, Log, observation, patient, type Resource } from './miniature-log.ts';

const base = 'http://127.0.0.1/fhir/R4';
const policy = defaultPolicy();
const NOW = Date.UTC(2026, 5, 1);
const folder = mkdtempSync(join(tmpdir(), 'carelog-viewers-'));
const open: { close(): void }[] = [];
let files = 0;
afterAll(() => {
  for (const it of open) it.close();
  rmSync(folder, { recursive: true, force: true });
});

const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const AUDIENCE = 'https://fhir.carelog.example/CodeSystem/audience';
const PEOPLE = 4;
const ORGANISATIONS = 3;
const nhsNumber = (i: number) => `999000000${i}`;

// ---- A world: what was recorded, version by version -------------------------------------------------------------------

interface Version {
  readonly resource: Resource | undefined;
  readonly version: number;
}
interface Recorded {
  readonly stream: string;
  readonly type: string;
  readonly partition: string;
  readonly versions: Version[];
}

class World {
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
const happening = fc.record({
  kind: fc.constantFrom('Observation', 'Observation', 'Encounter', 'Appointment', 'Condition', 'Consent', 'Consent', 'proxy', 'Patient', 'Patient', 'RelatedPerson', 'Task', 'Group', 'EpisodeOfCare', 'DocumentReference', 'review', 'end', 'Organization', 'Location'), // prettier-ignore
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

function worldOf(happenings: readonly Happening[]): World {
  const world = new World();
  for (let i = 0; i < PEOPLE; i += 1) world.put(`p${i}`, patient(`p${i}`, { identifier: [{ system: NHS, value: nhsNumber(i) }], address: [{ city: 'Leeds' }] })); // prettier-ignore
  world.put('shared', { resourceType: 'Practitioner', id: 'doc' });
  for (const it of happenings) happen(world, it);
  return world;
}

async function recordOf({ log }: World): Promise<RecordQueries> {
  const path = join(folder, `record-${(files += 1)}.sqlite`);
  const writer = openRecordWriter(path);
  const record = openRecord(path, { now: () => NOW });
  open.push(writer, record);
  await apply(writer, log.changes);
  return record;
}

// ---- Facts, worked out from all there is ------------------------------------------------------------------------------

interface Asker {
  readonly caller: Caller;
  readonly brokenGlass: readonly string[];
}

class Oracle {
  readonly #world: World;
  readonly #asker: Asker;
  readonly callerFacts: CallerFacts;
  readonly patients = new Map<string, PatientFacts>();

  constructor(world: World, asker: Asker) {
    this.#world = world;
    this.#asker = asker;
    this.callerFacts = this.#callerFacts();
    for (let i = 0; i < PEOPLE; i += 1) this.patients.set(`p${i}`, this.#patientFacts(`p${i}`));
  }

  decide(action: AccessAction, facts: ResourceFacts): AccessDecision {
    return decideAccess(this.#asker.caller, action, facts, this.patients, policy);
  }

  /** Of the version, or for one without content of the last that had some. */
  factsOf({ stream, type, partition, versions }: Recorded, version: number): ResourceFacts {
    const told = versions.slice(0, version).findLast((it) => it.resource !== undefined)?.resource;
    if (told === undefined) throw new Error(stream);
    const isThere = versions[version - 1]?.resource !== undefined;
    return {
      type,
      patients: patientsOf(told, partition),
      labels: labelsOf(told, policy),
      meets: isThere ? Object.keys(predicates).filter((name) => predicates[name]?.(told) === true) : [],
    };
  }

  #callerFacts(): CallerFacts {
    const { caller, brokenGlass } = this.#asker;
    const number = caller.kind === 'patient' ? caller.nhsNumber : undefined;
    const is = (it: Resource) => JSON.stringify(it['identifier'] ?? '').includes(`"${number}"`);
    const persons = this.#world.current().filter((it) => ['Patient', 'RelatedPerson'].includes(it.resourceType) && is(it)); // prettier-ignore
    const own = persons.filter((it) => it.resourceType === 'Patient').map((it) => it.id);
    const names = [`nhs:${number}`, ...persons.map((it) => `${it.resourceType}/${it.id}`)];
    const proxyFor = this.#world.current().flatMap(proxiesIn)
      .filter((it) => names.includes(it.who) && it.from <= NOW && NOW < (it.until ?? Infinity))
      .map((it) => it.patient.slice('Patient/'.length))
      .filter((id) => !own.includes(id)); // prettier-ignore
    return { own, proxyFor: [...new Set(proxyFor)].toSorted(), brokenGlass };
  }

  #isOurs(named: string, seen: readonly string[] = []): boolean {
    if (named.startsWith('ods:')) return named === `ods:${this.#asker.caller.organisation}`;
    const resource = this.#world.recorded.get(named)?.versions.at(-1)?.resource;
    if (resource === undefined || seen.includes(named)) return false;
    return partOf(resource).some((whole) => this.#isOurs(whole, [...seen, named]));
  }

  #patientFacts(id: string): PatientFacts {
    const stream = `Patient/${id}`;
    const relationships = new Set<RelationshipBasis>();
    const all = this.#world.current();
    for (const it of all.flatMap(relationshipsIn)) {
      const basis = basisNow(it, NOW, policy);
      if (it.patient === stream && basis !== undefined && this.#isOurs(it.party)) relationships.add(basis);
    }
    const decisions = all.flatMap((it) => decisionsIn(it, policy)).filter((it) => it.patient === stream);
    const reviews = decisions.filter((it) => it.kind === 'review').filter((it) => it.from <= NOW);
    const last = Math.max(...reviews.map((it) => it.from));
    const { caller, brokenGlass } = this.#asker;
    const isCaller = (it: string) => it === `setting:${caller.careSetting}` || this.#isOurs(it);
    const { own, proxyFor } = this.callerFacts;
    return {
      relationships: [...relationships],
      sFlag: decisions.some((it) => it.kind === 's-flag'),
      withheld: withheldFrom(decisions, isCaller, NOW),
      reviewPending: reviews.some((it) => it.from === last && it.pending),
      optedOut: decisions.some((it) => it.kind === 'opt-out' && it.from <= NOW && NOW < (it.until ?? Infinity)), // prettier-ignore
      ...(own.includes(id) ? { ownOrProxy: 'own' } : proxyFor.includes(id) ? { ownOrProxy: 'proxy' } : {}),
      ...(brokenGlass.includes(id) && { brokenGlass: true }),
    };
  }
}

function patientsOf(resource: Resource, partition: string): string[] {
  const naming = patientCompartmentParameters(resource.resourceType);
  const named = indexEntries(resource.resourceType, resource)
    .filter((it) => it.kind === 'reference')
    .filter((it) => naming.includes(it.parameter) && it.target.startsWith('Patient/'))
    .map((it) => it.target.slice('Patient/'.length));
  const owner = partition === 'shared' ? [] : [partition];
  return [...new Set([...owner, ...(resource.resourceType === 'Patient' ? [resource.id] : []), ...named])];
}

/** Conditions of scopes, and which resources meet them. */
const predicates: Record<string, (it: Resource) => boolean> = {
  'category=laboratory': (it) => JSON.stringify(it['category'] ?? '').includes('"laboratory"'),
  'category=vital-signs': (it) => JSON.stringify(it['category'] ?? '').includes('"vital-signs"'),
  'subject=Patient/p1': (it) => JSON.stringify(it['subject'] ?? '').includes('"Patient/p1"'),
  'gender=female': (it) => it['gender'] === 'female',
  'status:not=final': (it) => it['status'] !== 'final',
};

// ---- Who asks --------------------------------------------------------------------------------------------------------

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
const asker: fc.Arbitrary<Asker> = fc
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
    } as Caller,
    brokenGlass: kind === 'staff' ? broken : [],
  }));

// ---- What is asked -----------------------------------------------------------------------------------------------------

const questions: readonly (readonly [type: string, ...texts: string[]])[] = [
  ['Patient', '', 'gender=female', 'address-city=leeds', 'telecom:missing=false', '_id=p0,p1', `identifier=${NHS}|${nhsNumber(1)}`, 'general-practitioner=Organization/o0', '_sort=-_lastUpdated'], // prettier-ignore
  ['Observation', '', 'code=x', 'category=laboratory', 'patient=p0', 'patient=Patient/p1&code=y', 'patient=p2&date=ge2026-01-02', 'performer=Practitioner/doc', 'status:not=final', 'code=x&_sort=-date', 'patient=p1&_sort=date', '_sort=_lastUpdated', '_id=observation1,observation2'], // prettier-ignore
  ['Encounter', '', 'patient=p1', 'location=Location/l0', 'location-period=ge2026-05-02', 'status=finished'],
  ['Appointment', '', 'patient=p0', '_sort=-date'],
  ['Condition', '', 'patient=p0'],
  ['Consent', '', 'patient=p1'],
  ['EpisodeOfCare', '', 'organization=Organization/o1', 'status=active'],
  ['DocumentReference', '', 'author=Patient/p2'],
  ['RelatedPerson', ''],
  ['Task', '', 'patient=p3'],
  ['Group', ''],
  ['Organization', ''],
  ['Location', ''],
  ['Practitioner', '', '_id=doc'],
];

const pageOf = (answer: SearchPage | SearchRefusal): SearchPage => {
  if ('refused' in answer) throw new Error(answer.problem.message);
  return answer;
};
const entriesOf = (page: SearchPage | undefined) =>
  JSON.parse(`[${Buffer.concat(page?.entries ?? []).toString()}]`) as readonly {
    resource: Resource;
    search?: { mode: string };
  }[];
const query = (type: string, text: string) => parseSearch(type, new URLSearchParams(text), { base });
const streamOf = ({ resourceType, id }: Resource) => `${resourceType}/${id}`;

/** The resource as a decision shows it, without what the server adds. */
function shownBy(decision: AccessDecision, resource: Resource): Resource {
  const hidden = decision.permit ? (decision.redact ?? []).map((it) => it.element) : [];
  return plain(Object.fromEntries(Object.entries(resource).filter(([name]) => !hidden.includes(name))) as Resource); // prettier-ignore
}
function plain({ meta, ...rest }: Resource): Resource {
  const security = (meta as { security?: unknown } | undefined)?.security;
  return { ...rest, ...(security !== undefined && { meta: { security } }) } as Resource;
}

const asks = async (
  record: RecordQueries,
  world: World,
  asker: Asker,
  check: (setting: {
    readonly oracle: Oracle;
    readonly viewerFor: (action: AccessAction, type?: string) => Viewer | undefined;
  }) => Promise<void>,
) => {
  const oracle = new Oracle(world, asker);
  const { caller } = asker;
  const { organisation, careSetting } = caller;
  const viewerFor = (action: AccessAction, type?: string): Viewer | undefined => {
    const permission = restrictionOf(caller, action, type, oracle.callerFacts, policy);
    return permission.permit ? { restriction: permission.restriction, organisation, careSetting } : undefined;
  };
  await check({ oracle, viewerFor });
};

const worlds = fc.array(happening, { minLength: 60, maxLength: 110 });
const askers = fc.array(asker, { minLength: 8, maxLength: 8 });
const runs = { numRuns: Number(process.env['VIEWERS_RUNS'] ?? 10), seed: Number(process.env['VIEWERS_SEED'] ?? 1), endOnFailure: true }; // prettier-ignore

const property = (
  check: (setting: {
    readonly record: RecordQueries;
    readonly world: World;
    readonly asker: Asker;
    readonly oracle: Oracle;
    readonly viewerFor: (action: AccessAction, type?: string) => Viewer | undefined;
  }) => Promise<void>,
) =>
  fc.assert(
    fc.asyncProperty(worlds, askers, async (happenings, everybody) => {
      const world = worldOf(happenings);
      const record = await recordOf(world);
      for (const asker of everybody)
        await asks(record, world, asker, (setting) => check({ record, world, asker, ...setting }));
      record.close();
    }),
    runs,
  );

describe('what a viewer gets is what decideAccess leaves', () => {
  it('of facts', async () => {
    await property(async ({ record, asker: { caller, brokenGlass }, oracle }) => {
      const stands = caller.nhsNumber === undefined ? { own: [], proxyFor: [] } : await record.standsFor(caller.nhsNumber); // prettier-ignore
      const found = { own: stands.own, proxyFor: stands.proxyFor.toSorted(), brokenGlass };
      expect(found).toEqual(oracle.callerFacts);
      const ids = [...oracle.patients.keys(), 'unheard-of'];
      const facts = await record.patientFacts(caller, oracle.callerFacts, ids);
      const sorted = (all: ReadonlyMap<string, PatientFacts>) =>
        [...all].map(([id, it]) => [id, { ...it, relationships: it.relationships.toSorted() }]);
      expect(sorted(facts)).toEqual(sorted(oracle.patients));
    });
  });

  it('of searches, their totals and pages', async () => {
    await property(async ({ record, world, oracle, viewerFor }) => {
      for (const [type, ...texts] of questions) {
        const viewer = viewerFor('search', type);
        if (viewer === undefined) continue;
        for (const text of texts) {
          const { query: asked } = query(type, text);
          const all = entriesOf(pageOf(await record.search(asked, { count: 1000, base })));
          const isConcealed = (decision: AccessDecision) => decision.permit && decision.redact !== undefined;
          const asksConcealed = asked.conditions.some((it) => 'parameter' in it && policy.sFlag.unasked[type]?.includes(it.parameter)); // prettier-ignore
          const expected = all.flatMap(({ resource }) => {
            const recorded = world.recorded.get(streamOf(resource))!;
            const decision = oracle.decide('search', oracle.factsOf(recorded, recorded.versions.length));
            if (!decision.permit || (asksConcealed && isConcealed(decision))) return [];
            return [shownBy(decision, resource)];
          });
          const name = [type, text];
          const page = pageOf(await record.search(asked, { count: 1000, base, total: 'accurate' }, viewer));
          expect([name, entriesOf(page).map((it) => plain(it.resource)), page.total]).toEqual([name, expected, expected.length]); // prettier-ignore
          expect([name, pageOf(await record.count(asked, viewer)).total]).toEqual([name, expected.length]);
          const paged: Resource[] = [];
          let cursor: Cursor | undefined;
          do {
            const next = pageOf(await record.search(asked, { count: 3, base, ...(cursor && { cursor }) }, viewer)); // prettier-ignore
            paged.push(...entriesOf(next).map((it) => plain(it.resource)));
            cursor = next.next;
          } while (cursor !== undefined);
          expect([name, paged]).toEqual([name, expected]);
        }
      }
    });
  });

  it('of reads, versions and histories', async () => {
    await property(async ({ record, world, oracle, viewerFor }) => {
      for (const recorded of world.recorded.values()) {
        const { type, stream, versions } = recorded;
        const id = stream.slice(type.length + 1);
        const viewer = viewerFor('read', type);
        if (viewer === undefined) continue;
        const now = oracle.decide('read', oracle.factsOf(recorded, versions.length));
        const shown = versions.map(({ resource, version }) => {
          const then = oracle.decide('read', oracle.factsOf(recorded, version));
          if (!now.permit || !then.permit) return undefined;
          if (resource === undefined) return { version, deleted: true };
          return { version, resource: shownBy(then.redact ? then : now, resource) };
        });
        for (const [i, expected] of [...shown, shown.at(-1)].entries()) {
          const isRead = i === versions.length;
          const answer = isRead ? await record.read(type, id, viewer) : await record.vread(type, id, i + 1, viewer); // prettier-ignore
          const found =
            answer.kind === 'unknown'
              ? undefined
              : answer.kind === 'found'
                ? { version: answer.versionId, resource: plain(JSON.parse(answer.body) as Resource) }
                : { version: answer.versionId, deleted: true };
          expect([stream, i, found]).toEqual([stream, i, expected]);
        }
        const visible = shown.filter((it) => it !== undefined).toReversed();
        const history = await record.history(type, id, { count: 2, base }, viewer);
        expect([stream, history?.total]).toEqual([stream, now.permit ? visible.length : undefined]);
        const bodies = entriesOf(history).map(({ resource }) => resource && plain(resource));
        expect([stream, bodies]).toEqual([stream, visible.slice(0, 2).map((it) => it.resource)]);
      }
    });
  });

  it('of $everything', async () => {
    await property(async ({ record, world, oracle, viewerFor }) => {
      const viewer = viewerFor('everything');
      if (viewer === undefined) return;
      for (const id of oracle.patients.keys()) {
        const seen = [...world.recorded.values()].flatMap((recorded) => {
          const resource = recorded.versions.at(-1)?.resource;
          if (resource === undefined) return [];
          const facts = oracle.factsOf(recorded, recorded.versions.length);
          const decision = oracle.decide('everything', facts);
          return decision.permit ? [{ stream: recorded.stream, patients: facts.patients, body: shownBy(decision, resource) }] : []; // prettier-ignore
        });
        const own = seen.filter(({ patients }) => patients.includes(id));
        const isThere = own.some(({ stream }) => stream === `Patient/${id}`);
        const text = JSON.stringify(own.map(({ body }) => body));
        const shared = seen.filter(({ stream, patients }) => patients.length === 0 && text.includes(`"reference":"${stream}"`)); // prettier-ignore
        const page = await record.everything(id, { count: 1000, base }, viewer);
        const expected = [...own, ...shared].map(({ body }) => body);
        const name = ({ resourceType, id }: Resource) => `${resourceType}/${id}`;
        const byName = (all: readonly Resource[]) => all.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
        // Deleted Patients are no part of an answer that may still begin at them.
        if (world.recorded.get(`Patient/${id}`)?.versions.at(-1)?.resource === undefined) continue;
        expect(page !== undefined).toBe(isThere);
        if (page === undefined) continue;
        expect(byName(entriesOf(page).map((it) => plain(it.resource)))).toEqual(byName(expected));
        expect(page.total).toBe(expected.length);
      }
    });
  });

  it('of what comes along', async () => {
    const forward = ['Observation:subject', 'Observation:performer', 'Patient:general-practitioner', 'Encounter:location', 'Encounter:service-provider', 'EpisodeOfCare:organization', 'Appointment:patient']; // prettier-ignore
    const reverse = ['Observation:subject', 'Patient:general-practitioner', 'EpisodeOfCare:organization', 'Encounter:location', 'DocumentReference:author']; // prettier-ignore
    await property(async ({ record, world, oracle, viewerFor }) => {
      const all = [...world.recorded.values()].flatMap((recorded) => {
        const resource = recorded.versions.at(-1)?.resource;
        if (resource === undefined) return [];
        const facts = oracle.factsOf(recorded, recorded.versions.length);
        return [{ stream: recorded.stream, type: recorded.type, resource, facts }];
      });
      const references = (resource: Resource, parameter: string) =>
        indexEntries(resource.resourceType, resource)
          .filter((it) => it.kind === 'reference' && it.parameter === parameter)
          .map((it) => (it.kind === 'reference' ? it.target : ''));
      const check = async (
        type: string,
        text: string,
        expected: (matches: readonly Resource[]) => string[],
      ) => {
        const [viewer, includesFor] = [viewerFor('search', type), viewerFor('read')];
        if (viewer === undefined || includesFor === undefined) return;
        const { query: asked, includes } = query(type, text);
        const page = pageOf(await record.search(asked, { count: 100, base, includes, includesFor }, viewer));
        const entries = entriesOf(page);
        const matches = entries.filter((it) => it.search?.mode === 'match').map((it) => it.resource);
        const found = entries.filter((it) => it.search?.mode === 'include').map((it) => JSON.stringify(plain(it.resource))); // prettier-ignore
        const names = new Set(matches.map(streamOf));
        const right = new Set(
          expected(matches).filter((it) => !names.has(streamOf(JSON.parse(it) as Resource))),
        );
        expect([text, found.toSorted()]).toEqual([text, [...right].toSorted()]);
      };
      const shown = (it: (typeof all)[number]) => {
        const decision = oracle.decide('read', it.facts);
        return decision.permit
          ? [{ ...it, decision, text: JSON.stringify(shownBy(decision, it.resource)) }]
          : [];
      };
      for (const include of forward) {
        const [type = '', parameter = ''] = include.split(':');
        await check(type, `_include=${include}`, (matches) => {
          const named = matches.flatMap((it) => references(it, parameter));
          return all.filter(({ stream }) => named.includes(stream)).flatMap(shown).map((it) => it.text); // prettier-ignore
        });
      }
      for (const include of reverse) {
        const [type = '', parameter = ''] = include.split(':');
        const targets =
          { subject: 'Patient', author: 'Patient', location: 'Location' }[parameter] ?? 'Organization';
        await check(targets, `_revinclude=${include}`, (matches) => {
          const names = matches.map(streamOf);
          return all
            .filter(
              (it) =>
                it.type === type && references(it.resource, parameter).some((name) => names.includes(name)),
            ) // prettier-ignore
            .flatMap(shown)
            .filter(
              ({ decision }) =>
                decision.redact === undefined || !policy.sFlag.unasked[type]?.includes(parameter),
            ) // prettier-ignore
            .map((it) => it.text);
        });
      }
    });
  });
});
