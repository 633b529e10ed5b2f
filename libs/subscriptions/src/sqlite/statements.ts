/** What is asked of the file of subscriptions, prepared once. */
import type { DatabaseSync } from 'node:sqlite';
import { COLUMNS } from '../stored-row.ts';

const BOTH = 'subscription JOIN progress USING (id)';
const HELD = 'id = ? AND holder = ?';
const AT_VERSION = 'EXISTS (SELECT 1 FROM subscription s WHERE s.id = progress.id AND s.version = ';
/** Neither off nor ended: somebody has to look after it. */
const DUE = "status <> 'off' AND ends_at > ?";
/** Of what is delivered by an endpoint and has not ended long ago, only what the endpoint has taken may be forgotten. */
const FORGETTABLE = "iif(is_delivered AND status <> 'off' AND ends_at >= ?2, delivered, events)";

export function prepare(db: DatabaseSync) {
  return {
    savepoint: db.prepare('SAVEPOINT one'),
    undo: db.prepare('ROLLBACK TO one'),
    keep: db.prepare('RELEASE one'),
    addSubscription: db.prepare('INSERT INTO subscription VALUES (?, ?, ?, ?, ?, ?, 1, 1, ?)'),
    addProgress: db.prepare("INSERT INTO progress VALUES (?, ?, '', ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, '')"),
    read: db.prepare(`SELECT ${COLUMNS} FROM ${BOTH} WHERE id = ?`),
    list: db.prepare(`SELECT ${COLUMNS} FROM ${BOTH} WHERE id > ? ORDER BY id LIMIT ?`),
    listOf: db.prepare(`SELECT ${COLUMNS} FROM ${BOTH} WHERE subject = ? AND system = ? AND id > ? ORDER BY id LIMIT ?`), // prettier-ignore
    progress: db.prepare('SELECT id, status, ends_at, events FROM progress WHERE id IN (SELECT value FROM json_each(?))'), // prettier-ignore
    count: db.prepare('SELECT count(*) AS count FROM subscription WHERE subject = ? AND system = ?'),
    replace:
      db.prepare(`UPDATE subscription SET subject = ?, system = ?, owner = ?, resource = ?, secrets = ?,
      last_updated = ?, version = version + 1 WHERE id = ?`),
    beginAnew:
      db.prepare(`UPDATE progress SET status = ?, reason = '', ends_at = ?, is_delivered = ?, failures = 0,
      failing_since = 0, try_at = 0, holder = iif(? = 'off', '', holder) WHERE id = ?`),
    remove: db.prepare('DELETE FROM subscription WHERE id = ?'),
    removeProgress: db.prepare('DELETE FROM progress WHERE id = ?'),
    removeNumbered: db.prepare('DELETE FROM numbered WHERE id = ?'),
    renewOwner: db.prepare('UPDATE subscription SET subject = ?, system = ?, owner = ? WHERE id = ? AND owner <> ?'), // prettier-ignore
    renew: db.prepare('UPDATE progress SET ends_at = ? WHERE id = ? AND ends_at < ?'),
    nextSecret: db.prepare(`UPDATE subscription SET secret_generation = secret_generation + 1 WHERE id = ?
      RETURNING secret_generation`),
    setStatus: db.prepare(`UPDATE progress SET status = ?1, reason = ?2, holder = iif(?1 = 'off', '', holder)
      WHERE id = ?3 AND holder = ?4 AND ${AT_VERSION}?5)`),
    hold: db.prepare('INSERT INTO holder VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until = excluded.until'), // prettier-ignore
    runOut: db.prepare('DELETE FROM holder WHERE until <= ?'),
    shares: db.prepare(`SELECT (SELECT count(*) FROM progress WHERE ${DUE}) AS due,
      (SELECT count(*) FROM holder) AS holders`),
    giveBack: db.prepare("UPDATE progress SET holder = '' WHERE holder = ? AND (status = 'off' OR ends_at <= ?)"), // prettier-ignore
    giveBackOver: db.prepare(`UPDATE progress SET holder = '' WHERE id IN
      (SELECT id FROM progress WHERE holder = ? ORDER BY id LIMIT -1 OFFSET ?)`),
    take: db.prepare(`UPDATE progress SET holder = ?1 WHERE id IN
      (SELECT id FROM progress WHERE ${DUE} AND holder NOT IN (SELECT name FROM holder) ORDER BY id
       LIMIT ? - (SELECT count(*) FROM progress WHERE holder = ?))`),
    held: db.prepare(`SELECT ${COLUMNS} FROM ${BOTH} WHERE holder = ? ORDER BY id`),
    release: db.prepare("UPDATE progress SET holder = '' WHERE holder = ?"),
    leave: db.prepare('DELETE FROM holder WHERE name = ?'),
    heldBy: db.prepare(`SELECT position, events FROM progress WHERE ${HELD}`),
    addNumbered: db.prepare('INSERT INTO numbered VALUES (?, ?, ?, ?)'),
    lookedAt: db.prepare('UPDATE progress SET position = ?, events = ? WHERE id = ?'),
    enterEpoch: db.prepare(`UPDATE progress SET epoch = ?, position = ? WHERE ${HELD}`),
    numbered: db.prepare('SELECT number, notice FROM numbered WHERE id = ? AND number > ? ORDER BY number LIMIT ?'), // prettier-ignore
    delivered: db.prepare(`UPDATE progress SET delivered = max(delivered, min(?, events)), failures = 0,
      failing_since = 0, try_at = 0, reason = '', sent_at = ? WHERE ${HELD}`),
    failed: db.prepare(`UPDATE progress SET failing_since = iif(failures = 0, ?1, failing_since),
      failures = failures + 1, try_at = ?2, reason = ?3 WHERE id = ?4 AND holder = ?5 AND ${AT_VERSION}?6)`),
    ids: db.prepare('SELECT id, ends_at FROM progress'),
    ended: db.prepare('SELECT 1 FROM progress WHERE id = ? AND ends_at < ?'),
    // Numbers were recorded in their order, so looking from the first one on ends at the first that is kept.
    kept: db.prepare(`SELECT (SELECT min(number) FROM numbered n WHERE n.id = p.id) AS first,
      coalesce((SELECT number FROM numbered n WHERE n.id = p.id AND number <= ${FORGETTABLE} AND recorded_at >= ?1
        ORDER BY number LIMIT 1), ${FORGETTABLE} + 1) AS kept
      FROM progress p WHERE id = ?3`),
    forget: db.prepare('DELETE FROM numbered WHERE id = ? AND number < ?'),
  };
}
