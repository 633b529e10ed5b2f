/** The port's contract against a real PostgreSQL, and what the adapter promises beyond it. */
import { afterAll, describe } from 'vitest';
import { describeEventStore } from '../contract.ts';
import { startServer } from './a-server.ts';
import type { Server } from './a-server.ts';
import { openPostgresEventStore } from './postgres-event-store.ts';

const started = await startServer({ sync: false });
const server = started as Server;
afterAll(() => (typeof started === 'string' ? undefined : server.stop()));

describe.skipIf(typeof started === 'string')(
  `a log in PostgreSQL${typeof started === 'string' ? ` (${started})` : ''}`,
  () => {
    describeEventStore('postgres', async ({ now }) =>
      openPostgresEventStore({ url: server.urlOf('writer'), schema: await server.newLog(), now }),
    );
  },
);
