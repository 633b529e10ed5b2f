import { engineOrReason, startPostgres } from '@carelog/engines';
import type { Pool, PoolClient } from 'pg';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { askingPool, transaction, writingPool } from './pools.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-pools-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const reason = typeof postgres === 'string' ? postgres : undefined;
afterAll(async () => {
  if (typeof postgres !== 'string') await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

const processOf = async (asked: Pick<Pool, 'query'>) =>
  (await asked.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

describe.skipIf(reason !== undefined)(`pools${reason === undefined ? '' : ` (${reason})`}`, () => {
  const open = (made: typeof askingPool) => made({ url: (postgres as { url(): string }).url(), purpose: 'spec', connections: 1 }); // prettier-ignore

  it.each([writingPool, askingPool])(
    '%o: a connection that breaks in use fails its transaction and nothing else',
    async (made) => {
      const [pool, other] = [open(made), open(made)];
      const broken = transaction(pool, async (client: PoolClient) => {
        const ended = new Promise((resolve) => client.once('end', resolve));
        await other.query('SELECT pg_terminate_backend($1)', [await processOf(client)]);
        await ended;
        return client.query('SELECT 1');
      });
      await expect(broken).rejects.toThrow();
      await expect(transaction(pool, processOf)).resolves.toBeGreaterThan(0);
      await Promise.all([pool.end(), other.end()]);
    },
  );

  it('undoes what was written before a fault', async () => {
    const pool = open(writingPool);
    await pool.query('CREATE TABLE kept (it int)');
    const failed = transaction(pool, async (client) => {
      await client.query('INSERT INTO kept VALUES (1)');
      throw new Error('in between');
    });
    await expect(failed).rejects.toThrow('in between');
    expect((await pool.query('SELECT FROM kept')).rowCount).toBe(0);
    await pool.end();
  });

  it('undoes everything where a statement fails that was only sent, and tells of that one', async () => {
    const pool = open(writingPool);
    await pool.query('CREATE TABLE sent (it int PRIMARY KEY)');
    const insert = (client: PoolClient, it: number) => client.query('INSERT INTO sent VALUES ($1)', [it]);
    const failed = transaction(pool, async (client, send) => {
      for (const it of [1, 2, 2, 3]) send(insert(client, it));
    });
    await expect(failed).rejects.toThrow('duplicate key');
    const asked = transaction(pool, async (client, send) => {
      for (const it of [1, 1]) send(insert(client, it));
      return insert(client, 2);
    });
    await expect(asked).rejects.toThrow('duplicate key');
    const kept = await transaction(pool, async (client, send) => {
      for (const it of [1, 2, 3]) send(insert(client, it));
      return (await client.query('SELECT FROM sent')).rowCount;
    });
    expect(kept).toBe(3);
    expect((await pool.query('SELECT FROM sent')).rowCount).toBe(3);
    await pool.end();
  });
});
