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
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openKeyring } from './keyring.ts';
import type { Keyring, KeyringOptions, SealedEvent } from './keyring.ts';

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

const event = { id: '01a1fdf0-ab8c-7000-807f-5abe7a93ef82', stream: 'Observation/1' };
const plaintext = Buffer.from('{"resourceType":"Observation"}');

function sealed(keyring: Keyring, partition: string): SealedEvent {
  return { ...event, partition, ...keyring.seal(partition, event, plaintext) };
}

describe('content', () => {
  it('opens as what was sealed, whatever it is, also after the keyring was closed', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p', 'q']);
    const contents = fc.sample(fc.uint8Array({ maxLength: 5_000 }), 50);
    const events = contents.map((content, index) => {
      const partition = index % 2 === 0 ? 'p' : 'q';
      return { ...event, partition, ...keyring.seal(partition, event, content) };
    });
    keyring.close();
    const again = open(folder);
    events.forEach((one, index) => {
      const result = again.open(one);
      expect(result.kind === 'opened' && Buffer.compare(result.bytes, contents[index]!)).toBe(0);
    });
  });

  it('is sealed differently each time, and shows nothing of itself', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p']);
    const [first, second] = [sealed(keyring, 'p'), sealed(keyring, 'p')];
    expect(Buffer.compare(first.content, second.content)).not.toBe(0);
    expect(first.keyId).toBe(second.keyId);
    expect(Buffer.from(first.content).includes('Observation')).toBe(false);
    expect(first.content.byteLength).toBe(1 + 12 + plaintext.byteLength + 16);
    expect(first.content[0]).toBe(1);
  });

  it('that was changed anywhere, or cut, is damaged', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p']);
    const good = sealed(keyring, 'p');
    for (let at = 0; at < good.content.byteLength; at++) {
      const content = good.content.slice();
      content[at]! ^= 1;
      expect(keyring.open({ ...good, content })).toEqual({ kind: 'unreadable', reason: 'damaged' });
      expect(keyring.open({ ...good, content: good.content.slice(0, at) })).toEqual({
        kind: 'unreadable',
        reason: 'damaged',
      });
    }
  });

  it('moved to another event or stream is damaged; under another key it is unknown', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p', 'q']);
    const good = sealed(keyring, 'p');
    const damaged = { kind: 'unreadable', reason: 'damaged' };
    expect(keyring.open({ ...good, id: '01a1fdf0-ab8c-7000-807f-5abe7a93ef83' })).toEqual(damaged);
    expect(keyring.open({ ...good, stream: 'Observation/2' })).toEqual(damaged);
    expect(keyring.open({ ...good, partition: 'q' })).toEqual({ kind: 'unreadable', reason: 'unknown-key' });
    expect(keyring.open({ ...good, partition: 'nobody' })).toEqual({
      kind: 'unreadable',
      reason: 'unknown-key',
    });
    expect(keyring.open({ ...good, keyId: 'another' })).toEqual({
      kind: 'unreadable',
      reason: 'unknown-key',
    });
    expect(keyring.open({ ...good, partition: 'q', keyId: sealed(keyring, 'q').keyId })).toEqual(damaged);
  });

  it('of any shape never makes opening throw', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p']);
    const { keyId } = sealed(keyring, 'p');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), fc.string(), (content, id, stream) => {
        expect(keyring.open({ id, stream, partition: 'p', keyId, content }).kind).toBe('unreadable');
      }),
    );
  });

  it('is not sealed before its partition is prepared', () => {
    const keyring = open(newFolder());
    expect(() => keyring.seal('p', event, plaintext)).toThrow(
      expect.objectContaining({ code: 'unprepared' }),
    );
    expect(() => keyring.fingerprint('p', plaintext)).toThrow(
      expect.objectContaining({ code: 'unprepared' }),
    );
  });
});

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

  it('are the same for two keyrings that prepare one partition at once', async () => {
    const folder = newFolder();
    const [one, other] = [open(folder), open(folder)];
    await Promise.all([one.prepare(['p']), other.prepare(['p'])]);
    expect(other.open(sealed(one, 'p')).kind).toBe('opened');
    expect(one.open(sealed(other, 'p')).kind).toBe('opened');
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

describe('a fingerprint', () => {
  it('is equal for equal content of one partition only, and is no plain digest', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p', 'q']);
    const print = keyring.fingerprint('p', plaintext);
    expect(open(folder).fingerprint('p', Buffer.from(plaintext))).toBe(print);
    expect(keyring.fingerprint('q', plaintext)).not.toBe(print);
    expect(keyring.fingerprint('p', Buffer.from('other'))).not.toBe(print);
    const elsewhere = open(newFolder());
    await elsewhere.prepare(['p']);
    expect(elsewhere.fingerprint('p', plaintext)).not.toBe(print);
  });
});

describe('an alias digest', () => {
  it('is the same for the same kind and value, for life, and keeps others apart', () => {
    const folder = newFolder();
    const keyring = open(folder);
    const digest = keyring.hmac('nhs-number', '9990000018');
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(open(folder).hmac('nhs-number', '9990000018')).toBe(digest);
    expect(keyring.hmac('nhs-number', '9990000026')).not.toBe(digest);
    expect(keyring.hmac('a', 'b|c')).not.toBe(keyring.hmac('a|b', 'c'));
    expect(open(newFolder()).hmac('nhs-number', '9990000018')).not.toBe(digest);
  });
});

describe('erasing', () => {
  it('makes content unreadable for good, and refuses to seal for the partition again', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p', 'q']);
    const [gone, kept] = [sealed(keyring, 'p'), sealed(keyring, 'q')];
    await keyring.erase('p');
    for (const view of [keyring, open(folder)]) {
      expect(view.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' });
      expect(view.open(kept).kind).toBe('opened');
      expect(() => view.seal('p', event, plaintext)).toThrow(expect.objectContaining({ code: 'erased' }));
      expect(() => view.fingerprint('p', plaintext)).toThrow(expect.objectContaining({ code: 'erased' }));
      await expect(view.prepare(['p'])).rejects.toMatchObject({
        code: 'erased',
        message: expect.stringMatching(/for p:/),
      });
    }
    await keyring.erase('p');
  });

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

  it('is noticed by a keyring that has the key in memory', async () => {
    const folder = newFolder();
    const keyring = open(folder);
    await keyring.prepare(['p']);
    const gone = sealed(keyring, 'p');
    const reader = open(folder, { readOnly: true });
    expect(reader.open(gone).kind).toBe('opened');
    await keyring.erase('p');
    await vi.waitFor(() => expect(reader.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' }));
  });

  it('in the moment in which a key is made wins', async () => {
    const keyring = open(newFolder());
    const making = keyring.prepare(['p']);
    await keyring.erase('p');
    await expect(making).rejects.toMatchObject({ code: 'erased' });
    expect(() => keyring.seal('p', event, plaintext)).toThrow(expect.objectContaining({ code: 'erased' }));
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

describe('a backup', () => {
  it('opens what the original sealed, and never overwrites', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p']);
    const before = sealed(keyring, 'p');
    const target = newFolder();
    await keyring.backup(target);
    expect(open(target).open(before).kind).toBe('opened');
    expect(statSync(target).mode & 0o777).toBe(0o700);
    for (const file of ['master.key', 'keys.sqlite'])
      expect(statSync(join(target, file)).mode & 0o777).toBe(0o600);
    await expect(keyring.backup(target)).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/exists already/),
    });
  });
});

describe('a closed keyring', () => {
  it('refuses everything, and may be closed again', async () => {
    const keyring = open(newFolder());
    await keyring.prepare(['p']);
    const before = sealed(keyring, 'p');
    const making = keyring.prepare(['q']);
    keyring.close();
    await expect(making).rejects.toMatchObject({ code: 'closed' });
    expect(() => keyring.open(before)).toThrow(expect.objectContaining({ code: 'closed' }));
    await expect(keyring.prepare(['p'])).rejects.toMatchObject({ code: 'closed' });
    keyring.close();
  });
});
