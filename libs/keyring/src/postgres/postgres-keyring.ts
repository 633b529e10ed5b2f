/**
 * A keyring for several processes: wrapped data keys in PostgreSQL, the master key in a file that each of them has. Keys are
 * loaded by `know` and `prepare`, and used from memory.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { aliasDigest, DataKey, newWrappedKey } from '../data-key.ts';
import { KeyTable } from '../key-table.ts';
import { KeyringFault } from '../keyring-fault.ts';
import type { Keyring, Opened, SealedContent, SealedEvent } from '../keyring.ts';
import { readMasterKey, type MasterKey } from '../master-key.ts';
import { closedFault } from './key-rows-fault.ts';
import type { FoundRows, KeyRows } from './key-rows.ts';
import { refuseOtherMaster } from './migrate-keyring.ts';

export interface PostgresKeyringOptions {
  readonly url: string;
  readonly masterKeyFile: string;
  /** `keyring` unless told. */
  readonly schema?: string;
  /** Makes no key. */
  readonly readOnly?: boolean;
}

export type PostgresKeyring = Omit<Keyring, 'close'> & {
  /** As far as is known here; `know` finds out. What was opened before is not to be used any more. */
  isErased(partition: string): boolean;
  /** Resolves when its connections are closed. */
  close(): Promise<void>;
};

/** Throws a `KeyringFault` where the database cannot be reached, was not migrated, or holds keys of another master key. */
export async function openPostgresKeyring(options: PostgresKeyringOptions): Promise<PostgresKeyring> {
  const { url, masterKeyFile, schema = 'keyring', readOnly = false } = options;
  const master = readMasterKey(masterKeyFile);
  let keyring: RowsKeyring | undefined;
  // Loaded here: whoever keeps keys in a folder needs no driver.
  const { KeyRows } = await import('./key-rows.ts');
  const rows = new KeyRows(url, schema, () => void keyring?.notice().catch(() => {}));
  try {
    refuseOtherMaster(schema, master.id, await rows.masterKeyId());
    keyring = new RowsKeyring(rows, master, masterKeyFile, readOnly);
    await keyring.notice();
    return keyring;
  } catch (fault) {
    await (keyring ?? rows).close();
    throw fault;
  }
}

const KEYS_MAX = 20_000;
const UNKNOWN_MAX = 10_000;
/** `know` believes for so long that nothing was erased since the database last said so. */
const BELIEVED_MS = 100;
/** While nobody asks, the database is asked so often whether anything was erased. */
const ASKED_MS = 1_000;
/** Without a word from the database no key is used any longer than this. */
const UNCONFIRMED_MAX_MS = 5_000;

class RowsKeyring implements PostgresKeyring {
  readonly #rows: KeyRows;
  readonly #master: MasterKey;
  readonly #masterKeyFile: string;
  readonly #readOnly: boolean;
  readonly #keys = new Map<string, DataKey | 'damaged'>();
  readonly #erased = new Set<string>();
  /** Had no key when they were asked about last. */
  readonly #unknown = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #erasures = 0;
  #confirmedAt = -Infinity;
  #closed = false;

  constructor(rows: KeyRows, master: MasterKey, masterKeyFile: string, readOnly: boolean) {
    this.#rows = rows;
    this.#master = master;
    this.#masterKeyFile = masterKeyFile;
    this.#readOnly = readOnly;
    this.#timer = setInterval(() => {
      if (performance.now() - this.#confirmedAt >= ASKED_MS) this.notice().catch(() => {});
    }, ASKED_MS).unref();
  }

  hmac(kind: string, value: string): string {
    return aliasDigest(this.#master, kind, value);
  }

  async know(partitions: Iterable<string>): Promise<void> {
    this.#refuseWhenClosed();
    const asked = [...new Set(partitions)];
    const missing = asked.filter((partition) => !this.#isKnown(partition));
    for (const partition of asked) this.#touch(partition);
    if (missing.length > 0 || performance.now() - this.#confirmedAt >= BELIEVED_MS) await this.#ask(missing);
  }

  /** Takes in what was erased since it was asked last. */
  async notice(): Promise<void> {
    if (!this.#closed) await this.#ask([]);
  }

  async prepare(partitions: Iterable<string>): Promise<void> {
    const asked = [...new Set(partitions)];
    await this.know(asked);
    const missing = asked.filter((partition) => !this.#isKnown(partition));
    this.#refuseErased(asked);
    if (missing.length === 0) return;
    if (this.#readOnly)
      throw new KeyringFault('read-only', `The keyring in the schema ${this.#rows.schema} was opened to read. Make keys where it is open for writing.`); // prettier-ignore
    const made = missing.map((partition) => newWrappedKey(this.#master, partition));
    const added = await this.#rows.add(made);
    for (const key of made) if (added.has(key.partition)) this.#learn(key.partition, key);
    // Another was faster, or it was erased in this moment.
    const others = missing.filter((partition) => !added.has(partition));
    if (others.length > 0) await this.#ask(others);
    this.#refuseErased(missing);
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
    this.#refuseUnconfirmed();
    const key = this.#keys.get(partition);
    if (key === 'damaged') return { kind: 'unreadable', reason: 'damaged' };
    if (key !== undefined) return key.open(event);
    if (this.#erased.has(partition)) return { kind: 'unreadable', reason: 'erased' };
    if (this.#unknown.has(partition)) return { kind: 'unreadable', reason: 'unknown-key' };
    throw new KeyringFault(
      'unprepared',
      `It is not known whether partition ${partition} has a data key. Call know first.`,
    );
  }

  isErased(partition: string): boolean {
    return this.#erased.has(partition);
  }

  async erase(partition: string): Promise<void> {
    this.#refuseWhenClosed();
    if (this.#readOnly)
      throw new KeyringFault('read-only', `The keyring in the schema ${this.#rows.schema} was opened to read. Erase where it is open for writing.`); // prettier-ignore
    await this.#rows.erase(partition);
    await this.#ask([]);
  }

  /** As a folder that `openKeyring` opens. */
  async backup(target: string): Promise<void> {
    this.#refuseWhenClosed();
    if (existsSync(target))
      throw new KeyringFault(
        'io',
        `The backup was not made: ${target} exists already. Name a folder that does not.`,
      );
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const table = new KeyTable(join(target, 'keys.sqlite'), this.#master.id, false);
    try {
      for await (const { keys, erased } of this.#rows.everything()) {
        table.add(keys);
        for (const partition of erased) table.erase(partition);
      }
    } finally {
      table.close();
    }
    // Last, so that a folder with a master key is a whole backup. Keeps its mode.
    copyFileSync(this.#masterKeyFile, join(target, 'master.key'));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#keys.clear();
    await this.#rows.close();
  }

  #isKnown(partition: string): boolean {
    return this.#keys.has(partition) || this.#erased.has(partition);
  }

  /** What was asked for last is forgotten last. */
  #touch(partition: string): void {
    const key = this.#keys.get(partition);
    if (key === undefined) return;
    this.#keys.delete(partition);
    this.#keys.set(partition, key);
  }

  async #ask(partitions: readonly string[]): Promise<void> {
    // What it says was true at some moment after this one.
    const asked = performance.now();
    const found = await this.#rows.find(partitions, this.#erasures);
    if (this.#closed) throw closedFault(this.#rows.schema);
    this.#takeIn(partitions, found);
    this.#confirmedAt = Math.max(this.#confirmedAt, asked);
  }

  #takeIn(partitions: readonly string[], { keys, erased, erasures }: FoundRows): void {
    if (this.#unknown.size > UNKNOWN_MAX) this.#unknown.clear();
    for (const partition of partitions) if (!this.#isKnown(partition)) this.#unknown.add(partition);
    // Once erased, for ever: an answer that was on its way meanwhile may still bring the key.
    for (const partition of erased) this.#erased.add(partition);
    for (const key of keys) this.#learn(key.partition, key);
    for (const partition of erased) this.#keys.delete(partition);
    this.#erasures = Math.max(this.#erasures, erasures);
  }

  #learn(partition: string, wrapped: Parameters<typeof DataKey.unwrap>[1]): void {
    this.#unknown.delete(partition);
    if (this.#erased.has(partition)) return;
    if (this.#keys.size >= KEYS_MAX) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(partition, DataKey.unwrap(this.#master, wrapped));
  }

  #keyFor(partition: string): DataKey {
    this.#refuseUnconfirmed();
    const key = this.#keys.get(partition);
    if (key === 'damaged')
      throw new KeyringFault('damaged', `The data key of partition ${partition} in the schema ${this.#rows.schema} is damaged. Put it back from its backup.`); // prettier-ignore
    if (key !== undefined) return key;
    this.#refuseErased([partition]);
    throw new KeyringFault('unprepared', `Partition ${partition} has no data key yet. Call prepare first.`);
  }

  #refuseErased(partitions: readonly string[]): void {
    const erased = partitions.filter((partition) => this.#erased.has(partition));
    if (erased.length === 0) return;
    throw new KeyringFault('erased', `Nothing more can be sealed for ${erased.join(', ')}: the key was erased. Record under another partition.`); // prettier-ignore
  }

  #refuseUnconfirmed(): void {
    this.#refuseWhenClosed();
    if (performance.now() - this.#confirmedAt <= UNCONFIRMED_MAX_MS) return;
    throw new KeyringFault('io', `The keyring's database (schema ${this.#rows.schema}) has not answered for ${UNCONFIRMED_MAX_MS / 1_000} s, so no key is used. Check that it runs and can be reached.`); // prettier-ignore
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw closedFault(this.#rows.schema);
  }
}
