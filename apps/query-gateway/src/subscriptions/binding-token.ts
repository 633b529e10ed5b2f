/**
 * What a websocket is bound to its subscriptions with: sealed and short-lived, and kept nowhere, so that any gateway takes what
 * another gave. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-get-ws-binding-token.html
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const LASTS_MS = 60_000;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LENGTH_MAX = 16 * 1024;

export interface Binding {
  /** Of subscriptions. */
  readonly ids: readonly string[];
  /** Milliseconds UTC. */
  readonly until: number;
}

/** `key`: 32 bytes that only this installation has. */
export function bindingToken(
  key: Uint8Array,
  ids: readonly string[],
  now: number,
): Binding & { readonly token: string } {
  const binding: Binding = { ids, until: now + LASTS_MS };
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, ownKey(key), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(binding)), cipher.final()]);
  return { ...binding, token: Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64url') };
}

/** Undefined for what was not given here, and for what is over. */
export function boundBy(key: Uint8Array, token: string, now: number): Binding | undefined {
  if (token.length > LENGTH_MAX) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const end = bytes.length - TAG_BYTES;
  if (end <= NONCE_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, ownKey(key), bytes.subarray(0, NONCE_BYTES)).setAuthTag(
    bytes.subarray(end),
  );
  const opened = decipher.update(bytes.subarray(NONCE_BYTES, end));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  const binding = JSON.parse(opened.toString()) as Binding;
  return binding.until > now ? binding : undefined;
}

const ownKey = (key: Uint8Array): Buffer =>
  createHmac('sha256', key).update('carelog subscriptions binding').digest();
