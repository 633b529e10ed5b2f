import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

it('allows so many a minute for each key, and again when the minute is over', () => {
  let now = 0;
  const limit = new RateLimit(3, () => now);
  for (let i = 0; i < 3; i++) {
    expect(limit.exceeded('a')).toBe(false);
    limit.count('a');
  }
  expect(limit.exceeded('a')).toBe(true);
  expect(limit.exceeded('b')).toBe(false);
  now = 59_999;
  expect(limit.exceeded('a')).toBe(true);
  now = 60_000;
  expect(limit.exceeded('a')).toBe(false);
});

it('stays bounded under a flood of keys, and goes on counting those it knows', () => {
  const limit = new RateLimit(2, () => 0);
  limit.count('known');
  for (let i = 0; i < 20_000; i++) limit.count(`flood ${i}`);
  limit.count('known');
  expect(limit.exceeded('known')).toBe(true);
});
