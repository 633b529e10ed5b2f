/**
 * `npm run bench:profile`: where the time of a hot path goes. Each path is driven by itself for a few seconds while V8
 * samples the threads of the server; the table says which part of the house each sample was in. `--page` puts the tables
 * into docs/reference/speed.md.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { openClient } from './client.ts';
import { inFolder } from './folder.ts';
import { parts, sharesOf, type Profile } from './profile-shares.ts';
import { putIntoPage } from './report.ts';
import { settled } from './request-rows.ts';
import { loadTargets, type Targets } from './targets.ts';

const ROOT = join(import.meta.dirname, '../..');
const SECONDS = 8;
const SAMPLE_MICROSECONDS = 250;
const client = openClient();

interface Profiled {
  readonly name: string;
  /** Of the threads, by the file that each begins in. */
  readonly threads: readonly (keyof typeof THREADS)[];
  /** Drives the path; gives what it did a second, and in which unit. */
  run(targets: Targets, server: ServerProcess): Promise<string>;
}

const THREADS = {
  'apps/carelog/src/main.ts': 'main thread',
  'projector/src/projector-worker.ts': 'projector',
  'projector/src/rebuild-worker.ts': 'rebuilding thread',
} as const;

const BOTH = ['apps/carelog/src/main.ts', 'projector/src/projector-worker.ts'] as const;

const profiled: readonly Profiled[] = [
  { name: 'read', threads: ['apps/carelog/src/main.ts'], run: (targets) => load(targets, targets.read) },
  { name: 'search, 50 of 100 among 501, asked before', threads: ['apps/carelog/src/main.ts'], run: (targets) => load(targets, targets.search) }, // prettier-ignore
  {
    name: 'the same search, not asked before',
    threads: ['apps/carelog/src/main.ts'],
    run: (targets) => load(targets, targets.search.flatMap((path) => Array.from({ length: 1_000 }, (_, i) => `${path}&_pretty=${i}`))), // prettier-ignore
  },
  { name: 'single durable POST', threads: BOTH, run: (targets) => load(targets, ['/Observation'], targets.observation) }, // prettier-ignore
  { name: 'transaction of 50', threads: BOTH, run: (targets) => load(targets, [''], targets.transaction, 8) },
  { name: 'rebuild of the record', threads: ['projector/src/rebuild-worker.ts'], run: rebuild },
];

const { values } = parseArgs({ options: { page: { type: 'boolean', default: false } } });
const sections: string[] = [];
for (const path of profiled) {
  process.stderr.write(`${path.name}\n`);
  sections.push(await sectionOf(path));
}
process.stdout.write(`${sections.join('\n')}\n`);
if (values.page) {
  const page = join(ROOT, 'docs/reference/speed.md');
  putIntoPage(page, sections.join('\n'));
  const prettier = join(ROOT, 'node_modules/prettier/bin/prettier.cjs');
  spawnSync(process.execPath, [prettier, '--write', page], { stdio: 'ignore' });
}

async function load({ base, token }: Targets, paths: readonly string[], body?: string, connections = 32) {
  const rate = await client.rate({
    base,
    token,
    paths,
    connections,
    seconds: SECONDS,
    ...(body === undefined ? { method: 'GET' } : { method: 'POST', body }),
  });
  return `${Math.round(rate)} a second`;
}

async function rebuild(targets: Targets, server: ServerProcess): Promise<string> {
  await load(targets, [''], targets.transaction, 8);
  await settled(server);
  const headers = { authorization: `Bearer ${await server.token('operator')}` };
  const answer = await fetch(`${server.url}/rebuild/record`, { method: 'POST', headers });
  const { events, seconds } = (await answer.json()) as { events: number; seconds: number };
  return `${Math.round(events / seconds)} events a second`;
}

function sectionOf({ name, threads, run }: Profiled): Promise<string> {
  return inFolder(async (folder) => {
    const profiles = join(folder, 'profiles');
    const options = `--cpu-prof --cpu-prof-interval=${SAMPLE_MICROSECONDS} --cpu-prof-dir=${profiles}`;
    const server = await startServer(join(folder, 'data'), { NODE_OPTIONS: options });
    const targets = await loadTargets(server);
    const begun = Date.now();
    const rate = await run(targets, server);
    const lasted = Date.now() - begun;
    await server.end();
    const read = readdirSync(profiles).map((file) => JSON.parse(readFileSync(join(profiles, file), 'utf8')) as Profile); // prettier-ignore
    const columns = threads.map((thread) => {
      const profile = read.find(({ nodes }) => nodes.some(({ callFrame }) => callFrame.url.endsWith(thread)));
      if (profile === undefined) throw new Error(`No profile of ${thread} was written`);
      return { title: THREADS[thread], shares: sharesOf(profile, lasted * 1_000) };
    });
    return table(`${name}: ${rate}`, columns);
  });
}

function table(title: string, columns: readonly { title: string; shares: Map<string, number> }[]): string {
  const rows = parts
    .map((part) => ({ part, shares: columns.map(({ shares }) => shares.get(part) ?? 0) }))
    .filter(({ shares }) => shares.some((share) => share >= 0.005))
    .sort((a, b) => Math.max(...b.shares) - Math.max(...a.shares))
    .map(({ part, shares }) => `| ${part} | ${shares.map((share) => `${Math.round(100 * share)} %`).join(' | ')} |`); // prettier-ignore
  const titles = columns.map((column) => column.title);
  return [
    `\n**${title}**\n`,
    `| | ${titles.join(' | ')} |`,
    `| --- | ${titles.map(() => '---:').join(' | ')} |`,
    ...rows,
  ].join('\n');
}
