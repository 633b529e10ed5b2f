import { engineOrReason, startPostgres } from '@carelog/engines';
import { parseSearch } from '@carelog/fhir';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type Cursor, type RecordQueries, type SearchPage, type SearchRefusal } from '../index.ts';
import {
  apply,
  Log,
  observation,
  ownRecordOf,
  patient,
  type Applied,
  type Resource,
} from './miniature-log.ts';
import { onEveryEngine, recordEngines, type EmptyRecord } from './engines.ts';

const base = 'http://127.0.0.1/fhir/R4';
const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
// Two engines, and a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

onEveryEngine(describe, engines, (engine) => {
  const made: EmptyRecord[] = [];
  const releaseAll = async () => {
    for (const it of made.splice(0)) await it.release();
  };
  afterEach(releaseAll);
  async function newRecord(): Promise<EmptyRecord> {
    const record = await engine.make();
    made.push(record);
    return record;
  }

  async function recordOf(log: Log, make = newRecord): Promise<EmptyRecord> {
    const opened = await make();
    await apply(opened.writer, log.changes);
    return opened;
  }

  /** For tests that only read. */
  const standings = new Map<Log, Promise<EmptyRecord>>();
  function standing(log: Log): Promise<EmptyRecord> {
    const known = standings.get(log) ?? recordOf(log, () => engine.make());
    standings.set(log, known);
    return known;
  }

  function query(type: string, text: string) {
    const parsed = parseSearch(type, new URLSearchParams(text), { base });
    expect([parsed.problems, parsed.unknown]).toEqual([[], []]);
    return parsed.query;
  }

  interface Entry {
    readonly fullUrl: string;
    readonly resource: Resource & { readonly meta: { readonly versionId: string } };
    readonly search: { readonly mode: string };
  }
  const entriesOf = (page: SearchPage) =>
    JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as readonly Entry[];
  const idsOf = (page: SearchPage) => entriesOf(page).map((it) => it.resource.id);

  function pageOf(answer: SearchPage | SearchRefusal): SearchPage {
    if ('refused' in answer) throw new Error(answer.problem.message);
    return answer;
  }

  async function search(record: RecordQueries, type: string, text: string, restrictTo?: string) {
    const viewer = restrictTo === undefined ? undefined : ownRecordOf(restrictTo);
    const page = pageOf(await record.search(query(type, text), { count: 1000, base }, viewer));
    expect(pageOf(await record.count(query(type, text), viewer)).total).toBe(page.count);
    return idsOf(page);
  }

  /** Every page of an answer, one after another; `between` runs before each page but the first. */
  async function allPages(
    next: (cursor: Cursor | undefined) => Promise<SearchPage | undefined>,
    between: () => Promise<void> = async () => {},
  ): Promise<string[]> {
    const ids: string[] = [];
    let page = await next(undefined);
    while (page !== undefined) {
      ids.push(...idsOf(page));
      if (page.next === undefined) break;
      await between();
      page = await next(page.next);
    }
    return ids;
  }

  describe('reading versions', () => {
    const log = new Log();
    log.record('ada', patient('ada', { meta: { profile: ['urn:p'] }, gender: 'female' }));
    log.record('ada', patient('ada', { gender: 'other' }));
    log.record('ada', observation('gone', 'ada', 'a'));
    log.record('ada', 'Observation/gone');
    log.record('ben', patient('ben'), { kind: 'unreadable', reason: 'erased' });

    it('serves the current version and each one before', async () => {
      const { record } = await standing(log);
      const current = await record.read('Patient', 'ada');
      expect(current).toMatchObject({ kind: 'found', versionId: 2, lastUpdated: '2026-01-01T00:00:02.000Z' });
      const first = await record.vread('Patient', 'ada', 1);
      expect(first.kind === 'found' && JSON.parse(first.body)).toEqual({
        ...patient('ada', { gender: 'female' }),
        meta: { versionId: '1', lastUpdated: '2026-01-01T00:00:01.000Z', profile: ['urn:p'] },
      });
      expect(await record.vread('Patient', 'ada', 2)).toEqual(current);
      expect(await record.vread('Patient', 'ada', 3)).toEqual({ kind: 'unknown' });
    });

    it('tells what was deleted, erased or never there', async () => {
      const { record } = await standing(log);
      expect(await record.read('Observation', 'gone')).toMatchObject({ kind: 'deleted', versionId: 2 });
      expect(await record.vread('Observation', 'gone', 1)).toMatchObject({ kind: 'found' });
      expect(await record.read('Patient', 'ben')).toMatchObject({ kind: 'erased', versionId: 1 });
      expect(await record.read('Patient', 'cy')).toEqual({ kind: 'unknown' });
      expect(await record.history('Patient', 'cy', { count: 1, base })).toBeUndefined();
    });

    it('pages through a history, newest first', async () => {
      const { record } = await standing(log);
      const first = await record.history('Observation', 'gone', { count: 1, base });
      expect(first).toMatchObject({ count: 1, total: 2, next: [2] });
      expect(entriesOf(first as SearchPage)).toMatchObject([
        {
          request: { method: 'DELETE', url: 'Observation/gone' },
          response: { status: '204', etag: 'W/"2"' },
        },
      ]);
      const second = await record.history('Observation', 'gone', { count: 1, base, cursor: [2] });
      expect(second?.next).toBeUndefined();
      expect(entriesOf(second as SearchPage)).toMatchObject([
        {
          resource: { id: 'gone', meta: { versionId: '1' } },
          request: { method: 'POST' },
          response: { status: '201' },
        },
      ]);
    });

    it('counts the living', async () => {
      const { record } = await standing(log);
      expect(await record.stats()).toEqual({ people: 1, resources: 1 });
      expect(await record.checkpoint()).toEqual({ position: 5, epoch: 'one' });
    });
  });

  describe('searching', () => {
    const log = new Log();
    log.record('shared', {
      resourceType: 'Group',
      id: 'g',
      member: [{ entity: { reference: 'Patient/ben' } }],
    });
    for (const name of ['ada', 'ben']) {
      log.record(name, patient(name, { identifier: [{ system: 'urn:n', value: name }, { value: 'bare' }] }));
    }
    log.record('ada', observation('a1', 'ada', 'x', { effectiveDateTime: '2024-01-05' }));
    log.record(
      'ada',
      observation('a2', 'ada', 'y', { effectivePeriod: { start: '2024-02-01', end: '2024-02-10' } }),
    );
    log.record('ben', observation('b1', 'ben', 'x', { performer: [{ reference: 'Patient/ada' }] }));
    log.record('ben', observation('b2', 'ben', 'x', { code: { coding: [{ code: 'x' }] } }));
    log.record('shared', {
      ...observation('g1', '', 'x'),
      subject: { reference: 'Group/g' },
      effectiveDateTime: '2024',
    });
    log.record('ben', {
      resourceType: 'Appointment',
      id: 'both',
      participant: ['ada', 'ben'].map((it) => ({ actor: { reference: `Patient/${it}` } })),
    });

    it.each([
      ['Observation', '', ['a1', 'a2', 'b1', 'b2', 'g1']],
      ['Observation', 'code=x', ['a1', 'b1', 'b2', 'g1']],
      ['Observation', 'code=http://loinc.org|x', ['a1', 'b1', 'g1']],
      ['Observation', 'code=http://loinc.org|', ['a1', 'a2', 'b1', 'g1']],
      ['Observation', 'code=|x', ['b2']],
      ['Observation', 'code=x,y', ['a1', 'a2', 'b1', 'b2', 'g1']],
      ['Observation', 'code=x&code=y', []],
      ['Observation', 'code=unheard', []],
      ['Observation', 'patient=ada', ['a1', 'a2']],
      ['Observation', 'subject=Patient/ada', ['a1', 'a2']],
      ['Observation', `subject=${base}/Patient/ada`, ['a1', 'a2']],
      ['Observation', 'subject=g', ['g1']],
      ['Observation', 'subject=Group/g,Patient/ben', ['b1', 'b2', 'g1']],
      ['Observation', 'patient=nobody', []],
      ['Observation', 'patient=ada,ben', ['a1', 'a2', 'b1', 'b2']],
      ['Observation', 'patient=ada&code=http://loinc.org|x', ['a1']],
      ['Observation', 'patient=ada&code=http://loinc.org|', ['a1', 'a2']],
      ['Observation', 'performer=Patient/ada', ['b1']],
      ['Observation', 'patient=ada&performer=Patient/ada', []],
      ['Observation', 'date=2024-01', ['a1']],
      ['Observation', 'date=2024', ['a1', 'a2', 'g1']],
      ['Observation', 'date=ge2024-02-05', ['a2', 'g1']],
      ['Observation', 'date=sa2024-01-05', ['a2']],
      ['Observation', 'date=eb2024-01-06', ['a1']],
      ['Observation', 'date=ne2024', []],
      ['Observation', 'date=lt2024-01-05', ['g1']],
      ['Observation', 'patient=ada&date=gt2024-01', ['a2']],
      ['Observation', 'patient=ada&date=2023,2024-02', ['a2']],
      ['Observation', 'code=x&date=le2024-01-05', ['a1', 'g1']],
      ['Observation', '_id=a1,b1,nobody', ['a1', 'b1']],
      ['Observation', '_id=a1&patient=ben', []],
      ['Observation', '_lastUpdated=gt2026-01-01T00:00:06Z', ['b2', 'g1']],
      ['Observation', 'patient=ben&_lastUpdated=le2026-01-01T00:00:06Z', ['b1']],
      ['Patient', 'identifier=urn:n|ben', ['ben']],
      ['Patient', 'identifier=ben', ['ben']],
      ['Patient', 'identifier=urn:n|', ['ada', 'ben']],
      ['Patient', 'identifier=|bare', ['ada', 'ben']],
      ['Patient', 'identifier=|ben', []],
      ['Appointment', 'patient=ada', ['both']],
      ['Appointment', 'actor=Patient/ben', ['both']],
      ['Encounter', 'patient=ada', []],
    ])('%s?%s', async (type, text, ids) => {
      const { record } = await standing(log);
      expect(await search(record, type, text)).toEqual(ids);
    });

    it('writes entries as a searchset has them', async () => {
      const { record } = await standing(log);
      const page = pageOf(await record.search(query('Observation', '_id=a1'), { count: 10, base }));
      expect(page).toMatchObject({ count: 1, total: 1, incomplete: [] });
      expect(entriesOf(page)).toMatchObject([
        { fullUrl: `${base}/Observation/a1`, resource: { id: 'a1' }, search: { mode: 'match' } },
      ]);
    });

    it.each([
      ['Observation', '', ['a1', 'a2']],
      ['Observation', 'code=x', ['a1']],
      ['Observation', 'date=ge2024', ['a1', 'a2']],
      ['Observation', 'patient=ben', []],
      ['Observation', 'performer=Patient/ada', []],
      ['Observation', '_id=b1', []],
      ['Patient', '', ['ada']],
      ['Patient', 'identifier=urn:n|', ['ada']],
      ['Patient', 'identifier=urn:n|ben', []],
      ['Appointment', '', []],
      ['Group', '', []],
    ])('shows a patient only what is theirs: %s?%s', async (type, text, ids) => {
      const { record } = await standing(log);
      expect(await search(record, type, text, 'ada')).toEqual(ids);
      expect(await search(record, type, text, 'nobody')).toEqual([]);
    });

    it('reads for a patient only what is theirs', async () => {
      const { record } = await standing(log);
      const mine = ownRecordOf('ada');
      expect(await record.read('Observation', 'a1', mine)).toMatchObject({ kind: 'found' });
      expect(await record.read('Observation', 'b1', mine)).toEqual({ kind: 'unknown' });
      expect(await record.vread('Patient', 'ben', 1, mine)).toEqual({ kind: 'unknown' });
      expect(await record.history('Patient', 'ben', { count: 1, base }, mine)).toBeUndefined();
      expect(await record.everything('ben', { count: 1, base }, mine)).toBeUndefined();
    });

    it('gives what matches throughout exactly once, whatever is written between pages', async () => {
      const busy = new Log();
      busy.record('ada', patient('ada'));
      for (let i = 0; i < 40; i += 1) busy.record('ada', observation(`o${i}`, 'ada', 'x'));
      const { writer, record } = await recordOf(busy);
      let turn = 0;
      const ids = await allPages(
        async (cursor) =>
          pageOf(
            await record.search(query('Observation', 'patient=ada&code=x'), {
              count: 7,
              base,
              ...(cursor && { cursor }),
            }),
          ),
        async () => {
          turn += 1;
          await apply(writer, [
            busy.record('ada', observation(`o${turn}`, 'ada', 'x', { note: [{ text: 'again' }] })),
            busy.record('ada', observation(`o${39 - turn}`, 'ada', 'y')),
            busy.record('ada', observation(`new${turn}`, 'ada', 'x')),
            busy.record('ada', `Observation/o${20 + turn}`),
          ]);
        },
      );
      expect(new Set(ids).size).toBe(ids.length);
      const steady = Array.from({ length: 20 }, (_, i) => `o${i}`);
      expect(ids).toEqual(expect.arrayContaining(steady));
    });
  });

  describe('$everything', () => {
    const log = new Log();
    log.record('shared', { resourceType: 'Organization', id: 'org' });
    log.record('shared', { resourceType: 'Practitioner', id: 'unnamed' });
    log.record('ada', patient('ada', { managingOrganization: { reference: 'Organization/org' } }));
    log.record('ben', patient('ben'));
    log.record('ben', { resourceType: 'Device', id: 'bens', patient: { reference: 'Patient/ben' } });
    for (let i = 0; i < 5; i += 1)
      log.record('ada', observation(`o${i}`, 'ada', 'x', { device: { reference: 'Device/bens' } }));
    log.record('ada', { resourceType: 'Encounter', id: 'e', subject: { reference: 'Patient/ada' } });
    log.record('ben', observation('b', 'ben', 'x', { performer: [{ reference: 'Patient/ada' }] }));

    it('gives the Patient, the compartment and what these refer to, and nobody else’s', async () => {
      const { record } = await standing(log);
      const page = await record.everything('ada', { count: 100, base });
      expect(page).toMatchObject({ count: 9, total: 9 });
      const entries = entriesOf(page as SearchPage);
      expect(entries[0]?.resource).toMatchObject({ resourceType: 'Patient', id: 'ada' });
      expect(entries.at(-1)).toMatchObject({ resource: { id: 'org' }, search: { mode: 'include' } });
      expect(entries.map((it) => it.resource.id).toSorted()).toEqual(
        ['ada', 'b', 'e', 'o0', 'o1', 'o2', 'o3', 'o4', 'org'].toSorted(),
      );
      const own = await record.everything('ada', { count: 100, base }, ownRecordOf('ada'));
      expect(idsOf(own as SearchPage)).not.toContain('b');
      expect(await record.everything('nobody', { count: 1, base })).toBeUndefined();
    });

    it.each([1, 2, 3, 8, 9, 10])('gives the same in pages of %i', async (count) => {
      const { record } = await standing(log);
      const whole = await record.everything('ada', { count: 100, base });
      const ids = await allPages((cursor) =>
        record.everything('ada', { count, base, ...(cursor && { cursor }) }),
      );
      expect(ids).toEqual(idsOf(whole as SearchPage));
    });

    it('takes types and a moment to begin from', async () => {
      const { record } = await standing(log);
      const some = async (filter: { types?: string[]; since?: number }) =>
        idsOf((await record.everything('ada', { count: 100, base, ...filter })) as SearchPage).toSorted();
      expect(await some({ types: ['Encounter', 'Organization'] })).toEqual(['e', 'org']);
      expect(await some({ types: ['Task'] })).toEqual([]);
      expect(await some({ since: Date.UTC(2026, 0, 1, 0, 0, 11) })).toEqual(['b', 'e']);
    });
  });

  describe('one view, however it was projected', () => {
    /** Versions of a few resources of three patients and of nobody, some deleted, some moved to another code or subject. */
    const history = fc.array(
      fc.record({
        partition: fc.constantFrom('ada', 'ben', 'shared'),
        id: fc.integer({ min: 0, max: 4 }),
        code: fc.constantFrom('x', 'y', 'z'),
        day: fc.option(fc.integer({ min: 1, max: 5 })),
        end: fc.boolean(),
      }),
      { maxLength: 40 },
    );
    type Step = (typeof history extends fc.Arbitrary<infer Steps> ? Steps : never)[number];

    function logOf(steps: readonly Step[]): Log {
      const log = new Log();
      for (const name of ['ada', 'ben']) log.record(name, patient(name));
      for (const { partition, id, code, day, end } of steps) {
        const name = `${partition}-${id}`;
        const date = day === null ? {} : { effectiveDateTime: `2024-01-0${day}` };
        const ofNobody = { subject: { reference: 'Group/g' } };
        log.record(
          partition,
          end
            ? `Observation/${name}`
            : observation(name, partition, code, { ...date, ...(partition === 'shared' && ofNobody) }),
        );
      }
      return log;
    }

    it('finds what a plain reading of the current versions finds', async () => {
      await fc.assert(
        fc.asyncProperty(
          history,
          fc.constantFrom('x', 'y', 'z'),
          fc.integer({ min: 1, max: 5 }),
          async (steps, code, day) => {
            const { record } = await recordOf(logOf(steps));
            const current = new Map(steps.map((step) => [`${step.partition}-${step.id}`, step]));
            const matching = (test: (step: Step) => boolean) =>
              [...current]
                .filter(([, step]) => !step.end && test(step))
                .map(([name]) => name)
                .toSorted();
            const found = async (text: string) => (await search(record, 'Observation', text)).toSorted();
            expect(await found(`code=${code}`)).toEqual(matching((it) => it.code === code));
            expect(await found(`patient=ada&code=${code}`)).toEqual(
              matching((it) => it.partition === 'ada' && it.code === code),
            );
            expect(await found(`date=ge2024-01-0${day}`)).toEqual(
              matching((it) => it.day !== null && it.day >= day),
            );
            expect(await found(`patient=ben&date=lt2024-01-0${day}`)).toEqual(
              matching((it) => it.partition === 'ben' && it.day !== null && it.day < day),
            );
            expect(await found('subject=Group/g')).toEqual(matching((it) => it.partition === 'shared'));
            await releaseAll();
          },
        ),
        { numRuns: 40 },
      );
    });

    it('is the same applied at once, in batches, twice, and with patients interleaved otherwise', async () => {
      await fc.assert(
        fc.asyncProperty(history, fc.integer({ min: 1, max: 7 }), async (steps, batch) => {
          const { changes } = logOf(steps);
          const whole = await newRecord();
          await apply(whole.writer, changes);
          const expected = await whole.record.hash();
          await apply(whole.writer, changes);
          expect(await whole.record.hash()).toBe(expected);

          const parts = await newRecord();
          for (let i = 0; i < changes.length; i += batch)
            await apply(parts.writer, changes.slice(i, i + batch));
          expect(await parts.record.hash()).toBe(expected);

          const shuffled = await newRecord();
          const partitions = Map.groupBy(changes, (it) => it.event.partition);
          await apply(shuffled.writer, [...partitions.values()].reverse().flat());
          expect(await shuffled.record.hash()).toBe(expected);
          await releaseAll();
        }),
        { numRuns: 25 },
      );
    });

    it('differs when anything in it differs', async () => {
      const log = logOf([{ partition: 'ada', id: 0, code: 'x', day: 1, end: false }]);
      const other = logOf([{ partition: 'ada', id: 0, code: 'x', day: 2, end: false }]);
      const [one, two] = [await recordOf(log), await recordOf(other)];
      expect(await one.record.hash()).not.toBe(await two.record.hash());
    });

    it('keeps nothing of a batch that fails', async () => {
      const log = new Log();
      log.record('ada', patient('ada'));
      const { writer, record } = await recordOf(log);
      const before = await record.hash();
      const good = log.record('ada', observation('o', 'ada', 'x'));
      const bad = {
        ...log.record('ada', patient('ada')),
        change: { ...good.change, body: Symbol('no text') },
      };
      await expect(apply(writer, [good, bad as unknown as Applied])).rejects.toThrow();
      expect(await record.hash()).toBe(before);
      await apply(writer, [good]);
      expect(await search(record, 'Observation', 'patient=ada&code=x')).toEqual(['o']);
    });

    it('begins again when it is cleared; open readers follow', async () => {
      const log = logOf([{ partition: 'ben', id: 0, code: 'x', day: 1, end: false }]);
      const { writer, record } = await recordOf(log);
      expect(await search(record, 'Observation', 'patient=ben&code=x')).toEqual(['ben-0']);
      await writer.clear();
      expect(await record.checkpoint()).toBeUndefined();
      // In another order, so that names take other numbers than the reader knew.
      await apply(
        writer,
        [...Map.groupBy(log.changes, (it) => it.event.partition).values()].reverse().flat(),
      );
      expect(await search(record, 'Observation', 'patient=ben&code=x')).toEqual(['ben-0']);
    });
  });

  describe('a parked patient', () => {
    it('is named in every answer that may lack something', async () => {
      const log = new Log();
      log.record('ada', patient('ada'));
      log.record('ben', patient('ben'));
      const { writer, record } = await recordOf(log);
      const parked = { partition: 'ada', position: 3, reason: 'SyntaxError' };
      const setAside = [{ partition: 'ada', stream: 'Observation/late' }];
      await writer.apply({
        changes: [],
        parked: [parked],
        setAside,
        checkpoint: { position: 4, epoch: 'one' },
      });
      expect(await record.parked()).toEqual([parked]);
      expect(await record.parkedPartitionOf('Patient', 'ada')).toEqual(parked);
      expect(await record.parkedPartitionOf('Observation', 'late')).toEqual(parked);
      expect(await record.parkedPartitionOf('Patient', 'ben')).toBeUndefined();
      const page = { count: 10, base };
      expect(pageOf(await record.search(query('Patient', ''), page)).incomplete).toEqual([parked]);
      expect(pageOf(await record.search(query('Patient', ''), page, ownRecordOf('ben'))).incomplete).toEqual(
        [],
      );
      expect((await record.everything('ada', page))?.incomplete).toEqual([parked]);
      expect((await record.history('Patient', 'ben', page))?.incomplete).toEqual([]);
    });
  });
});
