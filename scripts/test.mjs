// `npm test`: sets up what is missing, runs every stage even when an earlier one failed, and ends with one line that counts.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { installPrograms, isThere } from './system-programs.mjs';
import { installDependencies, node, root } from './workspace.mjs';

installDependencies({ development: true });
installPrograms();
build();

const bin = (name) => path.join(root, 'node_modules/.bin', name);
/** Each of these keeps one processor busy, so two run at a time, beginning with the one that takes longest. */
const checks = [
  ['lint', bin('nx'), 'run', 'carelog-workspace:lint', '--output-style=static'],
  ['types', bin('tsc'), '-p', 'tsconfig.json', '--noEmit'],
  ['format', bin('prettier'), '--check', '--log-level=warn', '.'],
  ['dependencies', node, path.join(root, 'scripts/dependencies.ts')],
  ['secrets', node, path.join(root, 'scripts/secrets.ts')],
];
const AT_ONCE = 2;
// What plants violations in the sources comes after what builds images of them.
const projects = ['unit', 'integration', 'conformance', 'journeys', 'recovery', 'architecture', 'limits', 'on-cluster', 'browser']; // prettier-ignore

// On the build server nothing may be skipped, unless it needs what no machine can be made to have.
const allowedSkips = [/Docker engine/, /licensed server/, /shared\/data/];

const quiet = {
  NX_DAEMON: 'false',
  NX_NO_CLOUD: 'true',
  NX_TUI: 'false',
  NX_TERMINAL_OUTPUT_TRUNCATE: 'false',
};
const env = {
  ...process.env,
  ...quiet,
  NO_UPDATE_NOTIFIER: '1',
  // Servers are started by the hundred; each begins with what the one before compiled.
  NODE_COMPILE_CACHE: path.join(root, '.cache/compile'),
  PATH: `${path.dirname(node)}${path.delimiter}${bin('')}${path.delimiter}${process.env.PATH}`,
};

const total = { passed: 0, failed: [], skipped: [] };
const only = process.argv.slice(2);
const isAsked = (name) => only.length === 0 || only.includes(name);
const images = isAsked('recovery') ? beginImages() : {};
const waiting = checks.filter(([name]) => isAsked(name));
await Promise.all(Array.from({ length: AT_ONCE }, workThrough));
for (const project of projects.filter(isAsked)) {
  const started = Date.now();
  console.log(`\n── ${project}`);
  report(project, await runVitest(project), started);
}

console.log('');
for (const [name, { tests, reasons }] of bySuite(total.skipped)) {
  console.log(`skipped: ${name} (${tests} tests${reasons.size > 0 ? `; ${[...reasons].join('; ')}` : ''})`);
}
for (const { name, reason } of total.skipped) {
  const refused = process.env.CI === 'true' && !allowedSkips.some((allowed) => allowed.test(reason));
  if (refused) total.failed.push(`${name} was skipped, which is not allowed with CI=true`);
}
for (const name of total.failed) console.log(`failed: ${name}`);
console.log(count(total));
process.exit(total.failed.length > 0 ? 1 : 0);

/** Runs checks until none is left; what one says is shown when it has ended. */
async function workThrough() {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
    const [name, ...command] = check;
    const started = Date.now();
    const { ok, said } = await run(command, {}, 'pipe');
    console.log(`\n── ${name}`);
    process.stdout.write(said);
    const failed = ok ? [] : [name];
    report(name, { passed: 1 - failed.length, failed, skipped: [] }, started);
  }
}

function report(name, outcome, started) {
  total.passed += outcome.passed;
  total.failed.push(...outcome.failed);
  total.skipped.push(...outcome.skipped);
  console.log(`── ${name}: ${count(outcome)}, ${Math.round((Date.now() - started) / 1000)} s`);
}

/**
 * Images for the test of infra/compose, where there is an engine for them: they take minutes that are mostly waiting, so they are
 * made beside everything that comes before it. Gives the setting that tells the test of it.
 */
function beginImages() {
  if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status !== 0) return {};
  const file = path.join(root, '.cache/compose-images.json');
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  void run([node, path.join(root, 'test/support/compose-images.ts'), file], {}, 'pipe').then(({ said }) => {
    if (!existsSync(file)) writeFileSync(file, JSON.stringify({ fault: `No images could be made: ${said}` }));
  });
  return { CARELOG_SPEC_IMAGES: file };
}

async function runVitest(project) {
  if (project === 'on-cluster' && !isThere('java'))
    return {
      passed: 0,
      failed: [],
      skipped: [{ name: project, reason: 'java is missing, which Kafka needs' }],
    };
  const file = path.join(root, '.cache/tally', `${project}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  const reporters = ['--reporter=default', `--reporter=${path.join(root, 'scripts/tally-reporter.mjs')}`];
  const { ok } = await run([bin('vitest'), 'run', `--project=${project}`, ...reporters], { TALLY_FILE: file, ...images }); // prettier-ignore
  const none = { passed: 0, failed: [], skipped: [] };
  const outcome = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : none;
  if (outcome.passed + outcome.failed.length + outcome.skipped.length === 0)
    outcome.failed.push(`${project}: no test ran`);
  else if (!ok && outcome.failed.length === 0) outcome.failed.push(`${project}: vitest failed`);
  return outcome;
}

// The programs are scripts of Node's; run by name on Node 26, whatever Node runs this one.
function run([program, ...args], extra, output = 'inherit') {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...env, ...extra },
    stdio: ['inherit', output, output],
  });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => said.push(part));
  return new Promise((resolve) => {
    child.once('error', (fault) => resolve({ ok: false, said: `${fault.message}\n` }));
    child.once('close', (status) => resolve({ ok: status === 0, said: Buffer.concat(said) }));
  });
}

/** One line for each suite: what is skipped is skipped as a whole, for a reason that its title tells or its tests do. */
function bySuite(skipped) {
  const suites = new Map();
  for (const { name, reason } of skipped) {
    const suite = name.split(' > ').slice(0, 2).join(' > ');
    if (!suites.has(suite)) suites.set(suite, { tests: 0, reasons: new Set() });
    const { reasons } = suites.get(suite);
    suites.get(suite).tests++;
    if (!name.endsWith(reason)) reasons.add(reason);
  }
  return suites;
}

function count({ passed, failed, skipped }) {
  return `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
}
