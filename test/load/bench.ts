/**
 * `npm run bench`: every figure beside its floor, measured in the same run. `--only server` leaves the cluster out, and
 * `--only cluster` everything else; `--quick` takes one short run of each at 32 connections, without the cluster; `--readme`
 * puts the tables into README.md. Exits with 1 when a row could not be measured.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { accessRows } from './access-rows.ts';
import { accountRows } from './account-rows.ts';
import { careSettingRows } from './care-setting-rows.ts';
import { clusterRows } from './cluster-rows.ts';
import { eventRows } from './event-rows.ts';
import { importRows } from './import-rows.ts';
import { lagRows } from './lag-rows.ts';
import { logRows } from './log-rows.ts';
import { postgresLogRows } from './postgres-log-rows.ts';
import { clusterMarkdown, failures, markdown, putIntoPage } from './report.ts';
import { requestRows } from './request-rows.ts';
import { scaleRows } from './scale-rows.ts';
import { settingsOf } from './settings.ts';
import { startRows } from './start-rows.ts';

const ROOT = join(import.meta.dirname, '../..');

const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { quick: flag, readme: flag, only: { type: 'string' } } });
const settings = settingsOf(values);
const { client, say } = settings;

const parts = { server: benchServer, cluster: benchCluster };
const chosen = Object.entries(parts).filter(([name]) => name === (values.only ?? (values.quick ? 'server' : name))); // prettier-ignore
if (chosen.length === 0) throw new Error(`--only takes ${Object.keys(parts).join(' or ')}.`);
const failed: string[] = [];
for (const [, bench] of chosen) failed.push(...(await bench()));
if (values.readme) {
  const prettier = join(ROOT, 'node_modules/prettier/bin/prettier.cjs');
  spawnSync(process.execPath, [prettier, '--write', join(ROOT, 'README.md')], { stdio: 'ignore' });
}
for (const failure of failed) say(`failed: ${failure}`);
process.exit(failed.length > 0 ? 1 : 0);

/** Everything in one process. Gives what failed. */
async function benchServer(): Promise<string[]> {
  const requests = [
    ...(await requestRows(settings)),
    ...(await accessRows(settings)),
    ...(await accountRows(settings)),
  ];
  const singles = [
    ...(await logRows(settings)),
    ...(await lagRows(settings)),
    ...(await careSettingRows(settings)),
    ...(await eventRows(settings)),
    ...(await postgresLogRows(settings)),
    ...(await importRows(settings)),
    ...(await startRows(settings)),
  ];
  const scale = await scaleRows(settings);
  singles.push(...scale.singles);
  print(markdown({ ...settings, client: client.name, requests, singles, scale }), 'bench');
  return failures([...requests, ...scale.rows], singles);
}

async function benchCluster(): Promise<string[]> {
  const rows = await clusterRows(settings);
  print(clusterMarkdown(client.name, rows), 'bench-cluster');
  return failures([], rows.singles);
}

function print(text: string, name: string): void {
  process.stdout.write(`${text}\n`);
  if (values.readme) putIntoPage(join(ROOT, 'README.md'), text, name);
}
