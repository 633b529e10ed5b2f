/**
 * Nobody who asked to be told misses anything: the server is killed, subscribers are killed, paused and connected anew. EVENTS=10000
 * is the full run (`npm run test:notifications`); the same SEED breaks the same things.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@carelog/engines';
import { afterAll, expect, it } from 'vitest';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { faultsUnder, originsOf, startHookEndpoints } from '../support/notified/reliability.ts';
import { readLog } from '../support/read-log.ts';
import { startServer } from '../support/server-process.ts';

const events = Number(process.env['EVENTS'] ?? 1_200);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const breaks = Math.max(3, Math.round(events / 800));

const folder = mkdtempSync(join(tmpdir(), 'carelog-notifications-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it(
  `tells everybody of ${events} events, over ${breaks} kills (SEED=${seed})`,
  { timeout: 120_000 + events * 200 },
  async () => {
    const endpoints = await startHookEndpoints();
    const hooks = join(folder, 'hooks.json');
    const allowed = originsOf(endpoints).map((origin) => ({ origin, allowPrivate: true, allowHttp: true }));
    writeFileSync(hooks, JSON.stringify({ hooks: allowed }));
    const data = join(folder, 'data');
    const settings = {
      PORT: String(await freePort()),
      CARELOG_HOOKS: hooks,
      CARELOG_LIMIT_SYSTEMS: '10000/10000/512',
    };
    let server = await startServer(data, settings);
    const faults = await faultsUnder({
      site: { urls: [server.url], token: await server.token('publisher') },
      seed,
      events,
      breaks,
      folder: join(folder, 'clients'),
      endpoints,
      async breakServer() {
        await server.kill();
        server = await startServer(data, settings);
      },
      log: () => readLog(dataPaths(data).log),
    });
    expect(faults).toEqual([]);
    expect(await server.end()).toBe(0);
  },
);
