export { createRecordActivity } from './record-activity.ts';
export type { WriterOptions } from './record-activity.ts';
export type { Match } from './identify.ts';
export type { AccessFacts, AccessFactsFor } from './permit.ts';
export { diskSpace } from './disk-space.ts';
export { startWriterService } from './service.ts';
export type { WriterService, WriterServiceOptions } from './service.ts';
