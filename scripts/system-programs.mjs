// Programs that tests and the cluster need and npm cannot bring. As root on Debian and its kin they are installed; elsewhere this says what to do.
import { spawnSync } from 'node:child_process';

const programs = [
  { command: 'chromium', debian: 'chromium', for: 'the browser tests' },
  { command: 'java', debian: 'default-jre-headless', for: 'Kafka, which the tests of the cluster run' },
  { command: 'mvn', debian: 'maven', for: 'fetching Kafka' },
];

/** Installs the programs that are missing, of those named or of all, where it may; never fails: whoever misses one says so. */
export function installPrograms(names = programs.map(({ command }) => command)) {
  const missing = programs.filter(({ command }) => names.includes(command) && !isThere(command));
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && isThere('apt-get')) {
    const packages = missing.map(({ debian }) => debian);
    console.log(`Installing ${packages.join(', ')}…`);
    aptGet('update', '-qq');
    aptGet('install', '-y', '-qq', '--no-install-recommends', ...packages);
  }
  for (const program of missing.filter(({ command }) => !isThere(command))) {
    console.log(
      `Missing: ${program.command}, for ${program.for}. On Debian: apt-get install ${program.debian}`,
    );
  }
}

export function isThere(command) {
  return spawnSync('sh', ['-c', 'command -v "$0"', command], { stdio: 'ignore' }).status === 0;
}

function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}
