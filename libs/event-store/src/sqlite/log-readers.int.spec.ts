/** Those who read beside the writer: worker threads, other processes, backups. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { someEvent, to } from '../some-event.ts';
import type { EventStore, StreamAppend } from '../event-store.ts';
import { newEventId } from '../event-id.ts';
import { backupEventStore } from './backup-event-store.ts';
import { openSqliteEventStore } from './sqlite-event-store.ts';
import { openSqliteLogReader } from './sqlite-log-reader.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-readers-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const newPath = () => join(root, `${++count}`, 'log.sqlite');
const opened: Pick<EventStore, 'close'>[] = [];
function open(path: string) {
  const store = openSqliteEventStore({ path });
  opened.push(store);
  return store;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
});

const one = (): StreamAppend[] => [to(newEventId(), 'no-stream', someEvent())];

describe('a reader beside the writer', () => {
  it('reads what the store reads, and nothing it could write with', async () => {
    const path = newPath();
    const store = open(path);
    const event = someEvent();
    await store.append([to('a', 'any', event, someEvent())]);
    const reader = openSqliteLogReader({ path, headSignal: store.headSignal });
    opened.push(reader);
    expect(await reader.readAll()).toEqual(await store.readAll());
    expect(await reader.readStream('a', { direction: 'backwards' })).toEqual(
      await store.readStream('a', { direction: 'backwards' }),
    );
    expect(await reader.readPartition('partition-a')).toEqual(await store.readPartition('partition-a'));
    expect(await reader.readEvent(event.id)).toEqual(await store.readEvent(event.id));
    expect(reader.head()).toEqual(store.head());
    expect('append' in reader).toBe(false);
  });

  it.each(['woken by the store', 'looking for itself'])(
    'follows the log from any position, %s',
    async (how) => {
      const path = newPath();
      const store = open(path);
      for (let before = 0; before < 5; before++) await store.append(one());
      const reader = openSqliteLogReader(
        how === 'woken by the store' ? { path, headSignal: store.headSignal } : { path },
      );
      opened.push(reader);
      const seen: number[] = [];
      const following = (async () => {
        for await (const events of reader.subscribe(3, { batchSize: 7 })) {
          seen.push(...events.map(({ position }) => position));
          if (seen.at(-1) === 205) return;
        }
      })();
      await Promise.all(Array.from({ length: 200 }, () => store.append(one())));
      await following;
      expect(seen).toEqual(Array.from({ length: 202 }, (_, index) => index + 4));
    },
  );

  it('is woken by each commit, not by its own watch', async () => {
    const store = open(newPath());
    const cell = new BigInt64Array(store.headSignal);
    const woken = Atomics.waitAsync(cell, 0, 0n, 25_000);
    await store.append(one());
    expect(await woken.value).toBe('ok');
    expect(cell[0]).toBe(1n);
  });

  it('in another thread follows the log', async () => {
    const path = newPath();
    const store = open(path);
    const worker = new Worker(new URL('./following-thread.ts', import.meta.url), {
      workerData: { path, headSignal: store.headSignal, until: 300 },
    });
    const positions = once(worker, 'message');
    for (let position = 1; position <= 300; position += 3)
      await Promise.all([store.append(one()), store.append(one()), store.append(one())]);
    expect((await positions)[0]).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });

  it('ends its subscriptions when it is closed, and refuses to read', async () => {
    const path = newPath();
    const store = open(path);
    const reader = openSqliteLogReader({ path, headSignal: store.headSignal });
    const waiting = reader.subscribe(0)[Symbol.asyncIterator]().next();
    await reader.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await expect(reader.readAll()).rejects.toMatchObject({ code: 'closed' });
  });

  it('is told where there is no log, and where it is none', () => {
    const path = newPath();
    expect(() => openSqliteLogReader({ path })).toThrow(
      expect.objectContaining({ code: 'io', message: expect.stringMatching(/no log at/) }),
    );
    expect(existsSync(path)).toBe(false);
    mkdirSync(dirname(path));
    writeFileSync(path, 'not a database, though long enough to look at'.repeat(100));
    expect(() => openSqliteLogReader({ path })).toThrow(expect.objectContaining({ code: 'damaged' }));
  });

  it('meets an event that was changed on disk as a fault, not as content', async () => {
    const path = newPath();
    const store = open(path);
    await store.append([
      to('a', 'any', someEvent(), someEvent({ content: Buffer.alloc(300, 'a marker. ') })),
    ]);
    await store.close();
    const reader = openSqliteLogReader({ path });
    opened.push(reader);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('a marker. ')]! ^= 1;
    writeFileSync(path, bytes);
    await expect(reader.readAll()).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringMatching(/Event 2 .* is not what was written/),
    });
  });
});

describe('a backup', () => {
  it('made while another process writes opens as a log of its own epoch that holds the past whole', async () => {
    const path = newPath();
    const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.resume();
    await once(child.stdout, 'data');
    const target = join(root, 'backups', 'one.sqlite');
    const { position, epoch } = await backupEventStore(path, target);
    const source = openSqliteLogReader({ path });
    opened.push(source);
    const copy = open(target);
    expect(copy.head()).toEqual({ position, epoch });
    expect(epoch).not.toBe(source.head().epoch);
    expect(position).toBeGreaterThan(0);
    expect(await copy.readAll({ limit: position })).toEqual(await source.readAll({ limit: position }));
    expect(await copy.append(one())).toMatchObject({ events: [{ position: position + 1 }] });
    child.kill('SIGKILL');
    await once(child, 'close');
  });

  it('never overwrites, and leaves nothing behind where it fails', async () => {
    const path = newPath();
    await open(path).append(one());
    const target = newPath();
    mkdirSync(dirname(target));
    writeFileSync(target, 'precious');
    await expect(backupEventStore(path, target)).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/exists already/),
    });
    expect(readFileSync(target, 'utf8')).toBe('precious');
    await expect(
      backupEventStore(join(root, 'missing.sqlite'), join(dirname(target), 'b')),
    ).rejects.toMatchObject({ code: 'io' });
    await expect(backupEventStore(target, join(dirname(target), 'b'))).rejects.toMatchObject({
      code: 'damaged',
    });
    expect(readdirSync(dirname(target))).toEqual(['log.sqlite']);
  });

  it('is one file that belongs to its owner alone', async () => {
    const path = newPath();
    await open(path).append(one());
    const target = newPath();
    await backupEventStore(path, target);
    expect(readdirSync(dirname(target))).toEqual(['log.sqlite']);
    expect(statSync(target).mode & 0o777).toBe(0o600);
  });
});
