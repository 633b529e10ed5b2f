/**
 * Cursors of paging links: stateless, good for one caller and one question only, and sealed, because where a page of a sorted
 * search ends may be somebody's name.
 */
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import type { Cursor } from '@carelog/read-models';
import { refuse, type FhirRequest, type Gateway, type Refusal } from './gateway.ts';

export const CURSOR_PARAMETER = '_cursor';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The link to the page after this one: the same question with a cursor. */
export function nextLink(gateway: Gateway, request: FhirRequest, cursor: Cursor): string {
  const question = questionOf(request);
  const nonce = nextNonce();
  const cipher = createCipheriv(CIPHER, gateway.cursorKey, nonce).setAAD(ownership(request, question));
  const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(cursor)), cipher.final()]);
  const text = `${sealed.toString('base64url')}.${cipher.getAuthTag().toString('base64url')}`;
  return `${request.base}/${question}${question.endsWith('?') ? '' : '&'}${CURSOR_PARAMETER}=${text}`;
}

const nonces = Buffer.alloc(256 * NONCE_BYTES);
let noncesUsed = nonces.length;

// Random bytes cost a system call, however many they are.
function nextNonce(): Buffer {
  if (noncesUsed === nonces.length) {
    randomFillSync(nonces);
    noncesUsed = 0;
  }
  return nonces.subarray(noncesUsed, (noncesUsed += NONCE_BYTES));
}

/** The cursor of a request; `undefined` for a first page; a refusal where it was made for somebody or something else. */
export function cursorOf(gateway: Gateway, request: FhirRequest): Cursor | Refusal | undefined {
  const text = request.query.get(CURSOR_PARAMETER);
  if (text === null) return undefined;
  const cursor = opened(gateway, request, text);
  if (cursor !== undefined) return cursor;
  const message =
    'This paging link was not made for this caller and this search. Follow the links of your own first page, unchanged.';
  return refuse({ category: 'incorrect', code: 'invalid', message, expression: CURSOR_PARAMETER });
}

function opened(gateway: Gateway, request: FhirRequest, text: string): Cursor | undefined {
  const [sealed, tag] = text.split('.').map((part) => Buffer.from(part, 'base64url'));
  if (sealed === undefined || sealed.length <= NONCE_BYTES || tag?.length !== TAG_BYTES) return undefined;
  // Several texts are read as the same bytes; only one of them was sent.
  if (text !== `${sealed.toString('base64url')}.${tag.toString('base64url')}`) return undefined;
  const decipher = createDecipheriv(CIPHER, gateway.cursorKey, sealed.subarray(0, NONCE_BYTES))
    .setAAD(ownership(request, questionOf(request)))
    .setAuthTag(tag);
  const content = decipher.update(sealed.subarray(NONCE_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return JSON.parse(content.toString()) as Cursor;
}

/** Who may follow the links of a request's answer. */
export const ownerOf = ({ caller }: FhirRequest): string => JSON.stringify([caller.subject, caller.system]);

const ownership = (request: FhirRequest, question: string): Buffer =>
  Buffer.from(`${ownerOf(request)}${question}`);

/** `Patient?name=x`: one text for all requests that ask the same. */
function questionOf({ path, query }: FhirRequest): string {
  const asked = new URLSearchParams(query);
  asked.delete(CURSOR_PARAMETER);
  asked.sort();
  return `${path.filter((step) => step !== '_search').join('/')}?${asked}`;
}
