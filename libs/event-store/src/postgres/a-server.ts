/** For the specs beside this file: a server of their own, and logs on it, each in a schema of its own. */
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { Postgres } from '@carelog/engines';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { newEventId } from '../event-id.ts';
import { migrateEventStore } from './schema.ts';
import type { MigrateEventStoreOptions } from './schema.ts';

export interface Server {
  postgres: Postgres;
  readonly folder: string;
  /** Makes an empty log; its tables belong to the superuser, its services are the roles `writer` and `reader`. */
  newLog(options?: MigrateEventStoreOptions): Promise<string>;
  /** As the superuser and owner. */
  run(sql: string): Promise<pg.QueryResult>;
  urlOf(role: 'writer' | 'reader'): string;
  stop(): Promise<void>;
}

/** A running server, or why there can be none here. */
export async function startServer(options: { readonly sync: boolean }): Promise<Server | string> {
  const folder = join(mkdtempSync(join(tmpdir(), 'carelog-postgres-')), 'server');
  const postgres = await engineOrReason(() => startPostgres({ folder, ...options }));
  if (typeof postgres === 'string') return postgres;
  const password = newEventId();
  const server: Server = {
    postgres,
    folder,
    async newLog(migration) {
      const schema = `log_${newEventId().replaceAll('-', '')}`;
      await asOwner((client) =>
        migrateEventStore(client, { schema, writerRole: 'writer', readerRole: 'reader', ...migration }),
      );
      return schema;
    },
    run: (sql) => asOwner((client) => client.query(sql)),
    urlOf(role) {
      const url = new URL(server.postgres.url());
      url.username = role;
      url.password = password;
      return url.href;
    },
    async stop() {
      await server.postgres.stop();
      rmSync(join(folder, '..'), { recursive: true });
    },
  };
  await server.run(
    `CREATE ROLE writer LOGIN PASSWORD '${password}'; CREATE ROLE reader LOGIN PASSWORD '${password}'`,
  );
  return server;

  async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client(server.postgres.url());
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}
