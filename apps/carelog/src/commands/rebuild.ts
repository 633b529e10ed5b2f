/** `carelog rebuild`: asks the running server to build a read model again from the first event. */
import { askServer } from './ask-server.ts';

/** Resolves when the rebuilt view serves. Throws `CommandFailure`: 2 where there is no such projection. */
export async function rebuildProjection(projection: string, url?: string): Promise<void> {
  process.stderr.write(`Rebuilding ${projection}…\n`);
  const answer = await askServer('POST', `/rebuild/${encodeURIComponent(projection)}`, url);
  process.stdout.write(`${projection} is rebuilt: ${JSON.stringify(answer)}\n`);
}
