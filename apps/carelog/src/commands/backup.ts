/** `carelog backup`: consistent copies of the logs and subscriptions, also while the server writes; the keyring only when asked, and apart. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { StoreFault, backupEventStore } from '@carelog/event-store';
import { KeyringFault, openKeyring } from '@carelog/keyring';
import { backupSubscriptions } from '@carelog/subscriptions';
import { CommandFailure } from '../command-failure.ts';
import { dataPaths } from '../paths.ts';
import { settings } from './settings.ts';

/** Throws `CommandFailure` where a target exists, lies within the other, or cannot be written. */
export async function backup(folder: string, keysFolder?: string): Promise<void> {
  const paths = dataPaths(settings().dataFolder);
  const target = path.join(folder, 'log.sqlite');
  if (keysFolder !== undefined && overlap(folder, keysFolder)) {
    throw new CommandFailure(
      'The keyring must not lie with the log: who finds one copy would have both. Name another folder in --keys.',
      2,
    );
  }
  try {
    // Before the log, so that no subscription of the copy is ahead of it: what it was told of since, it is told of again.
    if (existsSync(paths.subscriptions))
      await copySubscriptions(paths.subscriptions, path.join(folder, 'subscriptions.sqlite'));
    const { position } = await backupEventStore(paths.log, target);
    process.stdout.write(`The log, up to event ${position}: ${target}\n`);
    if (existsSync(paths.accessLog)) await copyAccessLog(paths.accessLog, path.join(folder, 'access'));
    // After the logs, so that every key that an event of the copy needs is in it.
    if (keysFolder !== undefined) await copyKeyring(paths.keyring, keysFolder);
  } catch (error) {
    if (error instanceof StoreFault || error instanceof KeyringFault) throw new CommandFailure(error.message);
    throw error;
  }
  process.stdout.write(keysFolder === undefined ? WITHOUT_KEYS : RESTORE);
}

async function copySubscriptions(from: string, copy: string): Promise<void> {
  await backupSubscriptions(from, copy);
  process.stdout.write(`The subscriptions: ${copy}\n`);
}

async function copyAccessLog(from: string, target: string): Promise<void> {
  const copy = path.join(target, 'log.sqlite');
  await backupEventStore(path.join(from, 'log.sqlite'), copy);
  process.stdout.write(`The log of accesses: ${copy}\n`);
}

async function copyKeyring(from: string, target: string): Promise<void> {
  const keyring = openKeyring(from, { readOnly: true });
  try {
    await keyring.backup(target);
  } finally {
    keyring.close();
  }
  process.stdout.write(`The keyring: ${target}\n`);
}

function overlap(one: string, other: string): boolean {
  const within = (inner: string, outer: string): boolean => !path.relative(outer, inner).startsWith('..');
  const [first, second] = [path.resolve(one), path.resolve(other)];
  return within(first, second) || within(second, first);
}

const RESTORE = `
To restore, put log.sqlite, subscriptions.sqlite (if there is one), access/ and the keyring, as keyring/, into an empty folder and
start Carelog with CARELOG_DATA set to it. The read models are built again from the log; clients sign in anew, because identities are not part of a backup.
`;
const WITHOUT_KEYS = `
The content of these events is sealed. Without the keyring nothing in this copy can be read: back it up too, apart from
the log, with --keys <another folder>.
${RESTORE}`;
