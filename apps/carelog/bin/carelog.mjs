#!/usr/bin/env node
// `npx carelog …` on any Node from 20 on: runs the command line on the Node 26 that the npm package `node` brings along.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const app = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const root = path.resolve(app, '../..');
const node = path.join(root, 'node_modules/node/bin/node');

if (!existsSync(node) || !existsSync(path.join(root, 'node_modules/.package-lock.json'))) {
  console.error('The dependencies of Carelog are not installed. Run npm start once; it installs them.');
  process.exit(1);
}

const args = [
  '--disable-warning=ExperimentalWarning',
  path.join(app, 'src/cli.ts'),
  ...process.argv.slice(2),
];
const env = { ...process.env, NODE_COMPILE_CACHE: path.join(root, '.cache/compile') };

// Where this is Node 26 already it can turn into the command, with no process left in between.
if (process.execve && process.platform !== 'win32') {
  process.removeAllListeners('warning');
  process.execve(node, [node, ...args], env);
}

const command = spawn(node, args, { env, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => command.kill(signal));
command.on('error', (error) => {
  console.error(`Node 26 could not be started: ${error.message}`);
  process.exit(1);
});
command.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
