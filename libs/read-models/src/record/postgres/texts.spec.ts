import { describe, expect, it } from 'vitest';
import { columnsIn } from './texts.ts';

describe('columns of a statement', () => {
  it('are sent where it casts to an array, and only there', () => {
    const given = columnsIn('SELECT $1::text, $2::double precision[], $3, $10::int[]');
    const values = given(['a', [1], [2], 4, 5, 6, 7, 8, 9, [10]]);
    expect(values.flatMap((it, at) => (Buffer.isBuffer(it) ? [at] : []))).toEqual([1, 9]);
    expect(values[2]).toEqual([2]);
  });
});
