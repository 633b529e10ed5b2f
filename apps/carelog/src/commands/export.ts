/** `carelog export`: both logs and the keyring of a stopped server, to be imported into a cluster as they are. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openSqliteEventStore, StoreFault, writeEventFile, type EventFile } from '@carelog/event-store';
import { KeyringFault, openKeyring } from '@carelog/keyring';
import { openRecord, recordProjectionBy } from '@carelog/read-models';
import { CommandFailure } from '../command-failure.ts';
import { dataPaths, type DataPaths } from '../paths.ts';
import { settings } from './settings.ts';

/** What an export holds, beside its files. */
export interface ExportManifest {
  readonly format: 'carelog export 1';
  readonly exportedAt: string;
  readonly log: EventFile;
  readonly accessLog: EventFile;
  /** Digests of the views at the log's last event, to be compared with those that are made from it elsewhere. */
  readonly views: Readonly<Record<string, { readonly version: number; readonly hash: string }>>;
}

export const exportPaths = (folder: string) => ({
  manifest: path.join(folder, 'manifest.json'),
  log: path.join(folder, 'log.events'),
  accessLog: path.join(folder, 'access-log.events'),
});

/** Throws `CommandFailure` where the server runs, something is left to be taken over, or a target exists. */
export async function exportLogs(folder: string, keysFolder: string): Promise<void> {
  const { dataFolder, policy } = settings();
  const paths = dataPaths(dataFolder);
  const target = exportPaths(folder);
  if (path.resolve(folder) === path.resolve(keysFolder))
    throw new CommandFailure('The keyring must not lie with the logs. Name another folder in --keys.', 2);
  if (existsSync(folder))
    throw new CommandFailure(`${folder} exists already. Name a folder that does not.`, 2);
  refuseUnfinished(paths);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = await exported(paths.log, target.log);
    const accessLog = await exported(path.join(paths.accessLog, 'log.sqlite'), target.accessLog);
    const { version } = recordProjectionBy(policy);
    const hash = await recordHash(paths.record, log.events);
    const views = hash === undefined ? {} : { record: { version, hash } };
    // After the logs, so that every key that one of their events needs is in it.
    const keyring = openKeyring(paths.keyring, { readOnly: true });
    await keyring.backup(keysFolder).finally(() => keyring.close());
    const manifest: ExportManifest = { format: 'carelog export 1', exportedAt: new Date().toISOString(), log, accessLog, views }; // prettier-ignore
    // Last: an export without it is not whole.
    writeFileSync(target.manifest, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
    process.stdout.write(`${log.events} events and ${accessLog.events} of accesses: ${folder}\n`);
    process.stdout.write(`The keyring: ${keysFolder}\n${hash === undefined ? VIEW_BEHIND : ''}`);
  } catch (error) {
    if (error instanceof StoreFault || error instanceof KeyringFault) throw new CommandFailure(error.message);
    throw error;
  }
}

const VIEW_BEHIND =
  'The record was not where the log is, so its digest is not part of the export and cannot be compared later. Start the server, wait until npx carelog status shows no lag, stop it, and export again.\n';

/** What a crash left in the journal belongs into the log of accesses, and only a server takes it over. */
function refuseUnfinished({ folder, accessLog }: DataPaths): void {
  const journal = path.join(accessLog, 'journal');
  if (!existsSync(journal) || readdirSync(journal).length === 0) return;
  throw new CommandFailure(
    `Some accesses are not in their log yet. Start Carelog on ${folder}, stop it with SIGTERM, wait until it has ended, and export again.`,
  );
}

/** Opened as whoever writes it, so that nobody else does meanwhile. */
async function exported(log: string, target: string): Promise<EventFile> {
  if (!existsSync(log))
    throw new CommandFailure(`There is no log at ${log}. Name its folder in CARELOG_DATA.`);
  const store = openSqliteEventStore({ path: log });
  return writeEventFile(target, store).finally(() => store.close());
}

async function recordHash(file: string, head: number): Promise<string | undefined> {
  if (!existsSync(file)) return undefined;
  const record = openRecord(file);
  try {
    const reached = await record.checkpoint();
    return (reached?.position ?? 0) === head ? await record.hash() : undefined;
  } finally {
    record.close();
  }
}
