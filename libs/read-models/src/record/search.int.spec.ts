import { engineOrReason, startPostgres } from '@carelog/engines';
import { relationshipBases } from '@carelog/access';
import { compartmentCondition, parseSearch } from '@carelog/fhir';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Cursor,
  type RecordOptions,
  type RecordQueries,
  type SearchPage,
  type SearchRefusal,
  type SearchRequest,
} from '../index.ts';
import { Audiences } from './audiences.ts';
import { apply, Log, observation, ownRecordOf, patient, type Resource } from './miniature-log.ts';
import { onEveryEngine, recordEngines, type EmptyRecord } from './engines.ts';
import { Numbers } from './numbers.ts';
import { Searching } from './searching.ts';

const base = 'http://127.0.0.1/fhir/R4';
const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
// Two engines, and a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

onEveryEngine(describe, engines, (engine) => {
  async function recordOf(
    log: Log,
    options?: RecordOptions & { readonly inThreads?: boolean },
  ): Promise<EmptyRecord> {
    const opened = await engine.make(options);
    await apply(opened.writer, log.changes);
    return opened;
  }

  function parsed(type: string, text: string) {
    const { query, includes, problems, unknown } = parseSearch(type, new URLSearchParams(text), { base });
    expect([problems, unknown]).toEqual([[], []]);
    return { query, includes };
  }

  function pageOf(answer: SearchPage | SearchRefusal): SearchPage {
    if ('refused' in answer) throw new Error(answer.problem.message);
    return answer;
  }

  const entriesOf = (page: SearchPage) =>
    JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as readonly {
      resource: Resource;
      search: { mode: string };
    }[];
  const idsOf = (page: SearchPage) => entriesOf(page).map((it) => it.resource.id);

  async function search(
    record: RecordQueries,
    type: string,
    text: string,
    more: Partial<SearchRequest> = {},
  ) {
    const { query, includes } = parsed(type, text);
    return pageOf(await record.search(query, { count: 1000, base, includes, ...more }));
  }

  /** All pages, one after another; `between` runs before each page but the first. */
  async function allPages(
    record: RecordQueries,
    text: string,
    count: number,
    between: () => Promise<void> = async () => {},
  ): Promise<string[]> {
    const ids: string[] = [];
    let cursor: Cursor | undefined;
    do {
      const page = await search(record, 'Observation', text, { count, ...(cursor && { cursor }) });
      ids.push(...idsOf(page));
      cursor = page.next;
      if (cursor !== undefined) await between();
    } while (cursor !== undefined);
    return ids;
  }

  const UCUM = 'http://unitsofmeasure.org';

  /** Enough that plans for few and for many rows differ; each resource says itself what it must be found by. */
  describe('a store too large for the quick plans', () => {
    const SIZE = 3_000;
    const words = ['Ädam', 'adder', 'Zebra', 'wide  zebra', 'ADDER'];
    const made = Array.from({ length: SIZE }, (_, i) => ({
      id: `o${String(i).padStart(4, '0')}`,
      who: `p${i % 5}`,
      code: i % 700 === 3 ? 'rare' : i % 3 === 0 ? 'x' : 'y',
      status: i % 11 === 0 ? 'amended' : 'final',
      day: i % 4 === 1 ? undefined : ((i * 7) % 28) + 1,
      grams: i % 6 === 0 ? undefined : ((i * 13) % 50) / 10,
      asMilligrams: i % 2 === 0,
      word: i % 6 === 0 ? words[i % words.length] : undefined,
      visit: i % 2 === 0 ? `e${i % 9}` : undefined,
    }));
    type Made = (typeof made)[number];

    const resourceOf = ({ id, who, code, status, day, grams, asMilligrams, word, visit }: Made) =>
      observation(id, who, code, {
        status,
        code: { coding: [{ system: 'http://loinc.org', code, display: `Kind ${code}` }] },
        ...(day !== undefined && { effectiveDateTime: `2024-01-${String(day).padStart(2, '0')}T10:00:00Z` }),
        ...(grams !== undefined && {
          valueQuantity: asMilligrams
            ? { value: grams * 1000, unit: 'milligram', system: UCUM, code: 'mg' }
            : { value: grams, unit: 'gram', system: UCUM, code: 'g' },
        }),
        ...(word !== undefined && { valueString: word }),
        ...(visit !== undefined && {
          encounter: { reference: `Encounter/${visit}`, identifier: { system: 'urn:v', value: visit } },
        }),
      });

    const plain = (text: string | undefined) =>
      text?.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ');
    const instant = (it: Made) => (it.day === undefined ? undefined : Date.UTC(2024, 0, it.day, 10));

    const questions: Readonly<Record<string, (it: Made) => boolean>> = {
      '': () => true,
      'code=x': (it) => it.code === 'x',
      'code=http://loinc.org|rare': (it) => it.code === 'rare',
      'code=rare,x': (it) => it.code !== 'y',
      'code=http://loinc.org|': () => true,
      'code:not=x': (it) => it.code !== 'x',
      'combo-code=rare': (it) => it.code === 'rare',
      'code:text=kind r': (it) => it.code === 'rare',
      'status=amended': (it) => it.status === 'amended',
      'status:not=final': (it) => it.status === 'amended',
      'subject=Patient/p3': (it) => it.who === 'p3',
      'patient=p1,p2': (it) => it.who === 'p1' || it.who === 'p2',
      'encounter=Encounter/e4': (it) => it.visit === 'e4',
      'encounter:identifier=urn:v|e2': (it) => it.visit === 'e2',
      'encounter:missing=true': (it) => it.visit === undefined,
      'date:missing=false': (it) => it.day !== undefined,
      'date=2024-01-05': (it) => it.day === 5,
      'date=ge2024-01-20': (it) => (it.day ?? 0) >= 20,
      'date=lt2024-01-03': (it) => (it.day ?? 99) < 3,
      'date=2024-01-05,2024-01-06': (it) => it.day === 5 || it.day === 6,
      'date=ne2024-01-05': (it) => it.day !== undefined && it.day !== 5,
      [`value-quantity=1300|${UCUM}|mg`]: (it) => it.grams === 1.3,
      [`value-quantity=gt4500|${UCUM}|mg`]: (it) => (it.grams ?? 0) > 4.5,
      'value-quantity=le0.2||g': (it) => !it.asMilligrams && (it.grams ?? 9) <= 0.2,
      'value-quantity=2.0||gram': (it) => !it.asMilligrams && it.grams === 2,
      'value-quantity=lt0.4': (it) => (it.grams ?? 9) < (it.asMilligrams ? 0.0004 : 0.4),
      'value-string=ad': (it) => plain(it.word)?.startsWith('ad') === true,
      'value-string:exact=ADDER': (it) => it.word === 'ADDER',
      'value-string:contains=zebra': (it) => plain(it.word)?.includes('zebra') === true,
      '_id=o0003,o0004,o2999': (it) => ['o0003', 'o0004', 'o2999'].includes(it.id),
      '_lastUpdated=lt2026-01-01T00:10:00Z': (it) => made.indexOf(it) < 594,
    };

    type Value = string | number | undefined;
    const orders: Readonly<Record<string, (it: Made) => Value>> = {
      _id: (it) => it.id,
      _lastUpdated: (it) => made.indexOf(it),
      date: instant,
      code: (it) => it.code,
      'value-string': (it) => plain(it.word),
      'value-quantity': (it) =>
        it.grams === undefined ? undefined : it.asMilligrams ? it.grams * 1000 : it.grams,
    };

    function compare(sort: readonly (readonly [string, boolean])[], a: Made, b: Made): number {
      for (const [name, descending] of sort) {
        const [x, y] = [orders[name]?.(a), orders[name]?.(b)];
        if (x === y) continue;
        if (x === undefined) return 1;
        if (y === undefined) return -1;
        return x < y === descending ? 1 : -1;
      }
      const byKey = made.indexOf(a) - made.indexOf(b);
      return sort[0]?.[1] === true ? -byKey : byKey;
    }

    let record: RecordQueries;
    beforeAll(async () => {
      const log = new Log();
      for (let i = 0; i < 5; i += 1) log.record(`p${i}`, patient(`p${i}`));
      for (const it of made) log.record(it.who, resourceOf(it));
      ({ record } = await recordOf(log));
    });

    const expected = (texts: readonly string[], mine: string | undefined) =>
      made.filter((it) => texts.every((text) => questions[text]?.(it)) && (mine ?? it.who) === it.who);

    it.each(Object.keys(questions))('answers ?%s', async (text) => {
      for (const mine of [undefined, 'p3']) {
        const viewer = mine === undefined ? undefined : ownRecordOf(mine);
        const right = expected([text], mine).map((it) => it.id);
        const { query } = parsed('Observation', text);
        const page = pageOf(await record.search(query, { count: 1000, base }, viewer));
        expect(idsOf(page)).toEqual(right.slice(0, 1000));
        expect(pageOf(await record.count(query, viewer)).total).toBe(right.length);
      }
    });

    it('answers any of them together, in any order, on any page, for anybody', async () => {
      const keys = fc.uniqueArray(fc.tuple(fc.constantFrom(...Object.keys(orders)), fc.boolean()), {
        maxLength: 3,
        selector: ([name]) => name,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.constantFrom(...Object.keys(questions)), { minLength: 1, maxLength: 3 }),
          keys,
          fc.option(fc.constantFrom('p0', 'p3')),
          fc.integer({ min: 40, max: 900 }),
          async (texts, sort, mine, count) => {
            const right = expected(texts, mine ?? undefined)
              .toSorted((a, b) => compare(sort, a, b))
              .map((it) => it.id);
            const order = sort.map(([name, descending]) => `${descending ? '-' : ''}${name}`).join();
            const text = [...texts.filter((it) => it !== ''), ...(order ? [`_sort=${order}`] : [])].join('&');
            const { query } = parsed('Observation', text);
            const viewer = mine === null ? undefined : ownRecordOf(mine);
            let cursor: Cursor | undefined;
            for (let at = 0; at <= right.length; at += count) {
              const request = { count, base, ...(cursor && { cursor }), total: 'accurate' as const };
              const page = pageOf(await record.search(query, request, viewer));
              expect([text, idsOf(page), page.total]).toEqual([
                text,
                right.slice(at, at + count),
                right.length,
              ]);
              cursor = page.next;
              if (cursor === undefined) break;
            }
            expect(cursor).toBeUndefined();
          },
        ),
        { numRuns: 60, seed: 1 },
      );
    });
  });

  describe('pages while others write', () => {
    it.each([
      'patient=ada',
      'patient=ada&code=x&_sort=date',
      'patient=ada&_sort=-date',
      'patient=ada&_sort=-_lastUpdated',
      'patient=ada&_sort=value-string,-date',
      '_sort=-_lastUpdated',
      '_sort=_lastUpdated',
      'code=x&_sort=-date',
    ])('give what matches throughout once: %s', async (text) => {
      const step = fc.record({
        at: fc.nat(59),
        day: fc.option(fc.integer({ min: 1, max: 9 })),
        kind: fc.constantFrom('change', 'change', 'other code', 'delete', 'new'),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 20, maxLength: 60 }),
          fc.integer({ min: 2, max: 9 }),
          async (steps, count) => {
            const log = new Log();
            log.record('ada', patient('ada'));
            const write = (id: string, code: string, day: number | null) =>
              log.record(
                'ada',
                observation(id, 'ada', code, {
                  ...(day !== null && { effectiveDateTime: `2024-01-0${day}`, valueString: `w${day % 3}` }),
                }),
              );
            const steady = new Set(Array.from({ length: 60 }, (_, i) => `o${i}`));
            for (const [i, id] of [...steady].entries()) write(id, 'x', i % 7 === 0 ? null : (i % 9) + 1);
            const { record, writer } = await recordOf(log);
            const left = [...steps];
            const ended = new Set<string>();
            const ids = await allPages(record, text, count, async () => {
              const changes = left.splice(0, 4).flatMap(({ at, day, kind }, i) => {
                const id = kind === 'new' ? `new${log.changes.length}-${i}` : `o${at}`;
                if (ended.has(id)) return [];
                if (kind === 'delete' || kind === 'other code') steady.delete(id);
                if (kind === 'delete') ended.add(id);
                return kind === 'delete'
                  ? [log.record('ada', `Observation/${id}`)]
                  : [write(id, kind === 'other code' ? 'y' : 'x', day)];
              });
              if (changes.length > 0) await apply(writer, changes);
            });
            expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
            expect([...steady].filter((id) => !ids.includes(id))).toEqual([]);
          },
        ),
        { numRuns: 6, seed: 2 },
      );
    });
  });

  describe('includes', () => {
    const log = new Log();
    const encounter = (id: string, who: string, more = {}) => ({
      resourceType: 'Encounter',
      id,
      status: 'finished',
      class: { code: 'AMB' },
      subject: { reference: `Patient/${who}` },
      ...more,
    });
    log.record('shared', { resourceType: 'Organization', id: 'trust' });
    log.record('shared', {
      resourceType: 'Organization',
      id: 'ward',
      partOf: { reference: 'Organization/trust' },
    });
    for (const name of ['ada', 'ben'])
      log.record(name, patient(name, { managingOrganization: { reference: 'Organization/ward' } }));
    log.record('ada', encounter('e1', 'ada'));
    log.record('ben', encounter('e2', 'ben', { partOf: { reference: 'Encounter/e1' } }));
    for (const [id, who, visit] of [
      ['a1', 'ada', 'e1'],
      ['a2', 'ada', 'e1'],
      ['b1', 'ben', 'e2'],
    ] as const) {
      log.record(who, observation(id, who, 'x', { encounter: { reference: `Encounter/${visit}` } }));
    }

    const found = async (type: string, text: string, restrictTo?: string) => {
      const { record } = await recordOf(log);
      const { query, includes } = parsed(type, text);
      const viewer = restrictTo === undefined ? undefined : ownRecordOf(restrictTo);
      const page = pageOf(await record.search(query, { count: 100, base, includes }, viewer));
      const entries = entriesOf(page).map((it) => ({ id: it.resource.id, mode: it.search.mode }));
      expect(entries.filter((it) => it.mode === 'match').length).toBe(page.count);
      return entries
        .filter((it) => it.mode === 'include')
        .map((it) => it.id)
        .toSorted();
    };

    it.each([
    ['Observation', '_id=a1&_include=Observation:subject', ['ada']],
    ['Observation', 'code=x&_include=Observation:subject&_include=Observation:encounter', ['ada', 'ben', 'e1', 'e2']],
    ['Observation', '_id=b1&_include=Observation:encounter&_include:iterate=Encounter:part-of', ['e1', 'e2']],
    ['Observation', '_id=a1&_include=Observation:*', ['ada', 'e1']],
    ['Observation', '_id=a1&_include=Observation:subject:Group', []],
    ['Observation', '_id=a1&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof', ['ada', 'trust', 'ward']],
    ['Patient', '_id=ada&_revinclude=Observation:subject', ['a1', 'a2']],
    ['Patient', '_id=ada&_revinclude=Observation:patient&_revinclude=Encounter:patient', ['a1', 'a2', 'e1']],
    ['Encounter', '_id=e1&_revinclude=Observation:encounter&_revinclude=Encounter:part-of', ['a1', 'a2', 'e2']],
    ['Encounter', '_id=e1,e2&_revinclude=Encounter:part-of', []],
    ['Organization', '_id=trust&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization', ['ada', 'ben', 'ward']],
  ])('%s?%s', async (type, text, ids) => expect(await found(type, text)).toEqual(ids)); // prettier-ignore

    it.each([
      ['Encounter', '_revinclude=Encounter:part-of&_revinclude=Observation:encounter', ['a1', 'a2']],
      ['Observation', '_include=Observation:*&_include:iterate=Patient:organization', ['ada', 'e1']],
    ])('never leave the compartment of who asks: %s?%s', async (type, text, ids) =>
      expect(await found(type, text, 'ada')).toEqual(ids),
    );

    it('end at a bound, and say so', async () => {
      const many = new Log();
      many.record('ada', patient('ada'));
      for (let i = 0; i < 1_001; i += 1) many.record('ada', observation(`o${i}`, 'ada', 'x'));
      const { record } = await recordOf(many);
      const page = await search(record, 'Patient', '_id=ada&_revinclude=Observation:subject');
      expect(page).toMatchObject({ count: 1, total: 1, included: 1_000, includesCut: true });
    });
  });

  it('finds what lies in the compartment of a Patient where no parameter but the subject can name one', async () => {
    const report = (id: string, of: string): Resource => ({ resourceType: 'DiagnosticReport', id, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${of}` } }); // prettier-ignore
    const own = new Log();
    for (const who of ['ada', 'ben']) {
      own.record(who, patient(who));
      own.record(who, report(`of-${who}`, who));
    }
    const { record } = await recordOf(own);
    const within = compartmentCondition('Patient', 'ada', 'DiagnosticReport')!;
    const inAdas = async (text: string) => {
      const { query } = parsed('DiagnosticReport', text);
      const asked = { ...query, conditions: [...query.conditions, within] };
      return idsOf(pageOf(await record.search(asked, { count: 10, base, includes: [] })));
    };
    expect(await inAdas('_id=of-ada')).toEqual(['of-ada']);
    expect(await inAdas('_id=of-ben')).toEqual([]);
  });

  describe('the slow lane', () => {
    const log = new Log();
    log.record('ada', patient('ada'));
    for (let i = 0; i < 2_500; i += 1)
      log.record('ada', observation(`o${i}`, 'ada', 'x', { effectiveDateTime: '2024' }));
    const slow = parsed('Observation', 'code:text=none').query;
    const request = { count: 10, base };

    it('refuses what takes longer than it may, and goes on with the next', async () => {
      const { record } = await recordOf(log, { searchTimeLimit: 0, inThreads: true });
      const answers = await Promise.all([record.search(slow, request), record.search(slow, request)]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ refused: 'too-slow', problem: { code: 'too-costly' } });
      }
    });

    // A file never ends a statement by itself, and nobody holds its tables from those who read.
    if (engine.name === 'postgres')
      it.each([
        ['planned', 'generation'],
        ['answered', 'resource'],
      ])('refuses alike what the server ends while it is %s, quick or slow', async (_, tables) => {
        const { record, connect } = await recordOf(log, { searchTimeLimit: 300, inThreads: true });
        const quick = parsed('Observation', 'patient=ada').query;
        const ask = () => Promise.all([record.search(quick, request), record.search(slow, request)]);
        const other = connect();
        for (const text of ['BEGIN', 'SET TRANSACTION READ WRITE', `LOCK TABLE ${tables}`]) other.exec(text);
        other.prepare('SELECT 1').get();
        for (const answer of await ask()) expect(answer).toMatchObject({ refused: 'too-slow' });
        other.exec('ROLLBACK');
        other.prepare('SELECT 1').get();
        await expect.poll(() => record.count(quick), { timeout: 20_000 }).toMatchObject({ total: 2_500 });
      });

    it('refuses more than can wait, answers the others, and keeps nobody else waiting', async () => {
      const { record } = await recordOf(log, { inThreads: true });
      let isDone = false;
      const crowd = Promise.all(Array.from({ length: 40 }, () => record.search(slow, request)));
      void crowd.finally(() => (isDone = true));
      expect(idsOf(await search(record, 'Observation', '_id=o7'))).toEqual(['o7']);
      expect(isDone).toBe(false);
      const answers = await crowd;
      expect(answers.filter((it) => 'refused' in it && it.refused === 'busy').length).toBeGreaterThan(0);
      expect(answers.filter((it) => !('refused' in it)).length).toBeGreaterThanOrEqual(16);
    });

    it('lets one caller have half of those that wait, and leaves room for the next', async () => {
      const { record } = await recordOf(log, { inThreads: true });
      const of = (asker: string, count: number) =>
        Array.from({ length: count }, () => record.search(slow, request, { ...ownRecordOf('ada'), asker }));
      const [greedy, modest] = [of('greedy', 40), of('modest', 2)];
      const isRefused = (answer: SearchPage | SearchRefusal) => 'refused' in answer;
      const answers = await Promise.all(greedy);
      const answered = answers.filter((it) => !isRefused(it)).length;
      // One that is answered before the last has asked makes room for another.
      expect(answered).toBeGreaterThanOrEqual(8);
      expect(answered).toBeLessThan(greedy.length);
      expect(answers.find(isRefused)).toMatchObject({
        refused: 'busy',
        problem: { code: 'throttled', message: expect.stringContaining('your searches') },
      });
      expect((await Promise.all(modest)).filter(isRefused)).toEqual([]);
    });

    it('refuses more values than a statement can have', async () => {
      const { record } = await recordOf(log, { inThreads: true });
      const values = Array.from({ length: 9_000 }, (_, i) => ({ prefix: 'eq' as const, low: i, high: i }));
      for (const parameter of ['patient', 'code']) {
        const target = {
          kind: 'reference',
          parameter: 'patient',
          values: [{ target: 'Patient/ada' }],
        } as const;
        const date = { kind: 'date', parameter: 'date', values } as const;
        const conditions = parameter === 'patient' ? [target, date] : [date];
        const answer = await record.search({ type: 'Observation', conditions }, request);
        expect(answer).toMatchObject({ refused: 'too-slow' });
      }
    });

    it('ends with the record', async () => {
      const { record } = await recordOf(log, { inThreads: true });
      const waiting = Promise.allSettled([record.search(slow, request), record.search(slow, request)]);
      record.close();
      expect((await waiting).map((it) => it.status)).toEqual(['rejected', 'rejected']);
    });
  });

  // PostgreSQL chooses its plans by how much there is, and there is little here.
  if (engine.name === 'sqlite')
    describe('quick plans', () => {
      it('read no table from end to end', async () => {
        const log = new Log();
        for (let p = 0; p < 6; p += 1) {
          log.record(`p${p}`, patient(`p${p}`, { name: [{ family: `Name${p}` }] }));
          for (let i = 0; i < 500; i += 1)
        log.record(`p${p}`, observation(`o${p}-${i}`, `p${p}`, i % 5 === 0 ? 'x' : 'y', { effectiveDateTime: '2024-01-05' })); // prettier-ignore
        }
        const { connect } = await recordOf(log);
        const db = connect();
        const prepared: string[] = [];
        const prepare = db.prepare.bind(db);
        db.prepare = (sql, ...more) => {
          prepared.push(sql);
          return prepare(sql, ...more);
        };
        const searching = new Searching(db, new Numbers(db));
        const texts = [
      '', 'code=x', 'code=x,y', 'patient=p1', 'patient=p1&code=x', 'patient=p1&date=ge2024', 'patient=p1&code=x&date=2024-01-05',
      'patient=p1&status=final', 'patient=p1&code=x&_sort=-date', 'patient=p1&_sort=date', '_sort=-_lastUpdated', '_id=o1-1&code=x',
      'patient=p1&code=x&_sort=-_lastUpdated', 'identifier=none', 'date=2020-01-01', 'value-quantity=5', 'value-string=none',
    ]; // prettier-ignore
        for (const text of texts) {
          const planned = searching.search(parsed('Observation', text).query, { count: 20, base });
          expect([text, planned.isSlow]).toEqual([text, false]);
          planned.page();
        }
        // Of one patient, of those of a practice, and of everybody but for what is hidden.
        const audiences = new Audiences(db, new Numbers(db));
        const ofPractice = { kind: 'related', organisation: 'Y1', bases: relationshipBases } as const;
        for (const patients of [{ kind: 'these', ids: ['p1'] }, ofPractice, { kind: 'everybody' }] as const) {
          const [view] = ownRecordOf('p1').restriction.views;
          const restriction = { views: [{ ...view!, patients, denied: 1, heedsWithheld: true }] };
          const matches = audiences.of({ ...ownRecordOf('p1'), restriction }, 0);
          for (const text of texts) {
            const asked = parsed('Observation', text).query;
            searching.reading(() => {
              const planned = searching.search(asked, { count: 20, base }, { matches, included: matches });
              if (!planned.isSlow) planned.page();
            });
          }
        }
        const scans = prepared.flatMap((sql) =>
          prepare(`EXPLAIN QUERY PLAN ${sql}`)
            .all()
            .map((step) => String((step as { detail: unknown }).detail))
            .filter((step) =>
              /^SCAN (?!matches|placed|k\b|m\b|page|unit|checkpoint|json_each|ours|CONSTANT ROW|\(|dates)/.test(
                step,
              ),
            )
            .map((step) => `${step}: ${sql}`),
        );
        expect(scans).toEqual([]);
        expect(prepared.length).toBeGreaterThan(texts.length);
      });
    });
});
