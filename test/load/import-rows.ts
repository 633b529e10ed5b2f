/** Real files in through the front door, and what they take on disk. */
import { generatePopulation } from '@carelog/synthetic';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataPaths, type DataPaths } from '../../apps/carelog/src/paths.ts';
import { startServer } from '../support/server-process.ts';
import { openBareTable } from './bare-table.ts';
import { inFolder } from './folder.ts';
import { indexWriteRows } from './index-write-rows.ts';
import { cellsOf, type SingleRow } from './report.ts';
import { settled } from './request-rows.ts';
import type { Settings } from './settings.ts';

const ROOT = join(import.meta.dirname, '../..');
const SYNTHEA = join(ROOT, '../shared/data/synthea-r4');

export function importRows({ say, runs }: Settings): Promise<SingleRow[]> {
  say('import');
  return inFolder(async (folder) => {
    const real = existsSync(SYNTHEA);
    const source = real ? SYNTHEA : writeSynthetic(join(folder, 'files'));
    const cells = await cellsOf(['rate', 'log', 'record'], async () => {
      const imports: Import[] = [];
      const bare: Import[] = [];
      for (let run = 0; run < runs; run += 1) {
        bare.push(bareImport(source, join(folder, `bare-${run}.sqlite`)));
        imports.push(await importOnce(source, dataPaths(join(folder, `import-${run}`))));
      }
      const bareSizes = bare.map(({ logBytes, resources }) => logBytes / resources);
      return {
        rate: { figures: imports.map(rateOf), floors: bare.map(rateOf) },
        log: { figures: imports.map(({ logBytes, resources }) => logBytes / resources), floors: bareSizes },
        record: { figures: imports.map(({ recordBytes, resources }) => recordBytes / resources), floors: bareSizes }, // prettier-ignore
      };
    });
    const floor = 'one SQLite table of the same JSON';
    return [
      {
        name: real ? 'import of Synthea bundles' : 'import of synthetic bundles',
        unit: 'resources/s',
        cell: cells.rate,
        floor: `${floor}, a durable transaction for each file`,
      },
      { name: 'log, each resource', unit: 'bytes', cell: cells.log, floor },
      { name: 'record view, each resource', unit: 'bytes', cell: cells.record, floor },
      ...(await indexWriteRows(dataPaths(join(folder, 'import-0')).record, folder, runs)),
    ];
  });
}

interface Import {
  readonly resources: number;
  readonly seconds: number;
  readonly logBytes: number;
  readonly recordBytes: number;
}

function rateOf({ resources, seconds }: Import): number {
  return resources / seconds;
}

const SYNTHETIC_PEOPLE = 60;

/** One file for each person's activities, in their order. */
function writeSynthetic(folder: string): string {
  mkdirSync(folder);
  let number = 0;
  for (const bundles of generatePopulation({ seed: 1, people: SYNTHETIC_PEOPLE })) {
    for (const bundle of bundles)
      writeFileSync(join(folder, `${String(number++).padStart(6, '0')}.json`), JSON.stringify(bundle));
  }
  return folder;
}

function bareImport(source: string, path: string): Import {
  const begun = performance.now();
  const table = openBareTable(path, { durable: true });
  let resources = 0;
  for (const name of readdirSync(source)) {
    const bundle = JSON.parse(readFileSync(join(source, name), 'utf8')) as { entry: { resource: unknown }[] };
    table.insert(bundle.entry.map(({ resource }) => Buffer.from(JSON.stringify(resource))));
    resources += bundle.entry.length;
  }
  const seconds = (performance.now() - begun) / 1000;
  return { resources, seconds, logBytes: table.close(), recordBytes: 0 };
}

async function importOnce(source: string, paths: DataPaths): Promise<Import> {
  const server = await startServer(paths.folder);
  const { recorded, duplicate, seconds } = await runImport(server.url, source, paths.folder).finally(
    async () => {
      await settled(server);
      await server.end();
    },
  );
  const bytes = (path: string) => statSync(path).size;
  const sizes = { logBytes: bytes(paths.log), recordBytes: bytes(paths.record) };
  return { resources: recorded + duplicate, seconds, ...sizes };
}

interface Imported {
  readonly recorded: number;
  readonly duplicate: number;
  readonly seconds: number;
}

async function runImport(url: string, source: string, dataFolder: string): Promise<Imported> {
  const cli = join(ROOT, 'apps/carelog/src/cli.ts');
  const args = ['--disable-warning=ExperimentalWarning', cli, 'import', '--json', '--url', url, source];
  const command = spawn(process.execPath, args, {
    env: { ...process.env, CARELOG_DATA: dataFolder },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  command.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(command, 'close')) as [number];
  if (code !== 0) throw new Error(`The import ended with ${code}: ${said.slice(0, 500)}`);
  return JSON.parse(said) as Imported;
}
