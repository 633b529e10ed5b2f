/** Pages of a list of which the caller sees part: together they have each row once, in few readings. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { filledPage, PASSED_MAX } from './filled-page.ts';

/** A list of the rows 0, 1, …, of which those are seen that `isSeen`, each in another guise. */
function listOf(length: number, isSeen: (row: number) => boolean) {
  const readings: number[] = [];
  return {
    readings,
    async read(count: number, after: number | undefined) {
      readings.push(count);
      const from = after === undefined ? 0 : after + 1;
      return Array.from({ length: Math.max(0, Math.min(count, length - from)) }, (_, at) => from + at);
    },
    see: async (rows: readonly number[]) => rows.map((it) => (isSeen(it) ? it : undefined)),
    cursorAfter: (row: number) => row,
  };
}

describe('pages', () => {
  it('have together each row that is seen once, in order, and all but the last are full', async () => {
    const anyList = fc.tuple(fc.array(fc.boolean(), { maxLength: 300 }), fc.integer({ min: 1, max: 120 }));
    await fc.assert(
      fc.asyncProperty(anyList, async ([seen, count]) => {
        const list = listOf(seen.length, (it) => seen[it]!);
        const pages: (readonly number[])[] = [];
        for (let after: number | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
          const { shown, next } = await filledPage(list, count, after);
          pages.push(shown);
          after = next;
        }
        expect(pages.flat()).toEqual(seen.flatMap((it, at) => (it ? [at] : [])));
        for (const page of pages.slice(0, -1)) expect(page).toHaveLength(count);
      }),
    );
  });

  it.each([1, 2, 50, 100])(
    'of %i pass a thousand rows of others in at most twenty readings, then are shorter',
    async (count) => {
      const list = listOf(5_000, (it) => it >= 4_000);
      const { shown, next } = await filledPage(list, count, undefined);
      expect(shown).toEqual([]);
      expect(next).toBeGreaterThanOrEqual(PASSED_MAX - 1);
      expect(next).toBeLessThan(PASSED_MAX + 100);
      expect(list.readings.length).toBeLessThanOrEqual(20);
    },
  );

  it('of nothing read nothing', async () => {
    const list = listOf(5, () => true);
    expect([await filledPage(list, 0, undefined), list.readings]).toEqual([{ shown: [] }, []]);
  });
});
