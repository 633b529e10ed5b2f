/**
 * The events of a request, whichever way they were sent.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md, …/formats/json-format.md
 */
import { isUtf8 } from 'node:buffer';
import { parseJson, type ExactNumbers, type Problem } from '@carelog/fhir';
import { refuse, Refusal } from '../gateway.ts';
import { elementsOf } from './array-elements.ts';
import { attributesOfHeaders } from './event-headers.ts';

const STRUCTURED = 'application/cloudevents+json';
const BATCHED = 'application/cloudevents-batch+json';
export const BODY_TYPES = [STRUCTURED, BATCHED, 'application/fhir+json', 'application/json'] as const;

export const EVENTS_MAX = 1_000;

export interface SentEvents {
  readonly isBatch: boolean;
  readonly events: readonly SentEvent[];
}

/** `attributes` as they were sent, whatever they are; `data` where the event has any. */
export type SentEvent =
  | {
      readonly kind: 'event';
      readonly attributes: Readonly<Record<string, unknown>>;
      readonly data?: SentData;
      readonly base64?: unknown;
    }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] };

export interface SentData {
  readonly value: unknown;
  readonly exact?: ExactNumbers;
}

type Headers = Readonly<Record<string, string | undefined>>;

/** A refusal where it cannot be told which events there are. */
export function sentEvents(headers: Headers, bytes: Buffer): SentEvents | Refusal {
  if (!isUtf8(bytes)) return NOT_UTF8;
  const text = bytes.toString();
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type === BATCHED) return batchOf(text);
  const event = type === STRUCTURED ? structured(text) : binary(headers, text);
  return event instanceof Refusal ? event : { isBatch: false, events: [event] };
}

function structured(text: string): SentEvent | Refusal {
  const parsed = parseJson(text);
  return parsed.kind === 'malformed' ? new Refusal(parsed.problems) : eventIn(parsed.value, parsed.exact);
}

function binary(headers: Headers, text: string): SentEvent | Refusal {
  if (headers['ce-specversion'] === undefined) return NO_EVENT;
  const attributes = attributesOfHeaders(headers);
  if (attributes.problems.length > 0) return new Refusal(attributes.problems);
  if (text === '') return { kind: 'event', attributes: attributes.values };
  const parsed = parseJson(text);
  if (parsed.kind === 'malformed') return new Refusal(parsed.problems);
  return { kind: 'event', attributes: attributes.values, data: parsed };
}

function batchOf(text: string): SentEvents | Refusal {
  const parsed = parseJson(text);
  if (parsed.kind === 'parsed') {
    const { value, exact } = parsed;
    if (!Array.isArray(value)) return NO_ARRAY;
    if (value.length > EVENTS_MAX) return TOO_MANY;
    return { isBatch: true, events: value.map((it) => eventIn(it, exact)) };
  }
  // What is JSON, but not for us, is so because of some of its events.
  const elements = elementsOf(text, EVENTS_MAX);
  if (elements === undefined) return new Refusal(parsed.problems);
  if (elements.length > EVENTS_MAX) return TOO_MANY;
  return { isBatch: true, events: elements.map(eventInText) };
}

function eventInText(text: string): SentEvent {
  const parsed = parseJson(text);
  return parsed.kind === 'malformed'
    ? { kind: 'wrong', problems: parsed.problems }
    : eventIn(parsed.value, parsed.exact);
}

function eventIn(value: unknown, exact: ExactNumbers | undefined): SentEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'wrong', problems: [NO_OBJECT] };
  }
  const { data, data_base64: base64, ...attributes } = value as Record<string, unknown>;
  return {
    kind: 'event',
    attributes,
    ...(data !== undefined && data !== null && { data: { value: data, ...(exact && { exact }) } }),
    ...(base64 !== undefined && base64 !== null && { base64 }),
  };
}

export const NOT_TAKEN: Problem = {
  category: 'media-type',
  code: 'not-supported',
  message: `Events are taken as ${STRUCTURED}, several as ${BATCHED}, or with ce- headers and the resource as application/fhir+json; no other format of events is. Send one of these in UTF-8.`,
};

const NO_OBJECT: Problem = {
  category: 'incorrect',
  code: 'structure',
  message: 'An event is a JSON object with specversion, id, source, type and data. Send one.',
};

const NOT_UTF8 = refuse({
  category: 'incorrect',
  code: 'structure',
  message: 'The body is not UTF-8. Encode it as UTF-8 without other bytes.',
});

const NO_EVENT = refuse({
  category: 'incorrect',
  code: 'required',
  message: `This is no event: it has no header ce-specversion. Send the attributes as ce- headers, or the whole event as ${STRUCTURED}. A resource by itself goes to /fhir/R4.`,
  expression: 'specversion',
});

const NO_ARRAY = refuse({
  category: 'incorrect',
  code: 'structure',
  message: `A batch is a JSON array of events. Send one event by itself as ${STRUCTURED}.`,
});

const TOO_MANY = refuse({
  category: 'too-large',
  code: 'too-costly',
  message: `A batch may have at most ${EVENTS_MAX} events. Nothing was recorded; send it in parts.`,
});
