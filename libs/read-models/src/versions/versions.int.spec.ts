import { engineOrReason, startPostgres } from '@carelog/engines';
import { temporaryFolder } from '@carelog/testkit';
import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { migrateVersions, openVersions, schemaOf, type ReadModelVersions } from './versions.ts';

const postgres = await engineOrReason(() => startPostgres({ folder: temporaryFolder(), sync: false }));
const why = typeof postgres === 'string' ? `: ${postgres}` : '';
const running = typeof postgres === 'string' ? undefined : postgres;

describe.skipIf(running === undefined)(`versions of read models${why}`, () => {
  let number = 0;
  let owner: Client;
  let versions: ReadModelVersions;

  beforeEach(async () => {
    const database = `versions_${(number += 1)}`;
    await using(running!.url(), (client) => client.query(`CREATE DATABASE ${database}`));
    owner = new Client(running!.url(database));
    await owner.connect();
    await migrateVersions(owner);
    for (const version of [4, 10]) await owner.query(`CREATE SCHEMA ${schemaOf('record', version)}`);
    versions = openVersions(running!.url(database));
    return async () => {
      await versions.close();
      await owner.end();
    };
  });
  afterAll(() => running!.stop());

  it('are those whose schemas are there, in the order of numbers', async () => {
    await owner.query('CREATE SCHEMA other_record_v1');
    expect(await versions.built('record')).toEqual([4, 10]);
    expect(await versions.built('worklist')).toEqual([]);
  });

  it('are switched once and back, and say who did it', async () => {
    expect(await versions.live('record')).toBeUndefined();
    expect(await versions.switchTo('record', 4, undefined, 'ann')).toEqual({
      kind: 'switched',
      from: undefined,
    });
    expect(await versions.switchTo('record', 10, 4, 'bob')).toEqual({ kind: 'switched', from: 4 });
    expect(await versions.live('record')).toMatchObject({ version: 10, previous: 4, by: 'bob' });
    expect(await versions.switchTo('record', 4, 10, 'ann')).toEqual({ kind: 'switched', from: 10 });
    expect(await versions.live('record')).toMatchObject({ version: 4, previous: 10, by: 'ann' });
  });

  it('are not switched over somebody else, nor to what was never built', async () => {
    await versions.switchTo('record', 4, undefined, 'ann');
    const both = await Promise.all([
      versions.switchTo('record', 10, 4, 'ann'),
      versions.switchTo('record', 10, 4, 'bob'),
    ]);
    expect(both.map(({ kind }) => kind).sort()).toEqual(['overtaken', 'switched']);
    expect(await versions.switchTo('record', 11, 10, 'ann')).toEqual({ kind: 'not-built' });
  });

  it.each([
    ['when the database says so', false],
    ['by asking, where that word is lost', true],
  ])('tell who follows them of a switch %s', async (_, isDeaf) => {
    const seen: (number | undefined)[] = [];
    const ending = new AbortController();
    const pollMs = isDeaf ? 20 : 3_600_000;
    await versions.switchTo('record', 4, undefined, 'ann');
    await versions.follow('record', (version) => seen.push(version), { signal: ending.signal, pollMs });
    if (isDeaf) await owner.query('UPDATE read_model.live SET version = 10');
    else await versions.switchTo('record', 10, 4, 'bob');
    await vi.waitFor(() => expect(seen).toEqual([4, 10]), 5_000);
    ending.abort();
  });

  it('remember what was skipped, by whom and why, in this life of the log', async () => {
    const skip = { partition: 'p', position: 7, by: 'ann', why: 'sent by a test system' };
    await versions.skip('record', 'epoch-1', skip);
    await versions.skip('record', 'epoch-1', { ...skip, by: 'bob' });
    expect(await versions.skips('record', 'epoch-1')).toMatchObject([skip]);
    expect(await versions.skips('record', 'epoch-2')).toEqual([]);
  });

  it('may be read by a role that may not switch them', async () => {
    await owner.query(`CREATE ROLE reader_${number} LOGIN PASSWORD 'reader'`);
    await migrateVersions(owner, { reader: `reader_${number}` });
    const url = new URL(running!.url(owner.database));
    url.username = `reader_${number}`;
    url.password = 'reader';
    const reading = openVersions(url.href);
    try {
      await versions.switchTo('record', 4, undefined, 'ann');
      expect(await reading.live('record')).toMatchObject({ version: 4 });
      await expect(reading.switchTo('record', 10, 4, 'eve')).rejects.toThrow('permission denied');
    } finally {
      await reading.close();
    }
  });
});

async function using(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client(url);
  await client.connect();
  await work(client);
  await client.end();
}
