/** The port's contract against PostgreSQL in a container, as sites run it: where a Docker engine has an image of it. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, describe } from 'vitest';
import { describeEventStore } from '../contract.ts';
import { newEventId } from '../event-id.ts';
import { imageAtHand, startContainer } from '../spec-container.ts';
import type { SpecContainer } from '../spec-container.ts';
import { createLogServer } from './log-server.ts';
import type { LogServer } from './log-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';

const image = imageAtHand(process.env['POSTGRES_IMAGE'], 'postgres:18', 'carelog-base/postgres');
let container: SpecContainer | undefined;
const server = image === undefined ? undefined : await startServer(image);
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

async function startServer(name: string): Promise<LogServer> {
  const password = newEventId();
  container = await startContainer(name, {
    port: 5432,
    environment: { POSTGRES_PASSWORD: password },
    // Power cuts are not among what is tried here.
    command: ['postgres', '-c', 'fsync=off'],
  });
  const url = `postgres://postgres:${password}@${container.host}:${container.port}/postgres`;
  try {
    for (const until = Date.now() + 60_000; !(await accepts(url)); await delay(100)) {
      if (Date.now() > until) throw new Error(`PostgreSQL in the container ${name} accepts no connection.`);
    }
    return await createLogServer(url);
  } catch (error) {
    await container.stop();
    throw error;
  }
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
