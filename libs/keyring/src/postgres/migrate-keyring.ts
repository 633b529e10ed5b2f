/** The schema of the keyring in PostgreSQL, and who may do what in it. Run by its owner, never by a service. */
import type { ClientBase } from 'pg';
import { KeyringFault } from '../keyring-fault.ts';
import { readMasterKey } from '../master-key.ts';

export interface KeyringRoles {
  /** May make keys and use them. */
  readonly makers?: readonly string[];
  /** May use keys. */
  readonly readers?: readonly string[];
  /** May destroy keys of partitions that begin so. */
  readonly erasers?: readonly { readonly role: string; readonly prefix: string }[];
}

/** Names the master key that wraps the keys, never the key; one row for ever. */
const TABLES = `
CREATE TABLE IF NOT EXISTS master_key (number integer PRIMARY KEY DEFAULT 1 CHECK (number = 1), id text NOT NULL);
CREATE TABLE IF NOT EXISTS data_key (partition text PRIMARY KEY, id text NOT NULL, wrapped bytea NOT NULL);
CREATE TABLE IF NOT EXISTS erasure (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition text NOT NULL UNIQUE,
  erased_at timestamptz NOT NULL DEFAULT now()
);
`;

/** Which rows a role may touch that has a right at all: every row, but for destroying keys. */
const ROWS = `
ALTER TABLE data_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON data_key FOR SELECT USING (true);
CREATE POLICY reads ON erasure FOR SELECT USING (true);
CREATE POLICY makes ON data_key FOR INSERT WITH CHECK (true);
`;

/**
 * Makes the schema where it is missing and lets the roles in; may be run again. Destroying keys is left to the owner, but
 * for what erasers are let. Throws a `KeyringFault` where the schema holds keys of another master key.
 */
export async function migrateKeyring(
  owner: ClientBase,
  {
    masterKeyFile,
    schema = 'keyring',
    roles = {},
  }: { readonly masterKeyFile: string; readonly schema?: string; readonly roles?: KeyringRoles },
): Promise<void> {
  const { id } = readMasterKey(masterKeyFile);
  const name = owner.escapeIdentifier(schema);
  await owner.query('BEGIN');
  try {
    await owner.query("SELECT pg_advisory_xact_lock(hashtext('carelog migrate'))");
    await owner.query(`CREATE SCHEMA IF NOT EXISTS ${name}`);
    await owner.query(`SET LOCAL search_path = ${name}`);
    await owner.query(TABLES);
    const policies = await owner.query("SELECT FROM pg_policies WHERE schemaname = $1 AND policyname = 'reads'", [schema]); // prettier-ignore
    if (policies.rowCount === 0) await owner.query(ROWS);
    await owner.query('INSERT INTO master_key (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]);
    const { rows } = await owner.query<{ id: string }>('SELECT id FROM master_key');
    refuseOtherMaster(schema, id, rows[0]?.id);
    for (const [role, rights] of rightsOf(roles)) {
      await owner.query(`GRANT USAGE ON SCHEMA ${name} TO ${owner.escapeIdentifier(role)}`);
      await owner.query(`GRANT SELECT ON ALL TABLES IN SCHEMA ${name} TO ${owner.escapeIdentifier(role)}`);
      if (rights === 'makes')
        await owner.query(`GRANT INSERT ON data_key TO ${owner.escapeIdentifier(role)}`);
    }
    for (const eraser of roles.erasers ?? []) await letErase(owner, schema, eraser);
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

/** A policy takes a lock that keeps everybody out, so it is made once only. */
async function letErase(
  owner: ClientBase,
  schema: string,
  { role, prefix }: { readonly role: string; readonly prefix: string },
): Promise<void> {
  const name = `erases ${prefix}`;
  const known = await owner.query(
    'SELECT FROM pg_policies WHERE schemaname = $1 AND policyname = $2 AND $3 = ANY(roles)',
    [schema, name, role],
  );
  if (known.rowCount !== 0) return;
  const [policy, to] = [owner.escapeIdentifier(name), owner.escapeIdentifier(role)];
  const within = `starts_with(partition, ${owner.escapeLiteral(prefix)})`;
  await owner.query(`
    GRANT DELETE ON data_key TO ${to};
    GRANT INSERT ON erasure TO ${to};
    CREATE POLICY ${policy} ON data_key FOR DELETE TO ${to} USING (${within});
    CREATE POLICY ${policy} ON erasure FOR INSERT TO ${to} WITH CHECK (${within});
  `);
}

/** Throws where `known`, as the schema names it, is not the id of the master key. */
export function refuseOtherMaster(schema: string, id: string, known: string | undefined): void {
  if (known === id) return;
  throw new KeyringFault(
    'damaged',
    `The keys in the schema ${schema} were wrapped by another master key than the one given. Give the master key file that belongs to this database.`,
  );
}

function rightsOf({ makers = [], readers = [] }: KeyringRoles): (readonly [string, 'makes' | 'reads'])[] {
  return [
    ...makers.map((role) => [role, 'makes'] as const),
    ...readers.map((role) => [role, 'reads'] as const),
  ];
}
