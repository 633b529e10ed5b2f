// Sets up what is missing, then runs one program on Node 26: `node scripts/run.mjs [NAME=value…] <file or program> [arguments…]`.
// A file is run by Node; anything else is a program of a dependency, e.g. vitest. What the environment has already counts before
// these values: `ROUNDS=1 npm run test:faults` is one round.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { installDependencies, node, root } from './workspace.mjs';

installDependencies({ development: true });
build();

const args = process.argv.slice(2);
const settings = [];
while (/^[A-Z_]+=/.test(args[0] ?? '')) settings.push(args.shift().split('='));
const [program, ...rest] = args;
const file = existsSync(path.join(root, program)) ? program : `node_modules/.bin/${program}`;
const { status } = spawnSync(
  node,
  ['--disable-warning=ExperimentalWarning', path.join(root, file), ...rest],
  {
    cwd: root,
    env: { ...Object.fromEntries(settings), ...process.env },
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
