export type { Envelope, NewEvent, RecordedEvent } from './envelope.ts';
export type {
  AppendOutcome,
  Epoch,
  EventStore,
  ExpectedRevision,
  Head,
  ReadOptions,
  ReadStreamOptions,
  Recorded,
  RevisionMismatch,
  StreamAppend,
  SubscribeOptions,
} from './event-store.ts';
export { decodeEnvelope, encodeEnvelope } from './envelope-bytes.ts';
export { derivedEventId, newEventId } from './event-id.ts';
export { readEventFile, verifyEventFile, writeEventFile } from './event-file.ts';
export type { EventFile } from './event-file.ts';
export { signalledHead } from './head-signal.ts';
export { beginKurrentEpoch, openKurrentEventStore } from './kurrentdb/kurrentdb-event-store.ts';
export type { KurrentEventStoreOptions } from './kurrentdb/kurrentdb-event-store.ts';
export { createMemoryEventStore } from './memory-event-store.ts';
export { importEvents } from './postgres/import-events.ts';
export { openEventStore } from './open-event-store.ts';
export type { OpenEventStoreOptions } from './open-event-store.ts';
export { openPostgresEventStore } from './postgres/postgres-event-store.ts';
export type { PostgresEventStore, PostgresEventStoreOptions } from './postgres/postgres-event-store.ts';
export { beginEpoch, migrateEventStore } from './postgres/schema.ts';
export type { MigrateEventStoreOptions } from './postgres/schema.ts';
export { verifyPostgresEventStore } from './postgres/verify-log.ts';
export { backupEventStore } from './sqlite/backup-event-store.ts';
export { openSqliteEventStore } from './sqlite/sqlite-event-store.ts';
export type { SqliteEventStoreOptions } from './sqlite/sqlite-event-store.ts';
export { openSqliteLogReader } from './sqlite/sqlite-log-reader.ts';
export type { LogReader, SqliteLogReaderOptions } from './sqlite/sqlite-log-reader.ts';
export type { SqliteEventStore } from './sqlite/sqlite-writer.ts';
export type { Verification } from './sqlite/verify-log.ts';
export { StoreFault } from './store-fault.ts';
export type { StoreFaultCode } from './store-fault.ts';
