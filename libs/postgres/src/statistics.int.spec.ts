import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampledLittle } from './statistics.ts';

// Of the run: see `test/support/one-postgres.ts`.
const url = process.env['CARELOG_SPEC_POSTGRES'];
const reason = process.env['CARELOG_SPEC_NO_POSTGRES'] ?? 'run vitest with --project=integration';

describe.skipIf(url === undefined)(
  `statistics in PostgreSQL${url === undefined ? `: ${reason}` : ''}`,
  () => {
    let client: Client;
    beforeAll(async () => {
      client = new Client({ connectionString: url });
      await client.connect();
      await client.query('CREATE TEMPORARY TABLE wide (key bigint PRIMARY KEY, kind text, body text)');
    });
    afterAll(() => client.end());

    it('are made from few rows, and not at all of what is only handed out', async () => {
      await client.query(sampledLittle('wide', 'key kind', 'body'));
      await client.query(
        `INSERT INTO wide SELECT n, CASE WHEN n % 3 = 0 THEN 'one' ELSE 'other' END, repeat('x', 1000) FROM generate_series(1, 20000) n`,
      );
      const said: string[] = [];
      client.on('notice', ({ message }) => said.push(message ?? ''));
      await client.query("SET client_min_messages = 'info'");
      await client.query('ANALYZE VERBOSE wide');
      expect(said.join()).toMatch(/; 3000 rows in sample, /);
      const { rows } = await client.query(
        `SELECT attname AS name FROM pg_stats WHERE tablename = 'wide' ORDER BY attname`,
      );
      expect(rows.map(({ name }) => name)).toEqual(['key', 'kind']);
    });
  },
);
