/**
 * What is sent to the FHIR base at once: one transaction or batch, under a key that is derived from its content and its
 * place, so that sending it again is recognised. https://hl7.org/fhir/R4/http.html#transaction
 */
import { createHash } from 'node:crypto';

export interface Submission {
  readonly file: string;
  /** Text of the Bundle, with every resource as it was written. */
  readonly body: string;
  readonly idempotencyKey: string;
  /** Where each entry stands in the file, for people: `entry 3`, `line 17`; empty where the file is one resource. */
  readonly places: readonly string[];
}

/** One resource on its way into a Bundle. */
export interface Item {
  readonly text: string;
  readonly type: string;
  readonly id?: string;
  readonly fullUrl?: string;
  readonly place: string;
}

/** An id as FHIR allows it, and not an NHS number in disguise: the server refuses those. */
export function isUsableId(id: unknown): id is string {
  return typeof id === 'string' && /^[A-Za-z0-9.-]{1,64}$/.test(id) && !/^\d{3}-?\d{3}-?\d{4}$/.test(id);
}

export function bundleOf(type: 'transaction' | 'batch', items: readonly Item[]): string {
  return `{"resourceType":"Bundle","type":"${type}","entry":[${items.map(entryText).join(',')}]}`;
}

/** The same for the same content at the same place, whoever runs the import and whenever. */
export function keyOf(place: string, content: string): string {
  const hex = createHash('sha256').update(`${place}\n`).update(content).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function entryText({ text, type, id, fullUrl }: Item): string {
  const url = id === undefined ? type : `${type}/${id}`;
  const name = fullUrl === undefined ? '' : `"fullUrl":${JSON.stringify(fullUrl)},`;
  return `{${name}"resource":${text},"request":{"method":"${id === undefined ? 'POST' : 'PUT'}","url":"${url}"}}`;
}
