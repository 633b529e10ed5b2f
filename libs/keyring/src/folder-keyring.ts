/**
 * Seals content under a data key of its partition, so that destroying one key makes one person's history unreadable
 * wherever copies of the log lie. A folder of its own, mode 0700, holds `master.key` and `keys.sqlite`; back it up apart
 * from the log.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { backup as backUpDatabase } from 'node:sqlite';
import { aliasDigest, DataKey, newWrappedKey } from './data-key.ts';
import { KeyringFault } from './keyring-fault.ts';
import { KeyTable } from './key-table.ts';
import type { Keyring, Opened, SealedContent, SealedEvent } from './keyring.ts';
import { makeMasterKey, readMasterKey, writeSecretFile } from './master-key.ts';
import type { MasterKey } from './master-key.ts';

export interface KeyringOptions {
  /** For worker threads and tools: opens content, makes no key. Sees keys that others make later. */
  readonly readOnly?: boolean;
}

/** Opens the keyring in this folder, or makes it there. Throws a `KeyringFault` that says what is wrong with the folder. */
export function openKeyring(folder: string, { readOnly = false }: KeyringOptions = {}): Keyring {
  const masterPath = join(folder, 'master.key');
  const keysPath = join(folder, 'keys.sqlite');
  if (!readOnly) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    if (!existsSync(masterPath) && !existsSync(keysPath)) makeMasterKey(masterPath);
  }
  const master = readMasterKey(masterPath);
  return new FolderKeyring(masterPath, master, new KeyTable(keysPath, master.id, readOnly), readOnly);
}

const maxCachedKeys = 10_000;
/** For so long a cached key may be used after another thread or process destroyed it. */
const cacheTrustedMilliseconds = 10;

class FolderKeyring implements Keyring {
  readonly #masterPath: string;
  readonly #master: MasterKey;
  readonly #table: KeyTable;
  readonly #readOnly: boolean;
  readonly #cache = new Map<string, DataKey>();
  #seenVersion: number;
  #seenErasures: number;
  #checkedAt = 0;
  #wanted = new Set<string>();
  #making: Promise<void> | undefined;
  #closed = false;

  constructor(masterPath: string, master: MasterKey, table: KeyTable, readOnly: boolean) {
    this.#masterPath = masterPath;
    this.#master = master;
    this.#table = table;
    this.#readOnly = readOnly;
    this.#seenVersion = table.dataVersion();
    this.#seenErasures = table.erasures();
  }

  hmac(kind: string, value: string): string {
    return aliasDigest(this.#master, kind, value);
  }

  async prepare(partitions: Iterable<string>): Promise<void> {
    this.#noticeErasures();
    const missing = [...partitions].filter((partition) => !this.#find(partition));
    if (missing.length === 0) return;
    this.#refuseErased(missing);
    if (this.#readOnly) {
      throw new KeyringFault(
        'read-only',
        `The keyring ${this.#table.path} was opened to read. Make keys where it is open for writing.`,
      );
    }
    for (const partition of missing) this.#wanted.add(partition);
    this.#making ??= new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        try {
          this.#makeWanted();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    await this.#making;
    this.#refuseErased(missing);
  }

  /** Everything asked for within one turn of the event loop, in one transaction. */
  #makeWanted(): void {
    const partitions = [...this.#wanted];
    this.#wanted = new Set();
    this.#making = undefined;
    this.#refuseWhenClosed();
    this.#table.add(partitions.map((partition) => newWrappedKey(this.#master, partition)));
  }

  async know(): Promise<void> {
    this.#refuseWhenClosed();
  }

  seal(
    partition: string,
    event: { readonly id: string; readonly stream: string },
    plaintext: Uint8Array,
  ): SealedContent {
    return this.#keyFor(partition).seal(event, plaintext);
  }

  fingerprint(partition: string, plaintext: Uint8Array): string {
    return this.#keyFor(partition).fingerprint(plaintext);
  }

  open(event: SealedEvent): Opened {
    const { partition } = event;
    this.#noticeErasures();
    const found = this.#find(partition);
    if (!found)
      return { kind: 'unreadable', reason: this.#table.isErased(partition) ? 'erased' : 'unknown-key' };
    return found === 'damaged' ? { kind: 'unreadable', reason: 'damaged' } : found.open(event);
  }

  async erase(partition: string): Promise<void> {
    this.#refuseWhenClosed();
    if (this.#readOnly) {
      throw new KeyringFault(
        'read-only',
        `The keyring ${this.#table.path} was opened to read. Erase where it is open for writing.`,
      );
    }
    this.#cache.delete(partition);
    this.#table.erase(partition);
  }

  async backup(target: string): Promise<void> {
    this.#refuseWhenClosed();
    if (existsSync(target)) {
      throw new KeyringFault(
        'io',
        `The backup was not made: ${target} exists already. Name a folder that does not.`,
      );
    }
    mkdirSync(target, { recursive: true, mode: 0o700 });
    writeSecretFile(join(target, 'keys.sqlite'), '');
    await backUpDatabase(this.#table.connection, join(target, 'keys.sqlite'));
    // Last, so that a folder with a master key is a whole backup.
    writeSecretFile(join(target, 'master.key'), readFileSync(this.#masterPath));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cache.clear();
    this.#table.close();
  }

  #keyFor(partition: string): DataKey {
    this.#noticeErasures();
    const found = this.#find(partition);
    if (found === 'damaged') {
      throw new KeyringFault(
        'damaged',
        `The data key of partition ${partition} in ${this.#table.path} is damaged. Put the file back from its backup.`,
      );
    }
    if (found) return found;
    this.#refuseErased([partition]);
    throw new KeyringFault('unprepared', `Partition ${partition} has no data key yet. Call prepare first.`);
  }

  #find(partition: string): DataKey | 'damaged' | undefined {
    const cached = this.#cache.get(partition);
    if (cached) return cached;
    const row = this.#table.find(partition);
    if (!row) return undefined;
    const dataKey = DataKey.unwrap(this.#master, { partition, ...row });
    if (dataKey === 'damaged') return dataKey;
    if (this.#cache.size >= maxCachedKeys) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(partition, dataKey);
    return dataKey;
  }

  /** Another thread or process may have erased, and its key must not live on in this cache. Asking costs as much as sealing. */
  #noticeErasures(): void {
    this.#refuseWhenClosed();
    const now = performance.now();
    if (now - this.#checkedAt < cacheTrustedMilliseconds) return;
    this.#checkedAt = now;
    const version = this.#table.dataVersion();
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    const erasures = this.#table.erasures();
    if (erasures === this.#seenErasures) return;
    this.#seenErasures = erasures;
    this.#cache.clear();
  }

  #refuseErased(partitions: readonly string[]): void {
    const erased = partitions.filter((partition) => this.#table.isErased(partition));
    if (erased.length === 0) return;
    throw new KeyringFault(
      'erased',
      `Nothing more can be sealed for ${erased.join(', ')}: the key was erased. Record under another partition.`,
    );
  }

  #refuseWhenClosed(): void {
    if (this.#closed)
      throw new KeyringFault(
        'closed',
        `The keyring ${this.#table.path} was closed. Open it again to use it.`,
      );
  }
}
