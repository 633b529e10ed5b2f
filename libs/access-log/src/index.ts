export { openAccessLog } from './access-log.ts';
export type { AccessLog, AccessLogOptions } from './access-log.ts';
export type { AccessRecord, Answered, Decision, Ground, RecordedAccess, Who } from './access-record.ts';
export type { AccessPlace, AccessQuery, FoundAccess, FoundAccesses } from './find-accesses.ts';
export { placeOf } from './find-accesses.ts';
