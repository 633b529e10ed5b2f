import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { startService } from '../start-service.ts';
import { openIdentity } from './identity-provider.ts';
import { issueToken } from './issue-token.ts';
import { personas } from './personas.ts';
import { openSigningKeys } from './signing-keys.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carelog-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

const DAY_MS = 24 * 60 * 60 * 1_000;

describe('keys', () => {
  it('sign for thirty days, and verify for a day more', async () => {
    let time = 0;
    const keys = await openSigningKeys(folder, () => time);
    const kids = () => keys.all().map(({ kid }) => kid);
    const [first] = kids();
    time = 30 * DAY_MS - 1;
    await keys.rotateWhenDue();
    expect(kids()).toEqual([first]);
    time += 1;
    await keys.rotateWhenDue();
    const [second] = kids();
    expect([kids().length, kids()[1]]).toEqual([2, first]);
    time += 30 * DAY_MS;
    await keys.rotateWhenDue();
    expect([kids().length, kids()[1]]).toEqual([2, second]);
    const again = await openSigningKeys(folder);
    expect(again.all()).toEqual(keys.all());
    expect((await stat(join(folder, 'signing-keys.json'))).mode & 0o777).toBe(0o600);
  });

  it('are those that another process signs with from the moment that they are looked at again', async () => {
    let time = 0;
    const mine = await openSigningKeys(folder, () => time);
    const theirs = await openSigningKeys(folder, () => time);
    let changes = 0;
    mine.onChange(() => (changes += 1));
    await mine.heed();
    expect(changes).toBe(0);
    time = 30 * DAY_MS;
    await theirs.rotateWhenDue();
    // Both are due: whoever comes second finds that it has been done.
    await mine.rotateWhenDue();
    expect(mine.all()).toEqual(theirs.all());
    expect([changes, mine.all().length]).toEqual([1, 2]);
  });

  it('take over the only one that there was', async () => {
    const other = await openSigningKeys(await mkdtemp(join(folder, 'other-')));
    await writeFile(join(folder, 'signing-key.json'), JSON.stringify(other.all()[0]));
    expect((await openSigningKeys(folder)).all()).toEqual(other.all());
  });
});

describe('two gateways on one folder', () => {
  it('refuse what the other took back, and know what it signs with a new key, within seconds', async () => {
    const log = createLog('silent');
    const start = async (publicUrl?: string) => {
      let port = 0;
      const options = { dataFolder: folder, personas, patientNhsNumber: '9990000018', log };
      const identity = await openIdentity(options);
      const service = await startService({
        config: {
          port: 0,
          host: '127.0.0.1',
          bodyLimit: 1024,
          ...(publicUrl !== undefined && { publicUrl }),
        },
        log,
        issuers: (url) => [identity.issuer(url)],
        routes(fastify, { url }) {
          identity.mount(fastify, url);
          fastify.get('/who', ({ caller }) => caller.subject);
          fastify.server.once('listening', () => (port = (fastify.server.address() as AddressInfo).port));
        },
      });
      return { identity, service, at: `http://127.0.0.1:${port}` };
    };
    const one = await start();
    // As behind one front: both are called by the same address.
    const other = await start(one.at);
    try {
      const secrets = JSON.parse(await readFile(join(folder, 'identity', 'client-secrets.json'), 'utf8')) as Record<string, string>; // prettier-ignore
      const authorization = `Basic ${btoa(`gp:${secrets['gp']}`)}`;
      const post = (path: string, body: Record<string, string>) =>
        fetch(`${one.at}/openid/token${path}`, { method: 'POST', headers: { authorization }, body: new URLSearchParams(body) }); // prettier-ignore
      const token = async () =>
        ((await (await post('', { grant_type: 'client_credentials' })).json()) as { access_token: string }).access_token; // prettier-ignore
      const statusOf = async (jwt: string) =>
        (await fetch(`${other.at}/who`, { headers: { authorization: `Bearer ${jwt}` } })).status;
      const first = await token();
      expect(await statusOf(first)).toBe(200);
      expect((await post('/revocation', { token: first })).status).toBe(200);
      await expect.poll(() => statusOf(first), { timeout: 20_000 }).toBe(401);
      await one.identity.rotateKeys();
      const second = await token();
      await expect.poll(() => statusOf(second), { timeout: 20_000 }).toBe(200);
    } finally {
      for (const { identity, service } of [one, other]) {
        await service.close();
        identity.close();
      }
    }
  });
});

describe('a running service', () => {
  it('signs with a new key without a restart, publishes both, and knows tokens of before', async () => {
    const log = createLog('silent');
    const identity = await openIdentity({
      dataFolder: folder,
      personas,
      patientNhsNumber: '9990000018',
      log,
    });
    const service = await startService({
      config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
      log,
      issuers: (url) => [identity.issuer(url)],
      routes(fastify, { url }) {
        identity.mount(fastify, url);
        fastify.get('/who', ({ caller }) => caller.subject);
      },
    });
    try {
      const url = service.url();
      const token = async () => {
        const outcome = await issueToken({ dataFolder: folder, personas, persona: 'gp', url });
        return outcome.kind === 'token' ? outcome.token : outcome.message;
      };
      const kidOf = (jwt: string) =>
        (JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid;
      const statusOf = async (jwt: string) =>
        (await fetch(`${url}/who`, { headers: { authorization: `Bearer ${jwt}` } })).status;
      const isActive = async (jwt: string) => {
        const secrets = JSON.parse(await readFile(join(folder, 'identity', 'client-secrets.json'), 'utf8')) as Record<string, string>; // prettier-ignore
        const headers = { authorization: `Basic ${btoa(`resource-server:${secrets['resource-server']}`)}` };
        const body = new URLSearchParams({ token: jwt });
        const answer = await fetch(`${url}/openid/token/introspection`, { method: 'POST', headers, body });
        return ((await answer.json()) as { active: boolean }).active;
      };
      // Not shown yet: it is verified with a key that does not sign any more.
      const [before, unshown] = [await token(), await token()];
      expect(await statusOf(before)).toBe(200);
      await identity.rotateKeys();
      const after = await token();
      expect(kidOf(after)).not.toBe(kidOf(before));
      expect(await Promise.all([before, unshown, after].map(statusOf))).toEqual([200, 200, 200]);
      expect(await Promise.all([unshown, after].map(isActive))).toEqual([true, true]);
      const { keys } = (await (await fetch(`${url}/openid/jwks`)).json()) as { keys: { kid: string; d?: string }[] }; // prettier-ignore
      expect(keys.map(({ kid }) => kid)).toEqual([kidOf(after), kidOf(before)]);
      expect(keys.some(({ d }) => d !== undefined)).toBe(false);
    } finally {
      await service.close();
      identity.close();
    }
  });
});
