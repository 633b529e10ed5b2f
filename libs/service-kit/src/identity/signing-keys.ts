/**
 * The keys of the embedded provider: the youngest signs, and those before it verify until everything that they signed has
 * ended. They lie in `signing-keys.json`, newest first; a new one needs no restart, also not of another process on the folder.
 */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import type { JWK } from 'jose';
import { readJson, writePrivate } from './private-files.ts';

export interface SigningKeys {
  /** Private keys, ES256, each with its `kid`; the first one signs. */
  all(): readonly [JWK, ...JWK[]];
  /** Signs with a new key from here on, and forgets those whose last token has ended. */
  rotate(): Promise<void>;
  /** The same, where the key that signs has done so for its time, and no other process has put one in its place. */
  rotateWhenDue(): Promise<void>;
  /** Takes over what another process has put into the file. */
  heed(): Promise<void>;
  /** Calls back when the keys are others than before. */
  onChange(listener: () => void): void;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const SIGNS_MS = 30 * DAY_MS;
/** Longer than any token lasts, clock skew included. */
const VERIFIES_MS = DAY_MS;

interface Kept {
  readonly key: JWK;
  /** When it began to sign, milliseconds since 1970. */
  readonly since: number;
}

/** Opens or makes them. A `signing-key.json`, which held the only key before, is taken over. */
export async function openSigningKeys(folder: string, now: () => number = Date.now): Promise<SigningKeys> {
  const file = join(folder, 'signing-keys.json');
  const listeners: (() => void)[] = [];
  let kept = (await readJson<[Kept, ...Kept[]]>(file)) ?? (await first());
  let version = await versionOf(file);

  async function first(): Promise<[Kept, ...Kept[]]> {
    const single = await readJson<JWK>(join(folder, 'signing-key.json'));
    const made: [Kept] = [single === undefined ? await newKey() : { key: single, since: now() }];
    await writePrivate(file, made);
    return made;
  }

  async function newKey(): Promise<Kept> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = randomBytes(8).toString('hex');
    return { key: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' }, since: now() };
  }

  async function rotate(): Promise<void> {
    // Each signed until the one before it in the list began to.
    const older = kept.filter((_, index) => index === 0 || kept[index - 1]!.since > now() - VERIFIES_MS);
    const next: [Kept, ...Kept[]] = [await newKey(), ...older];
    await writePrivate(file, next);
    take(next);
  }

  function take(next: [Kept, ...Kept[]]): void {
    kept = next;
    for (const listener of listeners) listener();
  }

  async function heed(): Promise<void> {
    const found = await versionOf(file);
    if (found === version) return;
    version = found;
    const next = await readJson<[Kept, ...Kept[]]>(file);
    if (next !== undefined && JSON.stringify(next) !== JSON.stringify(kept)) take(next);
  }

  return {
    all: () => kept.map(({ key }) => key) as [JWK, ...JWK[]],
    rotate,
    heed,
    async rotateWhenDue() {
      await heed();
      if (kept[0].since <= now() - SIGNS_MS) await rotate();
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

/** Another one for every other content: a file is always put in the place of the one before. Empty where there is none. */
async function versionOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  return found === undefined ? '' : `${found.ino} ${found.mtimeMs}`;
}
