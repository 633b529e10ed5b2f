/**
 * The log as SQLite keeps it. The triggers make it append-only for every tool that opens the file: no UPDATE, no DELETE,
 * no INSERT OR REPLACE, no position or revision out of turn.
 */
export const applicationId = 0x43_4c_4f_47; // "CLOG"
export const schemaVersion = 1;

export const schema = `
CREATE TABLE event (
  position  INTEGER PRIMARY KEY,
  id        BLOB NOT NULL,
  stream    TEXT NOT NULL,
  revision  INTEGER NOT NULL,
  partition TEXT NOT NULL,
  envelope  TEXT NOT NULL,  -- canonical, see envelope-bytes.ts
  content   BLOB NOT NULL,  -- sealed
  checksum  INTEGER NOT NULL  -- CRC-32 of the bytes of envelope, then content
) STRICT;
CREATE UNIQUE INDEX event_id ON event (id);
CREATE UNIQUE INDEX event_stream ON event (stream, revision);
CREATE INDEX event_partition ON event (partition, position);

CREATE TRIGGER event_in_turn BEFORE INSERT ON event
WHEN NEW.position <> 1 + (SELECT coalesce(max(position), 0) FROM event)
  OR NEW.revision <> 1 + (SELECT coalesce(max(revision), 0) FROM event WHERE stream = NEW.stream)
  OR EXISTS (SELECT 1 FROM event WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'The log takes one event after another: position, revision or id is out of turn'); END;
CREATE TRIGGER event_unchanged BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'The log is append-only: an event cannot be changed'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'The log is append-only: an event cannot be deleted'); END;

-- One row for each time this log began or was restored; the last one counts.
CREATE TABLE epoch (
  number    INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  startedAt TEXT NOT NULL,
  position  INTEGER NOT NULL  -- head of the log when it began
) STRICT;
CREATE TRIGGER epoch_in_turn BEFORE INSERT ON epoch
WHEN NEW.number <> 1 + (SELECT coalesce(max(number), 0) FROM epoch)
BEGIN SELECT RAISE(ABORT, 'Epochs follow one another'); END;
CREATE TRIGGER epoch_unchanged BEFORE UPDATE ON epoch
BEGIN SELECT RAISE(ABORT, 'The log is append-only: an epoch cannot be changed'); END;
CREATE TRIGGER epoch_kept BEFORE DELETE ON epoch
BEGIN SELECT RAISE(ABORT, 'The log is append-only: an epoch cannot be deleted'); END;

PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;
