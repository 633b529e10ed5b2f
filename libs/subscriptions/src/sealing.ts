/** What is secret about a subscription: headers for its endpoint, which are sealed, and what its notifications are signed with, which is derived. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { SECRET_PREFIX } from './hooks/signature.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** `key`: 32 bytes. Bound to the subscription: what was sealed for one is opened for no other. */
export function sealHeaders(key: Uint8Array, id: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyFor(key, 'headers'), nonce).setAAD(Buffer.from(id));
  const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(lines)), cipher.final()]);
  return Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Throws where it was sealed under another key or for another subscription. */
export function openHeaders(key: Uint8Array, id: string, sealed: string): readonly string[] {
  if (sealed === '') return [];
  const bytes = Buffer.from(sealed, 'base64url');
  const end = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, keyFor(key, 'headers'), bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(id))
    .setAuthTag(bytes.subarray(end));
  const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]);
  return JSON.parse(opened.toString()) as string[];
}

/** As https://www.standardwebhooks.com writes secrets. Another generation has another, and nothing of it is stored. */
export function signingSecret(key: Uint8Array, id: string, generation: number): string {
  const secret = createHmac('sha256', keyFor(key, 'signing')).update(`${id}|${generation}`).digest('base64');
  return SECRET_PREFIX + secret;
}

/** One key for each use, so that nothing made for one is good for another. */
function keyFor(key: Uint8Array, use: string): Buffer {
  return createHmac('sha256', key).update(`carelog subscriptions ${use}`).digest();
}
