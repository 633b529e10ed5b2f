/** How an endpoint knows who sent a notification: https://www.standardwebhooks.com */
import { createHmac } from 'node:crypto';

export interface Signing {
  /** `whsec_` and the key in Base64. */
  readonly secret: string;
  /** The same for each try of one notification, so that an endpoint can tell that it has it already. */
  readonly messageId: string;
  /** Of this try, in seconds since 1970: an endpoint refuses what is old, so that nobody sends it again later. */
  readonly timestamp: number;
}

export const SECRET_PREFIX = 'whsec_';

export function signatureHeaders(
  { secret, messageId, timestamp }: Signing,
  body: Buffer,
): Readonly<Record<string, string>> {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  const signature = createHmac('sha256', key).update(`${messageId}.${timestamp}.`).update(body).digest('base64'); // prettier-ignore
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
}
