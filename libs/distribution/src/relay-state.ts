/**
 * How far the log is in Kafka, and which relay may say so: one row for each topic, in PostgreSQL. The right to relay is a
 * lock of a database session, which ends with its process; a lease by the database's clock, for one that hangs; and a
 * number that grows with each holder, so that nothing a former one still writes is kept.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Client, escapeIdentifier } from 'pg';
import type { ClientBase } from 'pg';

export interface RelayCheckpoint {
  /** Of the store that was read; undefined before the first event. */
  readonly epoch: string | undefined;
  /** Everything up to here is in Kafka. */
  readonly position: number;
  /** Of each lane, the position of its last event up to there; 0 for none. */
  readonly positions: readonly number[];
  /** Of the event at `position`, by which a restored store is told from the one that was read. */
  readonly eventId: string | undefined;
}

/** The row of another topic layout than asked for. */
export class RelayStateMismatch extends Error {
  override readonly name = 'RelayStateMismatch';
}

/** The schema, made where it is missing, and who may do what in it. Run by its owner, never by a service; may be run again. */
export async function migrateDistribution(
  owner: ClientBase,
  roles: {
    readonly relays?: readonly string[];
    /** May see how far the relay is. */
    readonly readers?: readonly string[];
  } = {},
): Promise<void> {
  const { relays = [], readers = [] } = roles;
  await owner.query('BEGIN');
  try {
    await owner.query("SELECT pg_advisory_xact_lock(hashtext('carelog migrate'))");
    await owner.query(TABLES);
    for (const role of [...relays, ...readers].map(escapeIdentifier)) {
      await owner.query(`GRANT USAGE ON SCHEMA distribution TO ${role}`);
      await owner.query(`GRANT SELECT ON distribution.relay TO ${role}`);
    }
    for (const role of relays.map(escapeIdentifier)) {
      await owner.query(`GRANT INSERT, UPDATE ON distribution.relay TO ${role}`);
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}

const TABLES = `
CREATE SCHEMA IF NOT EXISTS distribution;
CREATE TABLE IF NOT EXISTS distribution.relay (
  topic text PRIMARY KEY,
  owner text,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  fence bigint NOT NULL DEFAULT 0,
  epoch text,
  event_id text,
  position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  positions bigint[] NOT NULL CHECK (cardinality(positions) > 0)
);
`;

/** Undefined before a relay first ran for this topic. */
export async function readRelayCheckpoint(
  database: Pick<ClientBase, 'query'>,
  topic: string,
): Promise<RelayCheckpoint | undefined> {
  const { rows } = await database.query<Row>({
    name: 'relay-checkpoint',
    text: 'SELECT epoch, event_id, position, positions FROM distribution.relay WHERE topic = $1',
    values: [topic],
  });
  return rows[0] && checkpointIn(rows[0]);
}

export interface RelayLease {
  /** Grows with each holder. */
  readonly fence: number;
  /** Where the one before ended. */
  readonly checkpoint: RelayCheckpoint;
  /**
   * Goes on holding the lease, and moves the checkpoint where one is given. False when somebody else holds it by now: then
   * nothing was written, and this relay must stop.
   */
  keep(checkpoint?: RelayCheckpoint): Promise<boolean>;
  /** Lets the next one in at once. */
  release(): Promise<void>;
}

export interface StandByOptions {
  readonly url: string;
  readonly topic: string;
  readonly lanes: number;
  /** How long one that hangs keeps the others out; 30 seconds unless told. */
  readonly leaseMilliseconds?: number;
  /** How long the database may take to answer; 10 seconds unless told. */
  readonly patienceMilliseconds?: number;
  readonly signal: AbortSignal;
  /** Told when another one holds it. */
  readonly onWait?: () => void;
}

const lookEveryMilliseconds = 250;
const leaveMilliseconds = 1_000;

/**
 * Waits until this process may relay; undefined when `signal` is aborted before that. Throws `RelayStateMismatch` where the
 * topic was begun with another number of lanes, and what the database throws.
 */
export async function standBy(options: StandByOptions): Promise<RelayLease | undefined> {
  const { url, topic, lanes, leaseMilliseconds = 30_000, signal } = options;
  const patience = options.patienceMilliseconds ?? 10_000;
  const session = new Client({
    connectionString: url,
    application_name: 'carelog-relay',
    connectionTimeoutMillis: patience,
    statement_timeout: patience,
    query_timeout: patience + 500,
    lock_timeout: patience,
    idle_in_transaction_session_timeout: patience,
    keepAlive: true,
  });
  // Whoever asks next is told; without a listener the process would end.
  session.on('error', () => {});
  try {
    await session.connect();
    await session.query(
      'INSERT INTO distribution.relay (topic, positions) VALUES ($1, $2) ON CONFLICT DO NOTHING',
      [topic, new Array<number>(lanes).fill(0)],
    );
    const known = (await readRelayCheckpoint(session, topic))!.positions.length;
    if (known !== lanes) {
      throw new RelayStateMismatch(
        `The topic ${topic} was begun with ${known} lanes, and now it should have ${lanes}. Set CARELOG_KAFKA_LANES to ${known}, or name a new topic in CARELOG_KAFKA_TOPIC.`,
      );
    }
    while (!(await lock(session, topic))) {
      options.onWait?.();
      await delay(lookEveryMilliseconds, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
    }
    if (!signal.aborted) return await take(session, topic, leaseMilliseconds);
  } catch (fault) {
    await leave(session);
    throw fault;
  }
  await leave(session);
  return undefined;
}

/** A server that cannot be reached does not say good-bye either; it would be waited for as long as TCP does. */
async function leave(session: Client): Promise<void> {
  const left = session.end().catch(() => {});
  await Promise.race([left, delay(leaveMilliseconds, undefined, { ref: false })]);
  (session as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}

/** Two keys, so that it cannot be mistaken for a lock of somebody else in this database. */
const lockOf = (topic: string): [number, number] => [0x6361, crc32(topic) & 0x7fffffff];

/** Ends the session of a holder whose lease is over: it hangs, or its machine is gone. It finds the lock free next time. */
async function lock(session: Client, topic: string): Promise<boolean> {
  const { rows } = await session.query<{ locked: boolean }>({
    name: 'relay-lock',
    text: 'SELECT pg_try_advisory_lock($1, $2) AS locked',
    values: lockOf(topic),
  });
  if (rows[0]!.locked) return true;
  await session.query({
    name: 'relay-end-overdue',
    text: `SELECT pg_terminate_backend(pid) FROM pg_locks
      WHERE locktype = 'advisory' AND granted AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (SELECT lease_until < clock_timestamp() FROM distribution.relay WHERE topic = $3)`,
    values: [...lockOf(topic), topic],
  });
  return false;
}

async function take(session: Client, topic: string, leaseMilliseconds: number): Promise<RelayLease> {
  const { rows } = await session.query<Row & { fence: string }>(
    `UPDATE distribution.relay
      SET owner = $2, fence = fence + 1, lease_until = clock_timestamp() + $3 * interval '1 millisecond'
      WHERE topic = $1 RETURNING fence, epoch, event_id, position, positions`,
    [topic, randomUUID(), leaseMilliseconds],
  );
  const { fence, ...row } = rows[0]!;
  // Whoever goes on from an older checkpoint sends again what lies between: that is not worth waiting for a disk with each page.
  await session.query('SET synchronous_commit = off');
  return {
    fence: Number(fence),
    checkpoint: checkpointIn(row),
    async keep(checkpoint) {
      const asked = checkpoint
        ? { name: 'relay-checkpoint-moves', text: MOVE, values: valuesOf(checkpoint) }
        : { name: 'relay-lease-goes-on', text: KEEP, values: [] };
      const kept = await session.query({
        ...asked,
        values: [topic, fence, leaseMilliseconds, ...asked.values],
      });
      return kept.rowCount === 1;
    },
    release: () => leave(session),
  };

  function valuesOf({ epoch, eventId, position, positions }: RelayCheckpoint): unknown[] {
    return [epoch, eventId, position, positions];
  }
}

const KEEP = `UPDATE distribution.relay SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE topic = $1 AND fence = $2`;
// Nobody is told of it: views tell that they have what was relayed, and to tell is a wake-up of every session that listens.
const MOVE = `UPDATE distribution.relay SET lease_until = clock_timestamp() + $3 * interval '1 millisecond',
    epoch = $4, event_id = $5, position = $6, positions = $7
  WHERE topic = $1 AND fence = $2`;

interface Row {
  readonly epoch: string | null;
  readonly event_id: string | null;
  readonly position: string;
  readonly positions: readonly string[];
}

function checkpointIn({ epoch, event_id, position, positions }: Row): RelayCheckpoint {
  return {
    epoch: epoch ?? undefined,
    position: Number(position),
    positions: positions.map(Number),
    eventId: event_id ?? undefined,
  };
}
