/** Servers in containers, for specs: where a Docker engine has the image already. */
import { spawnSync } from 'node:child_process';

export interface SpecContainer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<unknown>;
}

/** The first of these images that is on this machine: nothing is pulled. */
export function imageAtHand(...names: readonly (string | undefined)[]): string | undefined {
  return names.find(
    (name) => name && spawnSync('docker', ['image', 'inspect', name], { stdio: 'ignore' }).status === 0,
  );
}

/** Resolves once it listens. Whoever starts it stops it. */
export async function startContainer(
  image: string,
  options: {
    readonly port: number;
    readonly environment: Record<string, string>;
    readonly command?: string[];
  },
): Promise<SpecContainer> {
  // Its reaper is an image of its own, which cannot be had everywhere.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = new GenericContainer(image)
    .withEnvironment(options.environment)
    .withExposedPorts(options.port)
    .withWaitStrategy(Wait.forListeningPorts());
  if (options.command) container.withCommand(options.command);
  const started = await container.start();
  return {
    host: started.getHost(),
    port: started.getMappedPort(options.port),
    stop: () => started.stop(),
  };
}
