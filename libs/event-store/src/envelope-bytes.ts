/**
 * The canonical bytes of an envelope, version 1: UTF-8 JSON without white space, strings escaped as `JSON.stringify` does,
 * integers in decimal, and keys in exactly this order, absent ones left out:
 *
 *     v id stream revision position partition previousInPartition type schemaVersion occurredAt recordedAt
 *     publisher{organisation system} author{id roleProfile} careSetting action sourceVersion{version issuedAt}
 *     labels[] correlationId causationId keyId fingerprint trace
 *
 * They are stored as they are and hashed as they are, so this version's order never changes: another order is another `v`.
 */
import type { Envelope, RecordedEvent } from './envelope.ts';
import { StoreFault } from './store-fault.ts';

/** The canonical form as text; its bytes are the UTF-8 of it. */
export function encodeEnvelopeText(e: Envelope): string {
  let text = `{"v":1,"id":${quote(e.id)},"stream":${quote(e.stream)},"revision":${e.revision},"position":${e.position}`;
  text += `,"partition":${quote(e.partition)},"previousInPartition":${e.previousInPartition},"type":${quote(e.type)}`;
  text += `,"schemaVersion":${e.schemaVersion},"occurredAt":${quote(e.occurredAt)},"recordedAt":${quote(e.recordedAt)}`;
  text += `,"publisher":{"organisation":${quote(e.publisher.organisation)},"system":${quote(e.publisher.system)}}`;
  if (e.author) {
    text += `,"author":{"id":${quote(e.author.id)}`;
    text += e.author.roleProfile === undefined ? '}' : `,"roleProfile":${quote(e.author.roleProfile)}}`;
  }
  text += `,"careSetting":${quote(e.careSetting)},"action":${quote(e.action)}`;
  if (e.sourceVersion) {
    text += `,"sourceVersion":{"version":${quote(e.sourceVersion.version)}`;
    text += e.sourceVersion.issuedAt === undefined ? '}' : `,"issuedAt":${quote(e.sourceVersion.issuedAt)}}`;
  }
  text += `,"labels":${e.labels.length === 0 ? '[]' : JSON.stringify(e.labels)}`;
  text += `,"correlationId":${quote(e.correlationId)}`;
  if (e.causationId !== undefined) text += `,"causationId":${quote(e.causationId)}`;
  text += `,"keyId":${quote(e.keyId)}`;
  if (e.fingerprint !== undefined) text += `,"fingerprint":${quote(e.fingerprint)}`;
  if (e.trace !== undefined) text += `,"trace":${quote(e.trace)}`;
  return text + '}';
}

/** The canonical bytes. Equal envelopes have equal bytes. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return Buffer.from(encodeEnvelopeText(envelope), 'utf8');
}

/**
 * The envelope these bytes were made from. Throws a `damaged` `StoreFault` for bytes that are not an envelope, and for
 * those of a newer version than this program knows.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  return readEnvelope(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

/** The event with this canonical envelope text and this content. Fails as `decodeEnvelope` does. */
export function decodeEvent(text: string, content: Uint8Array): RecordedEvent {
  const event: Writable<Envelope> & { content?: Uint8Array } = readEnvelope(text);
  event.content = content;
  return event as RecordedEvent;
}

function readEnvelope(text: string): Envelope {
  const { v, ...envelope } = parse(text);
  if (v !== 1) {
    throw new StoreFault(
      'damaged',
      `An envelope of version ${JSON.stringify(v)} was found, and this program reads version 1. If a newer Carelog wrote the log, use that one; otherwise restore it from a backup.`,
    );
  }
  return envelope;
}

function parse(text: string): Envelope & { v: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'v' in value)
      return value as Envelope & { v: unknown };
  } catch {
    // Reported below: the parser's own message would quote the bytes.
  }
  throw new StoreFault('damaged', 'Bytes that should be an envelope are not. Restore the log from a backup.');
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Most strings here need no escaping, and finding that out is several times cheaper than `JSON.stringify`. */
function quote(value: string): string {
  return plain.test(value) ? `"${value}"` : JSON.stringify(value);
}
const plain = /^[ !#-[\]-~]*$/;
