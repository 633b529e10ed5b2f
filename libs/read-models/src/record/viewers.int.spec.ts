import { engineOrReason, startPostgres } from '@carelog/engines';
// What a viewer gets from the record is what is left of everything when `decideAccess` has gone over it one by one. The facts
// it decides on are worked out here from the resources themselves, in plain loops.
import {
  defaultPolicy,
  restrictionOf,
  type AccessAction,
  type AccessDecision,
  type PatientFacts,
} from '@carelog/access';
import { compartmentCondition, indexEntries, parseSearch, type SearchQuery } from '@carelog/fhir';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  type Cursor,
  type RecordQueries,
  type SearchPage,
  type SearchRefusal,
  type Viewer,
} from '../index.ts';
import { NOW, Oracle } from './access-oracle.ts';
import { onEveryEngine, recordEngines, type EmptyRecord } from './engines.ts';
import { asker, happening, nhsNumber, worldOf, type Asker, type World } from './made-worlds.ts';
import { apply, type Resource } from './miniature-log.ts';
import { withoutPlaces } from './without-places.ts';

const base = 'http://127.0.0.1/fhir/R4';
const policy = defaultPolicy();
const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
// Two engines, and a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

onEveryEngine(describe, engines, (engine) => {
  async function recordOf({ log }: World): Promise<EmptyRecord> {
    const made = await engine.make({ now: () => NOW });
    await apply(made.writer, log.changes);
    return made;
  }

  const questions: readonly (readonly [type: string, ...texts: string[]])[] = [
    ['Patient', '', 'gender=female', 'address-city=leeds', 'telecom:missing=false', '_id=p0,p1', `identifier=https://fhir.nhs.uk/Id/nhs-number|${nhsNumber(1)}`, 'general-practitioner=Organization/o0', '_sort=-_lastUpdated'], // prettier-ignore
    ['Observation', '', 'code=x', 'category=laboratory', 'patient=p0', 'patient=Patient/p1&code=y', 'patient=p2&date=ge2026-01-02', 'performer=Practitioner/doc', 'status:not=final', 'code=x&_sort=-date', 'patient=p1&_sort=date', '_sort=_lastUpdated', '_id=observation1,observation2'], // prettier-ignore
    ['Encounter', '', 'patient=p1', 'location=Location/l0', 'location-period=ge2026-05-02', 'status=finished', 'service-provider=Organization/o1', 'service-provider:identifier=Y00001', 'service-provider:missing=true'], // prettier-ignore
    ['Appointment', '', 'patient=p0', '_sort=-date', 'actor=Location/l0', 'actor=Patient/p1', 'location=Location/l1'], // prettier-ignore
    ['Condition', '', 'patient=p0'],
    ['Consent', '', 'patient=p1', 'actor=Organization/o1'],
    ['EpisodeOfCare', '', 'organization=Organization/o1', 'status=active'],
    ['DocumentReference', '', 'author=Patient/p2'],
    ['Coverage', '', 'beneficiary=Patient/p1', 'subscriber=Patient/p2', 'payor:missing=true'],
    ['RelatedPerson', ''],
    ['Task', '', 'patient=p3'],
    ['Group', ''],
    ['Organization', ''],
    ['Location', ''],
    ['Practitioner', '', '_id=doc'],
  ];

  /** Conditions of these questions on what tells of places. */
  const TELLING: Readonly<Record<string, readonly string[]>> = {
    Patient: ['address-city', 'telecom', 'general-practitioner'],
    Encounter: ['location', 'service-provider'],
    Appointment: ['actor=Location', 'location'],
    EpisodeOfCare: ['organization'],
    Consent: ['actor'],
    Coverage: ['subscriber', 'payor'],
  };

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
    return plain(decision.permit && decision.conceals ? withoutPlaces(resource) : resource);
  }
  function plain({ meta, ...rest }: Resource): Resource {
    const security = (meta as { security?: unknown } | undefined)?.security;
    return { ...rest, ...(security !== undefined && { meta: { security } }) };
  }

  /** Of all that match, what may be seen of each, in order. */
  async function left(record: RecordQueries, world: World, oracle: Oracle, asked: SearchQuery) {
    const all = entriesOf(pageOf(await record.search(asked, { count: 1000, base })));
    return all.flatMap(({ resource }) => {
      const recorded = world.recorded.get(streamOf(resource))!;
      const decision = oracle.decide('search', oracle.factsOf(recorded, recorded.versions.length));
      if (!decision.permit) return [];
      return [{ resource, shown: shownBy(decision, resource), isConcealed: decision.conceals === true }];
    });
  }

  async function inPages(record: RecordQueries, asked: SearchQuery, viewer: Viewer): Promise<Resource[]> {
    const resources: Resource[] = [];
    let cursor: Cursor | undefined;
    do {
      const page = pageOf(await record.search(asked, { count: 3, base, ...(cursor && { cursor }) }, viewer));
      resources.push(...entriesOf(page).map((it) => plain(it.resource)));
      cursor = page.next;
    } while (cursor !== undefined);
    return resources;
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
      return permission.permit
        ? { restriction: permission.restriction, organisation, careSetting }
        : undefined;
    };
    await check({ oracle, viewerFor });
  };

  const worlds = fc.array(happening, { minLength: 60, maxLength: 110 });
  const askers = fc.array(asker, { minLength: 8, maxLength: 8 });
  const runs = { numRuns: Number(process.env['VIEWERS_RUNS'] ?? (engine.name === 'sqlite' ? 6 : 2)), seed: Number(process.env['VIEWERS_SEED'] ?? 1), endOnFailure: true }; // prettier-ignore

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
        const { record, release } = await recordOf(world);
        for (const asker of everybody)
          await asks(record, world, asker, (setting) => check({ record, world, asker, ...setting }));
        await release();
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
            const isTelling = (TELLING[type] ?? []).some((it) => text.startsWith(it));
            const expected = (await left(record, world, oracle, asked))
              .filter(({ isConcealed }) => !isConcealed || !isTelling)
              .map(({ shown }) => shown);
            const name = [type, text];
            const page = pageOf(await record.search(asked, { count: 1000, base, total: 'accurate' }, viewer));
            expect([name, entriesOf(page).map((it) => plain(it.resource)), page.total]).toEqual([name, expected, expected.length]); // prettier-ignore
            expect([name, pageOf(await record.count(asked, viewer)).total]).toEqual([name, expected.length]);
            expect([name, await inPages(record, asked, viewer)]).toEqual([name, expected]);
          }
        }
      });
    });

    it.each([
      ['Patient', 'address-city'],
      ['Patient', '-address-city'],
      ['Encounter', 'location-period'],
      ['Encounter', '-location-period'],
      ['Encounter', '-location-period,_lastUpdated'],
    ])('of searches of %s sorted by %s, which is concealed from some', async (type, sort) => {
      await property(async ({ record, world, oracle, viewerFor }) => {
        const viewer = viewerFor('search', type);
        if (viewer === undefined) return;
        const { query: asked } = query(type, `_sort=${sort}`);
        const { query: unsorted } = query(type, sort.includes(',') ? `_sort=${sort.split(',')[1]}` : '');
        const all = await left(record, world, oracle, asked);
        // What has no value comes last, and what is concealed is no value.
        const hasValue = ({ shown, isConcealed }: (typeof all)[number]) =>
          !isConcealed && JSON.stringify(shown).includes(type === 'Patient' ? '"address"' : '"location"');
        const first = all.filter(hasValue);
        const rest = (await left(record, world, oracle, unsorted)).filter((it) => !hasValue(it));
        if (sort.startsWith('-') && !sort.includes(',')) rest.reverse();
        const expected = [...first, ...rest].map(({ shown }) => shown);
        expect(await inPages(record, asked, viewer)).toEqual(expected);
      });
    });

    it('of compartments', async () => {
      await property(async ({ record, world, oracle, viewerFor }) => {
        for (const [owner, type] of [
          ['Patient/p0', 'Coverage'],
          ['Patient/p1', 'Coverage'],
          ['Patient/p0', 'Observation'],
          ['Practitioner/doc', 'Observation'],
        ] as const) {
          // prettier-ignore
          const viewer = viewerFor('search', type);
          const condition = compartmentCondition(...(owner.split('/') as [string, string]), type);
          if (viewer === undefined || condition?.kind !== 'compartment') continue;
          const asked = { type, conditions: [condition] };
          const expected = (await left(record, world, oracle, asked))
            .filter(
              ({ resource, isConcealed }) =>
                !isConcealed ||
                indexEntries(type, resource).some(
                  (it) =>
                    it.kind === 'reference' &&
                    it.target === owner &&
                    condition.parameters.includes(it.parameter) &&
                    !['subscriber', 'payor'].includes(it.parameter),
                ),
            ) // prettier-ignore
            .map(({ shown }) => shown);
          const name = [owner, type];
          expect([name, await inPages(record, asked, viewer)]).toEqual([name, expected]);
          expect([name, pageOf(await record.count(asked, viewer)).total]).toEqual([name, expected.length]);
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
            return { version, resource: shownBy(then.conceals ? then : now, resource) };
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
          const page = pageOf(
            await record.search(asked, { count: 100, base, includes, includesFor }, viewer),
          );
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
                ({ decision }) => decision.conceals !== true || ['subject', 'author'].includes(parameter),
              )
              .map((it) => it.text);
          });
        }
      });
    });
  });
});
