/**
 * A running cluster is upgraded service by service, to another version of its projection, while it is written to and looked at:
 * behind a load balancer that asks who is ready, no request fails.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { engineOrReason } from '@carelog/engines';
import { recordProjection } from '@carelog/read-models';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { buildReadModel, switchReadModel } from '../../apps/carelog/src/commands/read-models.ts';
import type { Status } from '../../apps/carelog/src/status.ts';
import { startClusterLoad } from '../support/cluster-load.ts';
import { startClusterScene } from '../support/cluster-scene.ts';

const started = await engineOrReason(() => startClusterScene({ CARELOG_DRAIN_SECONDS: '1' }));
const reason = typeof started === 'string' ? started : undefined;
const NEXT = recordProjection.version + 1;
const ASKED_MS = 50;

describe.skipIf(reason !== undefined)(`an upgrade${reason === undefined ? '' : `: ${reason}`}`, () => {
  if (typeof started === 'string') return;
  const { cluster } = started;
  const { services } = cluster;
  const ready = new Set(cluster.gateways);
  let isAsking = true;
  const asking = Promise.all(cluster.gateways.map(askWhetherReady));
  afterAll(async () => {
    isAsking = false;
    await asking;
    vi.unstubAllEnvs();
    await started.close();
  }, 60_000);

  async function askWhetherReady(gateway: string): Promise<void> {
    for (; isAsking; await delay(ASKED_MS)) {
      const isReady = await fetch(`${gateway}/health/ready`).then((answer) => answer.ok, () => false); // prettier-ignore
      if (isReady) ready.add(gateway);
      else ready.delete(gateway);
    }
  }

  it('goes service by service and fails nobody', { timeout: 300_000 }, async () => {
    for (const [name, value] of Object.entries(cluster.settings)) vi.stubEnv(name, value);
    const token = await started.token('publisher');
    const load = startClusterLoad({
      gateways: cluster.gateways,
      token,
      inUse: () => [...ready],
      writers: 2,
      pauseMs: 100,
    });
    await load.goesOn();

    await buildReadModel(NEXT);
    const next = { CARELOG_RECORD_VERSION: String(NEXT) };
    await cluster.add('projector 3', 'projector 1', next);
    await cluster.add('projector 4', 'projector 2', next);
    await load.goesOn();
    for (const name of ['writer 1', 'writer 2', 'gateway 1', 'gateway 2']) {
      expect(await services.get(name)!.replace()).toBe(0);
      await load.goesOn();
    }
    await cluster.add('relay 2', 'relay 1');
    expect(await services.get('relay 1')!.stop()).toBe(0);
    await load.goesOn();
    await switchReadModel(NEXT, { by: 'ann' });
    const operator = { authorization: `Bearer ${await started.token('operator')}` };
    for (const gateway of cluster.gateways) {
      const version = async () => {
        const answer = await fetch(`${gateway}/status`, { headers: operator });
        return ((await answer.json()) as Status).projections[0]!.version;
      };
      await expect.poll(version, { timeout: 60_000, interval: 100 }).toBe(NEXT);
    }
    for (const name of ['projector 1', 'projector 2']) expect(await services.get(name)!.stop()).toBe(0);
    await load.goesOn();
    await load.stop();

    expect(load.failures()).toEqual([]);
    load.expectHolds(await started.events());
    await started.expectViewsAsFresh();
  });
});
