export { CATALOGUE, activityTypeOf, labelsOf, nationalEventOf, occurredAtOf } from './catalogue.ts';
export type { CareSetting, CatalogueRow } from './catalogue.ts';
export { canonicalContent } from './content.ts';
export { decide } from './decide.ts';
export type { Asked, Decision, StreamState } from './decide.ts';
export type {
  ParsedResource,
  RecordActivity,
  RecordedEntry,
  RecordEntry,
  RecordOutcome,
  RecordRequest,
  Withheld,
} from './record-activity.ts';
export {
  ALIVE_PATTERN,
  charactersOf,
  MESSAGE_CHARACTERS_MAX,
  RECORD_PATTERN,
  toMessage,
  type WriterAnswer,
} from './record-message.ts';
