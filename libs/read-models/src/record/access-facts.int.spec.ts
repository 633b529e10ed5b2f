import { defaultPolicy, restrictionOf, type AccessAction, type Caller, type Scope } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { compartmentCondition, parseSearch } from '@carelog/fhir';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRecord, openRecordWriter, type RecordQueries, type Viewer } from '../index.ts';
import { onEveryEngine, recordEngines, type EmptyRecord } from './engines.ts';
import { apply, Log, observation, patient } from './miniature-log.ts';

const base = 'http://127.0.0.1/fhir/R4';
const policy = defaultPolicy();
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const sFlag = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }; // prettier-ignore

vi.setConfig({ testTimeout: 120_000 });

const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

function viewer(action: AccessAction, type?: string, scopes?: readonly Scope[]): Viewer {
  const caller: Caller = { subject: 's', kind: 'staff', organisation: 'Y1', system: 'x', careSetting: 'acute', roleCode: 'R8000', ...(scopes && { scopes }) }; // prettier-ignore
  const facts = { own: [], proxyFor: [], brokenGlass: [] };
  const permission = restrictionOf(caller, action, type, facts, policy);
  if (!permission.permit) throw new Error(permission.reason);
  return { restriction: permission.restriction, organisation: 'Y1', careSetting: caller.careSetting };
}

const by = (value: string) => ({ identifier: { system: ODS, value } });

onEveryEngine(describe, engines, (engine) => {
  let now = 0;
  let made: EmptyRecord;
  let writer: EmptyRecord['writer'];
  let record: RecordQueries;
  beforeEach(async () => {
    now = Date.UTC(2026, 5, 1);
    made = await engine.make({ now: () => now });
    ({ writer, record } = made);
  });
  afterEach(() => made.release());

  const kindOf = async (id: string) => (await record.read('Patient', id, viewer('read', 'Patient'))).kind;

  async function idsOf(
    type: string,
    text: string,
    asked = parseSearch(type, new URLSearchParams(text), { base }),
    scopes?: readonly Scope[],
  ) {
    const page = await record.search(asked.query, { count: 50, base, includes: asked.includes, includesFor: viewer('read', undefined, scopes) }, viewer('search', type, scopes)); // prettier-ignore
    if ('refused' in page) throw new Error(page.problem.message);
    const entries = JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as {
      resource: { id: string };
    }[];
    return entries.map((it) => it.resource.id);
  }

  describe('relationships', () => {
    it('hold through parts of an organisation, whenever it is recorded and whatever it becomes', async () => {
      const log = new Log();
      const atLocation = { location: [{ location: { reference: 'Location/ward' } }] };
      await apply(writer, [
        log.record('ada', patient('ada')),
        log.record('ada', { resourceType: 'Encounter', id: 'e', status: 'in-progress', subject: { reference: 'Patient/ada' }, period: { start: '2026-05-01' }, ...atLocation }), // prettier-ignore
      ]);
      expect(await kindOf('ada')).toBe('unknown');
      await apply(writer, [
        log.record('shared', { resourceType: 'Location', id: 'ward', managingOrganization: { reference: 'Organization/trust' } }), // prettier-ignore
      ]);
      expect(await kindOf('ada')).toBe('unknown');
      const trust = { resourceType: 'Organization', id: 'trust', identifier: [{ system: ODS, value: 'Y1' }] };
      await apply(writer, [log.record('shared', trust)]);
      expect(await kindOf('ada')).toBe('found');
      expect(await idsOf('Encounter', '')).toEqual(['e']);
      await apply(writer, [log.record('shared', { ...trust, identifier: [{ system: ODS, value: 'Y2' }] })]);
      expect(await kindOf('ada')).toBe('unknown');
      expect(await idsOf('Encounter', '')).toEqual([]);
    });

    it('begin and end with the time that passes', async () => {
      const log = new Log();
      const stay = { resourceType: 'Encounter', id: 'e', status: 'finished', subject: { reference: 'Patient/ada' }, period: { start: '2026-05-01', end: '2026-05-10' }, serviceProvider: by('Y1') }; // prettier-ignore
      await apply(writer, [log.record('ada', patient('ada')), log.record('ada', stay)]);
      const lasts = policy.relationships['recent-encounter'].lastsDays;
      for (const [day, kind] of [
        [-1, 'unknown'],
        [0, 'found'],
        [9, 'found'],
        [9 + lasts, 'found'],
        [10 + lasts, 'unknown'],
      ] as const) {
        // prettier-ignore
        now = Date.UTC(2026, 4, 1 + day);
        expect([day, await kindOf('ada')]).toEqual([day, kind]);
      }
    });
  });

  describe('what is concealed', () => {
    it('is taken out and leaves all else as it is written', async () => {
      const log = new Log();
      const body = patient('ada', { ...sFlag, generalPractitioner: [by('Y1')], _gender: { extension: [] }, telecom: [{ value: '1' }], extension: [], multipleBirthInteger: 2 }); // prettier-ignore
      const bodies = [log.record('ada', body), log.record('ada', { ...observation('o', 'ada', 'x'), valueQuantity: { value: 1.5 } })]; // prettier-ignore
      await apply(writer, bodies);
      const [whole, shown] = [await record.read('Patient', 'ada'), await record.read('Patient', 'ada', viewer('read', 'Patient'))]; // prettier-ignore
      if (whole.kind !== 'found' || shown.kind !== 'found') throw new Error('not found');
      const expected = whole.body
        .replace(/"generalPractitioner":\[[^\]]*\],?/, '')
        .replace(/"telecom":\[[^\]]*\],?/, '')
        .replace(/"extension":\[\](?=,"multiple),?/, '')
        .replace(/,\s*,/g, ',');
      expect(JSON.parse(shown.body)).toEqual(JSON.parse(expected));
      expect(shown.body).toContain('"multipleBirthInteger":2');
      expect(shown.body.startsWith('{"resourceType":"Patient","id":"ada"')).toBe(true);
    });

    it('puts nothing into a compartment', async () => {
      const log = new Log();
      const cover = { resourceType: 'Coverage', id: 'c', status: 'active', beneficiary: { reference: 'Patient/child' }, subscriber: { reference: 'Patient/parent' } }; // prettier-ignore
      await apply(writer, [
        log.record('child', patient('child', { ...sFlag, generalPractitioner: [by('Y1')] })),
        log.record('parent', patient('parent', { generalPractitioner: [by('Y1')] })),
        log.record('child', cover),
      ]);
      const within = async (id: string) => {
        const condition = compartmentCondition('Patient', id, 'Coverage');
        const asked = parseSearch('Coverage', [], { base });
        return idsOf('Coverage', '', { ...asked, query: { type: 'Coverage', conditions: [condition!] } });
      };
      expect(await within('child')).toEqual(['c']);
      expect(await within('parent')).toEqual([]);
      expect(await idsOf('Coverage', 'subscriber=Patient/parent')).toEqual([]);
      expect(await idsOf('Coverage', 'beneficiary=Patient/child')).toEqual(['c']);
    });

    it('brings nothing within a scope', async () => {
      const log = new Log();
      const stay = (id: string, who: string) => ({ resourceType: 'Encounter', id, status: 'finished', class: { code: 'IMP' }, subject: { reference: `Patient/${who}` }, serviceProvider: { reference: 'Organization/o' } }); // prettier-ignore
      await apply(writer, [
        log.record('flagged', patient('flagged', { ...sFlag, generalPractitioner: [by('Y1')] })),
        log.record('ada', patient('ada', { generalPractitioner: [by('Y1')] })),
        log.record('flagged', stay('hidden', 'flagged')),
        log.record('ada', stay('open', 'ada')),
      ]);
      const scoped = (name: string, value: string): readonly Scope[] => [
        { level: 'user', type: 'Patient', actions: 'rs', where: [] },
        { level: 'user', type: 'Encounter', actions: 'rs', where: [[name, value]] },
      ];
      const found = async (text: string, scopes: readonly Scope[]) => (await idsOf('Encounter', text, undefined, scopes)).toSorted(); // prettier-ignore
      const [places, others] = [scoped('service-provider', 'Organization/o'), scoped('class', 'IMP')];
      for (const text of ['', '_sort=-date', '_sort=_lastUpdated', 'status=finished']) {
        expect([text, await found(text, places)]).toEqual([text, ['open']]);
        expect([text, await found(text, others)]).toEqual([text, ['hidden', 'open']]);
      }
      expect(await found('patient=flagged', places)).toEqual([]);
      expect(await found('patient=flagged', others)).toEqual(['hidden']);
      expect(await found('patient=flagged', scoped('service-provider:missing', 'true'))).toEqual([]);
      const kind = async (id: string, scopes: readonly Scope[]) => (await record.read('Encounter', id, viewer('read', 'Encounter', scopes))).kind; // prettier-ignore
      expect([await kind('hidden', places), await kind('open', places), await kind('hidden', others)]).toEqual(['unknown', 'found', 'found']); // prettier-ignore
      const all = async (id: string, scopes: readonly Scope[]) => (await record.everything(id, { count: 50, base }, viewer('everything', undefined, scopes)))?.count; // prettier-ignore
      expect([await all('flagged', places), await all('ada', places), await all('flagged', others)]).toEqual([1, 2, 2]); // prettier-ignore
    });

    it('is a fact of the resource that has it', async () => {
      const log = new Log();
      await apply(writer, [
        log.record('ada', patient('ada', { address: [{ city: 'Leeds' }] })),
        log.record('ben', patient('ben')),
      ]);
      const hasPlaces = async (id: string) => (await record.resourceFacts('Patient', id, [], policy.sFlag))?.hasPlaces; // prettier-ignore
      expect([await hasPlaces('ada'), await hasPlaces('ben')]).toEqual([true, false]);
      expect(await record.resourceFacts('Patient', 'ada', [])).not.toHaveProperty('hasPlaces');
    });
  });

  it('parties are ours that are the organisation, lie in it, or are the care setting', async () => {
    const log = new Log();
    await apply(writer, [
      log.record('shared', { resourceType: 'Organization', id: 'trust', identifier: [{ system: ODS, value: 'Y1' }] }), // prettier-ignore
      log.record('shared', { resourceType: 'Location', id: 'ward', managingOrganization: { reference: 'Organization/trust' } }), // prettier-ignore
      log.record('shared', { resourceType: 'Organization', id: 'other', identifier: [{ system: ODS, value: 'Y2' }] }), // prettier-ignore
    ]);
    const parties = ['Organization/trust', 'Location/ward', 'Organization/other', 'Organization/unheard-of', 'setting:acute', 'setting:pharmacy'] as const; // prettier-ignore
    const ours = await record.ours({ organisation: 'Y1', careSetting: 'acute' }, parties);
    expect([...ours]).toEqual(['Organization/trust', 'Location/ward', 'setting:acute']);
  });

  it('what comes along step by step, in the slow lane, is for the viewer too', async () => {
    const log = new Log();
    const refers = (id: string, who: string, to: string) => observation(id, who, 'x', { hasMember: [{ reference: `Observation/${to}` }] }); // prettier-ignore
    await apply(writer, [
      log.record('ada', patient('ada', { generalPractitioner: [by('Y1')] })),
      log.record('ben', patient('ben')),
      log.record('ada', refers('a1', 'ada', 'a2')),
      log.record('ada', refers('a2', 'ada', 'b1')),
      log.record('ben', refers('b1', 'ben', 'a3')),
      log.record('ada', observation('a3', 'ada', 'x')),
    ]);
    const include = '_include=Observation:has-member&_include:iterate=Observation:has-member';
    expect(await idsOf('Observation', `_id=a1&${include}`)).toEqual(['a1', 'a2']);
  });
});

it('a file whose facts were read by other rules is emptied', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-access-facts-'));
  const path = join(folder, 'record.sqlite');
  let writer = openRecordWriter(path);
  const record = openRecord(path);
  try {
    await apply(writer, [new Log().record('ada', patient('ada'))]);
    const people = async (of: typeof policy) => {
      writer.close();
      writer = openRecordWriter(path, { policy: of });
      return (await record.stats()).people;
    };
    expect(await people({ ...policy, version: 'another' })).toBe(1);
    expect(await people({ ...policy, review: { ...policy.review, pending: [] } })).toBe(0);
    expect(await writer.checkpoint()).toBeUndefined();
  } finally {
    record.close();
    writer.close();
    rmSync(folder, { recursive: true });
  }
});
