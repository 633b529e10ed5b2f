/**
 * By what a projector knows that a message is of a relay of ours, and in the lane that it was sent to: an HMAC of where it
 * belongs, with a key that only services have. Contents are sealed and their digest is under it; without it whoever can write
 * the topic could say that a lane is complete when it is not.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { LaneMessage, ReceivedMessage } from './message.ts';

export interface Sealing {
  readonly key: Uint8Array;
  readonly topic: string;
  readonly lane: number;
}

export function sealMessage(message: LaneMessage, sealing: Sealing): LaneMessage {
  const seal = sealOf(message.headers, sealing).toString('hex');
  return { ...message, headers: { ...message.headers, seal } };
}

/** Whether it was sealed with this key, for this lane. Never throws. */
export function isSealed({ headers = {} }: ReceivedMessage, sealing: Sealing): boolean {
  const told = Buffer.from(headers['seal']?.toString() ?? '', 'hex');
  const made = sealOf(headers, sealing);
  return told.byteLength === made.byteLength && timingSafeEqual(told, made);
}

const NAMES = [
  'heartbeat',
  'epoch',
  'position',
  'previousPositionInPartition',
  'stream',
  'revision',
  'eventId',
  'digest',
];

function sealOf(headers: NonNullable<ReceivedMessage['headers']>, { key, topic, lane }: Sealing): Buffer {
  const place = JSON.stringify([topic, lane, ...NAMES.map((name) => headers[name]?.toString())]);
  return createHmac('sha256', key).update(place).digest();
}
