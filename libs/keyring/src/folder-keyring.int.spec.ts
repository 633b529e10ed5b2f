import { spawnSync } from 'node:child_process';
import {
  chmodSync,
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
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { describeKeyring, event, plaintext, sealed } from './contract.ts';
import { openKeyring } from './folder-keyring.ts';
import type { KeyringOptions } from './folder-keyring.ts';
import type { Keyring } from './keyring.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-keyring-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const newFolder = () => join(root, `${++count}`);
const opened: Keyring[] = [];
function open(folder: string, options?: KeyringOptions): Keyring {
  const keyring = openKeyring(folder, options);
  opened.push(keyring);
  return keyring;
}
afterEach(() => {
  for (const keyring of opened.splice(0)) keyring.close();
});

describeKeyring('in a folder', { newPlace: newFolder, open: openKeyring });

describe('data keys', () => {
  it('are on disk, once, when prepare resolves, however many ask at once', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    const asked = Array.from({ length: 50 }, (_, index) => keyring.prepare([`p${index % 10}`, 'shared']));
    await Promise.all(asked);
    const table = new DatabaseSync(join(folder, 'keys.sqlite'), { readOnly: true });
    expect(table.prepare('SELECT partition FROM data_key ORDER BY partition').all()).toHaveLength(11);
    table.close();
  });

  it('more than are kept in memory are found on disk', async () => {
    const keyring = open(newFolder());
    const partitions = Array.from({ length: 10_050 }, (_, index) => `p${index}`);
    await keyring.prepare(partitions);
    const first = sealed(keyring, 'p0');
    for (const partition of partitions) sealed(keyring, partition);
    expect(keyring.open(first).kind).toBe('opened');
  });

  it('lie there wrapped, and bound to their partition', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p', 'q']);
    const before = sealed(keyring, 'p');
    keyring.close();
    const table = new DatabaseSync(join(folder, 'keys.sqlite'));
    table.exec(
      "UPDATE data_key SET (id, wrapped) = (SELECT id, wrapped FROM data_key WHERE partition = 'q') WHERE partition = 'p'",
    );
    table.close();
    const again = open(folder);
    expect(again.open(before)).toEqual({ kind: 'unreadable', reason: 'damaged' });
    expect(() => again.seal('p', event, plaintext)).toThrow(expect.objectContaining({ code: 'damaged' }));
  });
});

describe('erasing', () => {
  it('leaves no byte of the wrapped key in the folder', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p', 'q']);
    const table = new DatabaseSync(join(folder, 'keys.sqlite'), { readOnly: true });
    const { wrapped } = table.prepare("SELECT wrapped FROM data_key WHERE partition = 'p'").get() as {
      wrapped: Uint8Array;
    };
    table.close();
    const holds = () =>
      readdirSync(folder).filter((file) =>
        readFileSync(join(folder, file)).includes(Buffer.from(wrapped).subarray(0, 24)),
      );
    expect(holds()).not.toEqual([]);
    await keyring.erase('p');
    expect(holds()).toEqual([]);
  });
});

describe('a keyring that only reads', () => {
  it('in another thread opens what is sealed under keys made after it was opened', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    const worker = new Worker(new URL('./opening-thread.ts', import.meta.url), { workerData: folder });
    await new Promise((resolve) => worker.once('message', resolve));
    await keyring.prepare(['late']);
    const answer = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage(sealed(keyring, 'late'));
    expect(await answer).toBe('opened');
    await worker.terminate();
  });

  it('makes nothing and destroys nothing', async () => {
    const folder = newFolder();
    expect(() => open(folder, { readOnly: true })).toThrow(expect.objectContaining({ code: 'missing' }));
    expect(existsSync(folder)).toBe(false);
    await open(folder).prepare(['p']);
    const reader = open(folder, { readOnly: true });
    await reader.prepare(['p']);
    await expect(reader.prepare(['new'])).rejects.toMatchObject({ code: 'read-only' });
    await expect(reader.erase('p')).rejects.toMatchObject({ code: 'read-only' });
  });
});

describe('the folder', () => {
  it('and its files belong to their owner alone', () => {
    const folder = newFolder();
    open(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
  });

  it('that was lost makes every content unknown, not a fault', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p']);
    const before = sealed(keyring, 'p');
    keyring.close();
    rmSync(folder, { recursive: true });
    const anew = open(folder);
    expect(anew.open(before)).toEqual({ kind: 'unreadable', reason: 'unknown-key' });
    await anew.prepare(['p']);
    expect(anew.open(before)).toEqual({ kind: 'unreadable', reason: 'unknown-key' });
  });

  const key = (folder: string) => join(folder, 'master.key');
  const rewrite = (folder: string, change: (key: Record<string, unknown>) => void) => {
    const content = JSON.parse(readFileSync(key(folder), 'utf8')) as Record<string, unknown>;
    change(content);
    writeFileSync(key(folder), JSON.stringify(content));
  };
  it.each<[what: string, spoil: (folder: string) => void, code: string, says: RegExp]>([
    [
      'a missing master key',
      (folder) => rmSync(key(folder)),
      'missing',
      /master key is missing.*Put it back/,
    ],
    [
      'a master key that others may read',
      (folder) => chmodSync(key(folder), 0o640),
      'permissions',
      /mode 640.*chmod 600/,
    ],
    ['an empty master key', (folder) => writeFileSync(key(folder), ''), 'damaged', /not JSON/],
    [
      'a master key of another version',
      (folder) => rewrite(folder, (content) => (content.version = 2)),
      'damaged',
      /version 1/,
    ],
    [
      'a master key without a key',
      (folder) => rewrite(folder, (content) => delete content.hmacKey),
      'damaged',
      /missing/,
    ],
    [
      'a short key',
      (folder) => rewrite(folder, (content) => (content.keyEncryptionKey = 'c2hvcnQ')),
      'damaged',
      /5 bytes instead of 32/,
    ],
    [
      'the master key of another keyring',
      (folder) => {
        const other = `${folder}-other`;
        openKeyring(other).close();
        writeFileSync(key(folder), readFileSync(key(other)));
      },
      'damaged',
      /another master key/,
    ],
    [
      'a table of keys that is none',
      (folder) => writeFileSync(join(folder, 'keys.sqlite'), 'noise '.repeat(2_000)),
      'damaged',
      /keyring .* is damaged/,
    ],
  ])('with %s is refused', async (_, spoil, code, says) => {
    const folder = newFolder();
    const keyring = openKeyring(folder);
    await keyring.prepare(['p']);
    keyring.close();
    spoil(folder);
    let fault: unknown;
    try {
      open(folder);
    } catch (error) {
      fault = error;
    }
    expect(fault).toMatchObject({ name: 'KeyringFault', code, message: expect.stringMatching(says) });
    expect(String((fault as Error).message)).not.toMatch(/[A-Za-z0-9_-]{40}/);
  });

  it('on a full disk refuses to make keys, and makes them once there is room', async ({ skip }) => {
    const disk = newFolder();
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk]).status !== 0)
      skip('this user may not mount a tmpfs');
    try {
      const keyring = openKeyring(join(disk, 'keys'));
      await keyring.prepare(['kept']);
      const filler = join(disk, 'filler');
      for (let size = 300_000; size >= 1_000; size /= 2) {
        try {
          writeFileSync(filler, new Uint8Array(size), { flag: 'a' });
        } catch {
          // Full to within this much.
        }
      }
      const many = Array.from({ length: 1_000 }, (_, index) => `p${index}`);
      await expect(keyring.prepare(many)).rejects.toMatchObject({
        code: 'full',
        message: expect.stringMatching(/Make room/),
      });
      expect(keyring.open(sealed(keyring, 'kept')).kind).toBe('opened');
      rmSync(filler);
      await keyring.prepare(many);
      expect(keyring.open(sealed(keyring, 'p999')).kind).toBe('opened');
      keyring.close();
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
