import { describe, expect, it } from 'vitest';
import { LIMITS, Turns } from './turns.ts';

type Ending = (kind?: 'taken' | 'failed') => Promise<void>;

/** Work that goes on until it is told to end. */
function scene(limits = {}) {
  const turns = new Turns({ ...LIMITS, ...limits });
  const begun: { readonly name: string; readonly end: Ending }[] = [];
  const active = new Map<string, number>();
  const send = (owner: string, origin: string) => {
    const name = `${owner} ${origin}`;
    return turns.run(owner, origin, async () => {
      active.set(name, (active.get(name) ?? 0) + 1);
      const { promise, resolve } = Promise.withResolvers<{ kind: 'taken' | 'failed' }>();
      begun.push({
        name,
        async end(kind = 'taken') {
          resolve({ kind });
          await settled();
        },
      });
      const result = await promise;
      active.set(name, active.get(name)! - 1);
      return { outcome: result, isStrike: result.kind === 'failed' };
    });
  };
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { turns, begun, active, send, settled, names: () => begun.map(({ name }) => name) };
}

describe('turns', () => {
  it('leave room for others, whatever one owner sends', async () => {
    const { send, settled, active, begun, turns } = scene();
    for (let count = 0; count < 100; count += 1) void send('greedy', `origin ${count % 25}`);
    for (let count = 0; count < 100; count += 1) void send('narrow', 'one');
    void send('modest', 'other');
    await settled();
    expect(begun.filter(({ name }) => name.startsWith('greedy'))).toHaveLength(LIMITS.ofOwner);
    expect(active.get('narrow one')).toBe(LIMITS.ofOriginOfOwner);
    expect(active.get('modest other')).toBe(1);
    expect(turns.load()).toEqual({ sending: 13, waiting: 188, inTrouble: 0 });
  });

  it('are taken by owners one after another, however many of one wait', async () => {
    const { send, settled, begun, names } = scene({ atOnce: 2 });
    for (let count = 0; count < 6; count += 1) void send('a', `origin ${count}`);
    for (const owner of ['b', 'c']) for (const origin of ['x', 'y']) void send(owner, origin);
    await settled();
    for (let at = 0; at < 10; at += 1) await begun[at]!.end();
    const owners = names().map((name) => name[0]);
    // The first was in the ring before anybody else was there; from then on each after each.
    expect(owners).toEqual(['a', 'a', 'a', 'b', 'c', 'a', 'b', 'c', 'a', 'a']);
  });

  it('let one origin wait and go on with the owner’s others', async () => {
    const { send, settled, active } = scene();
    for (let count = 0; count < 10; count += 1) void send('a', 'hanging');
    for (let count = 0; count < 3; count += 1) void send('a', 'well');
    await settled();
    expect([active.get('a hanging'), active.get('a well')]).toEqual([4, 3]);
  });

  it('try an origin once at a time after five failures in a row, for that owner only, until it works', async () => {
    const { send, settled, begun, active, turns } = scene();
    const endLast = (kind: 'taken' | 'failed') => begun.at(-1)!.end(kind);
    for (let count = 0; count < 5; count += 1) {
      void send('a', 'x');
      await settled();
      await endLast('failed');
    }
    expect(turns.load().inTrouble).toBe(1);
    for (let count = 0; count < 6; count += 1) void send('a', 'x');
    for (let count = 0; count < 6; count += 1) void send('b', 'x');
    await settled();
    expect([active.get('a x'), active.get('b x')]).toEqual([1, 4]);
    const probe = begun.filter(({ name }) => name === 'a x').at(-1)!;
    await probe.end('failed');
    expect(active.get('a x')).toBe(1);
    await begun.filter(({ name }) => name === 'a x').at(-1)!.end('taken'); // prettier-ignore
    expect(active.get('a x')).toBe(4);
    expect(turns.load().inTrouble).toBe(0);
  });

  it('give those in trouble a part of the room only, and count it right however they end', async () => {
    const { send, settled, begun, active } = scene({ inTrouble: 2, strikes: 1 });
    const owners = ['a', 'b', 'c', 'd', 'e'];
    for (let round = 0; round < 3; round += 1) {
      const from = begun.length;
      for (const owner of owners) void send(owner, 'x');
      await settled();
      for (let at = from; at < begun.length; at += 1) await begun[at]!.end('failed');
      expect(begun).toHaveLength(from + owners.length);
    }
    for (const owner of owners) void send(owner, 'x');
    void send('well', 'x');
    await settled();
    const sending = [...active.entries()].filter(([, count]) => count > 0).map(([name]) => name);
    expect(sending).toHaveLength(3);
    expect(sending).toContain('well x');
  });

  it('are refused to who has too many waiting', async () => {
    const { send, turns } = scene({ waitingOfOwner: 3 });
    const all = Array.from({ length: 12 }, () => send('a', 'x'));
    expect(await Promise.race(all.slice(7))).toBeUndefined();
    expect(turns.load()).toMatchObject({ sending: 4, waiting: 3 });
  });

  it('go on to the next when work breaks, which is not the fault of its origin', async () => {
    const { turns } = scene();
    const breaking = Array.from({ length: 200 }, () => turns.run('a', 'x', () => Promise.reject(new Error('ours')))); // prettier-ignore
    const outcomes = await Promise.allSettled(breaking);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(turns.load()).toEqual({ sending: 0, waiting: 0, inTrouble: 0 });
    expect(await turns.run('a', 'x', () => Promise.resolve({ outcome: 'taken', isStrike: false }))).toBe(
      'taken',
    );
  });

  it('leave nothing behind', async () => {
    const { send, settled, begun, turns } = scene();
    const all = Array.from({ length: 300 }, (_, at) => send(`owner ${at % 30}`, `origin ${at % 7}`));
    await settled();
    for (let at = 0; at < 300; at += 1) await begun[at]!.end();
    expect((await Promise.all(all)).every((it) => it?.kind === 'taken')).toBe(true);
    expect(turns.load()).toEqual({ sending: 0, waiting: 0, inTrouble: 0 });
  });
});
