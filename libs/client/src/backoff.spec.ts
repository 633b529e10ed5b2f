import { describe, expect, it } from 'vitest';
import { backoff, isPassing, pause, retryAfter, timeLimit } from './backoff.ts';

it('waits twice as long after each failure, up to half a minute, and never for the same time', () => {
  for (const [failures, most] of [[1, 500], [2, 1_000], [3, 2_000], [7, 30_000], [2_000, 30_000]] as const) {
    const waits = Array.from({ length: 200 }, () => backoff(failures));
    expect(Math.max(...waits)).toBeLessThanOrEqual(most);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(most / 2);
    expect(new Set(waits).size).toBeGreaterThan(100);
  }
  expect(backoff(1, 10)).toBeLessThanOrEqual(10);
}); // prettier-ignore

it.each([
  ['3', 3_000],
  [' 0 ', 0],
  ['Fri, 31 Dec 1999 23:59:59 GMT', 9_000],
  ['Fri, 31 Dec 1999 23:59:40 GMT', 0],
  ['soon', 0],
  ['-1', 0],
  ['99999999999', 0],
  [undefined, 0],
])('Retry-After: %s is %i ms', (said, ms) => {
  const now = Date.parse('1999-12-31T23:59:50Z');
  expect(retryAfter(new Headers(said === undefined ? {} : { 'retry-after': said }), now)).toBe(ms);
});

it('tells what may be otherwise in a moment', () => {
  const all = Array.from({ length: 500 }, (_, index) => index + 100);
  expect(all.filter(isPassing)).toEqual([408, 429, 502, 503, 504, 507]);
});

describe('a pause', () => {
  it('ends when the signal aborts, also where it did before', async () => {
    const controller = new AbortController();
    const pausing = pause(1_000_000, controller.signal);
    controller.abort();
    await pausing;
    await pause(1_000_000, controller.signal);
  });
});

describe('a limit', () => {
  it('aborts with the other signal, for its reason, and by itself after its time', async () => {
    const outer = new AbortController();
    const inner = timeLimit(1_000_000, outer.signal);
    const reason = new Error('enough');
    outer.abort(reason);
    expect(inner.signal.reason).toBe(reason);
    expect(timeLimit(1_000_000, outer.signal).signal.aborted).toBe(true);
    const { signal } = timeLimit(1, undefined);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    inner.done();
  });
});
