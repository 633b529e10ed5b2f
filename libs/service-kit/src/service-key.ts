/**
 * How our services know each other: TLS with a pre-shared key (RFC 5489) out of one file that each of them has. Whoever has
 * not got it is not answered, and cannot read along; keys of past connections do not follow from it.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ConnectionOptions, TlsOptions } from 'node:tls';

const KEY_BYTES = 32;
const IDENTITY = 'carelog';
// TLS 1.2: its key exchange with a pre-shared key has forward secrecy too, and no certificate in it.
const SUITE = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;

/** 32 bytes, base64url. Throws an error that says how to put it right where the file is missing, open to others, or no key. */
export function readServiceKey(path: string): Buffer {
  let key: Buffer;
  try {
    if ((statSync(path).mode & 0o077) !== 0)
      throw new Error(`The service key ${path} is open to other users. Run: chmod 600 ${path}`);
    key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64url');
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause)) throw cause;
    throw new Error(`The service key ${path} cannot be read. Name the file that all services share in CARELOG_SERVICE_KEY_FILE.`, { cause }); // prettier-ignore
  }
  if (key.length === KEY_BYTES) return key;
  throw new Error(`The service key ${path} has ${key.length} bytes instead of ${KEY_BYTES}. Make one with: head -c 32 /dev/urandom | basenc --base64url > ${path}`); // prettier-ignore
}

/** Never replaces one that is there. */
export function makeServiceKey(path: string): void {
  try {
    writeFileSync(path, `${randomBytes(KEY_BYTES).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
  }
}

/** The key that messages between services are sealed with, which tells nothing of the service key. */
export function sealKeyOf(serviceKey: Buffer): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', serviceKey, '', 'carelog messages in lanes', KEY_BYTES));
}

/** For a server that answers our services only. */
export function tlsForServices(key: Buffer): TlsOptions {
  return { ...SUITE, pskCallback: (_socket, identity) => (identity === IDENTITY ? key : null) };
}

/** For a client that speaks to our services only. */
export function tlsToServices(key: Buffer): ConnectionOptions {
  return {
    ...SUITE,
    pskCallback: () => ({ psk: key, identity: IDENTITY }),
    // There is no certificate: who has the key is who they have to be.
    checkServerIdentity: () => undefined,
  };
}
