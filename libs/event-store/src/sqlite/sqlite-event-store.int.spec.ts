/** What the SQLite adapter promises beyond the port: durability, one writer, append-only by the database, a full disk survived. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { describeEventStore, someEvent, to } from '../contract.ts';
import type { EventStore } from '../event-store.ts';
import { openSqliteEventStore } from './sqlite-event-store.ts';
import type { SqliteEventStoreOptions } from './sqlite-event-store.ts';
import { openSqliteLogReader } from './sqlite-log-reader.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-log-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const newPath = () => join(root, `${++count}`, 'log.sqlite');

describeEventStore('sqlite', ({ now }) => openSqliteEventStore({ path: newPath(), now }));

const opened: Pick<EventStore, 'close'>[] = [];
function open(options: SqliteEventStoreOptions) {
  const store = openSqliteEventStore(options);
  opened.push(store);
  return store;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
});

describe('a log in SQLite', () => {
  it('is there again when it is opened again, with its epoch, and goes on where it was', async () => {
    const path = newPath();
    let now = 5_000;
    const before = open({ path, now: () => now });
    await before.append([to('a', 'any', someEvent())]);
    const { epoch } = before.head();
    await before.close();
    now = 1_000;
    const after = open({ path, now: () => now });
    expect(after.head()).toEqual({ position: 1, epoch });
    await after.append([to('a', 1, someEvent())]);
    expect(await after.readAll()).toMatchObject([
      { revision: 1, previousInPartition: 0, recordedAt: '1970-01-01T00:00:05.000Z' },
      { revision: 2, previousInPartition: 1, recordedAt: '1970-01-01T00:00:05.000Z' },
    ]);
  });

  it('answers after the commit: another connection sees what was acknowledged', async () => {
    const path = newPath();
    const store = open({ path });
    const reader = openSqliteLogReader({ path });
    for (let position = 1; position <= 20; position++) {
      await store.append([to('a', 'any', someEvent())]);
      expect(reader.head().position).toBe(position);
    }
    await reader.close();
  });

  it('commits appends of one turn together, and one alone at once', async () => {
    const path = newPath();
    const store = open({ path });
    const commitsBefore = commitFrames(path);
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => store.append([to(`s${index}`, 'any', someEvent())])),
    );
    expect(commitFrames(path) - commitsBefore).toBe(1);
    for (let alone = 0; alone < 5; alone++) await store.append([to('a', 'any', someEvent())]);
    expect(commitFrames(path) - commitsBefore).toBe(6);
  });

  it('shows nothing before its flush has ended, and takes what comes meanwhile with the next one', async () => {
    const path = newPath();
    const store = open({ path });
    const reader = openSqliteLogReader({ path, headSignal: store.headSignal });
    opened.push(reader);
    const flush = holdFlush();
    const first = someEvent();
    const answers = [store.append([to('a', 'any', first)])];
    await vi.waitFor(() => expect(flush.waiting()).toBe(1));
    answers.push(store.append([to('a', 1, someEvent())]), store.append([to('a', 'no-stream', someEvent())]));
    await new Promise((turn) => setImmediate(turn));
    for (const asked of [store, reader]) {
      expect(asked.head().position).toBe(0);
      expect(await asked.freshHead()).toMatchObject({ position: 0 });
      expect(await asked.readAll()).toEqual([]);
      expect(await asked.readStream('a')).toEqual([]);
      expect(await asked.readStream('a', { direction: 'backwards' })).toEqual([]);
      expect(await asked.readPartition('partition-a')).toEqual([]);
      expect(await asked.readEvent(first.id)).toBeUndefined();
    }
    expect(commitFrames(path)).toBe(1);
    flush.release();
    expect(await Promise.all(answers)).toMatchObject([
      { kind: 'appended', events: [{ position: 1 }] },
      { kind: 'appended', events: [{ position: 2 }] },
      { kind: 'revision-mismatch' },
    ]);
    expect(commitFrames(path)).toBe(2);
    expect(await reader.readAll()).toHaveLength(2);
  });

  it('appends nothing more after a flush that failed, goes on reading, and knows after opening what it has', async () => {
    const path = newPath();
    const store = open({ path });
    await store.append([to('a', 'any', someEvent())]);
    const flush = holdFlush();
    const doubtful = someEvent();
    const refused = [store.append([to('a', 1, doubtful)])];
    await vi.waitFor(() => expect(flush.waiting()).toBe(1));
    refused.push(store.append([to('b', 'any', someEvent())]));
    flush.release(new Error('EIO: i/o error, fdatasync'));
    for (const answer of [...refused, store.append([to('c', 'any', someEvent())])])
      await expect(answer).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/EIO.*start Carelog again/),
      });
    expect(await store.readAll()).toHaveLength(1);
    await store.close();
    const again = open({ path });
    expect(await again.append([to('a', 1, doubtful)])).toMatchObject({ kind: 'duplicate' });
    expect(await again.append([to('a', 2, someEvent())])).toMatchObject({
      kind: 'appended',
      events: [{ position: 3 }],
    });
  });

  it('has room for its first commits in the write-ahead log: they do not make the file longer', async () => {
    const path = newPath();
    const store = open({ path });
    const { size } = statSync(`${path}-wal`);
    await store.append([to('a', 'any', someEvent({ content: new Uint8Array(100_000) }))]);
    expect(commitFrames(path)).toBe(1);
    expect(statSync(`${path}-wal`).size).toBe(size);
  });

  it('uses its write-ahead log again from the beginning instead of letting it grow', async () => {
    const path = newPath();
    const store = open({ path });
    const content = new Uint8Array(1024 * 1024);
    let written = 0;
    const walIsShorter = () => statSync(`${path}-wal`).size < written / 2;
    // The checkpointing thread takes its own time, so this goes on until it has had its effect; the limit is 1 GiB.
    while (written < 2 ** 30 && !(written > 192 * 2 ** 20 && walIsShorter())) {
      await store.append([to('a', 'any', someEvent({ content }))]);
      written += content.byteLength;
    }
    expect(walIsShorter()).toBe(true);
  }, 120_000);

  it('belongs to its owner alone', () => {
    const path = newPath();
    open({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });
});

describe('the database itself refuses', () => {
  const columns = "X'01', 'a', 2, 'p', '{}', X'', 0";
  it.each([
    [
      'to change an event',
      "UPDATE event SET content = X'00' WHERE position = 1",
      /append-only: an event cannot be changed/,
    ],
    ['to delete an event', 'DELETE FROM event WHERE position = 2', /append-only: an event cannot be deleted/],
    ['to replace an event', `INSERT OR REPLACE INTO event VALUES (1, ${columns})`, /out of turn/],
    [
      'to replace an event by its id',
      "INSERT OR REPLACE INTO event SELECT 3, id, 'b', 1, partition, envelope, content, checksum FROM event WHERE position = 1",
      /out of turn/,
    ],
    [
      'to replace an event by its revision',
      "INSERT OR REPLACE INTO event VALUES (3, X'01', 'a', 2, 'p', '{}', X'', 0)",
      /out of turn/,
    ],
    [
      'a position that leaves a gap',
      "INSERT INTO event VALUES (4, X'01', 'b', 1, 'p', '{}', X'', 0)",
      /out of turn/,
    ],
    [
      'a revision that leaves a gap',
      "INSERT INTO event VALUES (3, X'01', 'b', 2, 'p', '{}', X'', 0)",
      /out of turn/,
    ],
    ['to change an epoch', "UPDATE epoch SET id = 'x'", /an epoch cannot be changed/],
    ['to delete an epoch', 'DELETE FROM epoch', /an epoch cannot be deleted/],
    [
      'to replace an epoch',
      "INSERT OR REPLACE INTO epoch VALUES (1, 'x', 'x', 0)",
      /Epochs follow one another/,
    ],
  ])('%s', async (_, sql, says) => {
    const path = newPath();
    const store = open({ path });
    await store.append([to('a', 'any', someEvent(), someEvent())]);
    const tool = new DatabaseSync(path);
    expect(() => tool.exec(sql)).toThrow(says);
    tool.close();
    expect(await store.readAll()).toHaveLength(2);
  });
});

describe('a second process', () => {
  it('is told that the log is in use, and gets it once the first is gone, however it went', async () => {
    const path = newPath();
    const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(() => open({ path })).toThrow(
      expect.objectContaining({
        code: 'locked',
        message: expect.stringMatching(/another Carelog.*Stop that one/),
      }),
    );
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(open({ path }).head().position).toBeGreaterThan(0);
  });

  it('is this one too when it opens the log twice; after closing it may', async () => {
    const path = newPath();
    const store = open({ path });
    expect(() => open({ path })).toThrow(expect.objectContaining({ code: 'locked' }));
    await store.append([to('a', 'any', someEvent())]);
    await store.close();
    expect(open({ path }).head().position).toBe(1);
  });
});

describe('kill -9', () => {
  it('loses nothing that was acknowledged, in each of several rounds', async () => {
    const path = newPath();
    const ledger = new Map<number, string>();
    for (let round = 0; round < 5; round++) {
      await appendUntilKilled(path, ledger, 200 + 150 * round);
      const store = open({ path });
      const head = store.head().position;
      for (let after = 0; after < head; after += 500) {
        const events = await store.readAll({ after, limit: 500 });
        events.forEach((event, index) => {
          expect(event.position).toBe(after + index + 1);
          const acknowledged = ledger.get(event.position);
          if (acknowledged !== undefined) expect(event.id).toBe(acknowledged);
        });
      }
      expect(Math.max(...ledger.keys())).toBeLessThanOrEqual(head);
      await store.close();
    }
    expect(ledger.size).toBeGreaterThan(1_000);
  }, 120_000);
});

/** Kills the child once it has acknowledged so many more events. */
async function appendUntilKilled(path: string, ledger: Map<number, string>, events: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const enough = ledger.size + events;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [position, id] = line.split(' ');
      ledger.set(Number(position), id!);
    }
    if (ledger.size >= enough) child.kill('SIGKILL');
  });
  await once(child, 'close');
}

describe('a full disk', () => {
  const disk = join(root, 'small-disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]).status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk]);
  });

  it.skipIf(!mounted)(
    '(skipped where this user may not mount a tmpfs) refuses writes, keeps reads, and recovers by itself',
    async () => {
      const path = join(disk, 'log.sqlite');
      const store = open({ path });
      await store.append([to('kept', 'any', someEvent())]);
      const filler = join(disk, 'filler');
      writeFileSync(filler, new Uint8Array(1_500_000));
      const content = new Uint8Array(300_000).fill(1);
      const refused: unknown[] = [];
      while (refused.length === 0) {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 3 }, () => store.append([to('grows', 'any', someEvent({ content }))])),
        );
        for (const outcome of outcomes) if (outcome.status === 'rejected') refused.push(outcome.reason);
      }
      expect(refused).toHaveLength(3);
      for (const fault of refused)
        expect(fault).toMatchObject({ code: 'full', message: expect.stringMatching(/Make room/) });

      const { position } = store.head();
      expect((await store.readAll()).map((event) => event.position)).toEqual(
        Array.from({ length: position }, (_, index) => index + 1),
      );
      for (let refusals = 0; refusals < 2;) {
        const smaller = store.append([to('grows', 'any', someEvent({ content }))]);
        await smaller.catch((fault: unknown) => {
          expect(fault).toMatchObject({ code: 'full' });
          refusals++;
        });
      }
      const held = store.head().position;

      rmSync(filler);
      expect(await store.append([to('grows', 'any', someEvent({ content }))])).toMatchObject({
        events: [{ position: held + 1 }],
      });
      await store.close();
      expect(open({ path }).head().position).toBe(held + 1);
    },
  );
});

/** Holds flushes back until they are released, once, with the fault given: a disk that does so cannot be had. */
function holdFlush() {
  const held: ((fault: Error | null) => void)[] = [];
  const spy = vi.spyOn(fs, 'fdatasync').mockImplementation((_, done) => void held.push(done));
  syncBuiltinESMExports();
  return {
    waiting: () => held.length,
    release(fault: Error | null = null) {
      spy.mockRestore();
      syncBuiltinESMExports();
      for (const done of held) done(fault);
    },
  };
}

/** How many transactions lie in the write-ahead log: frames whose header gives the size of the database after it. */
function commitFrames(path: string): number {
  const wal = readFileSync(`${path}-wal`);
  let commits = 0;
  for (let at = 32; at + 24 <= wal.byteLength; at += 24 + 4096) {
    if (wal.readUInt32BE(at + 4) !== 0 && wal.compare(wal, 16, 24, at + 8, at + 16) === 0) commits++;
  }
  return commits;
}
