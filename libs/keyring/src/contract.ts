/** What every keyring promises, as a suite, wherever the keys lie: `describeKeyring('folder', {…})`. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openKeyring } from './folder-keyring.ts';
import type { Keyring, SealedEvent } from './keyring.ts';

export interface KeyringPlaces<Place> {
  /** A place that holds no keys yet, with a master key of its own. */
  newPlace(): Place | Promise<Place>;
  open(place: Place, options?: { readonly readOnly?: boolean }): Keyring | Promise<Keyring>;
}

export const event = { id: '01a1fdf0-ab8c-7000-807f-5abe7a93ef82', stream: 'Observation/1' };
export const plaintext = Buffer.from('{"resourceType":"Observation"}');

export function sealed(keyring: Keyring, partition: string): SealedEvent {
  return { ...event, partition, ...keyring.seal(partition, event, plaintext) };
}

/** Runs the suite; keyrings are closed after each test. */
export function describeKeyring<Place>(name: string, { newPlace, open: openAt }: KeyringPlaces<Place>): void {
  const root = mkdtempSync(join(tmpdir(), 'carelog-keyring-'));
  afterAll(() => rmSync(root, { recursive: true }));
  const opened: Keyring[] = [];
  async function open(place: Place, options?: { readonly readOnly?: boolean }): Promise<Keyring> {
    const keyring = await openAt(place, options);
    opened.push(keyring);
    return keyring;
  }
  const openNew = async () => open(await newPlace());
  afterEach(() => {
    for (const keyring of opened.splice(0)) keyring.close();
  });

  describe(`${name}: content`, () => {
    it('opens as what was sealed, whatever it is, also after the keyring was closed', async () => {
      const place = await newPlace();
      const keyring = await open(place);
      await keyring.prepare(['p', 'q']);
      const contents = fc.sample(fc.uint8Array({ maxLength: 5_000 }), 50);
      const events = contents.map((content, index) => {
        const partition = index % 2 === 0 ? 'p' : 'q';
        return { ...event, partition, ...keyring.seal(partition, event, content) };
      });
      keyring.close();
      const again = await open(place);
      await again.know(['p', 'q']);
      events.forEach((one, index) => {
        const result = again.open(one);
        expect(result.kind === 'opened' && Buffer.compare(result.bytes, contents[index]!)).toBe(0);
      });
    });

    it('is sealed differently each time, and shows nothing of itself', async () => {
      const keyring = await openNew();
      await keyring.prepare(['p']);
      const [first, second] = [sealed(keyring, 'p'), sealed(keyring, 'p')];
      expect(Buffer.compare(first.content, second.content)).not.toBe(0);
      expect(first.keyId).toBe(second.keyId);
      expect(Buffer.from(first.content).includes('Observation')).toBe(false);
      expect(first.content.byteLength).toBe(1 + 12 + plaintext.byteLength + 16);
      expect(first.content[0]).toBe(1);
    });

    it('that was changed anywhere, or cut, is damaged', async () => {
      const keyring = await openNew();
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
      const keyring = await openNew();
      await keyring.prepare(['p', 'q']);
      await keyring.know(['p', 'q', 'nobody']);
      const good = sealed(keyring, 'p');
      const damaged = { kind: 'unreadable', reason: 'damaged' };
      const unknown = { kind: 'unreadable', reason: 'unknown-key' };
      expect(keyring.open({ ...good, id: '01a1fdf0-ab8c-7000-807f-5abe7a93ef83' })).toEqual(damaged);
      expect(keyring.open({ ...good, stream: 'Observation/2' })).toEqual(damaged);
      expect(keyring.open({ ...good, partition: 'q' })).toEqual(unknown);
      expect(keyring.open({ ...good, partition: 'nobody' })).toEqual(unknown);
      expect(keyring.open({ ...good, keyId: 'another' })).toEqual(unknown);
      expect(keyring.open({ ...good, partition: 'q', keyId: sealed(keyring, 'q').keyId })).toEqual(damaged);
    });

    it('of any shape never makes opening throw', async () => {
      const keyring = await openNew();
      await keyring.prepare(['p']);
      const { keyId } = sealed(keyring, 'p');
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), fc.string(), (content, id, stream) => {
          expect(keyring.open({ id, stream, partition: 'p', keyId, content }).kind).toBe('unreadable');
        }),
      );
    });

    it('is not sealed before its partition is prepared', async () => {
      const keyring = await openNew();
      for (const use of [
        () => keyring.seal('p', event, plaintext),
        () => keyring.fingerprint('p', plaintext),
      ]) {
        expect(use).toThrow(expect.objectContaining({ code: 'unprepared' }));
      }
    });
  });

  describe(`${name}: data keys`, () => {
    it('are the same for keyrings that prepare one partition at once', async () => {
      const place = await newPlace();
      const keyrings = await Promise.all([open(place), open(place), open(place)]);
      const partitions = Array.from({ length: 20 }, (_, index) => `p${index}`);
      await Promise.all(
        keyrings.map((keyring, index) => keyring.prepare(index === 1 ? partitions.toReversed() : partitions)),
      );
      for (const partition of partitions) {
        for (const one of keyrings) {
          for (const other of keyrings) expect(other.open(sealed(one, partition)).kind).toBe('opened');
        }
      }
    });

    it('that others make later are known when they are asked for', async () => {
      const place = await newPlace();
      const reader = await open(place);
      await reader.know(['late']);
      const maker = await open(place);
      await maker.prepare(['late']);
      await reader.know(['late']);
      expect(reader.open(sealed(maker, 'late')).kind).toBe('opened');
    });
  });

  describe(`${name}: a fingerprint`, () => {
    it('is equal for equal content of one partition only, and is no plain digest', async () => {
      const place = await newPlace();
      const keyring = await open(place);
      await keyring.prepare(['p', 'q']);
      const print = keyring.fingerprint('p', plaintext);
      const other = await open(place);
      await other.know(['p']);
      expect(other.fingerprint('p', Buffer.from(plaintext))).toBe(print);
      expect(keyring.fingerprint('q', plaintext)).not.toBe(print);
      expect(keyring.fingerprint('p', Buffer.from('other'))).not.toBe(print);
      const elsewhere = await openNew();
      await elsewhere.prepare(['p']);
      expect(elsewhere.fingerprint('p', plaintext)).not.toBe(print);
    });
  });

  describe(`${name}: an alias digest`, () => {
    it('is the same for the same kind and value, for life, and keeps others apart', async () => {
      const place = await newPlace();
      const keyring = await open(place);
      const digest = keyring.hmac('nhs-number', '9990000018');
      expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect((await open(place)).hmac('nhs-number', '9990000018')).toBe(digest);
      expect(keyring.hmac('nhs-number', '9990000026')).not.toBe(digest);
      expect(keyring.hmac('a', 'b|c')).not.toBe(keyring.hmac('a|b', 'c'));
      expect((await openNew()).hmac('nhs-number', '9990000018')).not.toBe(digest);
    });
  });

  describe(`${name}: erasing`, () => {
    it('makes content unreadable for good, and refuses to seal for the partition again', async () => {
      const place = await newPlace();
      const keyring = await open(place);
      await keyring.prepare(['p', 'q']);
      const [gone, kept] = [sealed(keyring, 'p'), sealed(keyring, 'q')];
      await keyring.erase('p');
      for (const view of [keyring, await open(place)]) {
        await view.know(['p', 'q']);
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

    it('is noticed by a keyring that has the key in memory, also when it does not ask', async () => {
      const place = await newPlace();
      const keyring = await open(place);
      await keyring.prepare(['p']);
      const gone = sealed(keyring, 'p');
      const reader = await open(place, { readOnly: true });
      await reader.know(['p']);
      expect(reader.open(gone).kind).toBe('opened');
      await keyring.erase('p');
      await vi.waitFor(() => expect(reader.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' }));
    });

    it('in the moment in which a key is made wins', async () => {
      const keyring = await openNew();
      const making = keyring.prepare(['p']).then(
        () => undefined,
        (fault: unknown) => fault,
      );
      await keyring.erase('p');
      // Whoever got their key before it was destroyed cannot use it any more.
      expect(await making).toSatisfy((it) => it === undefined || (it as { code: string }).code === 'erased');
      expect(() => keyring.seal('p', event, plaintext)).toThrow(expect.objectContaining({ code: 'erased' }));
      await expect(keyring.prepare(['p'])).rejects.toMatchObject({ code: 'erased' });
    });
  });

  describe(`${name}: a keyring that only reads`, () => {
    it('makes nothing and destroys nothing', async () => {
      const place = await newPlace();
      await (await open(place)).prepare(['p']);
      const reader = await open(place, { readOnly: true });
      await reader.prepare(['p']);
      await expect(reader.prepare(['new'])).rejects.toMatchObject({ code: 'read-only' });
      await expect(reader.erase('p')).rejects.toMatchObject({ code: 'read-only' });
    });
  });

  describe(`${name}: a backup`, () => {
    it('is a folder that opens what the original sealed, knows what was erased, and never overwrites', async () => {
      const keyring = await openNew();
      await keyring.prepare(['p', 'gone']);
      const [before, gone] = [sealed(keyring, 'p'), sealed(keyring, 'gone')];
      await keyring.erase('gone');
      const target = join(root, 'backup');
      await keyring.backup(target);
      const copy = openKeyring(target);
      expect(copy.open(before).kind).toBe('opened');
      expect(copy.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' });
      expect(copy.hmac('a', 'b')).toBe(keyring.hmac('a', 'b'));
      copy.close();
      expect(statSync(target).mode & 0o777).toBe(0o700);
      for (const file of readdirSync(target)) expect(statSync(join(target, file)).mode & 0o777).toBe(0o600);
      await expect(keyring.backup(target)).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/exists already/),
      });
    });
  });

  describe(`${name}: a closed keyring`, () => {
    it('refuses everything, and may be closed again', async () => {
      const keyring = await openNew();
      await keyring.prepare(['p']);
      const before = sealed(keyring, 'p');
      const making = keyring.prepare(['q']);
      keyring.close();
      await expect(making).rejects.toMatchObject({ code: 'closed' });
      expect(() => keyring.open(before)).toThrow(expect.objectContaining({ code: 'closed' }));
      await expect(keyring.prepare(['p'])).rejects.toMatchObject({ code: 'closed' });
      await expect(keyring.know(['p'])).rejects.toMatchObject({ code: 'closed' });
      keyring.close();
    });
  });
}
