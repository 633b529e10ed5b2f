/**
 * `master.key`: the key-encryption key that wraps every data key, and the key of the digests in alias streams. JSON, mode
 * 0600, made once. Who loses it loses what is sealed; who copies it together with the log can read everything.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeyringFault } from './keyring-fault.ts';

export interface MasterKey {
  readonly id: string;
  readonly keyEncryptionKey: KeyObject;
  readonly hmacKey: KeyObject;
}

const keyLength = 32;

/** Reads the key. Throws a `KeyringFault` when the file is missing, open to others, or not a key. */
export function readMasterKey(path: string): MasterKey {
  if (!existsSync(path)) {
    throw new KeyringFault(
      'missing',
      `The master key is missing: ${path} does not exist. Put it back from its backup; without it nothing sealed can be read.`,
    );
  }
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new KeyringFault(
      'permissions',
      `The master key ${path} is open to other users (mode ${mode.toString(8)}). Run: chmod 600 ${path}`,
    );
  }
  const { id, keyEncryptionKey, hmacKey } = parse(path);
  return { id, keyEncryptionKey: secret(path, keyEncryptionKey), hmacKey: secret(path, hmacKey) };
}

/** Makes the key, on disk when this returns. Never replaces one: of two that try at once, one makes it. */
export function makeMasterKey(path: string): void {
  const text = JSON.stringify(
    {
      version: 1,
      id: randomBytes(8).toString('base64url'),
      keyEncryptionKey: randomBytes(keyLength).toString('base64url'),
      hmacKey: randomBytes(keyLength).toString('base64url'),
      createdAt: new Date().toISOString(),
    },
    null,
    2,
  );
  writeSecretFile(path, `${text}\n`);
}

/** Writes a whole file of mode 0600 or none; a file that is there already stays as it is. */
export function writeSecretFile(path: string, content: string | Uint8Array): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    if (typeof content === 'string') writeSync(file, content);
    else writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    unlinkSync(draft);
  }
  syncFolder(dirname(path));
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function parse(path: string): Record<'id' | 'keyEncryptionKey' | 'hmacKey', string> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // The parser's message would quote the key.
    throw damaged(path, error instanceof SyntaxError ? 'it is not JSON' : 'it cannot be read');
  }
  const { version, id, keyEncryptionKey, hmacKey } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1) throw damaged(path, 'it is not of version 1');
  if (typeof id !== 'string' || typeof keyEncryptionKey !== 'string' || typeof hmacKey !== 'string') {
    throw damaged(path, 'a key or its id is missing');
  }
  return { id, keyEncryptionKey, hmacKey };
}

function secret(path: string, encoded: string): KeyObject {
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.byteLength !== keyLength)
    throw damaged(path, `a key has ${bytes.byteLength} bytes instead of ${keyLength}`);
  return createSecretKey(bytes);
}

function damaged(path: string, what: string): KeyringFault {
  return new KeyringFault(
    'damaged',
    `The master key ${path} is damaged: ${what}. Put it back from its backup.`,
  );
}
