/**
 * Subscriptions in a schema of PostgreSQL, where several gateways look after some each. What changes with each delivery lies in
 * short rows that are updated in place. Run by the schema's owner, never by a service.
 *
 * Locks are taken in one order: a row of `subscription`, then of `progress`, then of `numbered`. Whoever takes several rows of
 * `progress` has the advisory lock on leases, shared among those who give numbers, alone who shares out.
 */
import type { ClientBase } from 'pg';

export const SCHEMA = 'subscriptions';

const TABLES = `
CREATE TABLE IF NOT EXISTS subscription (
  id                text COLLATE "C" PRIMARY KEY,
  subject           text NOT NULL,
  system            text NOT NULL,
  owner             text NOT NULL,
  resource          text NOT NULL,
  secrets           text NOT NULL,
  secret_generation integer NOT NULL,
  version           integer NOT NULL,
  last_updated      text NOT NULL
);
CREATE INDEX IF NOT EXISTS subscription_owner ON subscription (subject, system, id);

CREATE TABLE IF NOT EXISTS progress (
  id            text COLLATE "C" PRIMARY KEY,
  status        text NOT NULL,
  reason        text NOT NULL,
  ends_at       bigint NOT NULL,
  is_delivered  boolean NOT NULL,
  epoch         text NOT NULL,
  position      bigint NOT NULL,
  events        bigint NOT NULL,
  delivered     bigint NOT NULL,
  failures      bigint NOT NULL,
  failing_since bigint NOT NULL,
  try_at        bigint NOT NULL,
  sent_at       bigint NOT NULL,
  holder        text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS holder (name text PRIMARY KEY, until bigint NOT NULL);

CREATE TABLE IF NOT EXISTS numbered (
  id          text COLLATE "C" NOT NULL,
  number      bigint NOT NULL,
  recorded_at text COLLATE "C" NOT NULL,
  notice      text NOT NULL,
  PRIMARY KEY (id, number)
);
`;

/** `hashtext` of these: what is locked while rows of progress are shared out, and while numbers are forgotten. */
const LEASES = `hashtext('carelog subscriptions leases')`;
export const FORGETTING = `hashtext('carelog subscriptions forgetting')`;

/** As functions, each is one statement for who calls: nothing waits for a gateway that stopped halfway. */
const FUNCTIONS = `
CREATE OR REPLACE FUNCTION ${SCHEMA}.lease(me text, at bigint, until bigint, most bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ${SCHEMA} AS $$
DECLARE share bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(${LEASES});
  INSERT INTO holder VALUES (me, lease.until) ON CONFLICT (name) DO UPDATE SET until = excluded.until;
  DELETE FROM holder h WHERE h.until <= at;
  SELECT least(most, ceil(count(*)::numeric / greatest(1, (SELECT count(*) FROM holder)))) INTO share
    FROM progress WHERE status <> 'off' AND ends_at > at;
  UPDATE progress SET holder = '' WHERE progress.holder = me AND (status = 'off' OR ends_at <= at);
  UPDATE progress SET holder = '' WHERE id IN
    (SELECT id FROM progress p WHERE p.holder = me ORDER BY id OFFSET share);
  UPDATE progress SET holder = me WHERE id IN
    (SELECT id FROM progress p WHERE status <> 'off' AND ends_at > at
       AND NOT EXISTS (SELECT FROM holder h WHERE h.name = p.holder)
     ORDER BY id LIMIT share - (SELECT count(*) FROM progress p WHERE p.holder = me));
END $$;

CREATE OR REPLACE FUNCTION ${SCHEMA}.number(
  me text, ids text[], positions bigint[], told text[], at_positions bigint[], recorded text[], notices text[]
) RETURNS SETOF text LANGUAGE plpgsql SET search_path = ${SCHEMA} AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${LEASES});
  PERFORM FROM progress WHERE id = ANY(ids) ORDER BY id FOR UPDATE;
  WITH given AS (
    INSERT INTO numbered
    SELECT p.id, p.events + row_number() OVER (PARTITION BY p.id ORDER BY n.turn), n.recorded_at, n.notice
    FROM unnest(told, at_positions, recorded, notices) WITH ORDINALITY AS n (id, position, recorded_at, notice, turn)
    JOIN progress p ON p.id = n.id AND p.holder = me AND n.position > p.position
    RETURNING id, number
  ), last AS (SELECT id, max(number) AS number FROM given GROUP BY id)
  UPDATE progress p
  SET position = greatest(p.position, looked.position), events = coalesce(last.number, p.events)
  FROM unnest(ids, positions) AS looked (id, position) LEFT JOIN last USING (id)
  WHERE p.id = looked.id AND p.holder = me;
  RETURN QUERY SELECT asked.id FROM unnest(ids) AS asked (id)
    WHERE NOT EXISTS (SELECT FROM progress p WHERE p.id = asked.id AND p.holder = me);
END $$;
`;

/** What a gateway may do; the rest is the owner's. */
const RIGHTS = [
  ['SELECT, INSERT, UPDATE, DELETE', 'subscription, progress, holder'],
  // What was numbered stays as it was until it is forgotten.
  ['SELECT, INSERT, DELETE', 'numbered'],
] as const;

/** Makes the schema where it is missing and lets gateways in; may be called again, and by several at once. */
export async function migrateSubscriptions(
  owner: ClientBase,
  { gateway }: { readonly gateway: string },
): Promise<void> {
  const grantee = owner.escapeIdentifier(gateway);
  await owner.query('BEGIN');
  try {
    await owner.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`carelog ${SCHEMA}`]);
    await owner.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}; SET LOCAL search_path = ${SCHEMA}; ${TABLES}`);
    await owner.query(FUNCTIONS);
    await owner.query(`REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ${SCHEMA} FROM PUBLIC;
      GRANT USAGE ON SCHEMA ${SCHEMA} TO ${grantee};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${SCHEMA} TO ${grantee}`);
    for (const [rights, tables] of RIGHTS) {
      for (const table of tables.split(', ')) await owner.query(`GRANT ${rights} ON ${SCHEMA}.${table} TO ${grantee}`); // prettier-ignore
    }
    await owner.query('COMMIT');
  } catch (fault) {
    await owner.query('ROLLBACK');
    throw fault;
  }
}
