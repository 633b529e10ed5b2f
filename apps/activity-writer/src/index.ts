export { createRecordActivity } from './record-activity.ts';
export type { WriterOptions } from './record-activity.ts';
export type { Match } from './identify.ts';
export { diskSpace } from './disk-space.ts';
