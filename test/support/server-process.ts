/** The server as a process of its own, to be killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { issueToken, personas } from '@carelog/service-kit';
import type { TokenLimits } from './start-stack.ts';

const MAIN = fileURLToPath(new URL('../../apps/carelog/src/main.ts', import.meta.url));

export interface ServerProcess {
  readonly url: string;
  readonly process: ChildProcess;
  /** `limits`: SMART scopes, a purpose. */
  token(persona: string, limits?: TokenLimits): Promise<string>;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  end(): Promise<number | null>;
}

/** Resolves when it says that it is ready; rejects with what it printed when it ends before that. `program` may be what starts `main.ts`. */
export async function startServer(
  dataFolder: string,
  environment: Readonly<Record<string, string>> = {},
  program = MAIN,
): Promise<ServerProcess> {
  const env = {
    ...process.env,
    PORT: '0',
    CARELOG_DATA: dataFolder,
    CARELOG_DEMO: 'off',
    CARELOG_LOG: 'error',
    // Tests ask faster than people do.
    CARELOG_LIMIT_PATIENTS: '10000/10000/512',
    CARELOG_LIMIT_STRANGERS: '10000/10000/512',
    ...environment,
  };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const url = await Promise.race([
    readyUrl(child),
    exited.then((code) => {
      throw new Error(`The server ended with ${code} before it was ready: ${said}`);
    }),
  ]);
  return {
    url,
    process: child,
    async token(persona, limits = {}) {
      const outcome = await issueToken({ dataFolder, personas, persona, url, ...limits });
      if (outcome.kind === 'refused') throw new Error(outcome.message);
      return outcome.token;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    end() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

async function readyUrl(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /^Carelog ready at (\S+)/.exec(line)?.[1];
    if (url !== undefined) {
      child.stdout!.resume();
      return url;
    }
  }
  return new Promise(() => {});
}
