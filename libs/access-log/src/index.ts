export { openAccessLog } from './access-log.ts';
export type { AccessLog, AccessLogOptions } from './access-log.ts';
export type { AccessRecord, Answered, Decision, Ground, RecordedAccess, Who } from './access-record.ts';
export { isHiddenFromPatients } from './access-record.ts';
export { openBrokenGlass } from './broken-glass.ts';
export type { Break, BreakAnswer, BrokenGlass, StandingBreak } from './broken-glass.ts';
export type { AccessPlace, AccessQuery, FoundAccess, FoundAccesses } from './find-accesses.ts';
