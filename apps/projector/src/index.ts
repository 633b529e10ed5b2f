export {
  startProjector,
  type Projector,
  type ProjectorPaths,
  type StartProjectorOptions,
} from './projector.ts';
export { rebuild } from './rebuild.ts';
export { openViewGround, startProjectorService } from './service.ts';
export type {
  ProjectorService,
  ProjectorServiceOptions,
  ViewGround,
  ViewGroundOptions,
} from './kafka/projector-service.ts';
export { startCareSettings, type CareSettingViews } from './care-settings.ts';
export type { Rebuilt } from './up-to-head.ts';
