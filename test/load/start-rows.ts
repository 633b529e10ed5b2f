/** The server with the population of a first start: how soon it is there again, what it holds at rest, how fast it rebuilds. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { startServer } from '../support/server-process.ts';
import { openBareTable } from './bare-table.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import { cellsOf, type SingleRow } from './report.ts';
import { send } from './targets.ts';
import type { Settings } from './settings.ts';

const NPM_START = join(import.meta.dirname, '../../scripts/start.mjs');
const IDLE_MS = 3_000;

export function startRows({ say, runs }: Settings): Promise<SingleRow[]> {
  return inFolder(async (folder) => {
    const cells = await cellsOf(['first', 'second', 'memory', 'rebuild'], async () => {
      say('first start');
      const first = await startOnce(folder, { rest: false });
      say('second start, memory, rebuild');
      const starts: Started[] = [];
      const floors: Started[] = [];
      for (let run = 0; run < runs; run += 1) {
        floors.push(await startFloor(folder, run));
        starts.push(await startOnce(folder, { rest: true }));
      }
      const both = (of: (started: Started) => number) => ({
        figures: starts.map(of),
        floors: floors.map(of),
      });
      const second = both((started) => started.seconds);
      return {
        first: { figures: [first.seconds], floors: second.floors },
        second,
        memory: both((started) => started.megabytes),
        rebuild: both((started) => started.rebuiltPerSecond),
      };
    });
    const floor = 'the bare `node:http` server';
    return [
      { name: 'first start, loading 120 people', unit: 's', cell: cells.first, floor },
      { name: 'second start', unit: 's', cell: cells.second, floor },
      { name: 'idle memory with these people', unit: 'MB', cell: cells.memory, floor },
      {
        name: 'rebuild of the record view',
        unit: 'events/s',
        cell: cells.rebuild,
        floor: 'the same bytes out of the log into one SQLite table, 5,000 a transaction',
      },
    ];
  });
}

interface Started {
  readonly seconds: number;
  readonly megabytes: number;
  readonly rebuiltPerSecond: number;
}

async function startOnce(folder: string, { rest }: { rest: boolean }): Promise<Started> {
  const begun = performance.now();
  const server = await startServer(folder, { CARELOG_DEMO: 'on' }, NPM_START);
  const seconds = (performance.now() - begun) / 1000;
  try {
    if (!rest) return { seconds, megabytes: 0, rebuiltPerSecond: 0 };
    await wait(IDLE_MS);
    const megabytes = residentMegabytes(server.process.pid!);
    const rebuilt = (await send(server.url, await server.token('operator'), 'POST', '/rebuild/record')) as {
      events: number;
      seconds: number;
    };
    return { seconds, megabytes, rebuiltPerSecond: rebuilt.events / rebuilt.seconds };
  } finally {
    await server.end();
  }
}

async function startFloor(folder: string, run: number): Promise<Started> {
  const floor = await startHttpFloor();
  await wait(IDLE_MS);
  const megabytes = residentMegabytes(floor.pid);
  await floor.end();
  const rebuiltPerSecond = copyRate(dataPaths(folder).log, join(folder, `copy-${run}.sqlite`));
  return { seconds: floor.startedInMs / 1000, megabytes, rebuiltPerSecond };
}

const COPY_BATCH = 5_000;

function copyRate(log: string, path: string): number {
  const begun = performance.now();
  const source = new DatabaseSync(log, { readOnly: true });
  const read = source.prepare('SELECT content FROM event WHERE position > ? ORDER BY position LIMIT ?');
  const table = openBareTable(path, { durable: false });
  let copied = 0;
  for (;;) {
    const rows = read.all(copied, COPY_BATCH) as { content: Uint8Array }[];
    if (rows.length === 0) break;
    table.insert(rows.map(({ content }) => content));
    copied += rows.length;
  }
  table.close();
  source.close();
  return copied / ((performance.now() - begun) / 1000);
}

function residentMegabytes(pid: number): number {
  const kibibytes = Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }));
  return (kibibytes * 1024) / 1e6;
}
