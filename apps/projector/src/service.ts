/** What a cluster starts. Its engines' clients are loaded only here: a server in one process needs none of them. */
import type {
  ProjectorService,
  ProjectorServiceOptions,
  ViewGround,
  ViewGroundOptions,
} from './kafka/projector-service.ts';

/** Resolves when log, keyring and read models answer; Kafka is waited for while it runs. Rejects where one of them does not. */
export async function startProjectorService(options: ProjectorServiceOptions): Promise<ProjectorService> {
  const service = await import('./kafka/projector-service.ts');
  return service.startProjectorService(options);
}

/** The record in its schema with everything that it is made from, to be built beside another, or put right. */
export async function openViewGround(options: ViewGroundOptions): Promise<ViewGround> {
  const service = await import('./kafka/projector-service.ts');
  return service.openViewGround(options);
}
