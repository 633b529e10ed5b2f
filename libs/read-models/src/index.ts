export type {
  AskedVersion,
  Cursor,
  EverythingRequest,
  HistoryPage,
  PageRequest,
  RecordQueries,
  SearchPage,
  SearchRefusal,
  SearchRequest,
  Shown,
  ShownVersion,
  TheseVersions,
  VersionAnswer,
} from './record/record.ts';
export { seesAll, type Viewer } from './record/audience.ts';
export type { Standpoint } from './record/known-patients.ts';
export { namedBy } from './record/named-by.ts';
export { recordProjection, recordProjectionBy, type RecordChange } from './record/record-projection.ts';
export { openRecord, type RecordOptions } from './record/record-reader.ts';
export { openRecordWriter, type RecordWriter, type RecordWriterOptions } from './record/record-writer.ts';
export { resourceFactsOf } from './record/resource-facts.ts';
export { INDEX_COLUMNS } from './record/tables.ts';
export { grantAs, migrateVersions, openVersions, schemaOf } from './versions/versions.ts';
export { compareRecords, type Comparison, type Contents } from './versions/compare-records.ts';
export type { LiveVersion, ReadModelVersions, Skip, SwitchOutcome } from './versions/versions.ts';
export { openPostgresRecord, openPostgresRecordHere, type PostgresRecordOptions } from './record/postgres/open-record.ts'; // prettier-ignore
export {
  openPostgresRecordWriter,
  type PostgresRecordWriterOptions,
} from './record/postgres/record-writer.ts';
export { migrateRecord, type MigrateRecordOptions } from './record/postgres/tables.ts';
export type {
  CareSetting,
  Alert,
  CareSettingName,
  Item,
  Placed,
  Section,
  Source,
  WorkItem,
  Worklist,
} from './care-settings/care-setting.ts';
export { isOpenAt } from './care-settings/care-setting.ts';
export { careSettingNamed, careSettings } from './care-settings/care-settings.ts';
export {
  careSettingsProjection,
  careSettingsProjectionBy,
  type Told,
} from './care-settings/care-settings-projection.ts';
export {
  cursorAfter,
  openCareSettings,
  type CareSettingQueries,
  type NewCursor,
  type NewRow,
  type OpenCareSettings,
  type WorkCursor,
  type WorkRow,
} from './care-settings/care-setting-reader.ts';
export { openCareSettingsWriter, type CareSettingsWriter } from './care-settings/care-settings-writer.ts';
export { allOf } from './care-settings/all-of.ts';
export { factOf } from './care-settings/fact.ts';
export {
  careSettingsSchema,
  makeBeside,
  migrateCareSettings,
  takePlace,
} from './care-settings/postgres/tables.ts';
export { openPostgresCareSettings } from './care-settings/postgres/care-setting-reader.ts';
export { openPostgresCareSettingsWriter } from './care-settings/postgres/care-settings-writer.ts';
export { indicators, type Indicator } from './population/indicators.ts';
export { population } from './population/population.ts';
export {
  openPopulation,
  type CaseGroup,
  type KeptPopulation,
  type PopulationQueries,
} from './population/population-reader.ts';
export { openPopulationWriter } from './population/population-writer.ts';
export { migratePopulation, openPostgresPopulation, openPostgresPopulationWriter, populationSchema } from './population/postgres.ts'; // prettier-ignore
