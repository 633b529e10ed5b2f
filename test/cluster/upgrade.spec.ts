/**
 * A running cluster is upgraded service by service, to another version of the record, of a care setting and of the population,
 * while it is written to and looked at: behind a load balancer that asks who is ready, no request fails.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { engineOrReason } from '@carelog/engines';
import { careSettingNamed, careSettings, recordProjection } from '@carelog/read-models';
import { Client } from 'pg';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  buildReadModel,
  compareReadModels,
  switchReadModel,
} from '../../apps/carelog/src/commands/read-models.ts';
import type { Status } from '../../apps/carelog/src/status.ts';
import { contentsOnPostgres } from '../../libs/read-models/src/care-settings/scene-engines.ts';
import { startClusterLoad } from '../support/cluster-load.ts';
import { startClusterScene } from '../support/cluster-scene.ts';

const started = await engineOrReason(() => startClusterScene({ CARELOG_DRAIN_SECONDS: '1' }));
const reason = typeof started === 'string' ? started : undefined;
const NEXT = recordProjection.version + 1;
const run = promisify(execFile);
const ASKED_MS = 50;
const root = join(import.meta.dirname, '../..');
const OTHER = join(root, 'test/support/next-release.ts');
/** What makes a process one of the release that is upgraded to. */
const NEXT_RELEASE = { NODE_OPTIONS: `--import=${pathToFileURL(OTHER).href}` };

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

  it('goes service by service and fails nobody', { timeout: 600_000 }, async () => {
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

    await migrate(cluster.settings, cluster.ownerUrl);
    await buildReadModel(NEXT);
    const next = { ...NEXT_RELEASE, CARELOG_RECORD_VERSION: String(NEXT) };
    // They are ready when they have built what is of another version.
    await cluster.add('projector 3', 'projector 1', next);
    await cluster.add('projector 4', 'projector 2', next);
    await load.goesOn();
    expect(await compareReadModels(NEXT, {})).toBe(0);
    for (const name of ['writer 1', 'writer 2', 'gateway 1', 'gateway 2']) {
      expect(await services.get(name)!.replace(NEXT_RELEASE)).toBe(0);
      await load.goesOn();
    }
    await cluster.add('relay 2', 'relay 1', NEXT_RELEASE);
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
    // Once nobody writes, the care setting holds the same in both versions.
    await load.stop();
    await expect.poll(await areEqualIn(cluster.ownerUrl), { timeout: 60_000, interval: 500 }).toBe(true);
    await load.goesOn();
    for (const name of ['projector 1', 'projector 2']) expect(await services.get(name)!.stop()).toBe(0);
    await load.goesOn();
    await load.stop();

    expect(load.failures()).toEqual([]);
    load.expectHolds(await started.events());
    await started.expectViewsAsFresh();
  });
});

/** As `carelog migrate` of the release does it. */
async function migrate(settings: Readonly<Record<string, string>>, ownerUrl: string): Promise<void> {
  const env = { ...process.env, ...settings, ...NEXT_RELEASE, CARELOG_OWNER_URL: ownerUrl };
  await run(process.execPath, [join(root, 'apps/carelog/src/cli.ts'), 'migrate'], { env });
}

/** Makes this process one of the other release too. Gives what says whether the setting that changed is the same in both versions. */
async function areEqualIn(ownerUrl: string): Promise<() => Promise<boolean>> {
  const before = careSettings.map((it) => ({ ...it }));
  const { CHANGED } = await import('../support/next-release.ts');
  const acute = careSettingNamed(CHANGED)!;
  expect(before.find(({ name }) => name === CHANGED)!.version + 1).toBe(acute.version);
  return async () => {
    const owner = new Client(ownerUrl);
    await owner.connect();
    try {
      const [old, other] = [
        await contentsOnPostgres(owner, acute, before),
        await contentsOnPostgres(owner, acute, careSettings),
      ];
      return old !== '' && old === other;
    } finally {
      await owner.end();
    }
  };
}
