/** `carelog import-log` and `carelog compare`: an export into a cluster's empty databases, and the proof that views came out the same. */
import { existsSync, readFileSync } from 'node:fs';
import {
  importEvents,
  migrateEventStore,
  readEventFile,
  StoreFault,
  verifyEventFile,
  verifyPostgresEventStore,
  type EventFile,
} from '@carelog/event-store';
import { importKeys, KeyringFault, migrateKeyring } from '@carelog/keyring';
import { openPostgresRecordHere, schemaOf } from '@carelog/read-models';
import { readClusterConfig } from '@carelog/service-kit';
import { Client } from 'pg';
import { ACCESS_LOG_SCHEMA } from '../cluster/engines.ts';
import { CommandFailure } from '../command-failure.ts';
import { exportPaths, type ExportManifest } from './export.ts';

/**
 * As the databases' owner, before any service runs. What was interrupted can be repeated. Throws `CommandFailure` where the
 * export is not whole, or the databases hold something else.
 */
export async function importLog(folder: string, keysFolder: string): Promise<void> {
  const { logUrl, accessLogUrl, keyringUrl, masterKeyFile } = clusterSettings(
    'logUrl',
    'accessLogUrl',
    'keyringUrl',
    'masterKeyFile',
  );
  const manifest = manifestOf(folder);
  const files = exportPaths(folder);
  const logs = [
    ['The log', logUrl, 'log', files.log, manifest.log],
    ['The log of accesses', accessLogUrl, ACCESS_LOG_SCHEMA, files.accessLog, manifest.accessLog],
  ] as const;
  try {
    for (const [, , , file, expected] of logs) await verifyEventFile(file, expected);
    // Keys first: what can be read in the cluster, can be opened there.
    const keys = await asOwner(keyringUrl, async (owner) => {
      await migrateKeyring(owner, { masterKeyFile });
      return importKeys(owner, keysFolder);
    });
    process.stdout.write(`The keyring: ${keys.keys} keys, ${keys.erased} erased\n`);
    for (const [name, url, schema, file, expected] of logs) {
      const head = await importOne(url, schema, file, expected);
      process.stdout.write(`${name}: ${head} events, each of them verified\n`);
    }
  } catch (error) {
    if (error instanceof StoreFault || error instanceof KeyringFault) throw new CommandFailure(error.message);
    throw error;
  }
}

/** After the projectors have built the views and before anything new is recorded. Answers the exit code: 0 where all are equal. */
export async function compareViews(folder: string): Promise<number> {
  const { readModelsUrl } = clusterSettings('readModelsUrl');
  const { views, log } = manifestOf(folder);
  if (Object.keys(views).length === 0)
    throw new CommandFailure('This export holds no digests of views: there is nothing to compare with.');
  let differing = 0;
  for (const [name, { version, hash }] of Object.entries(views)) {
    const view = openPostgresRecordHere({ url: readModelsUrl, schema: schemaOf(name, version) });
    try {
      const position = (await view.checkpoint())?.position ?? 0;
      const isEqual = position >= log.events && (await view.hash()) === hash;
      differing += isEqual ? 0 : 1;
      const not = position < log.events ? `has reached ${position} of ${log.events}` : 'is not what it was';
      process.stdout.write(`${name} ${version}: ${isEqual ? `equal, up to event ${log.events}` : not}\n`);
    } finally {
      view.close();
    }
  }
  return differing === 0 ? 0 : 1;
}

async function importOne(url: string, schema: string, file: string, expected: EventFile): Promise<number> {
  const head = await asOwner(url, async (owner) => {
    await migrateEventStore(owner, { schema });
    return importEvents(owner, readEventFile(file, expected), { schema });
  });
  if (head !== expected.events)
    throw new CommandFailure(`The log in schema ${schema} has ${head} events, and the export ${expected.events}: something was recorded there already. Import into empty databases.`); // prettier-ignore
  await verifyPostgresEventStore({ url, schema });
  return head;
}

async function asOwner<T>(url: string, work: (owner: Client) => Promise<T>): Promise<T> {
  const owner = new Client({ connectionString: url, application_name: 'carelog import' });
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}

function manifestOf(folder: string): ExportManifest {
  const { manifest } = exportPaths(folder);
  if (!existsSync(manifest))
    throw new CommandFailure(`${folder} holds no whole export: ${manifest} is missing. Export again.`, 2);
  const read = JSON.parse(readFileSync(manifest, 'utf8')) as ExportManifest;
  if (read.format === 'carelog export 1') return read;
  throw new CommandFailure(`${manifest} is of another format than this program reads. Use the Carelog that wrote it.`); // prettier-ignore
}

function clusterSettings(...names: Parameters<typeof readClusterConfig>[0]) {
  const outcome = readClusterConfig(names);
  if (outcome.kind === 'valid') return outcome.cluster;
  throw new CommandFailure(`Carelog cannot work with these settings:\n  ${outcome.problems.join('\n  ')}`, 2);
}
