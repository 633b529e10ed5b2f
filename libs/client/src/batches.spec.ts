import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batchesOf } from './batches.ts';

const MEBIBYTE = 1024 * 1024;

it('holds each event once, in order, in batches of at most 500 and 4 MiB', () => {
  const sizes = fc.array(fc.constantFrom(0, 1, 1_000, MEBIBYTE, 2 * MEBIBYTE, 5 * MEBIBYTE), { maxLength: 20 });
  fc.assert(
    fc.property(sizes, (all) => {
      const texts = all.map((size) => 'x'.repeat(size));
      const batches = batchesOf(texts);
      expect(batches.flatMap(({ indexes }) => indexes)).toEqual([...texts.keys()]);
      for (const { indexes, texts: own } of batches) {
        expect(own).toEqual(indexes.map((index) => texts[index]));
        if (own.length > 1) expect(`[${own.join(',')}]`.length).toBeLessThanOrEqual(4 * MEBIBYTE);
      }
    }),
    { numRuns: 50 },
  );
}); // prettier-ignore

it('counts bytes, and fills each batch', () => {
  expect(batchesOf(Array.from({ length: 1_001 }, () => '{}')).map(({ texts }) => texts.length)).toEqual([500, 500, 1]); // prettier-ignore
  expect(batchesOf(['é'.repeat(MEBIBYTE), 'é'.repeat(MEBIBYTE)])).toHaveLength(2);
  expect(batchesOf(['e'.repeat(MEBIBYTE), 'e'.repeat(MEBIBYTE)])).toHaveLength(1);
  expect(batchesOf([])).toEqual([]);
});
