// What every script here needs first: the dependencies that package-lock.json asks for, and the Node they bring along.
// Plain JavaScript without dependencies, because any Node from 20 on must be able to run it before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Node 26 of the npm package `node`. Everything but these scripts runs on it. */
export const node = path.join(root, 'node_modules/node/bin/node');

/**
 * Installs what is missing, and nothing when nothing is. Development dependencies that are there stay there.
 * Ends the process with npm's exit code when npm fails.
 */
export function installDependencies({ development }) {
  const wanted = readPackages('package-lock.json');
  const present = readPackages('node_modules/.package-lock.json');
  const keepDevelopment = development || (present !== undefined && hasDevelopment(present));
  if (!isInstalled(wanted, present, keepDevelopment)) {
    console.error('Installing dependencies…');
    const omit = keepDevelopment ? [] : ['--omit=dev'];
    npm(['ci', ...omit, '--no-audit', '--no-fund', '--loglevel=error']);
  }
  if (!existsSync(node)) installNode();
}

/** Runs a program in the workspace with its output shown; ends this process when the program fails. */
export function runOrExit(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status === 0) return;
  console.error(
    `${path.basename(command)} ${args.join(' ')} failed: ${error?.message ?? signal ?? `exit code ${status}`}`,
  );
  process.exit(status || 1);
}

/** The environment without `node_modules/.bin` on the path: npm must not run on the Node it is about to replace. */
export function systemEnvironment() {
  const own = path.join(root, 'node_modules');
  const entries = (process.env.PATH ?? '').split(path.delimiter).filter((entry) => !entry.startsWith(own));
  return { ...process.env, PATH: entries.join(path.delimiter) };
}

function npm(args, cwd = root) {
  runOrExit('npm', args, { cwd, env: systemEnvironment(), shell: process.platform === 'win32' });
}

// The package `node` fetches its binary in an install script, which npm may have been told not to run.
function installNode() {
  console.error('Fetching Node 26…');
  const folder = path.join(root, 'node_modules/node');
  runOrExit(process.execPath, ['installArchSpecificPackage'], { cwd: folder, env: systemEnvironment() });
}

// npm writes node_modules/.package-lock.json last, so it says what a finished installation holds.
function isInstalled(wanted, present, development) {
  if (present === undefined) return false;
  return Object.entries(wanted).every(([place, entry]) => {
    if (!place.startsWith('node_modules/')) return true;
    const found = present[place];
    if (found !== undefined) return found.version === entry.version && found.resolved === entry.resolved;
    return entry.optional || entry.devOptional || (entry.dev && !development);
  });
}

function hasDevelopment(packages) {
  return Object.values(packages).some((entry) => entry.dev);
}

function readPackages(file) {
  const absolute = path.join(root, file);
  return existsSync(absolute) ? JSON.parse(readFileSync(absolute, 'utf8')).packages : undefined;
}
