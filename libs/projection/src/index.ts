export type {
  AppliedChange,
  Checkpoint,
  OpenedContent,
  Parked,
  ProjectedBatch,
  Projection,
  ReadModel,
  Touched,
} from './projection.ts';
export { runProjection, type RunProjectionOptions } from './run-projection.ts';
