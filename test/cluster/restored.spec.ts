/**
 * The log of a whole cluster is brought back from an older copy, while views, the relay's checkpoint, Kafka, keys and gateways
 * have what was recorded after it: in the new epoch all of it is as if that had never been. Part of `npm run test:faults`.
 */
import { engineOrReason } from '@carelog/engines';
import { beginEpoch } from '@carelog/event-store';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { startClusterLoad } from '../support/cluster-load.ts';
import { startClusterScene } from '../support/cluster-scene.ts';

const started = await engineOrReason(() => startClusterScene());
const reason = typeof started === 'string' ? started : undefined;
const rounds = Number(process.env['ROUNDS'] ?? 1);

describe.skipIf(reason !== undefined)(`a restored log${reason === undefined ? '' : `: ${reason}`}`, () => {
  if (typeof started === 'string') return;
  const { cluster } = started;
  const { gateways, services } = cluster;
  afterAll(() => started.close(), 60_000);

  const write = async (after: number): Promise<void> => {
    const load = startClusterLoad({ gateways, token: await started.token('publisher') });
    await load.goesOn();
    await load.goesOn();
    await load.stop();
    load.expectHolds((await started.events()).slice(after), after);
  };
  const owned = async <T>(work: (owner: Client) => Promise<T>): Promise<T> => {
    const owner = new Client(cluster.ownerUrl);
    await owner.connect();
    return work(owner).finally(() => owner.end());
  };
  const read = async (gateway: string, stream: string): Promise<number> => {
    const headers = { authorization: `Bearer ${await started.token('publisher')}` };
    return (await fetch(`${gateway}/fhir/R4/${stream}`, { headers })).status;
  };

  it('counts alone, in every view and at every gateway, and takes the positions anew', { timeout: 300_000 + rounds * 180_000 }, async () => {
    for (let round = 0; round < rounds; round += 1) {
      const before = (await started.events()).length;
      await write(before);
      const kept = await started.events();
      await owned(backUp);
      await write(kept.length);
      const all = await started.events();
      const known = new Set(kept.map(({ stream }) => stream));
      const lost = all.map(({ stream }) => stream).filter((stream) => !known.has(stream) && /^[A-Z]/.test(stream)); // prettier-ignore
      expect(lost.length).toBeGreaterThan(0);
      // What is lost has been everywhere.
      await started.expectViewsAsFresh();

      for (const service of services.values()) await service.stop();
      const [old, { epoch, position }] = await owned(async (owner) => {
        const { rows } = await owner.query<{ id: string }>('SELECT id FROM log.epoch ORDER BY number DESC LIMIT 1'); // prettier-ignore
        await restore(owner);
        return [rows[0]!.id, await beginEpoch(owner)] as const;
      });
      expect([position, epoch === old]).toEqual([kept.length, false]);
      await Promise.all([...services.values()].map((service) => service.replace()));

      expect((await started.events()).map(({ id }) => id)).toEqual(kept.map(({ id }) => id));
      await started.expectViewsAsFresh();
      for (const gateway of gateways)
        for (const stream of [lost[0]!, lost.at(-1)!]) expect(await read(gateway, stream)).toBe(404);
      await write(kept.length);
      await started.expectViewsAsFresh();
      for (const gateway of gateways) expect(await read(gateway, lost[0]!)).toBe(404);
    }
  }); // prettier-ignore
});

/** Tables of the log, each of which is copied as it stands. */
async function tablesIn(owner: Client, schema: string): Promise<readonly string[]> {
  const { rows } = await owner.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'",
    [schema],
  );
  return rows.map(({ name }) => name);
}

async function backUp(owner: Client): Promise<void> {
  await owner.query('DROP SCHEMA IF EXISTS log_copy CASCADE; CREATE SCHEMA log_copy');
  await owner.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  for (const table of await tablesIn(owner, 'log'))
    await owner.query(`CREATE TABLE log_copy.${table} AS TABLE log.${table}`);
  await owner.query('COMMIT');
}

/** As who owns the log puts the copy in its place: nothing in it can be changed before its triggers are taken off. */
async function restore(owner: Client): Promise<void> {
  const tables = await tablesIn(owner, 'log_copy');
  const { rows } = await owner.query<{ place: string; name: string; always: boolean }>(
    `SELECT tgrelid::regclass AS place, tgname AS name, tgenabled = 'A' AS always FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
     WHERE relnamespace = 'log'::regnamespace AND NOT tgisinternal`,
  );
  await owner.query('BEGIN');
  for (const { place, name } of rows) await owner.query(`ALTER TABLE ${place} DISABLE TRIGGER ${name}`);
  await owner.query(`TRUNCATE ${tables.map((table) => `log.${table}`).join()}`);
  for (const table of tables) await owner.query(`INSERT INTO log.${table} TABLE log_copy.${table}`);
  for (const { place, name, always } of rows)
    await owner.query(`ALTER TABLE ${place} ENABLE ${always ? 'ALWAYS' : ''} TRIGGER ${name}`);
  await owner.query('COMMIT');
}
