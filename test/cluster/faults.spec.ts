/**
 * A whole cluster, written to and looked at without a pause, while its processes are killed and stopped, its engines go away
 * and come back, and the network between each two of them breaks. Each time what was acknowledged is there once, nobody saw a
 * view go back, and the view ends as one that is built from the log. `npm run test:faults` runs all of it, ROUNDS times; without
 * ROUNDS those run that take little time, and views are built and compared once, after the last of them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { engineOrReason } from '@carelog/engines';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startClusterLoad } from '../support/cluster-load.ts';
import { links, startClusterScene } from '../support/cluster-scene.ts';

const rounds = Number(process.env['ROUNDS'] ?? 1);
const isWhole = process.env['ROUNDS'] !== undefined;
const started = await engineOrReason(() => startClusterScene());
const reason = typeof started === 'string' ? started : undefined;
const token = typeof started === 'string' ? '' : await started.token('publisher');

/** Longer than whoever waits for a silent writer, or a silent database, waits. */
const SILENT_MS = 12_000;
/** Longer than a thread that reads the record waits for its connection. */
const LONG_SILENT_MS = 25_000;
const GONE_MS = 3_000;
/** To build every view once more takes longer with each row. */
const VIEWS_MS = 300_000;

describe.skipIf(reason !== undefined)(
  `a cluster on this machine${reason === undefined ? '' : `: ${reason}`}`,
  { timeout: 120_000 + rounds * 120_000 },
  () => {
    if (typeof started === 'string') return;
    const { cluster, postgres, kafka } = started;
    const { gateways, services } = cluster;
    const load = startClusterLoad({ gateways, token });

    beforeEach(() => load.goesOn(), 180_000);
    afterEach(async () => {
      await load.stop();
      load.expectHolds(await started.events());
      if (isWhole) await started.expectViewsAsFresh();
    }, VIEWS_MS);
    afterAll(async () => {
      const pids = [...services.values()].map(({ pid }) => pid!);
      await started.close();
      expect(pids.filter(isThere)).toEqual([]);
    }, 60_000);

    const repeatedly = async (work: () => Promise<void>): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) {
        await work();
        await load.goesOn();
      }
    };

    it.each(['gateway 2', 'writer 1', 'relay 1', 'projector 1'])('goes on after the %s is killed', (name) =>
      repeatedly(async () => {
        const service = services.get(name)!;
        const { pid } = service;
        process.kill(pid!, 'SIGKILL');
        await service.ready();
        expect(service.pid).not.toBe(pid);
      }),
    );

    it('goes on after PostgreSQL was killed, and started again', () =>
      repeatedly(async () => {
        await postgres.kill();
        await delay(isWhole ? GONE_MS : 0);
        await postgres.start();
      }));

    if (!isWhole)
      it('ends with views as they are built from the log, whatever went before', async () => {
        await load.stop();
        await started.expectViewsAsFresh();
      });

    if (!isWhole) return;

    it('goes on after Kafka was killed, and started again', () =>
      repeatedly(async () => {
        await kafka.kill();
        await delay(GONE_MS);
        await kafka.start();
      }));

    it.each([
      ['writer 1', 'turn', 'unheard'],
      ['writer 1', 'turn', 'unanswered'],
      ['writer 2', 'commit', 'unheard'],
      ['writer 2', 'commit', 'unanswered'],
      ['gateway 2', 'commit', 'unheard'],
      ['gateway 2', 'commit', 'unanswered'],
    ] as const)('goes on after the %s is killed with its %s %s', (name, step, when) =>
      repeatedly(async () => {
        const service = services.get(name)!;
        const { pid } = service;
        await started.breakAt(name, step, when);
        process.kill(pid!, 'SIGKILL');
        await service.ready();
      }),
    );

    it.each(['gateway 1', 'writer 1', 'relay 1', 'projector 1'])(
      'goes on while the %s is stopped, and when it wakes',
      (name) =>
        repeatedly(async () => {
          const { pid } = services.get(name)!;
          process.kill(pid!, 'SIGSTOP');
          await delay(SILENT_MS);
          process.kill(pid!, 'SIGCONT');
        }),
    );

    it.each(links)('goes on after %s was cut', (name) =>
      repeatedly(async () => {
        const link = started.link(name);
        link.cut();
        await delay(GONE_MS);
        link.mend();
      }),
    );

    it.each(links)('goes on after nothing came through %s', (name) =>
      repeatedly(async () => {
        const link = started.link(name);
        link.stall();
        await delay(name === 'gateway–PostgreSQL' ? LONG_SILENT_MS : SILENT_MS);
        link.mend();
      }),
    );
  },
);

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
