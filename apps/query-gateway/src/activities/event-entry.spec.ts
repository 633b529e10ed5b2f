import { describe, expect, it } from 'vitest';
import { checkEvent } from './event-entry.ts';
import { sentEvents, type SentEvents } from './sent-events.ts';

const encounter = {
  resourceType: 'Encounter',
  id: 'e1',
  status: 'in-progress',
  class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMER' },
};
const base64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('base64');

/** The smallest event, with what a row changes; `undefined` leaves an attribute out. */
const event = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  specversion: '1.0',
  id: '1',
  source: 'urn:x',
  type: 'encounter.started',
  data: encounter,
  ...change,
});

function check(sent: unknown) {
  const headers = { 'content-type': 'application/cloudevents-batch+json' };
  const { events } = sentEvents(headers, Buffer.from(JSON.stringify([sent]))) as SentEvents;
  return checkEvent(events[0]!, '[0].');
}

const long = (length: number): string => 'a'.repeat(length);
const leap = '2024-02-29T23:59:60.123456789+05:30';

describe('an event is taken', () => {
  it.each<[string, Record<string, unknown>]>([
    ['with what it needs', {}],
    ['by its national name', { type: 'professional-contacts-1', data: { ...encounter, status: 'finished' } }],
    ['of any activity', { type: 'activity.published' }],
    ['with a long id', { id: long(256) }],
    ['with an id in any script', { id: 'Ω 1 👩' }],
    ['with a long source', { source: `urn:${long(1_020)}` }],
    ['with a relative source', { source: '/wards/7?bed=1#x' }],
    ['with a time', { time: leap }],
    ['with a subject', { subject: 'Patient/abc' }],
    ['with a subject of ten digits that are no NHS number', { subject: '9434765918' }],
    ['with the type of its data', { datacontenttype: 'application/fhir+json; charset=utf-8' }],
    ['with a schema', { dataschema: 'https://example.org/schema' }],
    ['with what is not set', { time: null, subject: null, data_base64: null, datacontenttype: null }],
    ['with extensions', { traceparent: '00-x', sequence: 2147483647, sampled: true, [long(64)]: '' }],
    ['with data in base64', { data: undefined, data_base64: base64(JSON.stringify(encounter)) }],
    ['with a Bundle that is a document', { type: 'bundle.recorded', data: { resourceType: 'Bundle', id: 'b', type: 'collection' } }], // prettier-ignore
  ])('%s', (_, change) => {
    const checked = check(event(change));
    expect(checked).toMatchObject({ kind: 'entry', entry: { method: 'PUT', expression: '[0].data' } });
  });

  it('without an id to be created, with one to stand there', () => {
    const { id: _id, ...unnamed } = encounter;
    expect(check(event({ data: unnamed }))).toMatchObject({ entry: { method: 'POST', type: 'Encounter' } });
    expect(check(event())).toMatchObject({ entry: { method: 'PUT', type: 'Encounter', id: 'e1' } });
  });

  it('under a name that another source or id does not have', () => {
    const nameOf = (change: object) => {
      const checked = check(event({ ...change }));
      return checked.kind === 'entry' ? checked.entry.publishedAs : undefined;
    };
    const names = [{}, { id: '2' }, { source: 'urn:y' }, { source: 'urn:x1', id: '' + 1 }, { source: 'urn:x', id: '11' }]; // prettier-ignore
    expect(new Set(names.map(nameOf)).size).toBe(names.length);
    expect(nameOf({ time: leap })).toBe(nameOf({}));
  });
});

describe('an event is refused', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['that is no object', 7, '[0]', /JSON object/],
    ['that is nothing', null, '[0]', /JSON object/],
    ['that is an array', [], '[0]', /JSON object/],
    ['without a version', event({ specversion: undefined }), '[0].specversion', /Send "1\.0"/],
    ['of another version', event({ specversion: '0.3' }), '[0].specversion', /Send "1\.0"/],
    ['with a version that is a number', event({ specversion: 1 }), '[0].specversion', /Send "1\.0"/],
    ['without an id', event({ id: undefined }), '[0].id', /UUID/],
    ['with an empty id', event({ id: '' }), '[0].id', /UUID/],
    ['with an id that is a number', event({ id: 7 }), '[0].id', /UUID/],
    ['with an id that is too long', event({ id: long(257) }), '[0].id', /256/],
    ['with a control character in its id', event({ id: 'a\u0007' }), '[0].id', /UUID/],
    ['without a source', event({ source: undefined }), '[0].source', /URI/],
    ['with a source that is too long', event({ source: `urn:${long(1_021)}` }), '[0].source', /1024/],
    ['with a source with blanks', event({ source: 'ward 7' }), '[0].source', /URI/],
    ['with a source that is badly encoded', event({ source: 'urn:%zz' }), '[0].source', /URI/],
    ['with two fragments', event({ source: 'urn:a#b#c' }), '[0].source', /URI/],
    ['without a type', event({ type: undefined }), '[0].type', /encounter\.started/],
    ['with an empty type', event({ type: '' }), '[0].type', /encounter\.started/],
    ['of a type that its data is not', event({ type: 'encounter.ended' }), '[0].type', /Send type encounter\.started/],
    ['of a type in other letters', event({ type: 'Encounter.Started' }), '[0].type', /Send type encounter\.started/],
    ['at a time that is none', event({ time: '2026-02-29T10:00:00Z' }), '[0].time', /RFC 3339/],
    ['at a time without offset', event({ time: '2026-01-31T10:00:00' }), '[0].time', /RFC 3339/],
    ['at a time that is a number', event({ time: 1_700_000_000 }), '[0].time', /RFC 3339/],
    ['of another media type', event({ datacontenttype: 'application/fhir+xml' }), '[0].datacontenttype', /JSON/],
    ['of a media type that begins like JSON', event({ datacontenttype: 'application/jsonx' }), '[0].datacontenttype', /JSON/],
    ['with a relative schema', event({ dataschema: '/schema' }), '[0].dataschema', /absolute/],
    ['with an empty subject', event({ subject: '' }), '[0].subject', /leave it out/],
    ['with an NHS number as subject', event({ subject: '9434765919' }), '[0].subject', /NHS number/],
    ['with a spaced NHS number as subject', event({ subject: '943 476 5919' }), '[0].subject', /NHS number/],
    ['with an NHS number within its subject', event({ subject: 'Patient/9434765919' }), '[0].subject', /NHS number/],
    ['with an extension in capitals', event({ traceParent: 'x' }), '[0]', /lower-case/],
    ['with an extension that is too long', event({ [long(65)]: 'x' }), '[0]', /lower-case/],
    ['with an extension that is an object', event({ extra: {} }), '[0].extra', /32-bit integer/],
    ['with an extension that is a fraction', event({ extra: 0.5 }), '[0].extra', /32-bit integer/],
    ['with too many extensions', event(Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x${n}`, n]))), '[0]', /50/],
    ['without data', event({ data: undefined }), '[0].data', /FHIR R4 resource/],
    ['with data that is nothing', event({ data: null }), '[0].data', /FHIR R4 resource/],
    ['with data that is text', event({ data: JSON.stringify(encounter) }), '[0].data', /JSON object/],
    ['with data of no type', event({ data: {} }), '[0].data', /resourceType/],
    ['with data of a type that is none', event({ data: { resourceType: 'Ward' } }), '[0].data', /resourceType/],
    ['with both kinds of data', event({ data_base64: 'e30=' }), '[0].data_base64', /one of them/],
    ['with base64 that is none', event({ data: undefined, data_base64: 'e30' }), '[0].data_base64', /base64/],
    ['with base64 in other letters', event({ data: undefined, data_base64: 'e3-=' }), '[0].data_base64', /base64/],
    ['with base64 of other bytes', event({ data: undefined, data_base64: base64(Uint8Array.of(0xc0, 0xa0)) }), '[0].data_base64', /UTF-8/],
    ['with base64 of what is not JSON', event({ data: undefined, data_base64: base64('{') }), '[0].data_base64', /not JSON/],
    ['with base64 of what is no resource', event({ data: undefined, data_base64: base64('[]') }), '[0].data_base64', /resource/],
    ['with a transaction', event({ data: { resourceType: 'Bundle', type: 'transaction' } }), '[0].data', /POST \/fhir\/R4\./],
    ['with a batch', event({ data: { resourceType: 'Bundle', type: 'batch' } }), '[0].data', /POST \/fhir\/R4\./],
    ['with a Subscription', event({ data: { resourceType: 'Subscription' } }), '[0].data', /\/fhir\/R4\/Subscription/],
  ])('%s', (_, sent, expression, message) => {
    const checked = check(sent);
    const problems = checked.kind === 'wrong' ? checked.problems : [];
    expect(problems).toEqual([expect.objectContaining({ expression, message: expect.stringMatching(message) })]);
  }); // prettier-ignore

  it('and named to its sender, unless its name is too long for one', () => {
    expect(check(event({ type: 7 }))).toMatchObject({ kind: 'wrong', id: '1', source: 'urn:x' });
    expect(check(event({ id: long(1_025), source: 7 }))).toEqual({
      kind: 'wrong',
      problems: expect.anything(),
    });
  });

  it('with everything that is wrong with it, its resource too', () => {
    const sent = { id: '', time: 'now', Extra: [], type: 'encounter.ended', data: { ...encounter, status: 'x', class: undefined } }; // prettier-ignore
    const checked = check(sent);
    const places = checked.kind === 'wrong' ? checked.problems.map(({ expression }) => expression) : [];
    expect(places.sort()).toEqual(['[0]', '[0]', '[0].data.class', '[0].data.status', '[0].id', '[0].source', '[0].specversion', '[0].time', '[0].type'].sort()); // prettier-ignore
  });

  it.each<[string, unknown]>([
    ['coding', { resourceType: 'Composition', type: { coding: [null, 1, 'x', []] } }],
    ['link', { resourceType: 'Patient', link: [null, 'x'] }],
    ['category', { resourceType: 'CarePlan', category: [null, { coding: {} }] }],
  ])('and not thrown out by a %s that is none', (_, data) => {
    expect(check(event({ data, type: 'x' }))).toMatchObject({ kind: 'wrong' });
  });
});
