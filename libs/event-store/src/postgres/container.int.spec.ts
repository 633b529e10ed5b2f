/** The port's contract against PostgreSQL in a container, as sites run it: where a Docker engine has an image of it. */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, describe } from 'vitest';
import { describeEventStore } from '../contract.ts';
import { newEventId } from '../event-id.ts';
import { createLogServer } from './log-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';

const images = [process.env['CARELOG_POSTGRES_IMAGE'], 'postgres:18', 'carelog-base/postgres'];
const image = images.find((name) => name && docker('image', 'inspect', name));
const container = image === undefined ? undefined : await startContainer(image);
const server = container && (await createLogServer(container.url));
afterAll(() => container?.stop());

describe.skipIf(!server)(
  image ?? '(runs where a Docker engine has postgres:18, or a stand-in by infra/images/make-bases.sh)',
  () => {
    describeEventStore(
      'postgres in a container',
      async ({ now }) =>
        openPostgresEventStore({ url: server!.urlOf('writer'), schema: await server!.newLog(), now }),
      { histories: 10 },
    );
  },
);

async function startContainer(name: string): Promise<{ url: string; stop(): Promise<unknown> }> {
  // Its reaper is an image of its own, which cannot be had everywhere; what is started here is stopped here.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = newEventId();
  const started = await new GenericContainer(name)
    .withEnvironment({ POSTGRES_PASSWORD: password })
    // Power cuts are not among what is tried here.
    .withCommand(['postgres', '-c', 'fsync=off'])
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  const url = `postgres://postgres:${password}@${started.getHost()}:${started.getMappedPort(5432)}/postgres`;
  for (const until = Date.now() + 60_000; !(await accepts(url)); await delay(100)) {
    if (Date.now() < until) continue;
    await started.stop();
    throw new Error(`PostgreSQL in the container ${name} accepts no connection.`);
  }
  return { url, stop: () => started.stop() };
}

async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}

function docker(...args: string[]): boolean {
  return spawnSync('docker', args, { stdio: 'ignore' }).status === 0;
}
