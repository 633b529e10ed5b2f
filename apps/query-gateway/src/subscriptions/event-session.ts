/**
 * The session of a browser page with the stream of events: its access token in a cookie that only this server can open, that no
 * script sees, that no other site sends, and that goes to the stream alone. Good for as long as the token is.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { refuse, type Refusal } from '../gateway.ts';

export const SESSIONS = '/events/session';

const COOKIE = 'carelog-events';
const CIPHER = 'aes-256-gcm';
const PURPOSE = Buffer.from('session of a stream of events');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** What browsers keep of one cookie, with its name and attributes. */
const COOKIE_CHARACTERS_MAX = 3_800;

/** `Set-Cookie` for a page that has this token. `url`: how clients reach the server. */
export function sessionCookie(
  key: Uint8Array,
  authorization: string | undefined,
  url: string,
): string | Refusal {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(PURPOSE);
  const sealed = [nonce, cipher.update(authorization ?? ''), cipher.final(), cipher.getAuthTag()];
  const text = Buffer.concat(sealed).toString('base64url');
  return text.length > COOKIE_CHARACTERS_MAX ? TOO_LONG : cookie(text, url);
}

export const closedSession = (url: string): string => `${cookie('', url)}; Max-Age=0`;

/** What a page would have sent as `Authorization`. */
export function openedSession(key: Uint8Array, cookies: string | undefined): string | undefined {
  const ours = cookies?.split(';').find((it) => it.trimStart().startsWith(`${COOKIE}=`));
  if (ours === undefined) return undefined;
  const bytes = Buffer.from(ours.trim().slice(COOKIE.length + 1), 'base64url');
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(PURPOSE)
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([opened, decipher.final()]).toString();
  } catch {
    return undefined;
  }
}

function cookie(value: string, url: string): string {
  const secure = url.startsWith('https:') ? '; Secure' : '';
  return `${COOKIE}=${value}; Path=/events; HttpOnly; SameSite=Strict${secure}`;
}

const TOO_LONG = refuse({
  category: 'rejected',
  code: 'too-long',
  message:
    'The access token is too long for a cookie. Read the stream with fetch and the Authorization header instead of EventSource.',
});
