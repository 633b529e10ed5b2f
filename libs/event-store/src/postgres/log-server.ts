/** Logs for specs, each in a schema of its own of one PostgreSQL, with the roles that services have. */
import pg from 'pg';
import { newEventId } from '../event-id.ts';
import { migrateEventStore } from './schema.ts';
import type { MigrateEventStoreOptions } from './schema.ts';

export interface LogServer {
  /** Makes an empty log; its tables belong to the superuser. Gives the schema. */
  newLog(options?: MigrateEventStoreOptions): Promise<string>;
  /** As the superuser and owner. */
  run(sql: string): Promise<pg.QueryResult>;
  urlOf(role: 'writer' | 'reader'): string;
}

/** `url` is that of the superuser of a server that nobody else uses. */
export async function createLogServer(url: string): Promise<LogServer> {
  const password = newEventId();
  const roles = ['writer', 'reader'].map((role) => `CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
  const server: LogServer = {
    async newLog(options) {
      const schema = `log_${newEventId().replaceAll('-', '')}`;
      await asOwner((client) =>
        migrateEventStore(client, { schema, writerRole: 'writer', readerRole: 'reader', ...options }),
      );
      return schema;
    },
    run: (sql) => asOwner((client) => client.query(sql)),
    urlOf: (role) => Object.assign(new URL(url), { username: role, password }).href,
  };
  await server.run(roles.join(';'));
  return server;

  async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client(url);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}
