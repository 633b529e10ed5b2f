import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openHeaders, sealHeaders, signingSecret } from './sealing.ts';

const key = randomBytes(32);
const lines = ['Authorization: Bearer s3cret', 'x-tenant: 7'];

describe('headers of a subscription', () => {
  it('are opened as they were sealed, and cannot be read meanwhile', () => {
    const sealed = sealHeaders(key, 'a', lines);
    expect(sealed).not.toContain('s3cret');
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('s3cret');
    expect(openHeaders(key, 'a', sealed)).toEqual(lines);
    expect(sealHeaders(key, 'a', lines)).not.toBe(sealed);
  });
  it('are nothing where there are none', () => {
    expect(openHeaders(key, 'a', sealHeaders(key, 'a', []))).toEqual([]);
  });
  it.each([
    ['under another key', randomBytes(32), 'a'],
    ['for another subscription', key, 'b'],
  ])('are not opened %s', (_, otherKey, id) => {
    expect(() => openHeaders(otherKey, id, sealHeaders(key, 'a', lines))).toThrow();
  });
});

describe('what notifications are signed with', () => {
  it('is the same at every gateway, and another one for each subscription, generation and key', () => {
    const secret = signingSecret(key, 'a', 1);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(signingSecret(key, 'a', 1)).toBe(secret);
    const others = [
      signingSecret(key, 'a', 2),
      signingSecret(key, 'b', 1),
      signingSecret(randomBytes(32), 'a', 1),
    ];
    expect(new Set([secret, ...others]).size).toBe(4);
  });
});
