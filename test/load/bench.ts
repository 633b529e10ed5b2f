/**
 * `npm run bench`: every figure beside its floor, measured in the same run. `--quick` takes one short run of each at 32
 * connections; `--readme` puts the table into README.md. Exits with 1 when a row could not be measured.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { accessRows } from './access-rows.ts';
import { accountRows } from './account-rows.ts';
import { importRows } from './import-rows.ts';
import { logRows } from './log-rows.ts';
import { postgresLogRows } from './postgres-log-rows.ts';
import { failures, markdown, putIntoPage } from './report.ts';
import { requestRows } from './request-rows.ts';
import { scaleRows } from './scale-rows.ts';
import { settingsOf } from './settings.ts';
import { startRows } from './start-rows.ts';

const ROOT = join(import.meta.dirname, '../..');

const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { quick: flag, readme: flag } });
const settings = settingsOf(values);
const { client, seconds, runs, connections, say } = settings;

const requests = [
  ...(await requestRows(settings)),
  ...(await accessRows(settings)),
  ...(await accountRows(settings)),
];
const singles = [
  ...(await logRows(settings)),
  ...(await postgresLogRows(settings)),
  ...(await importRows(settings)),
  ...(await startRows(settings)),
];
const scale = await scaleRows(settings);
singles.push(...scale.singles);
const report = { client: client.name, seconds, runs, connections, requests, singles, scale };

process.stdout.write(`${markdown(report)}\n`);
if (values.readme) {
  const page = join(ROOT, 'README.md');
  putIntoPage(page, markdown(report));
  const prettier = join(ROOT, 'node_modules/prettier/bin/prettier.cjs');
  spawnSync(process.execPath, [prettier, '--write', page], { stdio: 'ignore' });
}
for (const failure of failures(report)) say(`failed: ${failure}`);
process.exit(failures(report).length > 0 ? 1 : 0);
