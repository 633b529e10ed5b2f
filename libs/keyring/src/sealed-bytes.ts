/**
 * How bytes are sealed, version 1: AES-256-GCM (NIST SP 800-38D) as
 *
 *     1 byte   version, 0x01
 *     12 bytes nonce, random for each sealing
 *     n bytes  ciphertext, as long as the plaintext
 *     16 bytes tag
 *
 * The context (of content: event id and stream; of a data key: partition and key id) and the version are authenticated but
 * not stored, so sealed bytes moved to another place do not open there.
 */
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const version = 1;
const nonceLength = 12;
const tagLength = 16;
const overhead = 1 + nonceLength + tagLength;

export function sealBytes(key: KeyObject, context: string, plaintext: Uint8Array): Uint8Array {
  // Every byte of it is written below.
  const sealed = Buffer.allocUnsafe(overhead + plaintext.byteLength);
  const nonce = nextNonce();
  sealed[0] = version;
  sealed.set(nonce, 1);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(authenticated(context));
  sealed.set(cipher.update(plaintext), 1 + nonceLength);
  cipher.final();
  sealed.set(cipher.getAuthTag(), sealed.byteLength - tagLength);
  return sealed;
}

/** Undefined when these bytes were not sealed under this key and context, or were changed since. */
export function openBytes(key: KeyObject, context: string, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength < overhead || sealed[0] !== version) return undefined;
  const tagStart = sealed.byteLength - tagLength;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + nonceLength), {
    authTagLength: tagLength,
  })
    .setAAD(authenticated(context))
    .setAuthTag(sealed.subarray(tagStart));
  const plaintext = decipher.update(sealed.subarray(1 + nonceLength, tagStart));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}

function authenticated(context: string): Uint8Array {
  return Buffer.from(`carelog ${version}\n${context}`, 'utf8');
}

const noise = new Uint8Array(nonceLength * 256);
let unused = 0;

/** Good until the next one is asked for. Asking the system's generator for a few bytes costs as much as for thousands. */
function nextNonce(): Uint8Array {
  if (unused === 0) {
    randomFillSync(noise);
    unused = noise.byteLength;
  }
  unused -= nonceLength;
  return noise.subarray(unused, unused + nonceLength);
}
