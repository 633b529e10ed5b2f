/** What the database holds off itself, what it cannot hold off and is found, and how it comes to be. */
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { Postgres } from '@carelog/engines';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { someEvent, to } from '../some-event.ts';
import { createLogServer } from './log-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';
import type { PostgresEventStoreOptions } from './postgres-event-store.ts';
import { migrateEventStore } from './schema.ts';
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
  describe('the database itself refuses', () => {
    const changes = (table: string, key = table.endsWith('epoch') ? 'number' : 'position') => [
      `UPDATE ${table} SET position = position`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `INSERT INTO ${table} SELECT * FROM ${table} ON CONFLICT (${key}) DO UPDATE SET position = 7`,
      `MERGE INTO ${table} t USING ${table} s ON t.position = s.position WHEN MATCHED THEN DELETE`,
    ];
    it.each(['event', 'event_0', 'entry', 'epoch'])(
      'its owner to change or remove anything of %s',
      async (table) => {
        const schema = await server.newLog();
        const store = await open({ schema });
        await store.append([to('a', 'any', someEvent(), someEvent())]);
        for (const role of ['origin', 'replica']) {
          for (const sql of changes(`${schema}.${table}`)) {
            await expect(server.run(`SET session_replication_role = ${role}; ${sql}`), sql).rejects.toThrow(
              /append-only: (UPDATE|DELETE|TRUNCATE) of .* is refused/,
            );
          }
        }
        expect(await store.readAll()).toHaveLength(2);
      },
    );

    it.each([
      ['writer', 'event'],
      ['writer', 'entry'],
      ['writer', 'epoch'],
      ['reader', 'event'],
      ['reader', 'entry'],
      ['reader', 'epoch'],
    ] as const)('the role %s to write to %s but through its functions', async (role, table) => {
      const schema = await server.newLog();
      await (await open({ schema })).append([to('a', 'any', someEvent())]);
      const client = await session(server.urlOf(role));
      const inserts = `INSERT INTO ${schema}.${table} SELECT * FROM ${schema}.${table}`;
      for (const sql of [...changes(`${schema}.${table}`), inserts]) {
        await expect(client.query(sql), sql).rejects.toThrow(/permission denied|append-only/);
      }
      await expect(client.query(`SELECT ${schema}.make_range(7)`)).rejects.toThrow(/permission denied/);
      await expect(client.query(`CREATE TABLE ${schema}.mine (n int)`)).rejects.toThrow(/permission denied/);
    });

    it('a writer that would not append at the head', async () => {
      const schema = await server.newLog();
      await (await open({ schema })).append([to('a', 'any', someEvent())]);
      const client = await session(server.urlOf('writer'));
      for (const after of [0, 2]) {
        await expect(
          client.query(
            `SELECT ${schema}.record($1, ARRAY[gen_random_uuid()], ARRAY['b'], '{1}', ARRAY['p'], ARRAY['{}'], ARRAY[''::bytea], '{0}')`,
            [after],
          ),
        ).rejects.toThrow(/is not its head/);
      }
    });

    it('to let a reader append, and says how to put it right', async () => {
      const schema = await server.newLog();
      const store = await open({ schema, url: server.urlOf('reader') });
      await expect(store.append([to('a', 'any', someEvent())])).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/refuses this role.*Run the migration/),
      });
    });
  });

  describe('damage', () => {
    const withoutProtection = (schema: string, sql: string) =>
      server.run(
        `ALTER TABLE ${schema}.event_0 DISABLE TRIGGER unchanged; ALTER TABLE ${schema}.event DISABLE TRIGGER unchanged;
           ALTER TABLE ${schema}.entry DISABLE TRIGGER unchanged; ${sql}`,
      );

    it('of an event is found when it is read, and named', async () => {
      const schema = await server.newLog();
      const store = await open({ schema });
      await store.append([to('a', 'any', someEvent(), someEvent())]);
      await withoutProtection(schema, `UPDATE ${schema}.event SET content = '\\x00' WHERE position = 2`);
      expect(await store.readAll({ limit: 1 })).toHaveLength(1);
      for (const read of [
        () => store.readAll(),
        () => store.readStream('a'),
        () => store.subscribe(0)[Symbol.asyncIterator]().next(),
      ]) {
        await expect(read()).rejects.toMatchObject({
          code: 'damaged',
          message: expect.stringMatching(/^Event 2 .*checksum differs/),
        });
      }
    });

    it.each([
      [
        'a changed event',
        `UPDATE event SET content = '\\x00' WHERE position = 2`,
        /event 2 .*checksum differs/,
      ],
      ['a lost event', `DELETE FROM event WHERE position = 2`, /event 2 is missing/],
      ['a lost tail', `DELETE FROM event WHERE position = 4`, /event 4 is missing/],
      ['a lost entry', `DELETE FROM entry WHERE position = 2`, /event 2 is filed under another/],
      [
        'another stream',
        `UPDATE entry SET stream = 'x' WHERE position = 2`,
        /event 2 is filed under another/,
      ],
      [
        'an entry that is elsewhere',
        `UPDATE entry SET position = 9 WHERE position = 4`,
        /event 4 is filed under another/,
      ],
    ])('verification finds %s', async (_, sql, says) => {
      const schema = await server.newLog();
      const store = await open({ schema });
      await store.append([to('a', 'any', ...Array.from({ length: 4 }, () => someEvent()))]);
      const url = server.urlOf('reader');
      const { position } = await verifyPostgresEventStore({ url, schema });
      expect(position).toBe(4);
      await withoutProtection(schema, `SET search_path = ${schema}; ${sql}`);
      await expect(verifyPostgresEventStore({ url, schema })).rejects.toMatchObject({
        code: 'damaged',
        message: says,
      });
    });
  });

  describe('the migration', () => {
    it('changes nothing where the log is there, and refuses a log that is newer than itself', async () => {
      const schema = await server.newLog();
      const store = await open({ schema });
      await store.append([to('a', 'any', someEvent())]);
      const owner = await session();
      await Promise.all([
        migrateEventStore(owner, { schema }),
        migrateEventStore(await session(), { schema }),
      ]);
      expect(await store.readAll()).toHaveLength(1);
      await owner.query(`INSERT INTO ${schema}.migration VALUES (99)`);
      await expect(migrateEventStore(owner, { schema })).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringMatching(/format 99/),
      });
    });

    it('refuses a database that would change bytes', async () => {
      await server.run(`CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`);
      await expect(migrateEventStore(await session(running.url('latin')))).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/needs a database in UTF8/),
      });
    });
  });
});
