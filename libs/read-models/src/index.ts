export type {
  Cursor,
  EverythingRequest,
  HistoryPage,
  PageRequest,
  RecordQueries,
  Restriction,
  SearchPage,
  VersionAnswer,
} from './record/record.ts';
export { recordProjection, type RecordChange } from './record/record-projection.ts';
export { openRecord } from './record/record-reader.ts';
export { openRecordWriter, type RecordWriter, type RecordWriterOptions } from './record/record-writer.ts';
