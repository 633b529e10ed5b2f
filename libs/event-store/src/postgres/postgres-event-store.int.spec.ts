/** The port's contract against a real PostgreSQL, and what the adapter promises beyond it. */
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { Postgres } from '@carelog/engines';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { describeEventStore, someEvent, to } from '../contract.ts';
import { newEventId } from '../event-id.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { EventStore } from '../event-store.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { createLogServer } from './log-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';
import type { PostgresEventStoreOptions } from './postgres-event-store.ts';
import { beginEpoch } from './schema.ts';
import { verifyPostgresEventStore } from './verify-log.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-log-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(root, 'server'), sync: false }));
const missing = typeof postgres === 'string' ? postgres : undefined;
const running = postgres as Postgres;
const server = missing === undefined ? await createLogServer(running.url()) : (undefined as never);
afterAll(async () => {
  if (missing === undefined) await running.stop();
  rmSync(root, { recursive: true });
});

const opened: { close(): Promise<void> }[] = [];
async function open(options: Partial<PostgresEventStoreOptions> & { readonly schema: string }) {
  const store = await openPostgresEventStore({ url: server.urlOf('writer'), ...options });
  opened.push(store);
  return store;
}
/** A session of somebody else. */
async function session(url = running.url()): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  opened.push({ close: () => client.end() });
  return client;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((it) => it.close()));
});

describe.skipIf(missing !== undefined)(`a log in PostgreSQL${missing ? ` (${missing})` : ''}`, () => {
  describeEventStore(
    'postgres',
    async ({ now }) =>
      openPostgresEventStore({ url: server.urlOf('writer'), schema: await server.newLog(), now }),
    { histories: 20 },
  );

  describe('several writers', () => {
    it('keep one dense log in the order of their commits, and whoever follows it skips nothing', async () => {
      const schema = await server.newLog({ eventsPerRange: 100 });
      const writers = await Promise.all(Array.from({ length: 4 }, () => open({ schema })));
      const reader = await open({ schema, url: server.urlOf('reader') });
      const total = 4 * 6 * 10 * 2;
      const followed = collect(reader, 0, total);
      const outcomes = await Promise.all(
        writers.flatMap((store) =>
          Array.from({ length: 6 }, async () => {
            const positions: number[] = [];
            for (let count = 0; count < 10; count++) {
              const outcome = await store.append([
                to(newEventId(), 'no-stream', someEvent()),
                to('everybody', 'any', someEvent({ partition: 'p' })),
              ]);
              if (outcome.kind === 'appended') positions.push(...outcome.events.map((it) => it.position));
            }
            expect(positions).toEqual(positions.toSorted((a, b) => a - b));
            return positions;
          }),
        ),
      );
      const expected = Array.from({ length: total }, (_, index) => index + 1);
      expect(outcomes.flat().sort((a, b) => a - b)).toEqual(expected);
      expect((await followed).map(({ position }) => position)).toEqual(expected);
      expect(await verifyPostgresEventStore({ url: server.urlOf('reader'), schema })).toMatchObject({
        position: total,
      });
    });

    it('that race for a stream with one event id hear of one append and of duplicates', async () => {
      const schema = await server.newLog();
      const writers = await Promise.all(Array.from({ length: 4 }, () => open({ schema })));
      const event = someEvent();
      const outcomes = await Promise.all(
        writers.map((store) => store.append([to('alias', 'no-stream', event)])),
      );
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual([
        'appended',
        'duplicate',
        'duplicate',
        'duplicate',
      ]);
    });

    it('do not wait for long transactions of others, which read this log or write elsewhere', async () => {
      const schema = await server.newLog({ eventsPerRange: 10 });
      const store = await open({ schema });
      await store.append([to('a', 'any', someEvent())]);

      await server.run('CREATE DATABASE elsewhere');
      const elsewhere = await session(running.url('elsewhere'));
      await elsewhere.query('CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1)');
      const dump = await session();
      await dump.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM ${schema}.event; SELECT * FROM ${schema}.entry`,
      );

      // Over several ranges of the table, so that some are made meanwhile.
      for (let count = 0; count < 40; count++) await store.append([to('a', 'any', someEvent())]);
      expect(await collect(await open({ schema, url: server.urlOf('reader') }), 0, 41)).toHaveLength(41);
      const seen = await dump.query(`SELECT count(*) AS events FROM ${schema}.event`);
      expect(seen.rows).toEqual([{ events: '1' }]);
      await elsewhere.end();
    });

    it('leave no dead row behind for whoever counts', async () => {
      const schema = await server.newLog();
      const store = await open({ schema });
      for (let count = 0; count < 20; count++) await store.append([to('a', 'any', someEvent())]);
      await server.run(`SELECT pg_stat_force_next_flush()`);
      const { rows } = await server.run(
        `SELECT sum(n_tup_upd + n_tup_del)::int AS changes FROM pg_stat_all_tables WHERE schemaname = '${schema}'`,
      );
      expect(rows).toEqual([{ changes: 0 }]);
    });
  });

  describe('the head', () => {
    it('that is asked for anew includes what anybody has acknowledged; the one that is known follows', async () => {
      const schema = await server.newLog();
      const [writer, other] = [await open({ schema }), await open({ schema, url: server.urlOf('reader') })];
      for (let position = 1; position <= 20; position++) {
        await writer.append([to('a', 'any', someEvent())]);
        const asked = await Promise.all([other.freshHead(), other.freshHead(), other.freshHead()]);
        expect(asked.map((head) => head.position)).toEqual([position, position, position]);
      }
      await writer.append([to('a', 'any', someEvent())]);
      await expect.poll(() => other.head().position).toBe(21);
    });
  });

  describe('a connection that is lost at COMMIT', () => {
    it.each(['unheard', 'unanswered'] as const)(
      'with the COMMIT %s: the append is recorded once, and its caller hears so',
      async (when) => {
        const schema = await server.newLog();
        const proxy = await startCuttingProxy(running.port);
        opened.push(proxy);
        const url = new URL(server.urlOf('writer'));
        url.port = String(proxy.port);
        const store = await open({ schema, url: url.href });
        await store.append([to('a', 'no-stream', someEvent())]);

        const cut = proxy.cutAtCommit(when);
        const [first, second] = [someEvent(), someEvent()];
        const outcomes = await Promise.all([
          store.append([to('a', 1, first)]),
          store.append([to('a', 1, someEvent())]),
          store.append([to('b', 'no-stream', second)]),
          cut,
        ]);
        expect(outcomes.slice(0, 3)).toMatchObject([
          { kind: 'appended', events: [{ id: first.id, position: 2 }] },
          { kind: 'revision-mismatch', mismatches: [{ stream: 'a', expected: 1, actual: 2 }] },
          { kind: 'appended', events: [{ id: second.id, position: 3 }] },
        ]);
        expect((await store.readAll({ after: 1 })).map(({ id }) => id)).toEqual([first.id, second.id]);
        await store.close();
      },
    );

    it('and does not come back says that it is not known, and how to find out', async () => {
      const schema = await server.newLog();
      const proxy = await startCuttingProxy(running.port);
      const url = new URL(server.urlOf('writer'));
      url.port = String(proxy.port);
      const store = await open({ schema, url: url.href, patienceMilliseconds: 300 });
      await store.append([to('a', 'no-stream', someEvent())]);
      const cut = proxy.cutAtCommit('unanswered').then(() => proxy.close());
      await expect(store.append([to('a', 1, someEvent())])).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/not known.*again with the same event ids/),
      });
      await cut;
      await expect(store.append([to('a', 2, someEvent())])).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/cannot be reached.*Check that PostgreSQL runs/),
      });
      await expect(store.freshHead()).rejects.toMatchObject({ code: 'io' });
    });
  });

  describe('a server that has no room', () => {
    it('refuses appends, keeps reads, and takes appends again once there is room', async () => {
      const schema = await server.newLog();
      const store = await open({ schema });
      await store.append([to('a', 'no-stream', someEvent())]);
      await server.run(
        `CREATE FUNCTION ${schema}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
           CREATE TRIGGER no_room BEFORE INSERT ON ${schema}.entry FOR EACH ROW EXECUTE FUNCTION ${schema}.full()`,
      );
      const refused = await Promise.allSettled(
        Array.from({ length: 3 }, () => store.append([to('a', 'any', someEvent())])),
      );
      for (const outcome of refused) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'full', message: expect.stringMatching(/Make room/) },
        });
      }
      expect(await store.readAll()).toHaveLength(1);
      await server.run(`DROP TRIGGER no_room ON ${schema}.entry`);
      expect(await store.append([to('a', 1, someEvent())])).toMatchObject({ events: [{ position: 2 }] });
    });
  });

  describe('an epoch', () => {
    it('begins when the owner says so: the head has it, appends go on in it, followers of the old one end', async () => {
      const schema = await server.newLog();
      const store = await open({ schema });
      await store.append([to('a', 'any', someEvent())]);
      const before = store.head();
      const following = store.subscribe(1)[Symbol.asyncIterator]();
      const owner = await session();
      const began = await beginEpoch(owner, { schema });
      expect(began).toMatchObject({ position: 1 });
      expect(began.epoch).not.toBe(before.epoch);
      const ended = expect(following.next()).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/was restored.*Begin again/),
      });
      await store.append([to('a', 1, someEvent())]);
      await ended;
      expect(store.head()).toEqual({ position: 2, epoch: began.epoch });
      const epochs = [before, began].map(({ epoch: id }, at) => ({ id, position: at }));
      expect(await store.epochs()).toEqual(epochs);
    });

    it('begins by itself where the log finds itself on another server', async () => {
      const schema = await server.newLog();
      const before = await open({ schema });
      await before.append([to('a', 'any', someEvent())]);
      const { epoch } = before.head();
      await before.close();
      await server.run(
        `INSERT INTO ${schema}.epoch VALUES (2, gen_random_uuid(), now(), 1, 'the server it was copied from')`,
      );
      const moved = await open({ schema });
      await moved.append([to('a', 1, someEvent())]);
      const again = await open({ schema });
      await again.append([to('a', 2, someEvent())]);
      expect(again.head()).toEqual({ position: 3, epoch: moved.head().epoch });
      expect(again.head().epoch).not.toBe(epoch);
      const { rows } = await server.run(`SELECT number, position::int FROM ${schema}.epoch ORDER BY number`);
      expect(rows).toEqual([
        { number: 1, position: 0 },
        { number: 2, position: 1 },
        { number: 3, position: 1 },
      ]);
    });
  });

  describe('opening', () => {
    it('of what is not there says so and how to put it right', async () => {
      await expect(open({ schema: 'nowhere' })).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/no log at .*schema nowhere.*Run the migration/),
      });
      await expect(open({ schema: 'x', url: 'postgres://u:secret@127.0.0.1:1/x' })).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/127\.0\.0\.1:1\/x .*cannot be reached(?!.*secret)/),
      });
      await expect(open({ schema: 'x"; DROP' })).rejects.toMatchObject({ code: 'invalid' });
    });
  });
});

async function collect(store: EventStore, after: number, count: number): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const batch of store.subscribe(after, { batchSize: 7 })) {
    events.push(...batch);
    if (events.length >= count) break;
  }
  return events;
}
