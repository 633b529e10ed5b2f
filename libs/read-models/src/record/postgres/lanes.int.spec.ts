// The record in PostgreSQL as a cluster has it: several projectors write it, each its lanes; gateways read it over threads.
import { defaultPolicy } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { parseSearch } from '@carelog/fhir';
import { LaneHeld, type ProjectedBatch, type SharedReadModel } from '@carelog/projection';
import { Client } from 'pg';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRecord, openRecordWriter, type RecordChange, type RecordQueries, type SearchPage } from '../../index.ts'; // prettier-ignore
import { apply, Log, observation, ownRecordOf, patient, type Applied } from '../miniature-log.ts';
import type { SlowAnswering } from '../slow-lane.ts';
import { openPostgresRecord, openPostgresRecordHere } from './open-record.ts';
import { openPostgresRecordWriter } from './record-writer.ts';
import { ReaderThreads } from './reader-threads.ts';
import { migrateRecord } from './tables.ts';

const base = 'http://127.0.0.1/fhir/R4';
const LANES = 4;
const folder = mkdtempSync(join(tmpdir(), 'carelog-lanes-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const reason = typeof postgres === 'string' ? postgres : undefined;
const url = typeof postgres === 'string' ? '' : postgres.url();

afterAll(async () => {
  if (typeof postgres !== 'string') await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

const laneOf = (partition: string) => [...partition].reduce((sum, it) => sum + it.charCodeAt(0), 0) % LANES;

function batchOf(changes: readonly Applied[], more: Partial<ProjectedBatch<RecordChange>> = {}) {
  const position = Math.max(0, ...changes.map((it) => it.event.position));
  return { changes, parked: [], setAside: [], checkpoint: { position, epoch: 'one' }, ...more };
}

/** Each lane in batches of a few, one after another; which lane comes next is left to chance. */
async function project(writers: readonly SharedReadModel<RecordChange>[], log: Log, most = 3): Promise<void> {
  const lanes = Map.groupBy(log.changes, (it) => laneOf(it.event.partition));
  await Promise.all(
    [...lanes].map(async ([lane, changes]) => {
      for (let i = 0; i < changes.length; i += most)
        await writers[lane % writers.length]?.apply(lane, async () => batchOf(changes.slice(i, i + most)));
    }),
  );
}

function busyLog(): Log {
  const log = new Log();
  const people = ['ada', 'ben', 'cleo', 'dan', 'eve', 'finn'];
  for (const name of people) log.record(name, patient(name, { name: [{ family: name }] }));
  for (let i = 0; i < 60; i += 1) {
    const [who = '', other = ''] = [people[i % 6], people[(i * 5 + 1) % 6]];
    const performer = [{ reference: `Patient/${other}` }, { reference: 'Practitioner/doc' }];
    const more = { performer, effectiveDateTime: `2024-01-${String((i % 28) + 1).padStart(2, '0')}`, valueString: `W\0rd ${i % 4}` }; // prettier-ignore
    log.record(who, observation(`${who}-${i % 9}`, who, `code${i % 7}`, more));
    if (i % 11 === 10) log.record(who, `Observation/${who}-${i % 9}`);
  }
  log.record('shared', { resourceType: 'Practitioner', id: 'doc' });
  log.record('shared', { resourceType: 'Organization', id: 'o', name: 'x'.repeat(490), identifier: [{ system: 'urn:o', value: 'y'.repeat(490) }] }); // prettier-ignore
  return log;
}

/** Does this before the answer to the first statement of that name is heard. */
function onceAfter(name: string, work: () => Promise<unknown>) {
  // The driver knows promises and callbacks; the writer asks it for promises.
  const driver: { query(...given: unknown[]): Promise<unknown> } = Client.prototype;
  const ask = driver.query;
  let isOver = false;
  const asked = async function (this: Client, ...given: unknown[]): Promise<unknown> {
    const answer = await ask.apply(this, given);
    if ((given[0] as { name?: string }).name === name && !isOver) {
      isOver = true;
      await work();
    }
    return answer;
  };
  const spy = vi.spyOn(driver, 'query').mockImplementation(asked);
  return { isOver: () => isOver, restore: () => spy.mockRestore() };
}

describe.skipIf(reason !== undefined)(
  `the record in lanes${reason === undefined ? '' : `: ${reason}`}`,
  () => {
    let schema: string;
    let schemas = 0;
    let writers: SharedReadModel<RecordChange>[];
    let record: RecordQueries;
    let owner: Client;

    beforeAll(async () => {
      owner = new Client({ connectionString: url });
      await owner.connect();
    });
    afterAll(() => owner.end());
    beforeEach(async () => {
      schema = `lanes_${(schemas += 1)}`;
      await migrateRecord(owner, { schema });
      writers = [1, 2].map(() => openPostgresRecordWriter({ url, schema, connections: 2 }));
      record = openPostgresRecordHere({ url, schema });
    });
    afterEach(async () => {
      record.close();
      for (const it of writers) await it.close();
    });

    const one = () => writers[0] as SharedReadModel<RecordChange>;
    const ids = async (type: string, text: string, from = record) => {
      const { query } = parseSearch(type, new URLSearchParams(text), { base });
      const { entries } = (await from.search(query, { count: 100, base })) as SearchPage;
      return (JSON.parse(`[${Buffer.concat(entries).toString()}]`) as { resource: { id: string } }[]).map(
        (it) => it.resource.id,
      );
    };

    it('is the same view as one writer makes in SQLite, however many write it at once', async () => {
      const log = busyLog();
      await project(writers, log);
      const path = join(folder, 'same.sqlite');
      const [sqlite, embedded] = [openRecordWriter(path), openRecord(path)];
      await apply(sqlite, log.changes);
      expect(await record.hash()).toBe(await embedded.hash());
      expect(await ids('Observation', 'value-string=w')).toEqual(await ids('Observation', 'value-string=w', embedded)); // prettier-ignore
      expect(await ids('Organization', `identifier=urn:o|${'y'.repeat(490)}`)).toEqual(['o']);
      expect(await ids('Organization', `name=${'x'.repeat(489)}`)).toEqual(['o']);
      expect(await ids('Organization', `name=${'x'.repeat(489)}y`)).toEqual([]);
      embedded.close();
      sqlite.close();
    });

    it('keeps a checkpoint for each lane, and tells of the one that is furthest behind', async () => {
      const log = new Log();
      const [ada, ben] = [log.record('ada', patient('ada')), log.record('ben', patient('ben'))];
      expect(await record.checkpoint()).toBeUndefined();
      await one().apply(1, async () => batchOf([ada]));
      await one().apply(2, async () => batchOf([ben]));
      expect(await one().checkpoints()).toEqual(
        new Map([[1, { position: 1, epoch: 'one' }], [2, { position: 2, epoch: 'one' }]]), // prettier-ignore
      );
      expect(await record.checkpoint()).toEqual({ position: 1, epoch: 'one' });
    });

    it('moves nothing where there is nothing to apply', async () => {
      expect(await one().apply(0, async () => undefined)).toEqual(new Set());
      expect(await one().checkpoints()).toEqual(new Map());
      await one().apply(0, async (reached) => {
        expect(reached).toBeUndefined();
        return undefined;
      });
    });

    it('lets one of two projectors wait that both believe they have a lane', async () => {
      const log = new Log();
      const [first, second] = [log.record('ada', patient('ada')), log.record('ada', patient('ada'))];
      const order: string[] = [];
      let release = () => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      let begun = () => {};
      const hasBegun = new Promise<void>((resolve) => (begun = resolve));
      const one = writers[0]?.apply(0, async () => {
        begun();
        await held;
        order.push('one');
        return batchOf([first]);
      });
      await hasBegun;
      const two = writers[1]?.apply(0, async (reached) => {
        order.push(`two from ${reached?.position}`);
        return batchOf([second]);
      });
      release();
      await Promise.all([one, two]);
      expect(order).toEqual(['one', 'two from 1']);
      expect(await record.read('Patient', 'ada')).toMatchObject({ versionId: 2 });
    });

    it('lets a version wait for the one before it that another lane has yet to bring', async () => {
      const log = new Log();
      const [ada, first, second, third] = [
        log.record('ada', patient('ada')),
        log.record('ada', observation('moved', 'ada', 'one')),
        log.record('ben', observation('moved', 'ben', 'two')),
        log.record('ada', observation('moved', 'ada', 'three')),
      ];
      const writer = openPostgresRecordWriter({ url, schema, lanes: 2 });
      try {
        const apply = (lane: number, changes: Applied[]) => writer.apply(lane, async (reached) =>
          batchOf(changes.filter(({ event }) => event.position > (reached?.position ?? 0)))); // prettier-ignore
        await expect(apply(1, [second])).rejects.toThrow(LaneHeld);
        await expect(apply(0, [ada, first, third])).rejects.toThrow(LaneHeld);
        expect(await record.read('Observation', 'moved')).toMatchObject({ versionId: 1 });
        await apply(1, [second]);
        await apply(0, [ada, first, third]);
        expect(await record.read('Observation', 'moved')).toMatchObject({ versionId: 3 });
        expect(await record.vread('Observation', 'moved', 2)).toMatchObject({ kind: 'found', versionId: 2 });
        // What never comes is not waited for once every other lane is beyond it.
        const between = log.record('ada', patient('ada'));
        const late = log.record('ben', observation('other', 'ben', 'one'));
        const lost = { ...late, event: { ...late.event, revision: 2 } };
        await expect(apply(1, [lost])).rejects.toThrow(LaneHeld);
        await apply(0, [between]);
        await apply(1, [lost]);
        expect(await record.read('Observation', 'other')).toMatchObject({ versionId: 2 });
      } finally {
        await writer.close();
      }
    });

    it('sees the version before it that another lane brings just while it looks', async () => {
      const log = new Log();
      const [ada, first, second] = [
        log.record('ada', patient('ada')),
        log.record('ada', observation('moved', 'ada', 'one')),
        log.record('ben', observation('moved', 'ben', 'two')),
      ];
      const writer = openPostgresRecordWriter({ url, schema, lanes: 2 });
      const looked = onceAfter('standing', () => one().apply(0, async () => batchOf([ada, first])));
      try {
        await writer.apply(1, async () => batchOf([second]));
        expect(looked.isOver()).toBe(true);
        expect(await ids('Observation', 'patient=ada')).toEqual([]);
        expect(await record.vread('Observation', 'moved', 1)).toMatchObject({ kind: 'found', versionId: 1 });
      } finally {
        looked.restore();
        await writer.close();
      }
    });

    it('keeps nothing of a batch whose work throws, and goes on', async () => {
      const log = new Log();
      log.record('ada', patient('ada'));
      const fails = async () => Promise.reject(new Error('no key'));
      await expect(one().apply(0, fails)).rejects.toThrow('no key');
      await one().apply(0, async () => batchOf(log.changes));
      expect(await ids('Patient', '')).toEqual(['ada']);
    });

    it('forgets one lane, and leaves the others', async () => {
      const log = busyLog();
      await project(writers, log);
      const before = await record.hash();
      const lane = laneOf('ada');
      await one().clear(lane);
      expect([...(await one().checkpoints()).keys()].toSorted()).not.toContain(lane);
      expect(await record.read('Patient', 'ada')).toEqual({ kind: 'unknown' });
      expect(await record.read('Patient', 'ben')).toMatchObject({ kind: 'found' });
      const mine = log.changes.filter((it) => laneOf(it.event.partition) === lane);
      await one().apply(lane, async () => batchOf(mine));
      expect(await record.hash()).toBe(before);
    });

    it('takes up a parked partition again', async () => {
      const log = new Log();
      const [born, late] = [
        log.record('ada', patient('ada')),
        log.record('ada', observation('o', 'ada', 'x')),
      ];
      const parked = [{ partition: 'ada', position: 2, reason: 'SyntaxError' }];
      const setAside = [{ partition: 'ada', stream: 'Observation/o' }];
      await one().apply(1, async () => batchOf([born], { parked, setAside, checkpoint: { position: 2, epoch: 'one' } })); // prettier-ignore
      expect(await record.parked()).toEqual(parked);
      expect(await record.parkedPartitionOf('Observation', 'o')).toEqual(parked[0]);
      const touched = await one().apply(1, async (_, seen) => {
        expect(seen).toEqual(parked);
        return batchOf([late], { released: ['ada'] });
      });
      expect(touched).toBe('all');
      expect(await record.parked()).toEqual([]);
      expect(await ids('Observation', 'patient=ada')).toEqual(['o']);
    });

    it('finds each match on one page while lanes come further by themselves between pages', async () => {
      const log = new Log();
      for (const who of ['ada', 'ben']) log.record(who, patient(who));
      const day = (it: number) => ({ effectiveDateTime: `2024-01-${String(it).padStart(2, '0')}` });
      for (let i = 1; i <= 9; i += 1) log.record(i % 2 === 0 ? 'ada' : 'ben', observation(`o${i}`, i % 2 === 0 ? 'ada' : 'ben', 'x', day(i))); // prettier-ignore
      const [behind, ahead] = [log.changes.length, log.changes.length + 1];
      // Recorded before the first page is read, and projected after it: the lane was behind.
      const moved = log.record('ada', observation('o8', 'ada', 'x', day(1)));
      log.record('ben', observation('o9', 'ben', 'x', day(9)));
      const [ofAda, ofBen] = ['ada', 'ben'].map((who) =>
        log.changes.filter((it) => it.event.partition === who),
      );
      await one().apply(1, async () => batchOf(ofAda?.filter((it) => it.event.position <= behind) ?? []));
      await one().apply(2, async () => batchOf(ofBen ?? []));
      expect([behind, ahead]).toEqual([11, 12]);
      for (const sort of ['date', '-date', '_lastUpdated', '-_lastUpdated']) {
        const { query } = parseSearch('Observation', new URLSearchParams(`_sort=${sort}`), { base });
        const first = (await record.search(query, { count: 4, base })) as SearchPage;
        const seen = Buffer.concat(first.entries).toString();
        if (sort === 'date') await one().apply(1, async () => batchOf([moved]));
        const rest = (await record.search(query, { count: 9, base, cursor: first.next ?? [] })) as SearchPage;
        const all = JSON.parse(`[${seen},${Buffer.concat(rest.entries).toString()}]`) as { resource: { id: string } }[]; // prettier-ignore
        expect(all.map((it) => it.resource.id).toSorted()).toEqual(Array.from({ length: 9 }, (_, i) => `o${i + 1}`)); // prettier-ignore
      }
    });

    it('refuses another access policy than that of what stands', async () => {
      const policy = defaultPolicy();
      const other = openPostgresRecordWriter({ url, schema, policy: { ...policy, sharing: { ...policy.sharing, settingSystem: 'urn:other' } } }); // prettier-ignore
      await expect(other.apply(0, async () => undefined)).rejects.toThrow('built by another access policy');
      await other.close();
    });

    it('gives each role no more than it needs', async () => {
      await owner.query(`CREATE ROLE gateway LOGIN PASSWORD 'g'; CREATE ROLE projector LOGIN PASSWORD 'p'`);
      for (let i = 0; i < 2; i += 1)
        await migrateRecord(owner, { schema, reader: 'gateway', writer: 'projector' });
      const as = (user: string) =>
        Object.assign(new URL(url), { username: user, password: user[0] }).toString();
      const log = new Log();
      log.record('ada', patient('ada'));
      const projector = openPostgresRecordWriter({ url: as('projector'), schema });
      await projector.apply(0, async () => batchOf(log.changes));
      await projector.clear();
      await projector.apply(0, async () => batchOf(log.changes));
      const gateway = openPostgresRecordWriter({ url: as('gateway'), schema });
      await expect(gateway.apply(0, async () => batchOf(log.changes))).rejects.toThrow('permission denied');
      const read = openPostgresRecordHere({ url: as('gateway'), schema });
      expect(await read.read('Patient', 'ada')).toMatchObject({ kind: 'found' });
      read.close();
      for (const it of [projector, gateway]) await it.close();
    });

    it('gives a batch back whose connection the server ends while nothing is asked of it, and takes the next', async () => {
      const log = new Log();
      log.record('ada', patient('ada'));
      const [writer] = writers;
      const lost = writer!.apply(0, async () => {
        const busy = `application_name = 'carelog ${schema} writer' AND state = 'idle in transaction'`;
        await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${busy}`);
        // Long enough to hear of it: a connection that breaks then tells nobody who asks, but its listeners.
        await expect.poll(async () => (await owner.query(`SELECT FROM pg_stat_activity WHERE ${busy}`)).rowCount).toBe(0); // prettier-ignore
        await new Promise((resolve) => setImmediate(resolve));
        return batchOf(log.changes);
      });
      await expect(lost).rejects.toThrow(/connection|terminat/i);
      await writer!.apply(0, async () => batchOf(log.changes));
      expect(await record.read('Patient', 'ada')).toMatchObject({ kind: 'found' });
    });

    describe('read by threads', () => {
      let threads: RecordQueries;
      beforeEach(async () => {
        await project(writers, busyLog());
        threads = openPostgresRecord({ url, schema, threads: 2 });
      });
      afterEach(() => threads.close());

      it('answers what one thread answers, many questions at a time', async () => {
        const questions = [
          '',
          'code=code1',
          'patient=ada',
          'patient=ben&_sort=-date',
          'value-string:contains=rd',
        ];
        const answers = await Promise.all(questions.map((text) => ids('Observation', text, threads)));
        expect(answers).toEqual(await Promise.all(questions.map((text) => ids('Observation', text))));
        expect(await threads.hash()).toBe(await record.hash());
        const { query } = parseSearch('Observation', new URLSearchParams('_sort=code'), { base });
        const asked = [query, { count: 3, base }, ownRecordOf('ada')] as const;
        expect(await threads.search(...asked)).toEqual(await record.search(...asked));
      });

      it('goes on after the server broke its connections', async () => {
        expect(await ids('Patient', '_id=ada', threads)).toEqual(['ada']);
        const mine = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'carelog ${schema} reader'`;
        await owner.query(mine);
        expect(await ids('Patient', '_id=ada', threads)).toEqual(['ada']);
      });

      it('goes on after a connection on which nothing is heard any more', async () => {
        const lane: SlowAnswering = { answer: () => Promise.reject(new Error('Nothing here is slow.')), close: () => {} }; // prettier-ignore
        const options = { url, schema, name: 'silent', statementTimeout: 3_000, patienceMs: 1_000 };
        const silent = new ReaderThreads(options, 1, lane);
        expect(await ids('Patient', '_id=ada', silent)).toEqual(['ada']);
        const { rows } = await owner.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE application_name = 'carelog ${schema} silent'`); // prettier-ignore
        for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
        try {
          expect(await ids('Patient', '_id=ada', silent)).toEqual(['ada']);
          expect(await ids('Patient', '_id=ben', silent)).toEqual(['ben']);
        } finally {
          for (const { pid } of rows) process.kill(pid, 'SIGCONT');
          silent.close();
        }
      });

      it('passes faults on', async () => {
        await owner.query(`DROP SCHEMA ${schema} CASCADE`);
        await expect(threads.read('Patient', 'ada')).rejects.toThrow('does not exist');
        await expect(threads.stats()).rejects.toThrow('does not exist');
      });

      it('ends its questions when it is closed', async () => {
        const asked = threads.hash();
        threads.close();
        await expect(asked).rejects.toThrow('closed');
        await expect(threads.stats()).rejects.toThrow('closed');
      });
    });
  },
);
