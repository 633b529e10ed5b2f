/** Subscriptions as SQLite keeps them, in a file of their own: what changes with each delivery lies in short rows. */
export const applicationId = 0x43_4c_53_42; // "CLSB"
export const schemaVersion = 1;

export const schema = `
CREATE TABLE subscription (
  id                TEXT PRIMARY KEY,
  subject           TEXT NOT NULL,
  system            TEXT NOT NULL,
  owner             TEXT NOT NULL,  -- JSON
  resource          TEXT NOT NULL,  -- JSON
  secrets           TEXT NOT NULL,  -- sealed
  secret_generation INTEGER NOT NULL,
  version           INTEGER NOT NULL,
  last_updated      TEXT NOT NULL
) STRICT;
CREATE INDEX subscription_owner ON subscription (subject, system, id);

CREATE TABLE progress (
  id            TEXT PRIMARY KEY,
  status        TEXT NOT NULL,
  reason        TEXT NOT NULL,
  ends_at       INTEGER NOT NULL,
  is_delivered  INTEGER NOT NULL,  -- 1: an endpoint has to take what is numbered
  epoch         TEXT NOT NULL,
  position      INTEGER NOT NULL,
  events        INTEGER NOT NULL,
  delivered     INTEGER NOT NULL,
  failures      INTEGER NOT NULL,
  failing_since INTEGER NOT NULL,
  try_at        INTEGER NOT NULL,
  sent_at       INTEGER NOT NULL,
  holder        TEXT NOT NULL      -- '' for nobody
) STRICT, WITHOUT ROWID;

-- Whose leases run, and until when.
CREATE TABLE holder (name TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE numbered (
  id          TEXT NOT NULL,
  number      INTEGER NOT NULL,
  recorded_at TEXT NOT NULL,
  notice      TEXT NOT NULL,  -- JSON
  PRIMARY KEY (id, number)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;
