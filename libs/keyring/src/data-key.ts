/** A partition's data key as it is used, and as it is kept: wrapped by the master key, bound to its partition. */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Opened, SealedContent, SealedEvent } from './keyring.ts';
import type { MasterKey } from './master-key.ts';
import { openBytes, sealBytes } from './sealed-bytes.ts';

export interface WrappedKey {
  readonly partition: string;
  readonly id: string;
  readonly wrapped: Uint8Array;
}

/** A new key, which exists nowhere else before it is kept. */
export function newWrappedKey({ keyEncryptionKey }: MasterKey, partition: string): WrappedKey {
  const id = randomBytes(8).toString('base64url');
  return { partition, id, wrapped: sealBytes(keyEncryptionKey, wrapping(partition, id), randomBytes(32)) };
}

export class DataKey {
  readonly id: string;
  readonly #key: KeyObject;
  /** Derived, so that a fingerprint and a sealing never use one key for two purposes. */
  readonly #fingerprintKey: KeyObject;

  private constructor(id: string, key: KeyObject) {
    this.id = id;
    this.#key = key;
    this.#fingerprintKey = createSecretKey(
      createHmac('sha256', key).update('carelog fingerprint 1').digest(),
    );
  }

  /** `damaged` where it was not wrapped by this master key for this partition, or was changed since. */
  static unwrap(
    { keyEncryptionKey }: MasterKey,
    { partition, id, wrapped }: WrappedKey,
  ): DataKey | 'damaged' {
    const bytes = openBytes(keyEncryptionKey, wrapping(partition, id), wrapped);
    return bytes === undefined ? 'damaged' : new DataKey(id, createSecretKey(bytes));
  }

  seal(
    { id, stream }: { readonly id: string; readonly stream: string },
    plaintext: Uint8Array,
  ): SealedContent {
    return { keyId: this.id, content: sealBytes(this.#key, sealing(id, stream), plaintext) };
  }

  fingerprint(plaintext: Uint8Array): string {
    return digest(this.#fingerprintKey, plaintext);
  }

  open({ id, stream, keyId, content }: SealedEvent): Opened {
    if (this.id !== keyId) return { kind: 'unreadable', reason: 'unknown-key' };
    const bytes = openBytes(this.#key, sealing(id, stream), content);
    return bytes ? { kind: 'opened', bytes } : { kind: 'unreadable', reason: 'damaged' };
  }
}

/** A digest of a value that identifies somebody, as names of alias streams have it. */
export function aliasDigest({ hmacKey }: MasterKey, kind: string, value: string): string {
  // The length keeps ('a', 'b|c') and ('a|b', 'c') apart.
  return digest(hmacKey, Buffer.from(`${kind.length}:${kind}|${value}`, 'utf8'));
}

function sealing(id: string, stream: string): string {
  return `content\n${id}\n${stream}`;
}

function wrapping(partition: string, keyId: string): string {
  return `data key\n${keyId}\n${partition}`;
}

function digest(key: KeyObject, bytes: Uint8Array): string {
  return createHmac('sha256', key).update(bytes).digest('base64url');
}
