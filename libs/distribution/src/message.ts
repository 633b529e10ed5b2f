/**
 * What is in Kafka. An event's message: the key is the event's partition; the value is the length of the canonical envelope
 * (four bytes, big-endian), the envelope, and the sealed content; headers say where the event lies in log and lane, and
 * give a SHA-256 of the value, because kafkajs does not look at Kafka's own checksums. A heartbeat has no key and no
 * value: its headers say how far the lane is complete. Numbers in headers are decimal text.
 */
import { hash } from 'node:crypto';
import { decodeEnvelope, encodeEnvelope } from '@carelog/event-store';
import type { Envelope, RecordedEvent } from '@carelog/event-store';

export interface LaneMessage {
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where an event, or a heartbeat, stands in its lane. */
export interface LanePlace {
  /** Of the store that was read. */
  readonly epoch: string;
  /** Position of the event before it in this lane; 0 for none. Between the two the log has nothing for this lane. */
  readonly previous: number;
}

export type Delivered =
  | (LanePlace & { readonly kind: 'event'; readonly event: RecordedEvent })
  /** `previous` is the last event of this lane, and up to `position` there is no other. */
  | (LanePlace & { readonly kind: 'heartbeat'; readonly position: number })
  /** Damaged, or not ours. The gap that it leaves is filled from the log. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** A message as Kafka clients hand it over. */
export interface ReceivedMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>> | undefined;
}

export function encodeMessage(event: RecordedEvent, { epoch, previous }: LanePlace): LaneMessage {
  const envelope = encodeEnvelope(event);
  const value = Buffer.allocUnsafe(lengthBytes + envelope.byteLength + event.content.byteLength);
  value.writeUInt32BE(envelope.byteLength, 0);
  value.set(envelope, lengthBytes);
  value.set(event.content, lengthBytes + envelope.byteLength);
  return {
    key: event.partition,
    value,
    headers: {
      ...headersOf(epoch, event.position, previous),
      stream: event.stream,
      revision: String(event.revision),
      eventId: event.id,
      digest: sha256(value),
    },
  };
}

/** Says that the last event of the lane is `previous`, and that up to `position` of the log there is no other. */
export function encodeHeartbeat(position: number, { epoch, previous }: LanePlace): LaneMessage {
  return {
    key: null,
    value: Buffer.alloc(0),
    headers: { heartbeat: '1', ...headersOf(epoch, position, previous) },
  };
}

/** Never throws. The event's content is a view of the message's value. */
export function decodeMessage({ key, value, headers = {} }: ReceivedMessage): Delivered {
  const text = (name: string): string => headers[name]?.toString() ?? '';
  const epoch = text('epoch');
  const position = count(text('position'));
  const previous = count(text('previousPositionInPartition'));
  if (epoch === '' || position === undefined || previous === undefined)
    return unreadable('its headers do not say where it belongs');
  if (headers['heartbeat'] !== undefined) {
    if (previous > position) return unreadable('it is a heartbeat that contradicts itself');
    return { kind: 'heartbeat', epoch, previous, position };
  }
  if (value === null || sha256(value) !== text('digest'))
    return unreadable('its value is not what its digest was made of');
  const split = value.byteLength < lengthBytes ? Infinity : lengthBytes + value.readUInt32BE(0);
  if (split > value.byteLength) return unreadable('its value ends within the envelope');
  const envelope = envelopeIn(value.subarray(lengthBytes, split));
  if (!envelope) return unreadable('its envelope cannot be decoded');
  const agrees =
    envelope.position === position &&
    envelope.partition === key?.toString() &&
    envelope.stream === text('stream') &&
    String(envelope.revision) === text('revision') &&
    envelope.id === text('eventId') &&
    previous < position;
  if (!agrees) return unreadable('its headers contradict its envelope');
  return { kind: 'event', epoch, previous, event: { ...envelope, content: value.subarray(split) } };
}

const lengthBytes = 4;

function headersOf(epoch: string, position: number, previous: number): Record<string, string> {
  return { epoch, position: String(position), previousPositionInPartition: String(previous) };
}

function count(text: string): number | undefined {
  return /^(0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

function envelopeIn(bytes: Buffer): Envelope | undefined {
  try {
    return decodeEnvelope(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(reason: string): Delivered {
  return { kind: 'unreadable', reason };
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
