/** Puts the keys of a keyring in a folder into one in PostgreSQL: each key and each erasure, wrapped by the same master key. */
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import type { WrappedKey } from '../data-key.ts';
import { KeyTable } from '../key-table.ts';
import { readMasterKey } from '../master-key.ts';
import { refuseOtherMaster } from './migrate-keyring.ts';

const KEYS_AT_ONCE = 1_000;

/**
 * Resolves with how many keys and erasures the folder holds, once all of them are in the schema. May be repeated. `owner`: a
 * connection of the schema's owner. Throws a `KeyringFault` where the schema's keys are wrapped by another master key.
 */
export async function importKeys(
  owner: ClientBase,
  folder: string,
  { schema = 'keyring' }: { readonly schema?: string } = {},
): Promise<{ readonly keys: number; readonly erased: number }> {
  const master = readMasterKey(join(folder, 'master.key'));
  const name = owner.escapeIdentifier(schema);
  const { rows } = await owner.query<{ id: string }>(`SELECT id FROM ${name}.master_key`);
  refuseOtherMaster(schema, master.id, rows[0]?.id);
  const table = new KeyTable(join(folder, 'keys.sqlite'), master.id, true);
  const count = { keys: 0, erased: 0 };
  try {
    // Erasures first: a key that was destroyed must not come back, whatever this is repeated with.
    for (const partition of table.erased()) {
      await owner.query(`DELETE FROM ${name}.data_key WHERE partition = $1`, [partition]);
      await owner.query(`INSERT INTO ${name}.erasure (partition) VALUES ($1) ON CONFLICT DO NOTHING`, [partition]); // prettier-ignore
      count.erased += 1;
    }
    for (const keys of pages(table.keys())) {
      await owner.query(
        `INSERT INTO ${name}.data_key
         SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS made (partition, id, wrapped)
         WHERE NOT EXISTS (SELECT 1 FROM ${name}.erasure WHERE erasure.partition = made.partition)
         ON CONFLICT DO NOTHING`,
        [
          keys.map((key) => key.partition),
          keys.map((key) => key.id),
          keys.map((key) => Buffer.from(key.wrapped)),
        ],
      );
      count.keys += keys.length;
    }
  } finally {
    table.close();
  }
  return count;
}

function* pages(keys: Iterable<WrappedKey>): Generator<WrappedKey[]> {
  let page: WrappedKey[] = [];
  for (const key of keys) {
    page.push(key);
    if (page.length < KEYS_AT_ONCE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
