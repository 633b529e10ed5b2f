/**
 * What the embedded identity provider must not forget between two requests: sign-ins under way, sessions, consents, codes,
 * refresh tokens, which access tokens are still good, and which assertions were used. One SQLite file, mode 0600.
 */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Adapter, AdapterPayload } from 'oidc-provider';

export interface ProviderStorage {
  /** The provider's view of one kind of thing. `alreadyUsed`: thrown where what is good for one use is used twice at the same time. */
  adapter(kind: string, alreadyUsed: () => Error): Adapter;
  /** Remembers a value until `seconds` have passed. False where it is good for one use and was kept before. */
  keep(kind: string, id: string, payload: AdapterPayload, seconds: number): boolean;
  /** What is kept, or undefined where there is nothing or its time is over. */
  find(kind: string, id: string): AdapterPayload | undefined;
  /** Calls back whenever tokens were taken back before their end; by another process, when `heed` is next called. */
  onRevoked(listener: () => void): void;
  /** Looks what other processes on this folder took back. */
  heed(): void;
  close(): void;
}

const sweepMilliseconds = 60_000;
const writesBetweenCounts = 1_000;
/** For what the provider gives no end. */
const grantSecondsMax = 14 * 24 * 3600;

const schema = `
  CREATE TABLE IF NOT EXISTS kept (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    grant_id TEXT,
    uid TEXT,
    consumed_at INTEGER,
    PRIMARY KEY (kind, id)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS kept_by_grant ON kept (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS kept_by_uid ON kept (kind, uid) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS kept_by_end ON kept (kind, expires_at);
  CREATE TABLE IF NOT EXISTS revocations (count INTEGER NOT NULL);
  INSERT INTO revocations SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM revocations);
`;

/**
 * Opens or makes `provider.sqlite` in `folder`. `now`: milliseconds since 1970. Strangers cause a row with every visit to
 * the sign-in page: beyond `rowsOfKindMax` of a kind those that end first make room.
 */
export function openProviderStorage(
  folder: string,
  now: () => number = Date.now,
  rowsOfKindMax = 100_000,
): ProviderStorage {
  const db = openDatabase(join(folder, 'provider.sqlite'));
  const put = db.prepare(
    `INSERT INTO kept (kind, id, payload, expires_at, grant_id, uid) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at,
       grant_id = excluded.grant_id, uid = excluded.uid
     WHERE kept.kind <> 'ReplayDetection'`,
  );
  const byId = db.prepare(
    'SELECT payload, consumed_at FROM kept WHERE kind = ? AND id = ? AND expires_at > ?',
  );
  const byUid = db.prepare(
    'SELECT payload, consumed_at FROM kept WHERE kind = ? AND uid = ? AND expires_at > ?',
  );
  const consume = db.prepare(
    'UPDATE kept SET consumed_at = ? WHERE kind = ? AND id = ? AND consumed_at IS NULL',
  );
  const drop = db.prepare('DELETE FROM kept WHERE kind = ? AND id = ?');
  const dropGrant = db.prepare('DELETE FROM kept WHERE grant_id = ? AND kind = ?');
  const sweep = db.prepare('DELETE FROM kept WHERE expires_at <= ?');
  const makeRoom = db.prepare(
    `DELETE FROM kept WHERE kind = ?1 AND id IN (
       SELECT id FROM kept WHERE kind = ?1 ORDER BY expires_at
       LIMIT max(0, (SELECT count(*) FROM kept WHERE kind = ?1) - ?2))`,
  );
  const countRevoked = db.prepare('UPDATE revocations SET count = count + 1');
  const revocations = db.prepare('SELECT count FROM revocations');
  const listeners: (() => void)[] = [];
  let heeded = revocations.get()?.['count'];
  const writesLeft = new Map<string, number>();
  let sweepAt = 0;

  function keep(kind: string, id: string, payload: AdapterPayload, seconds: number): boolean {
    if (now() >= sweepAt) {
      sweep.run(now());
      sweepAt = now() + sweepMilliseconds;
    }
    const left = writesLeft.get(kind) ?? 0;
    if (left === 0) makeRoom.run(kind, rowsOfKindMax);
    writesLeft.set(kind, left === 0 ? writesBetweenCounts : left - 1);
    const { grantId = null, uid = null } = payload;
    const expiresAt = now() + seconds * 1000;
    return put.run(kind, id, JSON.stringify(payload), expiresAt, grantId, uid).changes > 0;
  }

  const find = (kind: string, id: string): AdapterPayload | undefined => read(byId.get(kind, id, now()));
  const tell = (): void => listeners.forEach((listener) => listener());
  const revoked = (): void => {
    countRevoked.run();
    tell();
  };

  function adapter(kind: string, alreadyUsed: () => Error): Adapter {
    const isToken = kind === 'AccessToken' || kind === 'ClientCredentials';
    return {
      async upsert(id, payload, seconds = grantSecondsMax) {
        if (!keep(kind, id, payload, seconds)) throw alreadyUsed();
      },
      find: async (id) => find(kind, id),
      findByUid: async (uid) => read(byUid.get(kind, uid, now())),
      findByUserCode: async () => undefined,
      async consume(id) {
        if (consume.run(Math.floor(now() / 1000), kind, id).changes === 0) throw alreadyUsed();
      },
      async destroy(id) {
        drop.run(kind, id);
        if (isToken) revoked();
      },
      async revokeByGrantId(grantId) {
        dropGrant.run(grantId, kind);
        if (isToken) revoked();
      },
    };
  }

  return {
    adapter,
    keep,
    find,
    onRevoked: (listener) => void listeners.push(listener),
    heed() {
      const count = revocations.get()?.['count'];
      if (count === heeded) return;
      heeded = count;
      tell();
    },
    close: () => db.close(),
  };
}

/** Throws an `Error` that says what to do where the file is not one of ours. */
function openDatabase(file: string): DatabaseSync {
  // Before SQLite, which gives the files beside it the same mode.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    db.exec(schema);
    return db;
  } catch (cause) {
    db.close();
    const remedy =
      'Delete it, with the files beside it whose names begin with its own: everybody signs in again.';
    throw new Error(`${file} is damaged, or of something else. ${remedy}`, { cause });
  }
}

function read(row: Record<string, unknown> | undefined): AdapterPayload | undefined {
  if (row === undefined) return undefined;
  const payload = JSON.parse(row['payload'] as string) as AdapterPayload;
  return row['consumed_at'] === null ? payload : { ...payload, consumed: row['consumed_at'] as number };
}
