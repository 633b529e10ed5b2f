/** PostgreSQL killed while the log is written, and restored from an older copy. */
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { Postgres } from '@carelog/engines';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { newEventId } from '../event-id.ts';
import { someEvent, to } from '../some-event.ts';
import { createLogServer } from './log-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';
import { beginEpoch } from './schema.ts';
import { verifyPostgresEventStore } from './verify-log.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-log-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(root, 'server') }));
const missing = typeof postgres === 'string' ? postgres : undefined;
let running = postgres as Postgres;
const server = missing === undefined ? await createLogServer(running.url()) : (undefined as never);
afterAll(async () => {
  if (missing === undefined) await running.stop();
  rmSync(root, { recursive: true });
});

const startAgain = async () => {
  running = await startPostgres({ folder: join(root, 'server'), port: running.port });
};

describe.skipIf(missing !== undefined)(`a log in PostgreSQL${missing ? ` (${missing})` : ''}`, () => {
  it('keeps what was acknowledged through kill -9, and appends that were under way end well, each once', async () => {
    const schema = await server.newLog();
    const store = await openPostgresEventStore({
      url: server.urlOf('writer'),
      schema,
      patienceMilliseconds: 60_000,
    });
    const followed: number[] = [];
    const following = (async () => {
      for await (const events of store.subscribe(0)) followed.push(...events.map(({ position }) => position));
    })();
    const ledger = new Map<number, string>();
    let going = true;
    const writers = Array.from({ length: 8 }, async () => {
      while (going) {
        const events = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () =>
          someEvent({ content: Buffer.alloc(Math.random() * 5_000, 7) }),
        );
        const outcome = await store.append([to(newEventId(), 'no-stream', ...events)]);
        expect(outcome.kind).toBe('appended');
        if (outcome.kind !== 'appended') continue;
        expect(outcome.events.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
        for (const { position, id } of outcome.events) ledger.set(position, id);
      }
    });
    for (let round = 1; round <= 3; round++) {
      const enough = ledger.size + 200;
      await expect.poll(() => ledger.size, { timeout: 60_000 }).toBeGreaterThan(enough);
      await running.kill();
      await startAgain();
    }
    const enough = ledger.size + 100;
    await expect.poll(() => ledger.size, { timeout: 60_000 }).toBeGreaterThan(enough);
    going = false;
    await Promise.all(writers);

    const { position: head } = await verifyPostgresEventStore({ url: server.urlOf('reader'), schema });
    // Every append was answered, so the ledger is the log.
    expect(ledger.size).toBe(head);
    for (let after = 0; after < head; after += 1_000) {
      for (const { position, id } of await store.readAll({ after })) expect(ledger.get(position)).toBe(id);
    }
    await expect.poll(() => followed.length).toBe(head);
    expect(followed).toEqual(Array.from({ length: head }, (_, index) => index + 1));
    await store.close();
    await following;
  }, 240_000);

  it('that is restored from an older copy begins a new epoch, in which positions come anew', async () => {
    const schema = await server.newLog();
    const open = () => openPostgresEventStore({ url: server.urlOf('writer'), schema });
    const before = await open();
    await before.append([to('a', 'any', someEvent())]);
    const { epoch } = before.head();
    await before.close();
    const [data, copy] = [join(root, 'server/data'), join(root, 'server/copy')];
    await running.stop();
    execFileSync('cp', ['-a', data, copy]);
    await startAgain();
    const lost = await open();
    await lost.append([to('a', 1, someEvent())]);
    await lost.close();

    await running.stop();
    rmSync(data, { recursive: true });
    execFileSync('cp', ['-a', copy, data]);
    await startAgain();
    const owner = new pg.Client(running.url());
    await owner.connect();
    const began = await beginEpoch(owner, { schema });
    await owner.end();
    const after = await open();
    expect(after.head()).toEqual({ position: 1, epoch: began.epoch });
    expect(began.epoch).not.toBe(epoch);
    expect(await after.append([to('a', 1, someEvent())])).toMatchObject({ events: [{ position: 2 }] });
    await after.close();
  }, 120_000);
});
