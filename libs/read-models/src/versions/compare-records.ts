/** Compares two versions of the record in one database as they stand at one moment, also while projectors write to both. */
import { Client } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { PostgresDatabase } from '../record/postgres/database.ts';
import { hashOfAll, tableHashes } from '../record/record-hash.ts';

export interface CompareOptions {
  /** Of a role that may read both. */
  readonly url: string;
  readonly schemas: readonly [string, string];
  /** How long a moment is waited for at which both have come equally far; 30,000 unless told. */
  readonly patienceMs?: number;
}

export interface Contents {
  /** Rows of each table that answers are made from. */
  readonly counts: Readonly<Record<string, number>>;
  /** Equal where every answer is. */
  readonly hash: string;
}

export type Comparison =
  /** `differing`: tables whose rows are not the same; none where every answer is. */
  | {
      readonly kind: 'compared';
      readonly differing: readonly string[];
      readonly contents: readonly [Contents, Contents];
    }
  /** They were never equally far; `behind` is by how many positions they were apart, lane by lane, at the end. */
  | { readonly kind: 'apart'; readonly behind: number };

const HASHING_MAX_MS = 3_600_000;
const LOOK_AGAIN_MS = 10;

/** Reads all of both; takes minutes on a large record. */
export async function compareRecords(options: CompareOptions): Promise<Comparison> {
  const { url, schemas, patienceMs = 30_000 } = options;
  const client = new Client({ connectionString: url, application_name: 'carelog comparison' });
  await client.connect();
  try {
    const overdue = performance.now() + patienceMs;
    for (;;) {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const behind = await apart(client, schemas);
      if (behind === 0) break;
      await client.query('ROLLBACK');
      if (performance.now() > overdue) return { kind: 'apart', behind };
      await delay(LOOK_AGAIN_MS);
    }
    // What others see from here on is what this transaction sees, though both versions go on.
    const { rows } = await client.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
    const contents = async (schema: string) => ({
      counts: await countsOf(client, schema),
      tables: hashesAt(url, schema, rows[0]!.snapshot),
    });
    const both = [await contents(schemas[0]), await contents(schemas[1])] as const;
    const differing = [...both[0].tables].flatMap(([table, hash]) => (both[1].tables.get(table) === hash ? [] : [table])); // prettier-ignore
    const [one, other] = both.map(({ counts, tables }) => ({ counts, hash: hashOfAll(tables) }));
    return { kind: 'compared', differing, contents: [one!, other!] };
  } finally {
    await client.end();
  }
}

/** 0 where both have come equally far in every lane, in the same epoch. */
async function apart(client: Client, [one, other]: CompareOptions['schemas']): Promise<number> {
  const { rows } = await client.query<{ behind: string }>(
    `SELECT coalesce(sum(CASE WHEN a.epoch = b.epoch THEN abs(a.position - b.position)
                              ELSE greatest(a.position, b.position, 1) END), 0) AS behind
     FROM ${client.escapeIdentifier(one)}.checkpoint a
     FULL JOIN ${client.escapeIdentifier(other)}.checkpoint b ON a.lane = b.lane`,
  );
  return Number(rows[0]!.behind);
}

const COUNTED = [
  'resource',
  'version',
  'person',
  'parked',
  'set_aside',
  'token',
  'reference',
  'date',
  'string',
];

async function countsOf(client: Client, schema: string): Promise<Contents['counts']> {
  const counts: Record<string, number> = {};
  for (const table of COUNTED) {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM ${client.escapeIdentifier(schema)}.${table}`,
    );
    counts[table] = Number(rows[0]!.count);
  }
  return counts;
}

function hashesAt(url: string, schema: string, snapshot: string): ReadonlyMap<string, string> {
  const db = new PostgresDatabase({ url, schema, name: 'comparison', statementTimeout: HASHING_MAX_MS });
  try {
    db.exec('BEGIN');
    db.prepare(`SET TRANSACTION SNAPSHOT '${snapshot}'`).run();
    return tableHashes(db);
  } finally {
    db.close();
  }
}
