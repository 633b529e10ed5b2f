/** What the embedded identity provider must remember: `<data>/identity/`, folder mode 0700, files mode 0600. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import type { JWK } from 'jose';

export interface IdentityFiles {
  /** Absolute path. */
  readonly folder: string;
  /** Private key, ES256; its `kid` names it in tokens. */
  readonly signingKey: JWK;
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
  const signingKey = await keyIn(join(folder, 'signing-key.json'), 'ES256');
  const clientKeys = new Map<string, JWK>();
  for (const name of names.clientKeys)
    clientKeys.set(name, await keyIn(join(folder, `${name}-key.json`), 'ES384'));
  const known = (await readJson<Record<string, string>>(secretsFile(folder))) ?? {};
  const missing = names.secrets.filter((name) => known[name] === undefined);
  for (const name of missing) known[name] = randomBytes(32).toString('base64url');
  if (missing.length > 0) await writePrivate(secretsFile(folder), known);
  return { folder, signingKey, clientKeys, secrets: new Map(Object.entries(known)) };
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

async function keyIn(file: string, alg: 'ES256' | 'ES384'): Promise<JWK> {
  const known = await readJson<JWK>(file);
  if (known !== undefined) return known;
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString('hex'), alg, use: 'sig' };
  await writePrivate(file, key);
  return key;
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(
      `${file} is damaged. Restore it from a backup, or delete it: tokens issued so far then stop working.`,
    );
  }
}

/** Whole or not at all: a crash must not leave half a key behind. */
async function writePrivate(file: string, content: unknown): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
