/**
 * The log as PostgreSQL keeps it. `entry` is its directory: one narrow row for each event, with what must be unique over
 * the whole log. `event` holds the bytes and is partitioned by ranges of positions, since nothing of it has to be unique
 * but the position. The services' roles may read, and append through two functions; nobody, not the owner either, may
 * change or remove a row.
 *
 * Whoever appends first locks the first row of `epoch` and holds it to the end of the transaction, so positions are dense
 * and follow commit order. It is locked and never written: a counter that is updated leaves a dead version for each
 * commit behind, and while somebody's long transaction keeps those alive each look at the counter has to step over them.
 */
import { sampledLittle } from '@carelog/postgres';
import type { ClientBase } from 'pg';
import { newEventId } from '../event-id.ts';
import type { Head } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';

export const schemaVersion = 1;

export interface MigrateEventStoreOptions {
  /** `log` unless told. */
  readonly schema?: string;
  /** A role that exists; it may read and append. */
  readonly writerRole?: string;
  /** A role that exists; it may read. */
  readonly readerRole?: string;
  /** How many events each range of the table holds, chosen once: ten million unless told. */
  readonly eventsPerRange?: number;
}

/**
 * Makes the log in this schema, or changes nothing where it is there; grants what the roles need. `owner` is a connection
 * of whoever shall own it. Throws a `damaged` `StoreFault` where the schema holds a newer log than this program knows.
 */
export async function migrateEventStore(
  owner: Pick<ClientBase, 'query'>,
  options: MigrateEventStoreOptions = {},
): Promise<void> {
  const schema = checkedName(options.schema ?? 'log');
  await inTransaction(owner, async () => {
    await owner.query(`SELECT pg_advisory_xact_lock(hashtext('carelog migrate'))`);
    const version = await versionOf(owner, schema);
    if (version > schemaVersion) {
      throw new StoreFault(
        'damaged',
        `The log in schema ${schema} has format ${version}, and this program knows ${schemaVersion}. Use the Carelog that made it.`,
      );
    }
    if (version === 0) await createLog(owner, schema, options.eventsPerRange ?? 10_000_000);
    if (options.readerRole) await owner.query(readGrants(schema, checkedName(options.readerRole)));
    if (options.writerRole) await owner.query(writeGrants(schema, checkedName(options.writerRole)));
  });
}

/**
 * Begins a new epoch, as whoever restores a log from a backup has to: positions of the one before may come to mean other
 * events. Gives the head it begins with. `owner` is a connection of the log's owner, while nobody appends.
 */
export async function beginEpoch(
  owner: Pick<ClientBase, 'query'>,
  { schema = 'log' }: { readonly schema?: string } = {},
): Promise<Head> {
  checkedName(schema);
  return inTransaction(owner, async () => {
    await owner.query(`SELECT FROM ${schema}.epoch WHERE number = 1 FOR UPDATE`);
    const { rows } = await owner.query<{ id: string; position: string }>(
      `INSERT INTO ${schema}.epoch SELECT max(number) + 1, $1, now(), (SELECT coalesce(max(position), 0) FROM ${schema}.entry), ${schema}.server()
       FROM ${schema}.epoch RETURNING id, position`,
      [newEventId()],
    );
    return { epoch: rows[0]!.id, position: Number(rows[0]!.position) };
  });
}

/** Throws an `invalid` `StoreFault` for what would have to be quoted as an SQL name. */
export function checkedName(name: string): string {
  if (/^[a-z][a-z0-9_]{0,40}$/.test(name)) return name;
  throw new StoreFault(
    'invalid',
    `${JSON.stringify(name)} cannot name a schema or role here: use lower-case letters, digits and _, at most 41.`,
  );
}

async function createLog(
  owner: Pick<ClientBase, 'query'>,
  schema: string,
  eventsPerRange: number,
): Promise<void> {
  const { rows } = await owner.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  );
  if (rows[0]!.encoding !== 'UTF8') {
    throw new StoreFault(
      'io',
      `The log keeps bytes as they are and needs a database in UTF8; this one is in ${rows[0]!.encoding}. Create one with ENCODING 'UTF8'.`,
    );
  }
  await owner.query(definition(schema, eventsPerRange));
  await owner.query(`INSERT INTO ${schema}.epoch VALUES (1, $1, now(), 0, ${schema}.server())`, [
    newEventId(),
  ]);
}

async function versionOf(owner: Pick<ClientBase, 'query'>, schema: string): Promise<number> {
  const found = await owner.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${schema}.migration`,
  ]);
  if (!found.rows[0]!.there) return 0;
  const { rows } = await owner.query<{ version: number }>(
    `SELECT max(version) AS version FROM ${schema}.migration`,
  );
  return rows[0]!.version;
}

async function inTransaction<T>(client: Pick<ClientBase, 'query'>, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

function definition(schema: string, eventsPerRange: number): string {
  return `
CREATE SCHEMA IF NOT EXISTS ${schema};

CREATE TABLE ${schema}.migration (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
INSERT INTO ${schema}.migration VALUES (${schemaVersion});

-- One row for each time this log began, was restored, or moved to another server; the last one counts.
CREATE TABLE ${schema}.epoch (
  number     integer PRIMARY KEY,
  id         uuid NOT NULL UNIQUE,
  started_at timestamptz NOT NULL,
  position   bigint NOT NULL,  -- head of the log when it began
  server     text NOT NULL     -- see server()
);

CREATE TABLE ${schema}.entry (
  position  bigint PRIMARY KEY,
  id        uuid NOT NULL UNIQUE,
  stream    text COLLATE "C" NOT NULL,
  revision  integer NOT NULL,
  partition text COLLATE "C" NOT NULL,
  UNIQUE (stream, revision)
);
CREATE UNIQUE INDEX entry_partition ON ${schema}.entry (partition, position);
${sampledLittle(`${schema}.entry`, 'position id stream revision partition')}

CREATE TABLE ${schema}.event (
  position bigint PRIMARY KEY,
  envelope text COLLATE "C" NOT NULL,  -- canonical
  content  bytea NOT NULL,             -- sealed
  checksum bigint NOT NULL             -- CRC-32 of the bytes of envelope, then content
) PARTITION BY RANGE (position);
-- Sealed bytes cannot be compressed, so nobody shall try.
ALTER TABLE ${schema}.event ALTER content SET STORAGE EXTERNAL, ALTER envelope SET STORAGE MAIN;

CREATE FUNCTION ${schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- ALWAYS: also where a session plays the part of a replica, to which ordinary triggers do not apply.
CREATE FUNCTION ${schema}.protect(which text) RETURNS void LANGUAGE plpgsql SET search_path = ${schema}, pg_temp AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.%I FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse_change()', which);
  EXECUTE format('ALTER TABLE ${schema}.%I ENABLE ALWAYS TRIGGER unchanged', which);
END $$;

-- Which server this is and on which of its timelines, as far as the server knows: another one may have lost a tail of the log.
CREATE FUNCTION ${schema}.server() RETURNS text LANGUAGE sql AS $$
  SELECT s.system_identifier || '/' || c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c
$$;

-- Attaching takes no lock that a reader's transaction, however long, would stand in the way of; creating it as a partition would.
CREATE FUNCTION ${schema}.make_range(number bigint) RETURNS void LANGUAGE plpgsql SET search_path = ${schema}, pg_temp AS $$
DECLARE name text := 'event_' || number;
BEGIN
  EXECUTE format('CREATE TABLE ${schema}.%I (LIKE ${schema}.event INCLUDING ALL)', name);
  EXECUTE format('ALTER TABLE ${schema}.event ATTACH PARTITION ${schema}.%I FOR VALUES FROM (%s) TO (%s)',
    name, number * ${eventsPerRange}, (number + 1) * ${eventsPerRange});
  -- Events are found by their position alone; to look at what else they hold takes the server longest.
  EXECUTE format('ALTER TABLE ${schema}.%I ALTER position SET STATISTICS 1, ALTER envelope SET STATISTICS 0, ALTER content SET STATISTICS 0, ALTER checksum SET STATISTICS 0', name);
  PERFORM protect(name);
END $$;

-- Waits until everybody who appended before has committed or failed; then the log is the caller's until its transaction
-- ends. Tells what a decision may need: in the order asked for the last revision of each stream and the last position of
-- each partition (0 for none), and where the events of these ids lie that there are.
CREATE FUNCTION ${schema}.take_turn(ids uuid[], streams text[], partitions text[])
RETURNS TABLE (epoch_number integer, epoch uuid, head bigint, last_envelope text, known bigint[], revisions integer[], tails bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
BEGIN
  PERFORM FROM epoch e WHERE e.number = 1 FOR UPDATE;
  SELECT coalesce(max(position), 0) INTO head FROM entry;
  SELECT e.number, e.id INTO epoch_number, epoch FROM epoch e ORDER BY e.number DESC LIMIT 1;
  SELECT envelope INTO last_envelope FROM event WHERE position = head;
  known := ARRAY(SELECT position FROM entry WHERE id = ANY (ids));
  revisions := ARRAY(
    SELECT coalesce((SELECT revision FROM entry WHERE stream = name COLLATE "C" ORDER BY revision DESC LIMIT 1), 0)
    FROM unnest(streams) WITH ORDINALITY AS asked (name, n) ORDER BY n);
  tails := ARRAY(
    SELECT coalesce((SELECT position FROM entry WHERE partition = name COLLATE "C" ORDER BY position DESC LIMIT 1), 0)
    FROM unnest(partitions) WITH ORDINALITY AS asked (name, n) ORDER BY n);
  RETURN NEXT;
END $$;

CREATE FUNCTION ${schema}.record(after bigint, ids uuid[], streams text[], revisions integer[], partitions text[], envelopes text[], contents bytea[], checksums bigint[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
BEGIN
  PERFORM FROM epoch WHERE number = 1 FOR UPDATE;
  IF after <> (SELECT coalesce(max(position), 0) FROM entry) THEN
    RAISE EXCEPTION 'The log takes one event after another: % is not its head', after USING ERRCODE = 'serialization_failure';
  END IF;
  -- One range more than is needed now.
  FOR range IN (after + 1) / ${eventsPerRange} .. (after + cardinality(ids)) / ${eventsPerRange} + 1 LOOP
    IF to_regclass('${schema}.event_' || range) IS NULL THEN PERFORM make_range(range); END IF;
  END LOOP;
  INSERT INTO entry SELECT after + n, id, stream, revision, partition
    FROM unnest(ids, streams, revisions, partitions) WITH ORDINALITY AS e (id, stream, revision, partition, n);
  INSERT INTO event SELECT after + n, envelope, content, checksum
    FROM unnest(envelopes, contents, checksums) WITH ORDINALITY AS e (envelope, content, checksum, n);
END $$;

-- A new epoch where the log finds itself on another server or timeline than the one its epoch began on.
CREATE FUNCTION ${schema}.settle_epoch(fresh uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
BEGIN
  PERFORM FROM epoch WHERE number = 1 FOR UPDATE;
  INSERT INTO epoch SELECT number + 1, fresh, now(), (SELECT coalesce(max(position), 0) FROM entry), server()
    FROM (SELECT * FROM epoch ORDER BY number DESC LIMIT 1) last WHERE last.server <> server();
END $$;

SELECT ${schema}.make_range(0), ${schema}.make_range(1);
SELECT ${schema}.protect(which) FROM unnest(ARRAY['migration', 'epoch', 'entry', 'event']) which;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${schema} FROM PUBLIC;`;
}

function readGrants(schema: string, role: string): string {
  return `GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT ON ${schema}.migration, ${schema}.epoch, ${schema}.entry, ${schema}.event TO ${role};`;
}

function writeGrants(schema: string, role: string): string {
  return `${readGrants(schema, role)}
    GRANT EXECUTE ON FUNCTION ${schema}.take_turn, ${schema}.record, ${schema}.settle_epoch TO ${role};`;
}
