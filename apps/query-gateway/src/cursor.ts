/** Cursors of paging links: stateless, signed, and good for one caller and one question only. */
import { timingSafeEqual } from 'node:crypto';
import type { Cursor } from '@carelog/read-models';
import { refuse, type FhirRequest, type Gateway, type Refusal } from './gateway.ts';

export const CURSOR_PARAMETER = '_cursor';

/** The link to the page after this one: the same question with a cursor. */
export function nextLink(gateway: Gateway, request: FhirRequest, cursor: Cursor): string {
  const payload = Buffer.from(JSON.stringify(cursor)).toString('base64url');
  const question = questionOf(request);
  const signed = `${payload}.${signature(gateway, request, question, payload)}`;
  return `${request.base}/${question}${question.endsWith('?') ? '' : '&'}${CURSOR_PARAMETER}=${signed}`;
}

/** The cursor of a request; `undefined` for a first page; a refusal where it was made for somebody or something else. */
export function cursorOf(gateway: Gateway, request: FhirRequest): Cursor | Refusal | undefined {
  const text = request.query.get(CURSOR_PARAMETER);
  if (text === null) return undefined;
  const [payload = '', given = ''] = text.split('.');
  const expected = Buffer.from(signature(gateway, request, questionOf(request), payload));
  const received = Buffer.from(given);
  if (expected.length === received.length && timingSafeEqual(expected, received)) {
    return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Cursor;
  }
  const message =
    'This paging link was not made for this caller and this search. Follow the links of your own first page, unchanged.';
  return refuse({ category: 'incorrect', code: 'invalid', message, expression: CURSOR_PARAMETER });
}

function signature(gateway: Gateway, request: FhirRequest, question: string, payload: string): string {
  const { subject, system } = request.caller;
  return gateway.sign(`${subject}|${system}|${question}|${payload}`);
}

/** `Patient?name=x`: one text for all requests that ask the same. */
function questionOf({ path, query }: FhirRequest): string {
  const asked = new URLSearchParams(query);
  asked.delete(CURSOR_PARAMETER);
  asked.sort();
  return `${path.filter((step) => step !== '_search').join('/')}?${asked}`;
}
