/** The contract on PostgreSQL with the rights that a gateway has, and what is of this engine only: connections that break. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeSubscriptionStore } from '../contract.ts';
import { aNotice, keepOne, MINUTE, NOW } from '../some-subscription.ts';
import { checkAgainstModel } from '../store-model.ts';
import type { SubscriptionStore } from '../subscription-store.ts';
import { openPostgresSubscriptionStore } from './postgres-subscription-store.ts';
import { migrateSubscriptions, SCHEMA } from './schema.ts';

/** Of the run: see test/support/one-postgres.ts. */
const server = process.env['CARELOG_SPEC_POSTGRES'];
const missing = server === undefined ? (process.env['CARELOG_SPEC_NO_POSTGRES'] ?? 'run vitest with --project=integration') : undefined; // prettier-ignore
if (missing !== undefined && process.env['CI'] === 'true')
  throw new Error(`Subscriptions must run on PostgreSQL too: ${missing}.`);

describe.skipIf(missing !== undefined)(`subscriptions in PostgreSQL${missing ? ` (${missing})` : ''}`, () => {
  const name = `subscriptions_${randomUUID().replaceAll('-', '')}`;
  const gateway = `${name}_gateway`;
  const urlOf = (change: Partial<URL>) => Object.assign(new URL(server!), change).href;
  const gatewayUrl = () => urlOf({ pathname: `/${name}`, username: gateway, password: 'x' });
  const owner = missing === undefined ? new pg.Client(urlOf({ pathname: `/${name}` })) : (undefined as never);

  beforeAll(async () => {
    const superuser = new pg.Client(server);
    await superuser.connect();
    await superuser.query(`CREATE DATABASE ${name}`);
    await superuser.query(`CREATE ROLE ${gateway} LOGIN PASSWORD 'x'`);
    await superuser.end();
    await owner.connect();
    await migrateSubscriptions(owner, { gateway });
  });
  afterAll(() => owner.end());

  async function newPlace() {
    await owner.query(`TRUNCATE ${['subscription', 'progress', 'holder', 'numbered'].map((table) => `${SCHEMA}.${table}`).join()}`); // prettier-ignore
    return () => openPostgresSubscriptionStore({ url: gatewayUrl() });
  }

  describeSubscriptionStore('PostgreSQL', newPlace);

  it('does what a model in memory does, whatever is asked in whatever order', async () => {
    await checkAgainstModel(newPlace);
  }, 120_000);

  it('is migrated again, and by several at once, without a change to what is there', async () => {
    const store = (await newPlace())();
    const stored = await keepOne(store);
    const owners = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const client = new pg.Client(urlOf({ pathname: `/${name}` }));
        await client.connect();
        return client;
      }),
    );
    await Promise.all(owners.map((client) => migrateSubscriptions(client, { gateway })));
    await Promise.all(owners.map((client) => client.end()));
    expect(await store.read(stored.id)).toEqual(stored);
    await store.close();
  });

  it('lets a gateway do what it has to and no more, and nobody else anything', async () => {
    const client = new pg.Client(gatewayUrl());
    await client.connect();
    for (const sql of [
      `UPDATE ${SCHEMA}.numbered SET notice = ''`,
      `TRUNCATE ${SCHEMA}.numbered`,
      `CREATE TABLE ${SCHEMA}.own (a int)`,
      `DROP FUNCTION ${SCHEMA}.lease`,
    ])
      await expect(client.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(/^42/) as string });
    await client.end();
    const { rows } = await owner.query(
      `SELECT DISTINCT grantee FROM information_schema.role_table_grants WHERE table_schema = $1 AND grantee <> current_user
       UNION SELECT grantee FROM information_schema.role_routine_grants WHERE routine_schema = $1 AND grantee <> current_user`,
      [SCHEMA],
    );
    expect(rows).toEqual([{ grantee: gateway }]);
  });

  it('loses nothing and numbers nothing twice when the connection is cut before or after the answer', async () => {
    const direct = (await newPlace())();
    const { id } = await keepOne(direct);
    const proxy = await startCuttingProxy(new URL(server!));
    const store = openPostgresSubscriptionStore({ url: Object.assign(new URL(gatewayUrl()), { port: proxy.port }).href }); // prettier-ignore
    await store.lease('me', NOW, NOW + MINUTE, 10);
    let cuts = 0;
    for (let position = 1; position <= 40; position += 1) {
      const look = [{ id, position, notices: [aNotice(position)] }];
      if (position % 2 === 0) proxy.cutNext(position % 4 === 0 ? 'unheard' : 'unanswered');
      // As the delivery loop does: what was not answered is tried again until it is.
      await retried(() => store.number('me', look));
      if (position % 4 === 1) proxy.cutNext('unanswered');
      await retried(() => store.delivered('me', id, position, NOW));
    }
    const kept = await direct.numbered(id, 0, 100);
    const upTo40 = Array.from({ length: 40 }, (_, at) => at + 1);
    expect(kept.map(({ number }) => number)).toEqual(upTo40);
    expect(kept.map(({ notice }) => notice.position)).toEqual(upTo40);
    expect(await direct.read(id)).toMatchObject({ events: 40, delivered: 40, position: 40 });
    expect(cuts).toBe(30);
    await Promise.all([store.close(), direct.close()]);
    await proxy.close();

    async function retried(work: () => Promise<unknown>): Promise<void> {
      for (;;) {
        try {
          await work();
          return;
        } catch {
          cuts += 1;
        }
      }
    }
  });

  it('goes on when gateways number, remove, forget and share out all at once', async () => {
    const place = await newPlace();
    const stores: SubscriptionStore[] = Array.from({ length: 3 }, place);
    const made = Array.from({ length: 60 }, () => keepOne(stores[0]!));
    const ids = (await Promise.all(made)).map(({ id }) => id);
    const going = stores.map(async (store, turn) => {
      const holder = `gateway ${turn}`;
      for (let round = 1; round <= 20; round += 1) {
        const held = await store.lease(holder, NOW, NOW + MINUTE, 100);
        const looked = held.map(({ id, position }) => ({ id, position: position + 1, notices: [aNotice(position + 1)] })); // prettier-ignore
        // In another order than they lie in, beside everything else.
        await Promise.all([
          store.number(holder, looked.reverse()),
          store.forget('2026-11-21T09:30:00.000Z'),
          ...held.slice(0, 5).map(({ id, events }) => store.delivered(holder, id, events, NOW)),
          ...(round % 5 === 0 ? [store.remove(ids[turn * 20 + round - 1]!)] : []),
        ]);
      }
    });
    await Promise.all(going);
    expect(await stores[0]!.list({ count: 100 })).toHaveLength(48);
    const { rows } = await owner.query(`SELECT FROM ${SCHEMA}.numbered n WHERE NOT EXISTS (SELECT FROM ${SCHEMA}.subscription s WHERE s.id = n.id)`); // prettier-ignore
    expect(rows).toEqual([]);
    await Promise.all(stores.map((store) => store.close()));
  }, 60_000);
});

/** `unheard`: the next thing that is asked is not passed on. `unanswered`: it is, and its answer is not. */
async function startCuttingProxy(target: URL) {
  let cutting: 'unheard' | 'unanswered' | undefined;
  const open = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const cut = (): void => {
      cutting = undefined;
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].forEach((it) => it.destroy()));
    }
    client.on('data', (bytes) => void (cutting === 'unheard' ? cut() : upstream.write(bytes)));
    upstream.on('data', (bytes) => void (cutting === 'unanswered' ? cut() : client.write(bytes)));
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: String((proxy.address() as AddressInfo).port),
    cutNext: (when: 'unheard' | 'unanswered') => (cutting = when),
    async close() {
      for (const socket of open) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
