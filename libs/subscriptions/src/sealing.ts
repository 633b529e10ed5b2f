/**
 * What is secret of a subscription. Header lines for its endpoint are sealed before they are stored; the secret by which its
 * notifications are signed is derived, so that it lies nowhere.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { SECRET_PREFIX } from './hooks/signature.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of this way of sealing. */
const FORM = '1.';

export interface Sealing {
  /** Header lines, to be opened with the same id only. */
  seal(subscription: string, headers: readonly string[]): string;
  /** Undefined where it was sealed under another key, for another subscription, or was altered. */
  open(subscription: string, sealed: string): readonly string[] | undefined;
  /** As an endpoint is given it: https://www.standardwebhooks.com. Another one for each generation. */
  signingSecret(subscription: string, generation: number): string;
}

/** `key`: 32 bytes that every gateway has. */
export function sealingBy(key: Uint8Array): Sealing {
  if (key.length !== KEY_BYTES)
    throw new TypeError(`The key must be of ${KEY_BYTES} bytes, not ${key.length}.`);
  const derived = (purpose: string) => createHmac('sha256', key).update(`carelog subscriptions ${purpose}`).digest(); // prettier-ignore
  const [sealingKey, signingKey] = [derived('sealing'), derived('signing')];
  return {
    seal(subscription, headers) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, sealingKey, nonce).setAAD(Buffer.from(subscription));
      const content = [cipher.update(JSON.stringify(headers), 'utf8'), cipher.final()];
      return FORM + Buffer.concat([nonce, ...content, cipher.getAuthTag()]).toString('base64');
    },
    open(subscription, sealed) {
      const bytes = Buffer.from(sealed.slice(FORM.length), 'base64');
      if (!sealed.startsWith(FORM) || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv(CIPHER, sealingKey, bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(Buffer.from(subscription)).setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const content = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
        return JSON.parse(Buffer.concat(content).toString()) as readonly string[];
      } catch {
        return undefined;
      }
    },
    signingSecret: (subscription, generation) =>
      SECRET_PREFIX + createHmac('sha256', signingKey).update(JSON.stringify([subscription, generation])).digest('base64'), // prettier-ignore
  };
}
