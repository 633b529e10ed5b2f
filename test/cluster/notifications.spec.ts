/**
 * Nobody who asked a cluster to be told misses anything: its gateways are killed, and one is stopped until others have taken over
 * what it looked after, and woken. Subscribers are killed, paused and connected anew. EVENTS=10000 is the full run
 * (`npm run test:notifications`); the same SEED breaks the same things.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineOrReason } from '@carelog/engines';
import { afterAll, describe, expect, it } from 'vitest';
import { startClusterScene } from '../support/cluster-scene.ts';
import { oneOf } from '../support/notified/chance.ts';
import { faultsUnder, originsOf, startHookEndpoints } from '../support/notified/reliability.ts';

const events = Number(process.env['EVENTS'] ?? 1_200);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const breaks = Math.max(3, Math.round(events / 800));
/** The tokens of the cluster are looked at where the first gateway is. */
const STOPPED = 'gateway 2';
/** One break in so many is a stop rather than a kill. */
const STOPS_EVERY = 3;

const folder = mkdtempSync(join(tmpdir(), 'carelog-notifications-'));
const endpoints = await startHookEndpoints();
const hooks = join(folder, 'hooks.json');
const allowed = originsOf(endpoints).map((origin) => ({ origin, allowPrivate: true, allowHttp: true }));
writeFileSync(hooks, JSON.stringify({ hooks: allowed }));
const started = await engineOrReason(() => startClusterScene({ CARELOG_HOOKS: hooks }));
const reason = typeof started === 'string' ? started : undefined;

describe.skipIf(reason !== undefined)(
  `a cluster on this machine${reason === undefined ? '' : `: ${reason}`}`,
  { timeout: 120_000 + events * 200 },
  () => {
    if (typeof started === 'string') return;
    const { cluster } = started;
    afterAll(async () => {
      await started.close();
      rmSync(folder, { recursive: true, force: true });
    }, 60_000);

    it(`tells everybody of ${events} events, over ${breaks} breaks (SEED=${seed})`, async () => {
      let broken = 0;
      const faults = await faultsUnder({
        site: { urls: cluster.gateways, token: await started.token('publisher') },
        seed,
        events,
        breaks,
        folder: join(folder, 'clients'),
        endpoints,
        async breakServer(chance, numbered) {
          broken += 1;
          if (broken % STOPS_EVERY === 0) return stopped(numbered);
          const service = cluster.services.get(oneOf(chance, ['gateway 1', 'gateway 2']))!;
          process.kill(service.pid!, 'SIGKILL');
          await service.ready();
        },
        log: () => started.events(),
      });
      expect(faults).toEqual([]);
    });

    /** Until another gateway gave numbers to what it looked after: it wakes as one who thinks that this is still its own. */
    async function stopped(numbered: () => Promise<void>): Promise<void> {
      const { pid } = cluster.services.get(STOPPED)!;
      process.kill(pid!, 'SIGSTOP');
      try {
        await numbered();
      } finally {
        process.kill(pid!, 'SIGCONT');
      }
    }
  },
);
