// How a script of npm turns into a server on Node 26.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { installDependencies, node, root } from './workspace.mjs';

/**
 * Threads that compile and collect for V8, which takes four unless told: on two processors those keep the thread that answers from
 * its own.
 */
const HELPERS = Math.min(4, Math.max(1, availableParallelism() - 1));

/** Sets up what is missing, builds what is out of date, prepares, and becomes the server in `file`. */
export async function become(file, prepare = () => {}) {
  installDependencies({ development: false });
  prepare();
  build();

  const watchParent = pathToFileURL(path.join(root, 'scripts/end-with-npm.mjs')).href;
  const args = [
    '--disable-warning=ExperimentalWarning',
    `--v8-pool-size=${HELPERS}`,
    '--import',
    watchParent,
    path.join(root, file),
    ...process.argv.slice(2),
  ];
  const env = { ...process.env, NODE_COMPILE_CACHE: path.join(root, '.cache/compile') };

  // From the second start on such a script runs on Node 26 itself and can turn into the server, with nothing left in between.
  if (process.execve && process.platform !== 'win32') {
    process.removeAllListeners('warning');
    process.execve(node, [node, ...args], env);
  }

  await import('./end-with-npm.mjs');
  const server = spawn(node, args, { env, stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => server.kill(signal));
  server.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
