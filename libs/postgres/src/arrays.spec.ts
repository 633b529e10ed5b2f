// What PostgreSQL makes of them is in `arrays.int.spec.ts`.
import { describe, expect, it } from 'vitest';
import { arrayOf } from './arrays.ts';

describe('an array in binary', () => {
  it.each([
    ['text', ['a', null, 'é'], '00000001' + '00000001' + '00000019' + '00000003' + '00000001' + '0000000161' + 'ffffffff' + '00000002c3a9'], // prettier-ignore
    ['text', [], '00000000' + '00000000' + '00000019'],
    ['bytea', [Uint8Array.of(0, 255)], '00000001' + '00000000' + '00000011' + '00000001' + '00000001' + '0000000200ff'], // prettier-ignore
    ['smallint', [-1], '00000001' + '00000000' + '00000015' + '00000001' + '00000001' + '00000002ffff'],
    ['int', [7], '00000001' + '00000000' + '00000017' + '00000001' + '00000001' + '0000000400000007'],
    ['bigint', [-1], '00000001' + '00000000' + '00000014' + '00000001' + '00000001' + '00000008ffffffffffffffff'], // prettier-ignore
    ['double precision', [1], '00000001' + '00000000' + '000002bd' + '00000001' + '00000001' + '000000083ff0000000000000'], // prettier-ignore
  ] as const)('of %s %j has its header and elements', (type, values, hex) => {
    expect(arrayOf(type, values).toString('hex')).toBe(hex);
  });

  it.each([1.5, NaN, Infinity, 2 ** 53, 'x'])('of whole numbers refuses %s', (value) => {
    expect(() => arrayOf('bigint', [value])).toThrow(RangeError);
  });
});
