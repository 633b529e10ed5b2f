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
