import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { listen, type Listening, type ListeningOptions } from './listen.ts';

// Of the run: see `test/support/one-postgres.ts`.
const server = process.env['CARELOG_SPEC_POSTGRES'];
const reason = process.env['CARELOG_SPEC_NO_POSTGRES'] ?? 'run vitest with --project=integration';

describe.skipIf(server === undefined)(`listening${server === undefined ? `: ${reason}` : ''}`, () => {
  const database = `listening_${process.pid}`;
  let owner: Client;
  let url: string;
  const open: Listening[] = [];

  beforeAll(async () => {
    owner = new Client({ connectionString: server });
    await owner.connect();
    await owner.query(`CREATE DATABASE ${database}`);
    url = Object.assign(new URL(server!), { pathname: `/${database}` }).href;
  });
  afterEach(async () => {
    for (const it of open.splice(0)) await it.close();
    expect(await sessions()).toEqual([]);
  });
  afterAll(async () => {
    await owner.query(`DROP DATABASE ${database}`);
    await owner.end();
  });

  const sessions = async () => (await owner.query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE datname = $1', [database])).rows.map(({ pid }) => pid); // prettier-ignore

  /** Hears of a channel from when it resolves. */
  async function heard(channel: string, more: Partial<ListeningOptions> = {}) {
    const said: string[] = [];
    let connected = 0;
    const listening = listen({ url, channel, onHint: (it) => said.push(it), onConnected: () => (connected += 1), ...more }); // prettier-ignore
    open.push(listening);
    await vi.waitFor(() => expect(connected).toBe(1));
    return { listening, said, connected: () => connected };
  }

  it('hears of each channel what is told of it, by one session for all', async () => {
    const [a, alsoA, b] = [await heard('one'), await heard('one'), await heard('other')];
    await b.listening.tell('x');
    await a.listening.tell('y');
    await vi.waitFor(() => expect([a.said, alsoA.said, b.said]).toEqual([['y'], ['y'], ['x']]));
    expect(await sessions()).toHaveLength(1);
    await alsoA.listening.close();
    await a.listening.tell('z');
    await vi.waitFor(() => expect(a.said).toEqual(['y', 'z']));
    await a.listening.close();
    await b.listening.tell('last');
    await vi.waitFor(() => expect(b.said).toEqual(['x', 'last']));
    expect([a.said, alsoA.said]).toEqual([['y', 'z'], ['y']]);
  });

  it('connects anew when the connection breaks, and says so to everybody', async () => {
    const troubles: unknown[] = [];
    const [a, b] = [await heard('one', { onTrouble: (it) => troubles.push(it) }), await heard('other')];
    await owner.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]); // prettier-ignore
    await vi.waitFor(() => expect([a.connected(), b.connected()]).toEqual([2, 2]), 10_000);
    expect(troubles).not.toEqual([]);
    await a.listening.tell('again');
    await vi.waitFor(() => expect(a.said).toEqual(['again']));
  });

  it('is closed also where there is no database, and listens again after it was closed', async () => {
    const nowhere = listen({
      url: Object.assign(new URL(url), { port: '1' }).href,
      channel: 'one',
      onHint() {},
    });
    await nowhere.tell('to nobody');
    await nowhere.close();
    const first = await heard('one');
    await first.listening.close();
    await first.listening.close();
    const second = await heard('one');
    await second.listening.tell('here');
    await vi.waitFor(() => expect(second.said).toEqual(['here']));
    expect(first.said).toEqual([]);
  });
});
