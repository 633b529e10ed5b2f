export {
  startProjector,
  type Projector,
  type ProjectorPaths,
  type StartProjectorOptions,
} from './projector.ts';
export { rebuild, type Rebuilt } from './rebuild.ts';
