import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bindingToken, boundBy } from './binding-token.ts';

const key = randomBytes(32);
const NOW = Date.parse('2026-06-01T12:00:00Z');

describe('a token for a websocket', () => {
  const { token, until } = bindingToken(key, ['a', 'b'], NOW);

  it('binds what it was given for, for a minute', () => {
    expect(boundBy(key, token, NOW)).toEqual({ ids: ['a', 'b'], until });
    expect(boundBy(key, token, until - 1)).toBeDefined();
    expect(boundBy(key, token, until)).toBeUndefined();
    expect(until - NOW).toBe(60_000);
  });

  it.each([
    ['of another installation', () => boundBy(randomBytes(32), token, NOW)],
    ['that was altered', () => boundBy(key, `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`, NOW)],
    ['that was cut off', () => boundBy(key, token.slice(0, 20), NOW)],
    ['that is none', () => boundBy(key, '', NOW)],
    ['that is a novel', () => boundBy(key, token.repeat(1_000), NOW)],
  ])('%s binds nothing', (_, bound) => {
    expect(bound()).toBeUndefined();
  });
});
