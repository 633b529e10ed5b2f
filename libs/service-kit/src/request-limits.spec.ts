import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '@carelog/access';
import { defaultAllowances, RequestLimits, Usage } from './request-limits.ts';

describe('the rate', () => {
  it('allows a burst, then so many a second, and says when to come again', () => {
    const usage = new Usage({ perSecond: 2, burst: 3, atOnce: 99 });
    expect([0, 0, 0, 0].map((now) => usage.begin(now))).toEqual([0, 0, 0, 1]);
    expect(usage.begin(499)).toBe(1);
    expect(usage.begin(500)).toBe(0);
    expect(usage.begin(500)).toBe(1);
    expect([60_000, 60_000, 60_000, 60_000].map((now) => usage.begin(now))).toEqual([0, 0, 0, 1]);
  });

  it('never gives more than the burst and what was earned since, however requests fall', () => {
    const allowances = fc.record({
      perSecond: fc.integer({ min: 1, max: 1000 }),
      burst: fc.integer({ min: 1, max: 100 }),
      atOnce: fc.constant(Infinity),
    });
    const pauses = fc.array(fc.nat(300), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(allowances, pauses, (allowance, waits) => {
        const usage = new Usage(allowance);
        let now = 0;
        let given = 0;
        for (const wait of waits) {
          now += wait;
          if (usage.begin(now) === 0) given += 1;
          expect(given).toBeLessThanOrEqual(allowance.burst + (now * allowance.perSecond) / 1000 + 1e-6);
        }
      }),
    );
  });

  it('of what is forgiven is there again', () => {
    const usage = new Usage({ perSecond: 1, burst: 1, atOnce: 9 });
    expect(usage.begin(0)).toBe(0);
    usage.forgive();
    expect(usage.begin(0)).toBe(0);
    expect(usage.begin(0)).toBe(1);
  });
});

it('of requests at a time there are so many, and again as they end', () => {
  const usage = new Usage({ perSecond: 1000, burst: 1000, atOnce: 2 });
  expect([1, 2, 3].map(() => usage.begin(0))).toEqual([0, 0, 1]);
  usage.end();
  expect([1, 2].map(() => usage.begin(0))).toEqual([0, 1]);
});

describe('who is counted together', () => {
  const ann: Caller = {
    subject: 'ann',
    kind: 'patient',
    organisation: 'X',
    system: 'app',
    careSetting: 'home',
  };
  const limits = new RequestLimits(defaultAllowances);

  it.each<[string, Partial<Caller>, boolean]>([
    ['all tokens of one person in one application', { organisation: 'Y' }, true],
    ['not another person', { subject: 'ben' }, false],
    ['not another application', { system: 'other' }, false],
    ['not a system of the same name', { kind: 'system' }, false],
  ])('%s', (_, other, together) => {
    expect(limits.of({ ...ann, ...other }) === limits.of({ ...ann })).toBe(together);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8:0:0:7::', true],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
    ['::ffff:192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['::1', '127.0.0.1', false],
  ])('%s and %s: %s', (one, other, together) => {
    expect(limits.ofAddress(one) === limits.ofAddress(other)).toBe(together);
  });
});

describe('a flood of ever new addresses', () => {
  it('does not fill the memory, and frees nobody who is over a limit while others rest', () => {
    let now = 0;
    const allowances = { ...defaultAllowances, strangers: { perSecond: 1, burst: 1, atOnce: 9 } };
    const limits = new RequestLimits(allowances, 100, () => now);
    const spend = (address: string): number => {
      const usage = limits.ofAddress(address);
      const wait = usage.begin(now);
      if (wait === 0) usage.end();
      return wait;
    };
    for (let i = 0; i < 99; i++) spend(`resting ${i}`);
    now = 1000;
    expect([spend('flooding'), spend('flooding')]).toEqual([0, 1]);
    expect(spend('next')).toBe(0);
    expect([limits.size, spend('flooding')]).toEqual([2, 1]);
    for (let i = 0; i < 10_000; i++) spend(`new ${i}`);
    expect(limits.size).toBeLessThanOrEqual(100);
  });
});
