/**
 * A page of an ordered list of which the caller may see only part: filled past what is somebody else's, in few readings
 * however small the page is, and with a bound on how much is passed.
 */

/** So many rows are passed for one page; then it is shorter, and has a next one. */
export const PASSED_MAX = 1_000;
/** At one reading. */
const ROWS_MAX = 100;

export interface FilledPage<Row, Cursor> {
  readonly shown: readonly Row[];
  /** Where the next page begins; undefined after the last. */
  readonly next?: Cursor;
}

export interface ListToFill<Row, Cursor> {
  /** At most so many rows after the cursor, in an order in which no two are equal. */
  readonly read: (count: number, after: Cursor | undefined) => Promise<readonly Row[]>;
  /** What the caller sees in place of each row; undefined where they see nothing. */
  readonly see: (rows: readonly Row[]) => Promise<readonly (Row | undefined)[]>;
  readonly cursorAfter: (row: Row) => Cursor;
}

/** As many as `count` of what the caller may see. All pages together have each row that they may see exactly once. */
export async function filledPage<Row, Cursor>(
  { read, see, cursorAfter }: ListToFill<Row, Cursor>,
  count: number,
  from: Cursor | undefined,
): Promise<FilledPage<Row, Cursor>> {
  const shown: Row[] = [];
  let after = from;
  let size = Math.min(count, ROWS_MAX);
  for (let passed = 0; count > 0; size = Math.min(2 * size, ROWS_MAX)) {
    // One more tells whether this is the end.
    const found = await read(size + 1, after);
    const rows = found.slice(0, size);
    const seen = await see(rows);
    const taken = seen.findIndex(
      (it, at) => it !== undefined && countUpTo(seen, at) === count - shown.length,
    );
    const isFull = taken >= 0;
    const last = isFull ? taken : rows.length - 1;
    shown.push(...seen.slice(0, last + 1).filter((it) => it !== undefined));
    if (last === found.length - 1) return { shown };
    after = cursorAfter(rows[last]!);
    passed += last + 1;
    if (isFull || passed >= PASSED_MAX) return { shown, next: after };
  }
  return { shown };
}

const countUpTo = (seen: readonly unknown[], at: number) => seen.slice(0, at + 1).filter((it) => it !== undefined).length; // prettier-ignore
