/**
 * Every persona, every interaction, every kind of record: what is shown, and where nothing is, why not. The expectations are
 * the tables of test/support/access-table.ts; here is how an interaction looks to whom the record is shown, and to whom not.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { refused, type RefusalCode } from '@carelog/access';
import { activityTypeOf } from '@carelog/activity';
import { fhirPaths } from '@carelog/query-gateway';
import { careSettings } from '@carelog/read-models';
import {
  askers,
  background,
  changed,
  created,
  kinds,
  OPENED,
  OTHER_NUMBER,
  pulse,
  seen,
  type Asker,
  type Json,
  type Kind,
  type Outcome,
} from '../support/access-table.ts';
import { websocket } from '../support/some-subscriptions.ts';
import { areAllTaken, isTaken } from '../support/cases.ts';
import { isCluster, startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
let cells = 0;

beforeAll(async () => {
  stack = await startEmptyStack();
  const all = new Map([...background, ...kinds.map(({ resource }) => resource)].map((it) => [it.id, it]));
  await must(200, 'POST', '', { body: bundle('transaction', [...all.values()].map(putOf)) });
  const parameter = [{ name: 'reason', valueCode: 'emergency' }, { name: 'text', valueString: 'Found collapsed' }]; // prettier-ignore
  await must(200, 'POST', `/Patient/${OPENED}/$break-glass`, { as: 'ed-doctor', body: { resourceType: 'Parameters', parameter } }); // prettier-ignore
});
afterAll(() => stack.remove());

async function must(status: number, ...request: Parameters<Stack['fhir']>): Promise<Answer> {
  const answer = await stack.fhir(...request);
  if (answer.status !== status)
    throw new Error(`${request[0]} ${request[1]}: ${answer.status} ${answer.text}`);
  return answer;
}

const bundle = (type: string, entry: readonly object[]) => ({ resourceType: 'Bundle', type, entry });
const putOf = (resource: Json) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }); // prettier-ignore
/** As a provider publishes it. */
const published = (resource: object): [method: string, path: string, more: { body: unknown; headers: Record<string, string> }] => {
  const body = { specversion: '1.0', id: randomUUID(), source: 'urn:x', type: activityTypeOf({ ...resource }), data: resource };
  return ['POST', `${stack.url}/activities`, { body, headers: { 'content-type': 'application/cloudevents+json' } }];
}; // prettier-ignore
const publishedInBatch = (resource: object): ReturnType<typeof published> => {
  const [method, path, { body }] = published(resource);
  return [method, path, { body: [body], headers: { 'content-type': 'application/cloudevents-batch+json' } }];
};
/** By path as the server has it, e.g. `GET [type]/[id]`, which of the askers have asked there. */
const askedAt = new Map<string, Set<string>>();
/** What of the CapabilityStatement was tested. */
const tested = new Set<string>();
const ask = ({ name, persona, limits = {} }: Asker, method: string, path: string, more: { body?: unknown; headers?: Record<string, string> } = {}) => {
  note(name, method, path);
  const { resourceType, entry = [] } = (more.body ?? {}) as { resourceType?: string; entry?: { request: { method: string; url: string } }[] };
  if (resourceType === 'Bundle') for (const { request } of entry) note(name, request.method, `/${request.url}`);
  return stack.fhir(method, path, { as: persona, limits, ...more });
}; // prettier-ignore

function note(asker: string, method: string, path: string): void {
  const steps = path.replace(stack.base, '').split('?')[0]!.split('/').slice(1);
  const shape =
    path.startsWith(stack.url) && !path.startsWith(stack.base) ? new URL(path).pathname : shapeOf(steps);
  const place = `${method} ${shape}`;
  askedAt.set(place, (askedAt.get(place) ?? new Set()).add(asker));
}

function shapeOf([type, id, third, fourth]: readonly string[]): string {
  if (type === undefined || type === '') return '';
  const named = /^Subscription(Topic)?$/.test(type) ? type : '[type]';
  if (id === undefined) return type === 'metadata' ? type : named;
  if (id.startsWith('$')) return `${type}/${id}`;
  const resource = id === '_search' ? `${named}/_search` : `${named}/[id]`;
  if (third === undefined) return resource;
  const within = /^[A-Z]/.test(third) ? '[type]' : third;
  const owner = third.startsWith('$') ? type : '[type]';
  return [owner, '[id]', within, ...(fourth === undefined ? [] : [fourth === '_search' ? fourth : '[version]'])].join('/');
} // prettier-ignore
const isShown = (outcome: Outcome): boolean => outcome === '+' || outcome === '~';
const holds = ({ json }: Answer, { resource: { resourceType, id } }: Kind): boolean =>
  ((json?.entry ?? []) as { resource?: Json }[]).some(
    ({ resource }) => resource?.resourceType === resourceType && resource.id === id,
  );

/** What one cell came to, in the same words as what it should come to. */
type Cell = (asker: Asker, kind: Kind, outcome: Outcome) => Promise<[is: unknown, should: unknown]>;

/** An answer that is the resource itself. */
const direct = (status: number, of: (kind: Kind) => [method: string, path: string, more?: object]): Cell =>
  async (asker, kind, outcome) => {
    const [method, path, more] = of(kind);
    const { status: is } = await ask(asker, method, path, more);
    if (isShown(outcome)) return [is, status];
    return [is, refused(outcome as RefusalCode).asUnknown ? 404 : 403];
  }; // prettier-ignore

/** A Bundle that holds it or does not; refused where the type as such is. */
const found = (of: (kind: Kind) => [method: string, path: string, more?: object], tells: (answer: Answer, kind: Kind) => unknown, told: (isShown: boolean) => unknown): Cell =>
  async (asker, kind, outcome) => {
    const [method, path, more] = of(kind);
    const answer = await ask(asker, method, path, more);
    if (!isShown(outcome) && !refused(outcome as RefusalCode).asUnknown) return [answer.status, 403];
    return [[answer.status, tells(answer, kind)], [200, told(isShown(outcome))]];
  }; // prettier-ignore

const at = ({ resource: { resourceType, id } }: Kind) => `/${resourceType}/${id}`;
const byId = ({ resource: { resourceType, id } }: Kind, more = '') => `/${resourceType}?_id=${id}${more}`;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const totalAndEntry = (answer: Answer, kind: Kind) => [answer.json.total, holds(answer, kind)];
const oneOrNone = (isShown: boolean) => [Number(isShown), isShown];
/** Of the one entry or event of a batch, where it was one. */
const statusIn = (answer: Answer): number =>
  answer.json?.type === 'batch-response'
    ? Number(entryStatus(answer))
    : (answer.json?.results?.[0].status ?? answer.status);
const entryStatus = ({ json }: Answer) => json.entry?.[0]?.response?.status?.slice(0, 3);
const listed = (resources: readonly string[]) =>
  resources.map((url) => ({ request: { method: 'GET', url } }));

/** Each names what of the CapabilityStatement it is about. */
const reads: Record<string, { readonly about: readonly string[]; readonly cell: Cell }> = {
  read: { about: ['read'], cell: direct(200, (kind) => ['GET', at(kind)]) },
  'conditional read': {
    about: ['conditionalRead'],
    cell: direct(304, (kind) => ['GET', at(kind), { headers: { 'if-none-match': 'W/"1"' } }]),
  },
  vread: { about: ['vread'], cell: direct(200, (kind) => ['GET', `${at(kind)}/_history/1`]) },
  history: {
    about: ['history-instance'],
    cell: direct(200, (kind) => ['GET', `${at(kind)}/_history?_count=5`]),
  },
  search: {
    about: ['search-type'],
    cell: found((kind) => ['GET', byId(kind, '&_total=accurate')], totalAndEntry, oneOrNone),
  },
  'search by POST': {
    about: ['search-type'],
    cell: found(
      (kind) => [
        'POST',
        `/${kind.resource.resourceType}/_search`,
        { body: `_id=${kind.resource.id}`, headers: form },
      ],
      totalAndEntry,
      oneOrNone,
    ),
  },
  'count of a search': {
    about: ['search-type'],
    cell: found(
      (kind) => ['GET', byId(kind, '&_summary=count')],
      ({ json }) => json.total,
      Number,
    ),
  },
  'page of a search with more than it shows': {
    about: ['search-type'],
    cell: found(
      (kind) => ['GET', byId(kind, '&_count=0&_total=accurate')],
      ({ json }) => json.total,
      Number,
    ),
  },
  'part of a resource': {
    about: ['search-type'],
    cell: found((kind) => ['GET', byId(kind, '&_elements=id')], totalAndEntry, oneOrNone),
  },
  'summary of a resource': {
    about: ['search-type'],
    cell: found((kind) => ['GET', byId(kind, '&_summary=true')], totalAndEntry, oneOrNone),
  },
  'sorted search': {
    about: ['search-type'],
    cell: found((kind) => ['GET', byId(kind, '&_sort=-_lastUpdated')], totalAndEntry, oneOrNone),
  },
  'entry of a batch': {
    about: ['batch'],
    cell: async (asker, kind, outcome) => {
      const answer = await ask(asker, 'POST', '', { body: bundle('batch', listed([at(kind).slice(1)])) });
      if (asker.persona === 'operator') return [answer.status, 403];
      if (isShown(outcome)) return [entryStatus(answer), '200'];
      const { asUnknown } = refused(outcome as RefusalCode);
      return [
        [entryStatus(answer), answer.json.entry[0].resource],
        [asUnknown ? '404' : '403', undefined],
      ];
    },
  },
  'entry of a transaction': {
    about: ['transaction'],
    cell: async (asker, kind, outcome) => {
      const url = byId(kind).slice(1);
      const answer = await ask(asker, 'POST', '', { body: bundle('transaction', listed([url])) });
      if (asker.persona === 'operator') return [answer.status, 403];
      if (isShown(outcome)) return [answer.json.entry[0].resource.total, 1];
      const { asUnknown } = refused(outcome as RefusalCode);
      return [answer.json.entry[0].resource?.total ?? entryStatus(answer), asUnknown ? 0 : '403'];
    },
  },
};

/** Paths on which a record is met by way of another; `undefined` where the way is not open to this asker, or does not lead there. */
const byWay: Record<
  string,
  {
    readonly about: readonly string[];
    readonly cell: (asker: Asker, kind: Kind, outcome: Outcome) => Promise<[unknown, unknown] | undefined>;
  }
> = {
  _include: {
    about: ['searchInclude'],
    async cell(asker, kind, outcome) {
      const members = (kinds[0]!.resource['hasMember'] as { reference: string }[]).map((it) => it.reference);
      if (!members.includes(at(kind).slice(1)) || !isShown(outcomeOf(asker, kinds[0]!))) return undefined;
      const answer = await ask(asker, 'GET', byId(kinds[0]!, '&_include=Observation:has-member'));
      return [
        [answer.status, holds(answer, kind)],
        [200, isShown(outcome)],
      ];
    },
  },
  _revinclude: {
    about: ['searchRevInclude'],
    async cell(asker, kind, outcome) {
      if (kind.resource.resourceType !== 'Observation' || !isShown(outcomeOf(asker, kinds.at(-1)!)))
        return undefined;
      const answer = await ask(asker, 'GET', '/Practitioner?_id=doctor&_revinclude=Observation:performer');
      return [
        [answer.status, holds(answer, kind)],
        [200, isShown(outcome)],
      ];
    },
  },
  compartment: {
    about: ['search-type'],
    async cell(asker, kind, outcome) {
      if (kind.of === undefined || kind.resource.resourceType === 'Patient') return undefined;
      const answer = await ask(asker, 'GET', `/Patient/${kind.of}${byId(kind, '&_total=accurate')}`);
      if (isShown(outcome))
        return [
          [answer.status, ...totalAndEntry(answer, kind)],
          [200, 1, true],
        ];
      if (!refused(outcome as RefusalCode).asUnknown) return [answer.status, 403];
      const isOpen = (await ask(asker, 'GET', `/Patient/${kind.of}`)).status === 200;
      return isOpen
        ? [
            [answer.status, ...totalAndEntry(answer, kind)],
            [200, 0, false],
          ]
        : [answer.status, 404];
    },
  },
  'compartment by POST': {
    about: ['search-type'],
    async cell(asker, kind, outcome) {
      if (kind.of === undefined || kind.resource.resourceType === 'Patient') return undefined;
      const { resourceType, id } = kind.resource;
      const body = `_id=${id}`;
      const answer = await ask(asker, 'POST', `/Patient/${kind.of}/${resourceType}/_search`, {
        body,
        headers: form,
      });
      if (isShown(outcome)) return [holds(answer, kind), true];
      const isRefused = !refused(outcome as RefusalCode).asUnknown;
      return [[isRefused ? 403 : 200, 404].includes(answer.status) && !holds(answer, kind), true];
    },
  },
  $everything: {
    about: ['everything'],
    async cell(asker, kind, outcome) {
      if (kind.of === undefined) return undefined;
      const answer = await ask(asker, 'GET', `/Patient/${kind.of}/$everything?_count=1000`);
      const isOpen = (await ask(asker, 'GET', `/Patient/${kind.of}`)).status === 200;
      if (isOpen)
        return [
          [answer.status, holds(answer, kind)],
          [200, isShown(outcome)],
        ];
      return [[403, 404].includes(answer.status), true];
    },
  },
  $summary: {
    about: ['summary'],
    async cell(asker, kind, outcome) {
      if (kind.of === undefined) return undefined;
      const isOpen = (await ask(asker, 'GET', `/Patient/${kind.of}`)).status === 200;
      const told: unknown[] = [];
      for (const profile of ['general-practice', 'urgent-care', 'social-care', 'patient']) {
        const answer = await ask(asker, 'GET', `/Patient/${kind.of}/$summary?profile=${profile}`);
        if (!isOpen) told.push([403, 404].includes(answer.status) ? 200 : answer.status);
        // What is shown may be on the page; what is not is nowhere on it, though what is shown may refer to it.
        else told.push(answer.status, !isShown(outcome) && isOnPage(answer, kind));
      }
      return [[...new Set(told)].filter((it) => it !== 200 && it !== false), []];
    },
  },
  worklist: {
    about: ['search-type'],
    async cell(asker, kind, outcome) {
      const lists = await worklistsOf(asker);
      const isWrong = ({ status, text }: Answer) => ![200, 403].includes(status) || (!isShown(outcome) && text.includes(`"${at(kind).slice(1)}"`)); // prettier-ignore
      return [lists.filter(isWrong).length, 0];
    },
  },
};

function isOnPage({ json: { entry = [] } }: Answer, kind: Kind): boolean {
  const [first] = entry;
  const isNamed = JSON.stringify(first?.resource ?? null).includes(`"${at(kind).slice(1)}"`);
  return isNamed || entry.some((it: { readonly fullUrl?: string }) => it.fullUrl?.endsWith(at(kind)));
}

const worklists = new Map<Asker, Promise<readonly Answer[]>>();
/** Every worklist as the asker has it, asked for once. */
function worklistsOf(asker: Asker): Promise<readonly Answer[]> {
  const known = worklists.get(asker) ?? askForLists(asker);
  worklists.set(asker, known);
  return known;
}

async function askForLists(asker: Asker): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const { name, withdraws } of careSettings.flatMap((it) => it.worklists))
    if (withdraws !== true) answers.push(await ask(asker, 'GET', `/List?code=https://fhir.carelog.example/CodeSystem/worklist|${name}`)); // prettier-ignore
  return answers;
}

const outcomeOf = (asker: Asker, kind: Kind): Outcome => seen.get(kind.name)![askers.indexOf(asker)]!;

/** For each asker others, where a run does not go over all. */
const kindsFor = (asker: Asker): readonly Kind[] =>
  kinds.filter((_, number) => isTaken(number + askers.indexOf(asker)));

/** As many as one caller may ask of what is costly. */
const AT_ONCE = 4;

async function wrongCells(asker: Asker, cell: (typeof byWay)[string]['cell']): Promise<string[]> {
  const wrongOf = async (kind: Kind): Promise<string[]> => {
    const outcome = outcomeOf(asker, kind);
    const result = await cell(asker, kind, outcome);
    if (result === undefined) return [];
    cells += 1;
    const [is, should] = result.map((it) => JSON.stringify(it));
    return is === should ? [] : [`${kind.name} (${outcome}): ${is}, not ${should}`];
  };
  const wrong: string[] = [];
  await eachOf(kindsFor(asker), async (kind) => void wrong.push(...(await wrongOf(kind))));
  return wrong;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const workOn = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, workOn));
}

describe.each(askers.map((asker) => [asker.name, asker] as const))('%s', (_, asker) => {
  it.each(Object.keys({ ...reads, ...byWay }))('%s', async (name) => {
    expect(await wrongCells(asker, { ...reads, ...byWay }[name]!.cell)).toEqual([]);
  });

  it('is told, or has on record, the reason that the table gives', async () => {
    const wrong: string[] = [];
    for (const kind of kindsFor(asker)) {
      const outcome = outcomeOf(asker, kind);
      const { status, text, json } = await ask(asker, 'GET', at(kind));
      cells += 1;
      if (isShown(outcome)) {
        const hasPlace = text.includes('Leeds') || text.includes('Y90001');
        const isLess = (kind.left ?? []).some((it) => !text.includes(it));
        if (outcome === '~' ? hasPlace || isLess : !sameResource(json, kind.resource)) wrong.push(`${kind.name} (${outcome}): ${text}`); // prettier-ignore
        continue;
      }
      const { reason, asUnknown } = refused(outcome as RefusalCode);
      if (!asUnknown) {
        if (status !== 403 || !json.issue[0].diagnostics.startsWith(reason))
          wrong.push(`${kind.name}: ${text}`);
        continue;
      }
      const [last] = (await must(200, 'GET', `/AuditEvent?patient=${kind.of}&_count=1`, { as: 'auditor' })).json.entry; // prettier-ignore
      const recorded = last.resource.outcomeDesc as string;
      if (recorded !== `refused: ${outcome}`) wrong.push(`${kind.name} (${outcome}): ${recorded}`);
    }
    expect(wrong).toEqual([]);
  });
});

function sameResource(json: Json, resource: Json): boolean {
  const { meta: _, ...rest } = json;
  const { meta: __, ...asRecorded } = resource;
  return JSON.stringify(rest) === JSON.stringify(asRecorded);
}

const changes: Record<string, { readonly about: readonly string[]; readonly of: (kind: Kind, version: string) => [string, string, object?, number?] }> = {
  update: { about: ['update'], of: (kind) => ['PUT', at(kind), { body: kind.resource }, 200] },
  'stale update': {
    about: ['update'],
    of: (kind) => ['PUT', at(kind), { body: { ...kind.resource, language: 'en' }, headers: { 'if-match': 'W/"99"' } }, 412],
  },
  'stale deletion': {
    about: ['delete'],
    of: (kind) => ['DELETE', at(kind), { headers: { 'if-match': 'W/"99"' } }, 412],
  },
  'update in a batch': {
    about: ['batch'],
    of: (kind) => ['POST', '', { body: bundle('batch', [putOf(kind.resource)]) }],
  },
  'update by an event': { about: ['update'], of: (kind) => published(kind.resource) },
  'update by an event in a batch': { about: ['update'], of: (kind) => publishedInBatch(kind.resource) },
  'deletion in a transaction': {
    about: ['transaction'],
    of: (kind) => ['POST', '', { body: bundle('transaction', [{ request: { method: 'DELETE', url: at(kind).slice(1), ifMatch: 'W/"99"' } }]) }, 412],
  },
}; // prettier-ignore

it('every kind of record has a row of who may change it', () => {
  expect(kinds.map(({ name }) => name).filter((name) => !changed.has(name))).toEqual([]);
  expect([...changed.keys(), ...seen.keys()].filter((name) => !kinds.some((kind) => kind.name === name))).toEqual([]);
}); // prettier-ignore

describe.each(askers.map((writer, column) => [writer.name, writer, column] as const))('what %s may change', (_, writer, column) => {
  it.each(Object.keys(changes))('%s', async (name) => {
    const wrong: string[] = [];
    for (const [number, [kindName, outcomes]] of [...changed].entries()) {
      if (!isTaken(number + column)) continue;
      const kind = kinds.find((it) => it.name === kindName)!;
      const outcome = outcomes[column]!;
      const [method, path, more, status = 200] = changes[name]!.of(kind, '1');
      const answer = await ask(writer, method, path, more);
      cells += 1;
      const is = statusIn(answer);
      const should = outcome === '+' ? status : refused(outcome as RefusalCode).asUnknown ? 404 : 403;
      if (is !== should) wrong.push(`${kindName} (${outcome}): ${is}, not ${should}`);
    }
    expect(wrong).toEqual([]);
  });

  it('and what they may record anew: alone, under an id, in a batch, in a transaction, as an event, of a person by number', async () => {
    const wrong: string[] = [];
    tested.add('create');
    const recordAnew = async ([of, outcomes]: [string, readonly Outcome[]]): Promise<void> => {
      const outcome = outcomes[column]!;
      const should = outcome === '+' ? 201 : ['no-relationship', 'opted-out'].includes(outcome) ? 422 : 403;
      const subject = { reference: `Patient/${of}` };
      const byNumber = { type: 'Patient', identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: OTHER_NUMBER } };
      const { id: __, ...anew } = pulse(of === 'other' ? byNumber : subject);
      const post = { resource: anew, request: { method: 'POST', url: 'Observation' } };
      const id = `${writer.name.replace(' ', '-')}-${of}`;
      const left = { identifier: [{ system: 'urn:left-out', value: id }] };
      const harmless = { resource: { resourceType: 'Basic', ...left, code: { text: 'x' }, subject: { reference: 'Patient/own' } }, request: { method: 'POST', url: 'Basic' } };
      const answers = [
        await ask(writer, 'POST', '/Observation', { body: anew }),
        await ask(writer, 'PUT', `/Observation/${id}`, { body: pulse(subject, id) }),
        await ask(writer, 'POST', '', { body: bundle('batch', [post]) }),
        await ask(writer, 'POST', '', { body: bundle('transaction', [post, ...(should === 201 ? [] : [harmless])]) }),
        await ask(writer, ...published(anew)),
        await ask(writer, ...publishedInBatch(anew)),
      ];
      cells += answers.length;
      const is = answers.map((answer) => Number(answer.json?.entry ? entryStatus(answer) : statusIn(answer)));
      // Who does not see all of a type chooses no ids in it.
      const byAddress = writer.name === 'publisher' ? should : should === 403 ? 403 : 404;
      if (is.some((it, index) => it !== (index === 1 ? byAddress : should))) wrong.push(`${of} (${outcome}): ${is.join(', ')}, not ${should}`);
      // All or nothing.
      if (should !== 201) {
        const { json } = await must(200, 'GET', `/Basic?identifier=urn:left-out|${id}`);
        if (json.total !== 0) wrong.push(`${of}: an entry of a refused transaction was recorded`);
      }
    };
    await eachOf([...created], recordAnew);
    expect(wrong).toEqual([]);
  });
}); // prettier-ignore

describe('what writing tells', () => {
  const [gp, hospital, paramedic] = ['gp', 'ed-doctor', 'paramedic'].map((name) => askers.find((it) => it.name === name)!) as [Asker, Asker, Asker]; // prettier-ignore
  const { id: _, ...anew } = pulse({ reference: 'Patient/own' });

  it('a conditional create finds what a search would, and nothing else', async () => {
    tested.add('conditionalCreate');
    for (const asker of [gp, hospital]) {
      const wrong: string[] = [];
      for (const kind of kinds.filter(({ resource }) => resource.resourceType === 'Observation')) {
        const headers = { 'if-none-exist': `_id=${kind.resource.id}` };
        const { status, json } = await ask(asker, 'POST', '/Observation', { body: anew, headers });
        cells += 1;
        const should = isShown(outcomeOf(asker, kind)) ? 200 : 201;
        if (status !== should || (status === 200) !== (json.id === kind.resource.id)) wrong.push(`${kind.name}: ${status}`);
      }
      expect(wrong).toEqual([]);
    }
  });

  it('what was recorded before comes back as a read would show it', async () => {
    const headers = { 'if-none-exist': '_id=flagged' };
    const body = { resourceType: 'Patient', name: [{ family: 'New' }] };
    const { status, json, text } = await ask(gp, 'POST', '/Patient', { body, headers });
    expect([status, json.id, text.includes('Leeds')]).toEqual([200, 'flagged', false]);
  });

  it('whoever is known to the caller and whoever is not are answered alike', async () => {
    const about = (reference: string) => ask(paramedic, 'POST', '/Observation', { body: { ...anew, subject: { reference } } });
    const [known, unknown] = [await about('Patient/own'), await about('Patient/nobody')];
    expect([known.status, known.text]).toEqual([unknown.status, unknown.text]);
    const beside = (reference: string) => ask(gp, 'POST', '/Observation', { body: { ...anew, focus: [{ reference }] } });
    const [met, unmet] = [await beside('Patient/other'), await beside('Patient/nobody')];
    expect([met.status, met.text]).toEqual([unmet.status, unmet.text]);
    const conditional = (value: string) => ({ ...anew, subject: { reference: `Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|${value}` } });
    const [held, free] = [await ask(gp, 'POST', '/Observation', { body: conditional(OTHER_NUMBER) }), await ask(gp, 'POST', '/Observation', { body: conditional('9000000009') })];
    expect([held.status, held.text]).toEqual([free.status, free.text]);
    const headers = { prefer: 'return=OperationOutcome' };
    const pointing = (id: string) => ask(gp, 'POST', '/Observation', { body: { ...anew, derivedFrom: [{ reference: `Observation/${id}` }] }, headers });
    expect((await pointing('of-other')).json.issue).toEqual((await pointing('never-was')).json.issue);
    expect((await pointing('normal')).json.issue).not.toEqual((await pointing('never-was')).json.issue);
    cells += 9;
  });

  it('registers people by role, and does not tell who has a number already', async () => {
    const body = { resourceType: 'Patient', name: [{ family: 'New' }] };
    const statuses = await Promise.all([gp, hospital, paramedic].map(async (it) => (await ask(it, 'POST', '/Patient', { body })).status));
    expect(statuses).toEqual([201, 201, 403]);
    const taken = await ask(gp, 'POST', '/Patient', { body: { ...body, identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: OTHER_NUMBER }] } });
    expect([taken.status, taken.headers.get('location'), taken.text.includes('Patient/other')]).toEqual([409, null, false]);
    const both = bundle('transaction', [
      { fullUrl: 'urn:uuid:1', resource: body, request: { method: 'POST', url: 'Patient' } },
      { resource: { ...anew, subject: { reference: 'urn:uuid:1' } }, request: { method: 'POST', url: 'Observation' } },
    ]);
    expect((await ask(gp, 'POST', '', { body: both })).status).toBe(200);
    cells += 5;
  });

  it('nobody takes a record over by naming another patient in it', async () => {
    const moved = pulse({ reference: 'Patient/other' }, 'of-child');
    expect((await ask(gp, 'PUT', '/Observation/of-child', { body: moved })).status).toBe(422);
    const taken = pulse({ reference: 'Patient/own' }, 'of-other');
    expect((await ask(gp, 'PUT', '/Observation/of-other', { body: taken })).status).toBe(404);
    cells += 2;
  });
}); // prettier-ignore

/** Every way to name an id: what is kept from the asker is answered in the words that are for what there is not. */
describe('ids that are kept from somebody and ids that never were are answered alike', () => {
  const laboratory = { scope: 'user/Observation.cruds?category=laboratory user/Patient.rs' };
  const asked: readonly Asker[] = [
    ...askers.filter(({ name }) => ['gp', 'ed-doctor', 'paramedic', 'pharmacist', 'privacy-officer', 'patient', 'auditor', 'laboratory app', 'research'].includes(name)),
    { name: 'laboratory app that writes', persona: 'gp', limits: laboratory },
    { name: 'laboratory system', persona: 'publisher', limits: { scope: 'system/Observation.cruds?category=laboratory' } },
  ];
  const ended: Kind = { name: 'ended', of: 'other', resource: pulse({ reference: 'Patient/other' }, 'ended-of-other') };
  // Of a type of which a privacy officer sees the alerts alone.
  const errand: Kind = { name: 'errand', of: 'other', resource: { resourceType: 'Task', id: 'errand', status: 'requested', intent: 'order', for: { reference: 'Patient/other' } } };
  beforeAll(async () => {
    await must(201, 'PUT', at(ended), { body: ended.resource });
    await must(204, 'DELETE', at(ended));
    await must(201, 'PUT', at(errand), { body: errand.resource });
  });

  type Way = (id: string, kind: Kind) => [method: string, path: string, more?: object];
  const entry = (type: 'batch' | 'transaction', request: object, resource?: object): [string, string, object] =>
    ['POST', '', { body: bundle(type, [{ request, ...(resource !== undefined && { resource }) }]) }];
  const named = (kind: Kind, id: string, more: object = {}) => ({ ...kind.resource, ...more, id });
  const type = ({ resource: { resourceType } }: Kind) => resourceType;
  const ways: Record<string, Way> = {
    read: (id, kind) => ['GET', `/${type(kind)}/${id}`],
    head: (id, kind) => ['HEAD', `/${type(kind)}/${id}`],
    'conditional read': (id, kind) => ['GET', `/${type(kind)}/${id}`, { headers: { 'if-none-match': 'W/"1"' } }],
    'read since': (id, kind) => ['GET', `/${type(kind)}/${id}`, { headers: { 'if-modified-since': new Date().toUTCString() } }],
    history: (id, kind) => ['GET', `/${type(kind)}/${id}/_history`],
    'first version': (id, kind) => ['GET', `/${type(kind)}/${id}/_history/1`],
    'version that is not': (id, kind) => ['GET', `/${type(kind)}/${id}/_history/99`],
    search: (id, kind) => ['GET', `/${type(kind)}?_id=${id}&_total=accurate`],
    count: (id, kind) => ['GET', `/${type(kind)}?_id=${id}&_summary=count`],
    'search by POST': (id, kind) => ['POST', `/${type(kind)}/_search`, { body: `_id=${id}`, headers: form }],
    compartment: (id) => ['GET', `/Patient/${id}/Observation`],
    'compartment by POST': (id) => ['POST', `/Patient/${id}/Observation/_search`, { body: '', headers: form }],
    'who looked': (id) => ['GET', `/AuditEvent?patient=${id}&_summary=count`],
    $everything: (id) => ['GET', `/Patient/${id}/$everything`],
    $summary: (id) => ['GET', `/Patient/${id}/$summary?profile=acute`],
    'what points at it': (id) => ['GET', `/Observation?subject=Patient/${id}&_total=accurate`],
    update: (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id) }],
    'other update': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id, { language: 'en' }) }],
    'update of the first version': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id), headers: { 'if-match': 'W/"1"' } }],
    'update of a version that is not': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id), headers: { 'if-match': 'W/"99"' } }],
    'update of any version': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id), headers: { 'if-match': '*' } }],
    'update of none': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: named(kind, id), headers: { 'if-none-match': '*' } }],
    'update that names its own': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: { ...pulse({ reference: 'Patient/own' }, id), resourceType: type(kind) } }],
    'update that names somebody new': (id, kind) => ['PUT', `/${type(kind)}/${id}`, { body: { ...pulse({ type: 'Patient', identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9999999468' } }, id), resourceType: type(kind) } }],
    deletion: (id, kind) => ['DELETE', `/${type(kind)}/${id}`],
    'deletion of the first version': (id, kind) => ['DELETE', `/${type(kind)}/${id}`, { headers: { 'if-match': 'W/"1"' } }],
    'deletion of a version that is not': (id, kind) => ['DELETE', `/${type(kind)}/${id}`, { headers: { 'if-match': 'W/"99"' } }],
    'conditional create': (id, kind) => ['POST', `/${type(kind)}`, { body: named(kind, id), headers: { 'if-none-exist': `_id=${id}`, prefer: 'return=minimal' } }],
    'reference to it': (id, kind) => ['POST', '/Observation', { body: { ...pulse({ reference: 'Patient/own' }), derivedFrom: [{ reference: `${type(kind)}/${id}` }] }, headers: { prefer: 'return=OperationOutcome' } }],
    'conditional reference to it': (id, kind) => ['POST', '/Observation', { body: { ...pulse({ reference: 'Patient/own' }), focus: [{ reference: `${type(kind)}?_id=${id}` }] }, headers: { prefer: 'return=minimal' } }],
    ...Object.fromEntries((['batch', 'transaction'] as const).flatMap((mode) => Object.entries({
      read: (id: string, kind: Kind) => entry(mode, { method: 'GET', url: `${type(kind)}/${id}` }),
      update: (id: string, kind: Kind) => entry(mode, { method: 'PUT', url: `${type(kind)}/${id}` }, named(kind, id)),
      'update of the first version': (id: string, kind: Kind) => entry(mode, { method: 'PUT', url: `${type(kind)}/${id}`, ifMatch: 'W/"1"' }, named(kind, id)),
      'update of none': (id: string, kind: Kind) => entry(mode, { method: 'PUT', url: `${type(kind)}/${id}`, ifNoneMatch: '*' }, named(kind, id)),
      deletion: (id: string, kind: Kind) => entry(mode, { method: 'DELETE', url: `${type(kind)}/${id}` }),
      'deletion of a version that is not': (id: string, kind: Kind) => entry(mode, { method: 'DELETE', url: `${type(kind)}/${id}`, ifMatch: 'W/"99"' }),
    }).map(([name, way]) => [`${name} in a ${mode}`, way] as const))),
  };
  const ofPatients = ['compartment', 'compartment by POST', 'who looked', '$everything', '$summary', 'what points at it'];

  it.each(asked.map((asker) => [asker.name, asker] as const))('to %s', async (_, asker) => {
    const wrong: string[] = [];
    let compared = 0;
    const met = new Set<string>();
    const all = [...kinds, ended, errand];
    const hidden = new Set<Kind>();
    await eachOf(all, async (kind) => {
      if ((await ask(asker, 'GET', at(kind))).status === 404) hidden.add(kind);
    });
    for (const kind of all) {
      // One of each type and reason.
      const like = `${type(kind)} ${seen.has(kind.name) ? outcomeOf(asker, kind) : kind.name}`;
      if (!hidden.has(kind) || met.has(like)) continue;
      met.add(like);
      // Where the type as such is refused, an id tells nothing; and a role that may not see a type may yet record it.
      const compare = async ([name, way]: [string, Way]): Promise<void> => {
        if (ofPatients.includes(name) && type(kind) !== 'Patient') return;
        const { id } = kind.resource;
        const said = async (asked: string) => {
          const { status, text, headers } = await ask(asker, ...way(asked, kind));
          const told = [status, headers.get('etag'), headers.get('location') === null, text].join(' ');
          // Of what is recorded for the asker anew, ids and times differ.
          return told
            .replaceAll(asked, '[id]')
            .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '[new]')
            .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '[now]');
        };
        const [kept, unknown] = [
          await said(id),
          await said(`never-${'x'.repeat(Math.max(0, id.length - 6))}`),
        ];
        compared += 1;
        if (kept !== unknown)
          wrong.push(`${kind.name}, ${name}: ${kept.slice(0, 300)} | ${unknown.slice(0, 300)}`);
      };
      await eachOf(Object.entries(ways).filter((_, number) => isTaken(number + met.size)), compare);
    }
    cells += compared;
    expect(wrong).toEqual([]);
    if (areAllTaken) expect(compared).toBeGreaterThan(['auditor', 'privacy-officer'].includes(asker.name) ? 30 : 60);
  });
}); // prettier-ignore

describe('what is concealed', () => {
  it.each(['address-city=Leeds', 'phone=07700900001', 'address-postalcode=LS1'])('is not found by %s', async (condition) => {
    const asked = `/Patient?_id=flagged,own&${condition}`;
    const ids = async (as: string) => (await must(200, 'GET', asked, { as })).json.entry.map(({ resource }: { resource: Json }) => resource.id).sort();
    expect(await ids('publisher')).toEqual(['flagged', 'own']);
    expect(await ids('gp')).toEqual(['own']);
    cells += 2;
  }); // prettier-ignore

  it('is on record as left out, of a read as of a search', async () => {
    for (const path of ['/Patient/flagged', '/Patient?_id=flagged', '/Patient/flagged/_history']) {
      await must(200, 'GET', path, { as: 'gp' });
      const [last] = (await must(200, 'GET', '/AuditEvent?patient=flagged&_count=1', { as: 'auditor' })).json
        .entry;
      expect(last.resource.outcomeDesc).toBe('redacted: direct-care');
      cells += 1;
    }
  });

  it('does not order what is shown', async () => {
    const order = async (as: string) =>
      (
        await must(200, 'GET', '/Patient?_id=flagged,own&_sort=address-city', { as })
      ).json.entry.map(({ resource }: { resource: Json }) => resource.id); // prettier-ignore
    expect([await order('publisher'), await order('gp')]).toEqual([['flagged', 'own'], ['own', 'flagged']]); // prettier-ignore
    cells += 2;
  });
});

it('who looked does not tell a patient what was kept from them', async () => {
  const seen = async () => (await must(200, 'GET', '/AuditEvent?_count=500', { as: 'patient' })).text;
  for (const id of ['very-restricted', 'untold', 'never-was'])
    await must(404, 'GET', `/Observation/${id}`, { as: 'patient' });
  const text = await seen();
  expect([text.includes('confidential'), /you asked [^<]* refused/.test(text)]).toEqual([false, false]);
  const own = (await must(200, 'GET', '/AuditEvent?patient=own&_count=500', { as: 'auditor' })).text;
  expect(own).toContain('refused: confidential');
  cells += 3;
});

it('a paging link is good for whoever it was given to', async () => {
  const { json } = await must(200, 'GET', '/Observation?_count=2');
  const next = json.link.find(({ relation }: { relation: string }) => relation === 'next').url as string;
  for (const asker of askers.filter(({ name }) => name !== 'publisher')) {
    const { status } = await ask(asker, 'GET', next);
    // Research is the same system with another purpose: its page is decided anew.
    expect([asker.name, asker.name === 'research' ? [200] : [400, 403]]).toEqual([asker.name, expect.arrayContaining([status])]); // prettier-ignore
    cells += 1;
  }
});

it('breaking the glass is for care givers, and of people that there are', async () => {
  const parameter = [{ name: 'reason', valueCode: 'emergency' }, { name: 'text', valueString: 'Found collapsed' }]; // prettier-ignore
  const body = { resourceType: 'Parameters', parameter };
  const statuses: Record<string, number> = {};
  tested.add('break-glass');
  for (const asker of askers)
    statuses[asker.name] = (await ask(asker, 'POST', '/Patient/nobody/$break-glass', { body })).status;
  const may = ['gp', 'ed-doctor', 'paramedic', 'community-nurse', 'crisis-worker', 'social-worker', 'pharmacist'];
  expect(statuses).toEqual(Object.fromEntries(askers.map(({ name }) => [name, may.includes(name) ? 404 : 403])));
  cells += askers.length;
}); // prettier-ignore

it('counts of many people are for who states a purpose that has them', async () => {
  const path = '/Measure/appointments-missed/$evaluate-measure';
  const parameter = [{ name: 'periodStart', valueDate: '2026' }, { name: 'periodEnd', valueDate: '2026' }]; // prettier-ignore
  const statuses: Record<string, readonly number[]> = {};
  tested.add('evaluate-measure');
  for (const asker of askers) {
    const read = await ask(asker, 'GET', `${path}?periodStart=2026&periodEnd=2026`);
    const sent = await ask(asker, 'POST', path, { body: { resourceType: 'Parameters', parameter } });
    const named = kinds.filter(({ resource }) => `${read.text} ${sent.text}`.includes(`/${resource.id}"`));
    expect(named).toEqual([]);
    statuses[asker.name] = [read.status, sent.status];
  }
  const status = (name: string) => (['auditor', 'research'].includes(name) ? 200 : 403);
  expect(statuses).toEqual(Object.fromEntries(askers.map(({ name }) => [name, [status(name), status(name)]]))); // prettier-ignore
  cells += askers.length * 2;
});

it('a subscription is its owner’s alone, and topics are everybody’s', async () => {
  const publisher = askers[0]!;
  const { json } = await ask(publisher, 'POST', '/Subscription', { body: websocket() });
  const id = json.id as string;
  const own = `/Subscription/${id}`;
  for (const name of ['status', 'events', 'get-ws-binding-token', 'hook-secret']) tested.add(name);
  // An app without a scope for it, a role that sees nothing of its kind, and whoever may see none at all.
  const unable = new Set(['operator', 'laboratory app', 'problems app', 'privacy-officer']);
  const wrong: string[] = [];
  for (const asker of askers) {
    const is = async (method: string, path: string, more: object = {}) => (await ask(asker, method, path, more)).status;
    const others = unable.has(asker.name) ? 403 : 404;
    const isOwner = asker.persona === 'publisher';
    const readers = isOwner ? 200 : others;
    const told = {
      read: [await is('GET', own), readers],
      status: [await is('GET', `${own}/$status`), readers],
      statusPosted: [await is('POST', `${own}/$status`), readers],
      events: [await is('GET', `${own}/$events`), readers],
      eventsPosted: [await is('POST', `${own}/$events`), readers],
      token: [await is('GET', `${own}/$get-ws-binding-token`), readers],
      tokenPosted: [await is('POST', `${own}/$get-ws-binding-token`), readers],
    };
    for (const [name, [got, should]] of Object.entries(told)) if (got !== should) wrong.push(`${asker.name}, ${name}: ${got}`);
    // What writes is refused to whoever may not write, whatever there is.
    const written = [await is('PUT', own, { body: { ...websocket(), id } }), await is('POST', `${own}/$hook-secret`)];
    if (written.some((status) => !(isOwner ? [200, 422] : [403, 404]).includes(status))) wrong.push(`${asker.name}: ${written.join(', ')}`);
    const made = await ask(asker, 'POST', '/Subscription', { body: websocket() });
    const ended = await is('DELETE', `/Subscription/${made.status === 201 ? made.json.id : '0'.repeat(36)}`);
    const may = made.status === 201 ? [204] : made.status === 403 ? [403, 404] : [];
    if (!may.includes(ended)) wrong.push(`${asker.name} made ${made.status} and ended ${ended}`);
    for (const [method, path, more] of [['GET', '/Subscription'], ['POST', '/Subscription/_search', { body: '', headers: form }], ['GET', '/Subscription/$status'], ['POST', '/Subscription/$status'], ['GET', '/Subscription/$get-ws-binding-token'], ['POST', '/Subscription/$get-ws-binding-token']] as [string, string, object?][]) {
      const { text } = await ask(asker, method, path, more);
      if (text.includes(id) !== isOwner) wrong.push(`${asker.name}, ${method} ${path}: ${text}`);
    }
    const [list, one] = [await is('GET', '/SubscriptionTopic'), await is('GET', '/SubscriptionTopic/everything')];
    if (list !== 200 || one !== 200) wrong.push(`${asker.name}, topics: ${list}, ${one}`);
    cells += 18;
  }
  expect(wrong).toEqual([]);
}); // prettier-ignore

it('who lacks a scope is told which', async () => {
  const app = askers.find(({ name }) => name === 'problems app')!;
  const challenge = async (method: string, path: string, more: object = {}) => {
    const { status, headers } = await ask(app, method, path, more);
    return [status, headers.get('www-authenticate')];
  };
  const lacking = (scope: string) => [403, `Bearer realm="carelog", error="insufficient_scope", scope="${scope}"`];
  expect(await challenge('GET', '/Observation/normal')).toEqual(lacking('user/Observation.r'));
  expect(await challenge('GET', '/Observation')).toEqual(lacking('user/Observation.s'));
  expect(await challenge('POST', '/Observation', { body: pulse({ reference: 'Patient/own' }) })).toEqual(lacking('user/Observation.c'));
  expect(await challenge('DELETE', '/Condition/by-content')).toEqual(lacking('user/Condition.d'));
  const put = { body: bundle('transaction', [putOf(kinds[0]!.resource)]) };
  expect(await challenge('POST', '', put)).toEqual(lacking('user/Observation.u'));
  // Of what the role does not permit there is no scope that would help.
  const worker = askers.find(({ name }) => name === 'social-worker')!;
  const { status, headers } = await ask(worker, 'GET', '/Observation/normal');
  expect([status, headers.get('www-authenticate')]).toEqual([403, null]);
  cells += 6;
}); // prettier-ignore

/** The routes of a process, which are not to be had of another. */
const isListed = !isCluster;

describe('what the platform answers beside the record', () => {
  it.each<[string, string, Record<string, number>]>([
    ['GET', '/status', { operator: 200, auditor: 200, publisher: 200, research: 200 }],
    ['GET', '/metrics', { operator: 200, auditor: 200, publisher: 200, research: 200 }],
    // A cluster builds a view anew beside the one that serves, and no gateway has a hand in it.
    ...(isCluster ? [] : [['POST', '/rebuild/nothing', { operator: 404 }] as [string, string, Record<string, number>]]),
    ['POST', '/access-log/erase/2001-13', { operator: 400 }],
  ])('%s %s is for those who run it', async (method, path, may) => {
    const is: Record<string, number> = {};
    for (const asker of askers) is[asker.name] = (await ask(asker, method, stack.url + path)).status;
    expect(is).toEqual({ ...Object.fromEntries(askers.map(({ name }) => [name, 403])), ...may });
    cells += askers.length;
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is not for events', async (method) => {
    const statuses = [];
    for (const asker of askers) statuses.push((await ask(asker, method, `${stack.url}/activities`)).status);
    expect(statuses).toEqual(askers.map(() => 405));
    cells += askers.length;
  });

  it('a stream of events is for who may read, each with a session of their own', async () => {
    const began: Record<string, number> = {};
    const sessions = new Set<string | null>();
    for (const asker of askers) {
      // From an event that never was, so that no stream is left open.
      began[asker.name] = (await ask(asker, 'GET', `${stack.url}/events?since=never`)).status;
      const opened = await ask(asker, 'POST', `${stack.url}/events/session`);
      const closed = await ask(asker, 'DELETE', `${stack.url}/events/session`);
      expect([asker.name, opened.status, closed.status]).toEqual([asker.name, 204, 204]);
      sessions.add(opened.headers.get('set-cookie'));
    }
    const [status] = new Set(Object.values(began).filter((it) => it !== 403));
    expect([status! >= 400, sessions.size]).toEqual([true, askers.length]);
    expect(began).toEqual(Object.fromEntries(askers.map(({ name }) => [name, name === 'operator' ? 403 : status])));
    cells += 3 * askers.length;
  });

  it('a token is introspected for its own client and for the resource server alone', async () => {
    const secrets = JSON.parse(readFileSync(join(stack.folder, 'identity', 'client-secrets.json'), 'utf8')) as Record<string, string>;
    const token = await stack.token('gp');
    const isActive = async (user: string) => {
      const authorization = `Basic ${btoa(`${user}:${secrets[user]}`)}`;
      const body = new URLSearchParams({ token });
      const answer = await fetch(`${stack.url}/openid/token/introspection`, { method: 'POST', headers: { authorization }, body });
      return ((await answer.json()) as { active: boolean }).active;
    };
    const personas = [...new Set(askers.map(({ persona }) => persona))];
    const active: string[] = [];
    for (const persona of [...personas, 'resource-server']) if (await isActive(persona)) active.push(persona);
    expect(active).toEqual(['gp', 'resource-server']);
    cells += personas.length + 1;
  });

  if (isListed) it('what is open to everybody tells of nobody', async () => {
    const open = stack.routes.filter((route) => route.open && route.method === 'GET' && !route.path.includes('*') && !route.path.includes(':'));
    const told: string[] = [];
    for (const { path } of open) {
      const text = await (await fetch(stack.url + path)).text();
      if (/Person-(own|child|flagged|other|opened)|Aldeburgh|LS1 1AA|07700900001/.test(text) || text.includes(OTHER_NUMBER)) told.push(path);
    }
    expect([open.length > 5, told]).toEqual([true, []]);
    cells += open.length;
  });
}); // prettier-ignore

describe('nothing is served that was not asked here', () => {
  if (areAllTaken) it('by every asker, at every path of the record', () => {
    for (const asker of askers) note(asker.name, 'GET', '/metadata');
    const missing = fhirPaths().flatMap((path) => {
      const names = askedAt.get(path) ?? new Set();
      const absent = askers.map(({ name }) => name).filter((name) => !names.has(name));
      return absent.length === 0 ? [] : [`${path}: ${absent.join(', ')}`];
    });
    expect(missing).toEqual([]);
  });

  if (isListed) it('nor at any other route that needs a token, nor is one open that is not known to be', () => {
    const others = stack.routes.filter(({ method, path, open }) => !open && method !== 'HEAD' && !/^\/fhir\/R4(\/\*)?$/.test(path));
    const unasked = others.filter(({ method, path }) => {
      const pattern = new RegExp(`^${method} ${path.replace(/:\w+/g, '[^/]+')}$`);
      return ![...askedAt].some(([place, names]) => pattern.test(place) && askers.every(({ name }) => names.has(name)));
    });
    expect([others.length > 2, unasked]).toEqual([true, []]);
    const known = /^\/($|assets\/|docs\/|health\/|openid(\/|$)|\.well-known\/|fhir\/R4\/(metadata|\.well-known\/smart-configuration)$)/;
    expect(stack.routes.filter(({ path, open }) => open && !known.test(path))).toEqual([]);
  });

  it('of the CapabilityStatement', async () => {
    const { rest } = (await must(200, 'GET', '/metadata')).json;
    const [{ resource, interaction, operation = [] }] = rest;
    const claimed = new Set<string>(interaction.map(({ code }: { code: string }) => code));
    for (const { name } of operation) claimed.add(name);
    for (const it of resource) {
      for (const { code } of it.interaction) claimed.add(code);
      for (const { name } of it.operation ?? []) claimed.add(name);
      for (const [name, value] of Object.entries(it)) if (/^(conditional|search(Rev)?Include)/.test(name) && value !== false && value !== 'not-supported') claimed.add(name);
    }
    const rows = [...Object.values(reads), ...Object.values(byWay), ...Object.values(changes)];
    for (const { about } of rows) for (const name of about) tested.add(name);
    expect([...claimed].filter((it) => !tested.has(it))).toEqual([]);
  });
}); // prettier-ignore

describe('the CapabilityStatement', () => {
  it('lists no parameter that finds what is not shown', async () => {
    const { rest } = (await must(200, 'GET', '/metadata')).json;
    const stranger = askers.find(({ name }) => name === 'paramedic')!;
    const wrong: string[] = [];
    const hidden = new Map(kinds.filter((kind) => outcomeOf(stranger, kind) === 'no-relationship').map((kind) => [kind.resource.resourceType, kind])); // prettier-ignore
    for (const { type, searchParam } of rest[0].resource as { type: string; searchParam: { name: string }[] }[]) {
      const kind = hidden.get(type);
      if (kind === undefined) continue;
      for (const { name } of searchParam.filter((_, number) => isTaken(number))) {
        const totals = async (asker: Asker) => {
          const asked = ['true', 'false'].map((is) => ask(asker, 'GET', byId(kind, `&${name}:missing=${is}&_summary=count`)));
          return (await Promise.all(asked)).map(({ status, json }) => (status === 200 ? json.total : status));
        };
        cells += 1;
        const [theirs, all] = [await totals(stranger), await totals(askers[0]!)];
        const isFound = JSON.stringify(all.toSorted()) === '[0,1]' && JSON.stringify(theirs) === '[0,0]';
        const isRefused = all.every((it) => it === 400) && theirs.every((it) => it === 400);
        if (!isFound && !isRefused) wrong.push(`${type}.${name}: ${theirs} of ${all}`);
      }
    }
    expect([hidden.size > 6, wrong]).toEqual([true, []]);
  }); // prettier-ignore

  it('was gone over in at least 400 cells', () => expect(cells).toBeGreaterThanOrEqual(400));
});
