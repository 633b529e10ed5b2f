import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sealingBy } from './sealing.ts';

const key = randomBytes(32);
const sealing = sealingBy(key);
const HEADERS = ['Authorization: Bearer häns-gretel', 'X-Api-Key: 1'];

describe('header lines', () => {
  it('are opened as they were sealed, and cannot be read meanwhile', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.array(fc.string()), (id, headers) => {
        expect(sealingBy(key).open(id, sealing.seal(id, headers))).toEqual(headers);
      }),
    );
    const sealed = sealing.seal('a', HEADERS);
    expect(Buffer.from(sealed.slice(2), 'base64').includes('Bearer')).toBe(false);
    expect(sealing.seal('a', HEADERS)).not.toBe(sealed);
  });

  it.each([
    ['for another subscription', (sealed: string) => sealing.open('b', sealed)],
    ['under another key', (sealed: string) => sealingBy(randomBytes(32)).open('a', sealed)],
    ['of another form', (sealed: string) => sealing.open('a', `2${sealed.slice(1)}`)],
    ['cut short', (sealed: string) => sealing.open('a', sealed.slice(0, 20))],
    ['that are none', () => sealing.open('a', '')],
  ])('%s are not opened', (_, open) => {
    expect(open(sealing.seal('a', HEADERS))).toBeUndefined();
  });

  it('of which any byte was altered are not opened', () => {
    const bytes = Buffer.from(sealing.seal('a', HEADERS).slice(2), 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      bytes[at]! ^= 1;
      expect(sealing.open('a', `1.${bytes.toString('base64')}`)).toBeUndefined();
      bytes[at]! ^= 1;
    }
    expect(sealing.open('a', `1.${bytes.toString('base64')}`)).toEqual(HEADERS);
  });
});

describe('the secret that notifications are signed by', () => {
  it('is the same at every gateway, and another one for each subscription, generation and key', () => {
    const secret = sealing.signingSecret('a', 1);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(sealingBy(key).signingSecret('a', 1)).toBe(secret);
    const others = [sealing.signingSecret('a', 2), sealing.signingSecret('b', 1), sealingBy(randomBytes(32)).signingSecret('a', 1), sealing.signingSecret('a1', 1), sealing.signingSecret('a', 11)]; // prettier-ignore
    expect(new Set([secret, ...others]).size).toBe(6);
  });

  it('takes a key of 32 bytes only', () => {
    expect(() => sealingBy(randomBytes(16))).toThrow('32 bytes');
  });
});
