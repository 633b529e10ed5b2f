export type { AppliedChange, Checkpoint, OpenedContent, Parked, Projection, ReadModel } from './projection.ts';
