import { createMemoryEventStore } from '@carelog/event-store';
import type { NewEvent, RecordedEvent } from '@carelog/event-store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { laneOf } from './lanes.ts';
import { decodeMessage, encodeHeartbeat, encodeMessage } from './message.ts';
import { isSealed, sealMessage } from './message-seal.ts';
import type { LaneMessage, ReceivedMessage } from './message.ts';

const epoch = '01a1fdf0-ab8c-7000-807f-5abe7a93ef82';

describe('a message', () => {
  it('gives back the event it was made from, byte for byte, whatever is in it', async () => {
    await fc.assert(
      fc.asyncProperty(anEvent, fc.nat(), async (special, step) => {
        const event = await recorded(special);
        const previous = step % event.position;
        expect(decodeMessage(received(encodeMessage(event, { epoch, previous })))).toEqual({
          kind: 'event',
          epoch,
          previous,
          event,
        });
      }),
    );
  });

  it('is never taken for another event once a bit of it, or one of its headers, has changed', async () => {
    await fc.assert(
      fc.asyncProperty(anEvent, fc.nat(), fc.nat(), async (special, at, of) => {
        const event = await recorded(special);
        const message = received(encodeMessage(event, { epoch, previous: 0 }));
        const flipped = Buffer.from(message.value!);
        flipped[at % flipped.byteLength]! ^= 1 << (of % 8);
        expect(decodeMessage({ ...message, value: flipped })).toMatchObject({ kind: 'unreadable' });

        const names = ['position', 'stream', 'revision', 'eventId', 'digest'];
        const name = names[of % names.length]!;
        const other = { ...message.headers, [name]: Buffer.from('77') };
        expect(decodeMessage({ ...message, headers: other })).toMatchObject({ kind: 'unreadable' });
        expect(decodeMessage({ ...message, key: Buffer.from('another partition') })).toMatchObject({
          kind: 'unreadable',
        });
      }),
    );
  });

  it('is known by its seal, until a header of it, its topic or its lane is another', async () => {
    await fc.assert(
      fc.asyncProperty(anEvent, fc.boolean(), fc.nat(), async (special, isBeat, of) => {
        const event = await recorded(special);
        const place = { epoch, previous: 1 };
        const message = isBeat ? encodeHeartbeat(event.position, place) : encodeMessage(event, place);
        const sealing = { key: Buffer.alloc(32, 7), topic: 'a topic', lane: 3 };
        const sealed = received(sealMessage(message, sealing));
        expect(isSealed(sealed, sealing)).toBe(true);
        expect(isSealed(received(message), sealing)).toBe(false);
        expect(isSealed(sealed, { ...sealing, key: Buffer.alloc(32, 8) })).toBe(false);
        expect(isSealed(sealed, { ...sealing, topic: 'another' })).toBe(false);
        expect(isSealed(sealed, { ...sealing, lane: 4 })).toBe(false);
        const names = Object.keys(sealed.headers!);
        const other = { ...sealed.headers, [names[of % names.length]!]: Buffer.from('77') };
        expect(isSealed({ ...sealed, headers: other }, sealing)).toBe(false);
        expect(isSealed({ ...sealed, headers: { ...sealed.headers, heartbeat: undefined } }, sealing)).toBe(
          !isBeat,
        );
      }),
    );
  });

  it('may be anything at all', () => {
    const anything = fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes)));
    const headers = fc.dictionary(
      fc.constantFrom('epoch', 'position', 'previousPositionInPartition', 'digest', 'heartbeat'),
      fc.oneof(
        fc.string(),
        fc.nat().map(String),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
    );
    fc.assert(
      fc.property(anything, anything, headers, (key, value, said) => {
        expect(['unreadable', 'heartbeat']).toContain(decodeMessage({ key, value, headers: said }).kind);
      }),
    );
    expect(decodeMessage({ key: null, value: null }).kind).toBe('unreadable');
  });
});

describe('a heartbeat', () => {
  it('says how far the lane is complete', () => {
    const message = received(encodeHeartbeat(12, { epoch, previous: 9 }));
    expect(decodeMessage(message)).toEqual({ kind: 'heartbeat', epoch, previous: 9, position: 12 });
  });

  it('is left aside when it contradicts itself', () => {
    expect(decodeMessage(received(encodeHeartbeat(9, { epoch, previous: 12 }))).kind).toBe('unreadable');
  });
});

describe('the lane of a partition', () => {
  // Fixed for a topic's life: these must hold for ever.
  it.each([
    ['shared', 8, 3],
    ['01a1fdf0-ab8c-7000-807f-5abe7a93ef82', 8, 5],
    ['01a1fdf0-ab8c-7000-807f-5abe7a93ef82', 100, 9],
    ['Ærøskøbing', 8, 3],
  ])('%s, of %i lanes, is %i', (partition, lanes, lane) => {
    expect(laneOf(partition, lanes)).toBe(lane);
  });

  it('spreads partitions evenly enough that no lane has twice its share', () => {
    const counts = new Array<number>(16).fill(0);
    for (let n = 0; n < 16_000; n++)
      counts[laneOf(`0199b1f0-ab8c-7000-8000-${String(n).padStart(12, '0')}`, 16)]! += 1;
    expect(Math.max(...counts)).toBeLessThan(2_000);
    expect(Math.min(...counts)).toBeGreaterThan(500);
  });
});

const word = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const anEvent: fc.Arbitrary<NewEvent> = fc.record({
  id: fc.uuid({ version: 7 }),
  type: word,
  schemaVersion: fc.integer({ min: 1, max: 9 }),
  partition: fc.oneof(fc.constant('shared'), fc.uuid()),
  occurredAt: fc.constant('2026-01-01T03:12:00+01:00'),
  publisher: fc.record({ organisation: word, system: word }),
  careSetting: word,
  action: fc.constantFrom('new', 'amend', 'retract'),
  labels: fc.array(word, { maxLength: 3 }),
  correlationId: fc.uuid(),
  keyId: word,
  content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

/** As the log gives it, at some position of it. */
async function recorded(event: NewEvent): Promise<RecordedEvent> {
  const store = createMemoryEventStore();
  const filler = { ...event, id: '00000000-0000-7000-8000-000000000000', content: Buffer.alloc(0) };
  await store.append([{ stream: 'filler', expectedRevision: 'any', events: [filler] }]);
  await store.append([{ stream: 'Observation/1', expectedRevision: 'any', events: [event] }]);
  const [last] = await store.readAll({ after: 1 });
  await store.close();
  return last!;
}

/** As a Kafka client hands it over: everything as bytes. */
function received({ key, value, headers }: LaneMessage): ReceivedMessage {
  return {
    key: key === null ? null : Buffer.from(key),
    value,
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  };
}
