import type { RecordMetadata } from 'kafkajs';
import { expect, it } from 'vitest';
import { checkAnswer, SendDoubt } from './lane-producer.ts';
import type { LanePage } from './lane-producer.ts';
import { encodeHeartbeat } from './message.ts';

const beat = [encodeHeartbeat(0, { epoch: 'an epoch', previous: 0 })];
const page: LanePage = new Map([
  [0, beat],
  [3, beat],
]);
const kept = (partition: number, special: Partial<RecordMetadata> = {}): RecordMetadata => ({
  topicName: 'log',
  partition,
  errorCode: 0,
  baseOffset: '17',
  ...special,
});

it('believes an answer that has every lane with an offset', () => {
  expect(() => checkAnswer('log', page, [kept(3), kept(0, { baseOffset: '0' })])).not.toThrow();
});

it.each<[string, RecordMetadata[]]>([
  ['nothing', []],
  // What kafkajs answers when a leader has moved to a broker that had answered already.
  ['only some of the lanes', [kept(0)]],
  ['a lane that was not asked about', [kept(0), kept(3), kept(5)]],
  ['one lane twice', [kept(0), kept(0), kept(3)]],
  ['another topic', [kept(0), kept(3, { topicName: 'another' })]],
  ['an error', [kept(0), kept(3, { errorCode: 6 })]],
  // What a broker answers that knew the batch already, or did not wait for the others.
  ['no offset', [kept(0), kept(3, { baseOffset: '-1' })]],
])('doubts an answer that has %s', (_, answer) => {
  expect(() => checkAnswer('log', page, answer)).toThrow(SendDoubt);
});
