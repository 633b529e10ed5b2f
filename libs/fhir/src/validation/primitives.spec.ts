import { describe, expect, test } from 'vitest';
import { primitiveChecks } from './primitives.ts';

const BASE64 = 'TWFu';

// Examples from the specification's pages and its edges, right and wrong.
const examples: Record<string, { right: unknown[]; wrong: unknown[] }> = {
  boolean: { right: [true, false], wrong: ['true', 1, null, {}] },
  integer: { right: [0, -2147483648, 2147483647], wrong: [2147483648, -2147483649, 1.5, '1', NaN] },
  unsignedInt: { right: [0, 1, 2147483647], wrong: [-1, 0.5, 2147483648] },
  positiveInt: { right: [1, 2147483647], wrong: [0, -1, 1.1] },
  decimal: { right: [0, -1.5, 1e-9, 123456789012345], wrong: ['1.0', Infinity, NaN, true] },
  string: {
    right: ['a', ' ', 'two\nlines\tand\rmore', '日本語', 'x'.repeat(1048576), '\u00a0'],
    wrong: ['', '\u0000', 'a\u000bb', 'x'.repeat(1048577), `${'x'.repeat(200)}\u0007`, 1],
  },
  markdown: { right: ['# a\n\nb'], wrong: ['', '\u0001'] },
  code: { right: ['a', 'a b', 'é'], wrong: ['', ' a', 'a ', 'a  b', 'a\tb', 'a\n'] },
  id: { right: ['a', 'A-1.b', 'x'.repeat(64)], wrong: ['', 'a_b', 'x'.repeat(65), 'a b', 'é', 'a\n'] },
  'element-id': { right: ['a', 'a_b/c#d'], wrong: ['', 'a b', 'a\n'] },
  uri: {
    right: ['http://x', 'urn:oid:1', 'x', 'http://例え'],
    wrong: ['', 'a b', ' a', 'a\n', 'http://é x', 'é\u00a0'],
  },
  url: { right: ['mailto:x@y'], wrong: ['', 'a b'] },
  canonical: { right: ['http://x|1.0#frag'], wrong: ['', 'a b'] },
  oid: {
    right: ['urn:oid:1.2.840', 'urn:oid:0.0'],
    wrong: ['1.2', 'urn:oid:3.1', 'urn:oid:1', 'urn:oid:1.01'],
  },
  uuid: {
    right: ['urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0'],
    wrong: [
      '0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0',
      'urn:uuid:0C3151BD-1CBF-4D64-B04D-CD9187A4C6E0',
      'urn:uuid:x',
    ],
  },
  date: {
    right: [
      '2024',
      '2024-02',
      '2024-02-29',
      '2000-02-29',
      '0001-01-01',
      '9999-12-31',
      '2023-04-30',
      '2023-12-31',
    ],
    wrong: [
      '24',
      '0000',
      '2024-13',
      '2024-00',
      '2023-02-29',
      '1900-02-29',
      '2023-04-31',
      '2024-1-1',
      '2024-01-32',
      '2024-01-01T00:00:00Z',
      '2024-01-01\n',
    ],
  },
  dateTime: {
    right: [
      '2024',
      '2024-02-29',
      '2024-02-29T23:59:60Z',
      '2024-01-01T00:00:00.123456789+14:00',
      '2024-01-01T00:00:00-13:59',
    ],
    wrong: [
      '2024-01-01T00:00Z',
      '2024-01-01T00:00:00',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:00:00+14:01',
      '2023-02-29T00:00:00Z',
      '2024-01T00:00:00Z',
      '2024-01-01 00:00:00Z',
      '2024-01-01T00:00:00z',
    ],
  },
  instant: {
    right: ['2024-02-29T23:59:59.000Z'],
    wrong: ['2024-02-29', '2024', '2024-02-29T23:59Z', '2023-02-29T23:59:59Z'],
  },
  time: {
    right: ['00:00:00', '23:59:60', '12:30:00.5'],
    wrong: ['24:00:00', '12:30', '12:30:00Z', '1:00:00'],
  },
  base64Binary: {
    right: [BASE64, 'TQ==', 'TWE=', 'TW Fu\n', BASE64.repeat(100_000)],
    wrong: ['', ' ', 'TWF', 'TWF!', '=', 'T=Fu', 'TWFu=', 'TQ==TWFu', `${BASE64.repeat(100_000)}!AAA`],
  },
};

describe.each(Object.entries(examples))('%s', (type, { right, wrong }) => {
  test.each(right.map((value) => [shown(value), value]))('takes %s', (_, value) => {
    expect(primitiveChecks[type]?.(value)).toBeUndefined();
  });

  test.each(wrong.map((value) => [shown(value), value]))('refuses %s', (_, value) => {
    expect(primitiveChecks[type]?.(value)).toBeTypeOf('string');
  });
});

test('every primitive type has examples', () => {
  expect(Object.keys(examples).sort()).toEqual(Object.keys(primitiveChecks).sort());
});

function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 20)}… of ${text.length}` : text;
}
