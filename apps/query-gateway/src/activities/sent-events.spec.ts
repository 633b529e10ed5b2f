import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from '@carelog/fhir';
import { Refusal } from '../gateway.ts';
import { checkEvent } from './event-entry.ts';
import { sentEvents, type SentEvents } from './sent-events.ts';

const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' };

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((it) => !/\p{Cc}/u.test(it) && it.trim() === it); // prettier-ignore
const anyEvent = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: text,
    source: fc.webUrl({ withQueryParameters: true }),
    type: fc.constant('observation.recorded'),
    time: fc.option(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((it) => it.toISOString()), { nil: undefined }),
    subject: fc.option(text, { nil: undefined }),
    comexampleextension: text,
    data: fc.record({ resourceType: fc.constant('Observation'), id: fc.uuid(), status: fc.constant('final'), code: fc.record({ text }) }),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'data'] },
); // prettier-ignore

describe('an event', () => {
  it('asks for the same in each of the three modes, with data as JSON or in base64', () => {
    fc.assert(
      fc.property(anyEvent, fc.boolean(), fc.boolean(), (event, isQuoted, isLower) => {
        const { data, ...attributes } = event;
        const inBase64 = { ...attributes, data_base64: Buffer.from(JSON.stringify(data)).toString('base64') };
        const headers = Object.entries(attributes).flatMap(([name, value]) =>
          value === undefined ? [] : [[`ce-${name}`, encoded(value, isQuoted, isLower)]],
        );
        const asked = [
          one(STRUCTURED, event),
          one(STRUCTURED, inBase64),
          one(BATCHED, [event]),
          one({ 'content-type': 'application/fhir+json', ...Object.fromEntries(headers) }, data),
        ];
        expect(asked[0]).toMatchObject({ method: 'PUT', id: data.id, text: JSON.stringify(data) });
        for (const other of asked.slice(1)) expect(other).toEqual(asked[0]);
      }),
    );
  });

  it('keeps the digits of its numbers', () => {
    const data =
      '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}';
    const event = `{"specversion":"1.0","id":"1","source":"urn:x","type":"observation.recorded","data":${data}}`;
    const ways = [
      entryIn(STRUCTURED, event),
      entryIn(BATCHED, `[${event}]`),
      // Beside one that is refused for a member that it has twice.
      entryIn(BATCHED, `[${event},{"id":"2","id":"2"}]`),
    ];
    for (const { text } of ways) expect(text).toBe(data);
  });

  it('is refused by itself where the batch is JSON but the event is not for us', () => {
    const good = JSON.stringify({ specversion: '1.0', id: '1', source: 'urn:x', type: 'flag.raised', data: { resourceType: 'Flag' } }); // prettier-ignore
    const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
    const text = `\ufeff [ ${good} , {"a":1,"a":2}, {"data":${deep}}, {"id":"\\u0000"}, ${good}, "x,]}" ] `;
    const { events } = sentEvents(BATCHED, Buffer.from(text)) as SentEvents;
    expect(events.map(({ kind }) => kind)).toEqual(['event', 'wrong', 'wrong', 'wrong', 'event', 'wrong']);
    expect(checkEvent(events[1]!, '[1].')).toMatchObject({ problems: [{ expression: '[1].a' }] });
  });
});

describe('a request is refused as a whole', () => {
  const event =
    '{"specversion":"1.0","id":"1","source":"urn:x","type":"flag.raised","data":{"resourceType":"Flag"}}';
  const manyBad = `[${Array.from({ length: 1_001 }, () => '{"a":1,"a":1}').join(',')}]`;
  it.each<[string, Record<string, string>, string | Uint8Array, string, RegExp]>([
    ['that is not UTF-8', STRUCTURED, Uint8Array.of(0x7b, 0xff, 0x7d), 'incorrect', /UTF-8/],
    ['that is not JSON', STRUCTURED, '{"id":', 'incorrect', /not JSON/],
    ['that is empty', STRUCTURED, '', 'incorrect', /empty/],
    ['of which a batch is not JSON', BATCHED, `[${event},{"id":}]`, 'incorrect', /not JSON/],
    ['of which a batch is one event', BATCHED, event, 'incorrect', /array/],
    ['of which a batch is no array, and twice', BATCHED, '{"a":1,"a":1}', 'incorrect', /twice/],
    ['with too many events', BATCHED, `[${Array.from({ length: 1_001 }, () => event).join(',')}]`, 'too-large', /1000 events/],
    ['with too many bad events', BATCHED, manyBad, 'too-large', /1000 events/],
    ['without attributes', { 'content-type': 'application/json' }, '{"resourceType":"Flag"}', 'incorrect', /ce-specversion/],
    ['with a header that is no UTF-8', { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': '%C0%A0' }, '{}', 'incorrect', /percent-decoded/],
    ['that says the type of the data twice', { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-datacontenttype': 'application/json' }, '{}', 'incorrect', /Content-Type/],
  ])('%s', (_, headers, body, category, message) => {
    const outcome = sentEvents(headers, Buffer.from(body as string));
    expect(outcome).toBeInstanceOf(Refusal);
    expect((outcome as Refusal).problems).toMatchObject([{ category, message: expect.stringMatching(message) }]);
  }); // prettier-ignore

  it('but not one with as many events as there may be, nor one with none', () => {
    const most = `[${Array.from({ length: 1_000 }, () => event).join(',')}]`;
    expect((sentEvents(BATCHED, Buffer.from(most)) as SentEvents).events).toHaveLength(1_000);
    expect(sentEvents(BATCHED, Buffer.from(' [ ] '))).toEqual({ isBatch: true, events: [] });
    const mostBad = `[${Array.from({ length: 1_000 }, () => '{"a":1,"a":1}').join(',')}]`;
    expect((sentEvents(BATCHED, Buffer.from(mostBad)) as SentEvents).events).toHaveLength(1_000);
  });
});

it.each([
  ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
  ['Euro%20%e2%82%ac', 'Euro €'],
  ['"a \\"b\\" \\\\"', 'a "b" \\'],
  ['100%', '100%'],
  ['%2525', '%25'],
  ['"', '"'],
  ['', ''],
])('the header %s is %s', (sent, meant) => {
  const headers = { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': sent };
  const { events } = sentEvents(headers, Buffer.from('{}')) as SentEvents;
  expect(events[0]).toMatchObject({ attributes: { id: meant } });
});

function one(headers: Record<string, string>, body: unknown) {
  return entryIn(headers, JSON.stringify(body));
}

/** What the first event asks for, its resource as text. */
function entryIn(headers: Record<string, string>, body: string) {
  const sent = sentEvents(headers, Buffer.from(body));
  if (sent instanceof Refusal) throw new Error(sent.problems[0]!.message);
  const checked = checkEvent(sent.events[0]!);
  if (checked.kind === 'wrong') throw new Error(JSON.stringify(checked.problems));
  const { resource, ...entry } = checked.entry;
  const { value, exact } = resource as Exclude<typeof resource, string | undefined>;
  return { ...entry, text: stringify(value, exact) };
}

/** As the binding says, or as its older version did, with quotes and no more than percent signs and what is not ASCII encoded. */
function encoded(value: string, isQuoted: boolean, isLower: boolean): string {
  const plain = isQuoted ? /[ !"&-~]/ : /[!#$&-~]/;
  const bytes = [...Buffer.from(value)].map((byte) => {
    const char = String.fromCharCode(byte);
    if (isQuoted && (char === '"' || char === '\\')) return `\\${char}`;
    const hex = byte.toString(16).padStart(2, '0');
    return plain.test(char) ? char : `%${isLower ? hex : hex.toUpperCase()}`;
  });
  return isQuoted ? `"${bytes.join('')}"` : bytes.join('');
}
