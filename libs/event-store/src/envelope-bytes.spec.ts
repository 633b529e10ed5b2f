import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEnvelope, encodeEnvelope } from './envelope-bytes.ts';
import type { Envelope } from './envelope.ts';

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\u0000', '\ud800', '\u2028', '"\\/', ' '),
);
const natural = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const envelope: fc.Arbitrary<Envelope> = fc.record(
  {
    id: text,
    stream: text,
    revision: natural,
    position: natural,
    partition: text,
    previousInPartition: natural,
    type: text,
    schemaVersion: natural,
    occurredAt: text,
    recordedAt: text,
    publisher: fc.record({ organisation: text, system: text }, { noNullPrototype: true }),
    author: fc.record({ id: text, roleProfile: text }, { requiredKeys: ['id'], noNullPrototype: true }),
    careSetting: text,
    action: fc.constantFrom('new' as const, 'amend' as const, 'retract' as const),
    sourceVersion: fc.record(
      { version: text, issuedAt: text },
      { requiredKeys: ['version'], noNullPrototype: true },
    ),
    labels: fc.array(text, { maxLength: 3 }),
    correlationId: text,
    causationId: text,
    keyId: text,
    fingerprint: text,
    trace: text,
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      'id',
      'stream',
      'revision',
      'position',
      'partition',
      'previousInPartition',
      'type',
      'schemaVersion',
      'occurredAt',
      'recordedAt',
      'publisher',
      'careSetting',
      'action',
      'labels',
      'correlationId',
      'keyId',
    ],
  },
);

const example: Envelope = {
  fingerprint: 'f1',
  id: '01a1fdf0-ab8c-7000-807f-5abe7a93ef82',
  stream: 'Observation/1',
  revision: 2,
  position: 3,
  partition: 'p',
  previousInPartition: 1,
  type: 'observation.recorded',
  schemaVersion: 1,
  occurredAt: '2026-01-01T03:12:00+01:00',
  recordedAt: '2026-01-01T02:12:01.000Z',
  publisher: { system: 'urn:system', organisation: 'RX1' },
  author: { roleProfile: 'R8000', id: 'staff-1' },
  careSetting: 'acute',
  action: 'amend',
  sourceVersion: { issuedAt: '2026-01-01T03:12:00+01:00', version: '7' },
  labels: ['R', 'naïve'],
  correlationId: 'c',
  causationId: 'd',
  keyId: 'k',
};

describe('the canonical bytes of an envelope', () => {
  it('are these, for ever: version 1 is what logs hold', () => {
    expect(Buffer.from(encodeEnvelope(example)).toString('utf8')).toBe(
      '{"v":1,"id":"01a1fdf0-ab8c-7000-807f-5abe7a93ef82","stream":"Observation/1","revision":2,"position":3,"partition":"p",' +
        '"previousInPartition":1,"type":"observation.recorded","schemaVersion":1,"occurredAt":"2026-01-01T03:12:00+01:00",' +
        '"recordedAt":"2026-01-01T02:12:01.000Z","publisher":{"organisation":"RX1","system":"urn:system"},' +
        '"author":{"id":"staff-1","roleProfile":"R8000"},"careSetting":"acute","action":"amend",' +
        '"sourceVersion":{"version":"7","issuedAt":"2026-01-01T03:12:00+01:00"},"labels":["R","naïve"],"correlationId":"c",' +
        '"causationId":"d","keyId":"k","fingerprint":"f1"}',
    );
  });

  it('end with the trace where there is one, and are otherwise what they were before there were traces', () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const without = Buffer.from(encodeEnvelope(example)).toString('utf8');
    const bytes = Buffer.from(encodeEnvelope({ ...example, trace })).toString('utf8');
    expect(bytes).toBe(`${without.slice(0, -1)},"trace":"${trace}"}`);
  });

  it('give the envelope back, all of it and nothing more', () => {
    fc.assert(
      fc.property(envelope, (original) => {
        expect(decodeEnvelope(encodeEnvelope(original))).toStrictEqual(original);
      }),
    );
  });

  it('are JSON as JSON.stringify writes it, and the same after reading and writing again', () => {
    fc.assert(
      fc.property(envelope, (original) => {
        const bytes = encodeEnvelope(original);
        const written = Buffer.from(bytes).toString('utf8');
        expect(JSON.stringify(JSON.parse(written))).toBe(written);
        expect(encodeEnvelope(decodeEnvelope(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each([
    ['{"v":2,"id":"x"}', /version 2 .* reads version 1/],
    ['{"id":"x"}', /should be an envelope are not/],
    ['not JSON', /should be an envelope are not/],
    ['', /should be an envelope are not/],
    ['null', /should be an envelope are not/],
  ])('are refused where they are %s, without quoting them', (bytes, says) => {
    expect(() => decodeEnvelope(Buffer.from(bytes))).toThrow(
      expect.objectContaining({ code: 'damaged', message: expect.stringMatching(says) }),
    );
  });
});
