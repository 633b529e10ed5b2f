/**
 * What the gateway answers somebody is what it answers the publisher, to whom all is open, when `decideAccess` has gone over it
 * resource by resource; and they may change what it lets them. QUERIES_SEED repeats a run.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { defaultPolicy, refused, restrictionOf, type AccessAction, type RefusalCode } from '@carelog/access';
import { indexEntries } from '@carelog/fhir';
import { AccessOracle, callerOf } from '../support/access-oracle.ts';
import type { Json } from '../support/access-table.ts';
import { madeRecords, randomOf, type Random } from '../support/made-records.ts';
import { startEmptyStack, type Answer, type Stack, type TokenLimits } from '../support/start-stack.ts';

const seed = Number(process.env['QUERIES_SEED'] ?? 20_261_121);
const count = Number(process.env['QUERIES'] ?? 300);
const PEOPLE = 12;
const RECORDS = 260;
const OPENED = ['p1', 'p2'];

interface Asking {
  readonly name: string;
  readonly as: string;
  readonly limits: TokenLimits;
  readonly oracle: AccessOracle;
}

let stack: Stack;
let records: Json[];
let asking: Asking[];

beforeAll(async () => {
  stack = await startEmptyStack();
  const made = madeRecords(randomOf(seed), PEOPLE, RECORDS);
  const entry = made.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const answer = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } });
  if (answer.status !== 200) throw new Error(answer.text);
  const parameter = [{ name: 'reason', valueCode: 'emergency' }, { name: 'text', valueString: 'Found collapsed' }]; // prettier-ignore
  for (const id of OPENED) {
    const body = { resourceType: 'Parameters', parameter };
    const opened = await stack.fhir('POST', `/Patient/${id}/$break-glass`, { as: 'paramedic', body });
    if (opened.status !== 200) throw new Error(opened.text);
  }
  // The Tasks that the broken glass raised are part of the record too.
  const tasks = (await stack.fhir('GET', '/Task?_count=1000')).json.entry as { resource: Json }[];
  const names = new Set(made.map(({ id }) => id));
  records = [...made, ...tasks.map(({ resource }) => withoutMeta(resource)).filter(({ id }) => !names.has(id))];
  const asked: (readonly [string, TokenLimits?])[] = [
    ...['gp', 'ed-doctor', 'paramedic', 'community-nurse', 'crisis-worker', 'social-worker', 'pharmacist', 'privacy-officer', 'patient', 'patient', 'auditor'].map((name) => [name] as const),
    ['gp', { scope: 'user/Observation.rs?category=laboratory user/Patient.rs user/Organization.rs' }],
    ['ed-doctor', { scope: 'user/*.rs' }],
    ['publisher', { purpose: 'research' }],
    ['publisher', { scope: 'system/Observation.rs?category=laboratory system/Patient.rs' }],
  ];
  asking = asked.map(([as, limits = {}]) => ({
    name: [as, ...Object.values(limits)].join(' '),
    as,
    limits,
    oracle: new AccessOracle(records, callerOf(as, limits), as === 'paramedic' ? OPENED : []),
  }));
}); // prettier-ignore
afterAll(() => stack.remove());

it(`shows in ${count} random answers what is permitted and nothing else (seed ${seed})`, async () => {
  const random = randomOf(seed + 1);
  let shown = 0;
  for (let n = 0; n < count; n += 1) {
    const who = random.of(asking);
    const [is, should, asked] = await random.of([searched, searched, searched, everything, read, changed])(
      random,
      who,
    );
    const where = `${who.name}: ${asked}`;
    expect([where, is]).toEqual([where, should]);
    shown += JSON.stringify(should).length > 100 ? 1 : 0;
  }
  // Not only by showing nobody anything.
  expect(shown).toBeGreaterThan(count / 5);
});

type Compared = Promise<[is: unknown, should: unknown, asked: string]>;
interface Entry {
  readonly resource: Json;
  readonly search?: { readonly mode: string };
}

const ask = ({ as, limits }: Asking, path: string) => stack.fhir('GET', path, { as, limits });
const nameOf = ({ resourceType, id }: Json) => `${resourceType}/${id}`;
/** As recorded: what the server adds left out. */
function withoutMeta(resource: Json): Json {
  const { meta, ...rest } = resource as Json & { meta?: { security?: unknown } };
  return meta?.security === undefined ? rest : { ...rest, meta: { security: meta.security } };
}
const told = (resource: Json) => {
  const ordered = Object.entries(withoutMeta(resource)).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(ordered));
};

/** 403 where the type as such is refused, else undefined. */
function refusal(who: Asking, action: AccessAction, type: string | undefined): RefusalCode | undefined {
  const own = { own: ['p0'], proxyFor: [], brokenGlass: [] };
  const permission = restrictionOf(callerOf(who.as, who.limits), action, type, own, defaultPolicy());
  return permission.permit ? undefined : permission.code;
}

// Conditions on what is concealed from some, and on what is not.
const CONDITIONS: Readonly<Record<string, readonly string[]>> = {
  Patient: ['gender=female', 'family=gr', 'address-city=leeds', 'general-practitioner:missing=false', '_id=p0,p1,p2,p3'],
  Observation: ['category=laboratory', 'code=8867-4', 'status:not=final', 'patient=p0', 'patient=p1', 'patient=p3', 'performer=Practitioner/doctor', 'performer=Organization/o1', 'performer:identifier=RZZ', `date=ge${new Date(Date.now() - 40 * 86_400_000).toISOString().slice(0, 10)}`],
  Condition: ['code=86406008', 'patient=p0', 'patient=p2'],
  Encounter: ['status=finished', 'patient=p1', 'location:missing=false', 'location=Location/l1', 'service-provider=Organization/o2', 'class=AMB'],
  EpisodeOfCare: ['status=active', 'patient=p2', 'organization=Organization/o3'],
  Procedure: ['patient=p1', 'location=Location/l2', 'performer=Practitioner/doctor', 'performer=Organization/o1', 'status=completed'],
  Immunization: ['patient=p2', 'location:missing=true', 'performer=Organization/o4', 'status=completed'],
  DocumentReference: ['patient=p0', 'custodian=Organization/o1', 'author=Practitioner/doctor', 'status=current'],
  ServiceRequest: ['status=active', 'patient=p0'],
  Appointment: ['patient=p0', 'status=booked', 'actor=Location/l1', 'location:missing=false'],
  MedicationRequest: ['patient=p1', 'status=active'],
  RelatedPerson: ['patient=p2'],
  Task: ['patient=p1', 'status=requested'],
  Consent: ['patient=p0', 'status=active'],
  Organization: ['name=R'],
  Practitioner: ['_id=doctor'],
}; // prettier-ignore
/** Conditions that ask for a place. */
const TELLING =
  /^Patient\.(address-city|general-practitioner)|^Encounter\.(location|service-provider)|\.(location|organization|custodian)[:=]|[=,](Location|Organization)\/|:identifier=/;
const INCLUDES: Readonly<Record<string, readonly string[]>> = {
  Observation: ['_include=Observation:subject', '_include=Observation:performer'],
  Encounter: [
    '_include=Encounter:subject',
    '_include=Encounter:service-provider',
    '_include=Encounter:location',
  ],
  Procedure: ['_include=Procedure:location', '_include=Procedure:performer'],
  Immunization: ['_include=Immunization:location', '_include=Immunization:performer'],
  DocumentReference: ['_include=DocumentReference:custodian', '_include=DocumentReference:author'],
  Organization: [
    '_revinclude=Encounter:service-provider',
    '_revinclude=Observation:performer',
    '_revinclude=DocumentReference:custodian',
    '_revinclude=EpisodeOfCare:organization',
  ],
  Patient: ['_revinclude=Observation:subject', '_revinclude=Condition:subject'],
  Practitioner: ['_revinclude=Observation:performer', '_revinclude=Procedure:performer'],
  Condition: ['_include=Condition:subject'],
};

async function searched(random: Random, who: Asking): Compared {
  const type = random.of(Object.keys(CONDITIONS));
  const conditions = CONDITIONS[type]!.filter(() => random.chance(0.35));
  const include = random.chance(0.4) ? INCLUDES[type] : undefined;
  const sort = random.of(['', '', '_sort=_lastUpdated', '_sort=-_lastUpdated', '_sort=_id']);
  const within = random.chance(0.15) && ['Observation', 'Condition', 'Encounter'].includes(type) ? `/Patient/p${random.number(PEOPLE)}` : ''; // prettier-ignore
  const question = [...conditions, sort].filter((it) => it !== '').join('&');
  const path = `${within}/${type}?${question}`;
  const along = include === undefined || sort !== '' ? '' : random.of(include);
  const asked = `${path}&${along}`;
  const code = refusal(who, 'search', type) ?? (along === '' ? undefined : refusal(who, 'read', undefined));
  const first = await ask(who, `${asked}&_total=accurate&_count=${random.of([3, 7, 1000])}`);
  if (code !== undefined) return [first.status, 403, asked];

  const all = entriesOf(await stack.fhir('GET', `${path}&_count=1000`)).map(({ resource }) => resource);
  const isAsked = conditions.some((it) => TELLING.test(`${type}.${it}`));
  const matches = all.flatMap((served) => {
    const resource = withoutMeta(served);
    const decision = who.oracle.decide('search', resource);
    const isConcealed = decision.permit && decision.conceals === true;
    return decision.permit && !(isConcealed && isAsked) ? [who.oracle.shown('search', resource)!] : [];
  });
  if (within !== '' && matches.length === 0) {
    const owner = records.find((it) => `/${nameOf(it)}` === within)!;
    const isOpen = who.oracle.decide('read', owner).permit;
    return [first.status, isOpen ? 200 : 404, asked];
  }
  const pages = await allPages(who, first);
  const found = pages.filter(({ search }) => search?.mode === 'match').map(({ resource }) => told(resource));
  const count = await ask(who, `${path}&_summary=count`);
  const came = pages.filter(({ search }) => search?.mode === 'include').map(({ resource }) => told(resource));
  return [
    { total: first.json.total, count: count.json.total, found, came: [...new Set(came)].sort() },
    { total: matches.length, count: matches.length, found: matches.map(told), came: comesAlong(who, along, matches) },
    asked,
  ]; // prettier-ignore
}

/** By the references of the matches as they are shown, and of what refers to them. */
function comesAlong(who: Asking, along: string, matches: readonly Json[]): string[] {
  const [way, parameter = ''] = along.split('=');
  const names = new Set(matches.map(nameOf));
  const [type = '', code = ''] = parameter.split(':');
  const references = (resource: Json) =>
    indexEntries(resource.resourceType, resource).flatMap((it) => it.kind === 'reference' && it.parameter === code ? [it.target] : []); // prettier-ignore
  const met =
    way === '_include'
      ? records.filter((it) => matches.some((match) => references(match).includes(nameOf(it))))
      : records.filter((it) => {
          // By what is shown of it.
          const shown = it.resourceType === type ? who.oracle.shown('read', it) : undefined;
          return shown !== undefined && references(shown).some((name) => names.has(name));
        });
  return met.filter((it) => along !== '' && !names.has(nameOf(it))).flatMap((it) => who.oracle.shown('read', it) ?? []).map(told).sort(); // prettier-ignore
}

async function everything(random: Random, who: Asking): Compared {
  const id = `p${random.number(PEOPLE)}`;
  const asked = `/Patient/${id}/$everything`;
  const first = await ask(who, `${asked}?_count=${random.of([5, 1000])}`);
  if (refusal(who, 'everything', undefined) !== undefined) return [first.status, 403, asked];
  const patient = records.find((it) => nameOf(it) === `Patient/${id}`)!;
  if (!who.oracle.decide('everything', patient).permit) return [first.status, 404, asked];
  const all = entriesOf(await stack.fhir('GET', `${asked}?_count=1000`)).map(({ resource }) =>
    withoutMeta(resource),
  );
  const seen = all.flatMap((it) => who.oracle.shown('everything', it) ?? []);
  // What is about nobody comes along with what refers to it.
  const text = JSON.stringify(seen.filter((it) => !SHARED.has(it.resourceType)));
  const expected = seen.filter((it) => !SHARED.has(it.resourceType) || text.includes(`"reference":"${nameOf(it)}"`)); // prettier-ignore
  const pages = await allPages(who, first);
  return [pages.map(({ resource }) => told(resource)).sort(), expected.map(told).sort(), asked];
}

const SHARED = new Set(['Organization', 'Location', 'Practitioner']);

async function read(random: Random, who: Asking): Compared {
  const resource = random.of(records);
  const action = random.of(['read', 'vread', 'history'] as const);
  const asked = `/${nameOf(resource)}${{ read: '', vread: '/_history/1', history: '/_history' }[action]}`;
  const answer = await ask(who, asked);
  const decision = who.oracle.decide(action, resource);
  const isRefused = refusal(who, action, resource.resourceType) !== undefined;
  if (!decision.permit) return [answer.status, isRefused ? 403 : 404, asked];
  const is = action === 'history' ? answer.json.entry[0].resource : answer.json;
  return [told(is), told(who.oracle.shown(action, resource)!), asked];
}

const entriesOf = ({ json }: Answer): Entry[] => (json.entry ?? []) as Entry[];

/** Permitted, but of a version that is not the current one, so that everything stays as it is. */
async function changed(random: Random, who: Asking): Compared {
  const resource = random.of(records);
  const action = random.of(['update', 'delete'] as const);
  const recorded = action === 'update' ? { ...resource, language: 'en' } : undefined;
  const { as, limits } = who;
  const asked = `${action} ${nameOf(resource)}`;
  const { status } = await stack.fhir(action === 'update' ? 'PUT' : 'DELETE', `/${nameOf(resource)}`, {
    as,
    limits,
    headers: { 'if-match': 'W/"99"' },
    ...(recorded && { body: recorded }),
  });
  if (refusal(who, action, resource.resourceType) !== undefined) return [status, 403, asked];
  const decision = who.oracle.decideChange(resource, recorded);
  return [status, decision.permit ? 412 : refused(decision.code).asUnknown ? 404 : 403, asked];
}

async function allPages(who: Asking, first: Answer): Promise<Entry[]> {
  const entries = [...entriesOf(first)];
  let page = first;
  for (;;) {
    const next = page.json.link?.find(({ relation }: { relation: string }) => relation === 'next');
    if (next === undefined) return entries;
    page = await ask(who, next.url);
    entries.push(...entriesOf(page));
  }
}
