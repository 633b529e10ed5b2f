export { notes } from './notes.ts';
export { catchUpLanes, LaneFault, LaneHeld, projectLane } from './project-lane.ts';
export type { LaneOutcome, LanesOptions, Stretch } from './project-lane.ts';
export type {
  AppliedChange,
  Checkpoint,
  LaneWork,
  OpenedContent,
  Parked,
  ProjectedBatch,
  Projection,
  ReadModel,
  SharedReadModel,
  Touched,
} from './projection.ts';
export { runProjection, type RunProjectionOptions } from './run-projection.ts';
export { behind, retryPartition, type Retried, type RetryOptions } from './retry-partition.ts';
