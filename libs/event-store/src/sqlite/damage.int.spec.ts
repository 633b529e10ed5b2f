/** What is on disk is changed behind the log's back: it opens to everything acknowledged, or says where and refuses. */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { someEvent, to } from '../some-event.ts';
import { newEventId } from '../event-id.ts';
import { openSqliteEventStore } from './sqlite-event-store.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-damage-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** A copy of the files as they lie there, as a power cut would leave them. */
function copyOf(path: string): string {
  const copy = join(root, `copy-${++count}`, 'log.sqlite');
  mkdirSync(dirname(copy));
  cpSync(path, copy);
  for (const suffix of ['-wal']) {
    try {
      copyFileSync(path + suffix, copy + suffix);
    } catch {
      // A log that was closed has none.
    }
  }
  return copy;
}

function change(path: string, edit: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  edit(bytes);
  writeFileSync(path, bytes);
}

async function headAfterOpening(path: string): Promise<number> {
  const store = openSqliteEventStore({ path });
  const { position } = store.head();
  const events = await store.readAll({ limit: 10_000 });
  expect(events.map((event) => event.position)).toEqual(
    Array.from({ length: position }, (_, index) => index + 1),
  );
  expect(await store.append([to(newEventId(), 'no-stream', someEvent())])).toMatchObject({
    kind: 'appended',
  });
  await store.close();
  return position;
}

describe('the main file', () => {
  const original = join(root, 'main', 'log.sqlite');
  beforeAll(async () => {
    const store = openSqliteEventStore({ path: original });
    for (let event = 1; event <= 2_000; event++) {
      const content = Buffer.alloc(500, `content of ${event}. `);
      void store.append([
        to(`Observation/number-${event}`, 'no-stream', someEvent({ content, partition: `p${event % 7}` })),
      ]);
    }
    await store.close();
  });

  it('opens as it was closed', async () => {
    expect(await headAfterOpening(copyOf(original))).toBe(2_000);
  });

  it.each<[what: string, edit: (bytes: Buffer) => Buffer | void, says: RegExp]>([
    [
      'one bit of the content of event 777',
      (bytes) => void (bytes[bytes.indexOf('content of 777.')]! ^= 1),
      /event 777 is not what was written/,
    ],
    [
      'one bit of an envelope',
      (bytes) => void (bytes[bytes.indexOf('"stream":"Observation/number-1500"') + 12]! ^= 1),
      /event 1500 is not what was written/,
    ],
    [
      'the stream that an event is filed under',
      (bytes) =>
        void (bytes[
          bytes.lastIndexOf('Observation/number-42', bytes.indexOf('"stream":"Observation/number-42"')) + 14
        ]! ^= 1),
      /event 42 is filed under another id, stream/,
    ],
    ['a page of zeros in the middle', (bytes) => void bytes.fill(0, 4096 * 100, 4096 * 101), /is damaged/],
    ['the last page zeroed', (bytes) => void bytes.fill(0, bytes.length - 4096), /is damaged/],
    ['half of it missing', (bytes) => bytes.subarray(0, bytes.length / 2), /is damaged/],
    ['the last byte missing', (bytes) => bytes.subarray(0, bytes.length - 1), /is damaged/],
    ['all but 100 bytes missing', (bytes) => bytes.subarray(0, 100), /is damaged/],
    ['nothing left', (bytes) => bytes.subarray(0, 0), /is empty/],
    ['noise for a header', (bytes) => void bytes.fill('noise', 0, 100), /is damaged.*not a database/],
  ])('with %s is refused', (_, edit, says) => {
    const path = copyOf(original);
    const bytes = readFileSync(path);
    writeFileSync(path, edit(bytes) ?? bytes);
    expect(() => openSqliteEventStore({ path })).toThrow(
      expect.objectContaining({ code: 'damaged', message: expect.stringMatching(says) }),
    );
  });

  it.each(['event_id', 'event_stream', 'event_partition'])(
    'with a page of the index %s zeroed is refused',
    (index) => {
      const path = copyOf(original);
      const tool = new DatabaseSync(path, { readOnly: true });
      const leaf = tool.prepare("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' LIMIT 1");
      const { pageno } = leaf.get(index) as { pageno: number };
      tool.close();
      change(path, (bytes) => void bytes.fill(0, 4096 * (pageno - 1), 4096 * pageno));
      expect(() => openSqliteEventStore({ path })).toThrow(expect.objectContaining({ code: 'damaged' }));
    },
  );

  it('of something else is refused, and left as it is', () => {
    const path = join(root, 'other.sqlite');
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE event (a)');
    other.close();
    const before = readFileSync(path);
    expect(() => openSqliteEventStore({ path })).toThrow(
      expect.objectContaining({ code: 'damaged', message: expect.stringMatching(/something else/) }),
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('gone from beside its write-ahead log is refused rather than begun anew', () => {
    const path = copyOf(original);
    rmSync(path);
    writeFileSync(`${path}-wal`, 'frames');
    expect(() => openSqliteEventStore({ path })).toThrow(
      expect.objectContaining({ code: 'damaged', message: expect.stringMatching(/main file .* is gone/) }),
    );
  });

  it('is opened again by nothing more than putting the right bytes back', async () => {
    const path = copyOf(original);
    change(path, (bytes) => void bytes.fill(0, 4096 * 50, 4096 * 51));
    expect(() => openSqliteEventStore({ path })).toThrow(expect.objectContaining({ code: 'damaged' }));
    copyFileSync(original, path);
    expect(await headAfterOpening(path)).toBe(2_000);
  });
});

describe('the write-ahead log', () => {
  const original = join(root, 'wal', 'log.sqlite');
  /** Where the frames of the write-ahead log end after each of the transactions, one event each. */
  const ends: number[] = [];
  beforeAll(async () => {
    const store = openSqliteEventStore({ path: join(root, 'wal-live', 'log.sqlite') });
    for (let event = 1; event <= 20; event++) {
      await store.append([to(`s${event}`, 'no-stream', someEvent({ content: Buffer.alloc(9_000, event) }))]);
      ends.push(endOfFrames(join(root, 'wal-live', 'log.sqlite-wal')));
    }
    mkdirSync(dirname(original));
    copyFileSync(join(root, 'wal-live', 'log.sqlite'), original);
    copyFileSync(join(root, 'wal-live', 'log.sqlite-wal'), `${original}-wal`);
    await store.close();
  });

  it('opens whole as a kill leaves it', async () => {
    expect(await headAfterOpening(copyOf(original))).toBe(20);
  });

  it('cut anywhere opens to every transaction that is whole', async () => {
    for (let cut = 0; cut < 30; cut++) {
      const path = copyOf(original);
      const length = Math.floor((ends.at(-1)! * cut) / 30);
      truncateSync(`${path}-wal`, length);
      expect(await headAfterOpening(path)).toBe(ends.filter((end) => end <= length).length);
    }
  });

  it('zeroed from anywhere in the last transaction opens to the one before', async () => {
    const last = ends.at(-2)!;
    for (let from = last; from < ends.at(-1)!; from += 2_222) {
      const path = copyOf(original);
      change(`${path}-wal`, (bytes) => void bytes.fill(0, from));
      expect(await headAfterOpening(path)).toBe(19);
    }
  });

  it('with any one frame of the last transaction unwritten opens to the one before', async () => {
    for (let frame = ends.at(-2)!; frame < ends.at(-1)!; frame += 24 + 4096) {
      const path = copyOf(original);
      change(`${path}-wal`, (bytes) => void bytes.fill(0, frame, frame + 24 + 4096));
      expect(await headAfterOpening(path)).toBe(19);
    }
  });

  it('with frames of an earlier generation behind its end opens to its end', async () => {
    const path = copyOf(original);
    change(`${path}-wal`, (bytes) => {
      // The salts of an earlier generation, in every frame of the second half.
      for (let frame = ends[9]!; frame < ends.at(-1)!; frame += 24 + 4096)
        bytes.writeUInt32BE(bytes.readUInt32BE(16) - 1, frame + 8);
    });
    expect(await headAfterOpening(path)).toBe(10);
  });

  it('damaged in the middle is refused, with file and offset', () => {
    for (let transaction = 0; transaction < 18; transaction++) {
      const start = transaction === 0 ? 32 : ends[transaction - 1]!;
      for (const [at, length] of [
        [start + 500, 1],
        [start, 24],
        [start + 24 + 4096 + 8, 8],
      ] as const) {
        const path = copyOf(original);
        change(`${path}-wal`, (bytes) => {
          for (let index = at; index < at + length; index++) bytes[index]! ^= 0xff;
        });
        const frame = start + (at >= start + 24 + 4096 ? 24 + 4096 : 0);
        expect(() => openSqliteEventStore({ path })).toThrow(
          expect.objectContaining({
            code: 'damaged',
            message: expect.stringContaining(`${path}-wal is damaged at byte ${frame}`),
          }),
        );
      }
    }
  });

  it('with a damaged header is refused', () => {
    const path = copyOf(original);
    change(`${path}-wal`, (bytes) => void (bytes[17]! ^= 1));
    expect(() => openSqliteEventStore({ path })).toThrow(
      expect.objectContaining({
        code: 'damaged',
        message: expect.stringMatching(/-wal is damaged at byte 0/),
      }),
    );
  });

  it('that was never written to opens', async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(20), new Uint8Array(32), new Uint8Array(10_000)]) {
      const path = copyOf(original);
      writeFileSync(`${path}-wal`, bytes);
      expect(await headAfterOpening(path)).toBe(0);
    }
  });
});

/** Behind the last frame that carries the salts of the header; what follows is reserve. */
function endOfFrames(wal: string): number {
  const bytes = readFileSync(wal);
  let end = 32;
  while (end < bytes.length && bytes.compare(bytes, 16, 24, end + 8, end + 16) === 0) end += 24 + 4096;
  return end;
}
