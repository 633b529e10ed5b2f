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
