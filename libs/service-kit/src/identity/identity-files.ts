/** What the embedded identity provider must remember: `<data>/identity/`, folder mode 0700, files mode 0600. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import type { JWK } from 'jose';
import { readJson, writePrivate } from './private-files.ts';
import { openSigningKeys, type SigningKeys } from './signing-keys.ts';

export interface IdentityFiles {
  /** Absolute path. */
  readonly folder: string;
  /** What tokens are signed with. */
  readonly signingKeys: SigningKeys;
  /** Client secret of each persona and resource server. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Private key, ES384, of each client that signs its requests. */
  readonly clientKeys: ReadonlyMap<string, JWK>;
}

/** Whose secrets and keys there must be. */
export interface IdentityNames {
  readonly secrets: readonly string[];
  readonly clientKeys: readonly string[];
}

/** Reads the folder, makes what is missing (also a secret for a persona that is new), and keeps the rest as it is. */
export async function openIdentityFiles(dataFolder: string, names: IdentityNames): Promise<IdentityFiles> {
  const folder = identityFolder(dataFolder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const signingKeys = await openSigningKeys(folder);
  const clientKeys = new Map<string, JWK>();
  for (const name of names.clientKeys) clientKeys.set(name, await keyIn(join(folder, `${name}-key.json`)));
  const known = (await readJson<Record<string, string>>(secretsFile(folder))) ?? {};
  const missing = names.secrets.filter((name) => known[name] === undefined);
  for (const name of missing) known[name] = randomBytes(32).toString('base64url');
  if (missing.length > 0) await writePrivate(secretsFile(folder), known);
  return { folder, signingKeys, clientKeys, secrets: new Map(Object.entries(known)) };
}

/** The secrets alone, as another process reads them; undefined where no server has made them yet. */
export async function readSecrets(dataFolder: string): Promise<Readonly<Record<string, string>> | undefined> {
  return readJson(secretsFile(identityFolder(dataFolder)));
}

/** What may be shown to everybody of a private key. */
export function publicPart({ kty, crv, x, y, kid, alg, use }: JWK): JWK {
  return { kty, crv, x, y, kid, alg, use } as JWK;
}

const identityFolder = (dataFolder: string): string => join(dataFolder, 'identity');
const secretsFile = (folder: string): string => join(folder, 'client-secrets.json');

async function keyIn(file: string): Promise<JWK> {
  const known = await readJson<JWK>(file);
  if (known !== undefined) return known;
  const { privateKey } = await generateKeyPair('ES384', { extractable: true });
  const key = {
    ...(await exportJWK(privateKey)),
    kid: randomBytes(8).toString('hex'),
    alg: 'ES384',
    use: 'sig',
  };
  await writePrivate(file, key);
  return key;
}
