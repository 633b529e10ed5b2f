import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KnownMessages } from './known-messages.ts';
import type { Delivered, ReceivedMessage } from './message.ts';

const sealed = (seal: string): ReceivedMessage => ({ key: null, value: null, headers: { seal } });
const heartbeat = (position: number): Delivered => ({ kind: 'heartbeat', epoch: 'one', previous: 0, position }); // prettier-ignore
const unreadable: Delivered = { kind: 'unreadable', reason: 'spec' };
const never = (): Delivered => {
  throw new Error('It was looked at again.');
};

let known: KnownMessages;
beforeEach(() => {
  vi.useFakeTimers();
  known = new KnownMessages(3);
});
afterEach(() => {
  vi.useRealTimers();
});

describe('messages that were looked at', () => {
  it('are not looked at again, whoever is brought them next', () => {
    const first = known.of(sealed('a'), 3, () => heartbeat(7));
    expect(known.of(sealed('a'), 3, never)).toBe(first);
  });

  it('are forgotten when everybody was brought them', () => {
    const first = known.of(sealed('a'), 3, () => heartbeat(7));
    expect([known.of(sealed('a'), 3, never), known.of(sealed('a'), 3, never)]).toEqual([first, first]);
    expect(known.of(sealed('a'), 3, () => unreadable)).toBe(unreadable);
  });

  it('are kept for nobody where there is one consumer', () => {
    known = new KnownMessages(1);
    known.of(sealed('a'), 3, () => heartbeat(7));
    expect(known.of(sealed('a'), 3, () => unreadable)).toBe(unreadable);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are others where they come in another lane, or with another seal', () => {
    known.of(sealed('a'), 3, () => heartbeat(7));
    expect(known.of(sealed('a'), 4, () => unreadable)).toBe(unreadable);
    expect(known.of(sealed('b'), 3, () => unreadable)).toBe(unreadable);
  });

  it('are looked at again where they could not be read: another consumer may be brought them whole', () => {
    known.of(sealed('a'), 0, () => unreadable);
    expect(known.of(sealed('a'), 0, () => heartbeat(1))).toEqual(heartbeat(1));
  });

  it('are forgotten a few seconds later, though nothing else came, and then nothing ticks', () => {
    known.of(sealed('a'), 0, () => heartbeat(1));
    vi.advanceTimersByTime(5_000);
    expect(known.of(sealed('a'), 0, () => heartbeat(2))).toEqual(heartbeat(2));
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are forgotten when many others came', () => {
    known.of(sealed('a'), 0, () => heartbeat(1));
    for (let index = 0; index < 4_001; index += 1) known.of(sealed(`${index}`), 0, () => heartbeat(index));
    expect(known.of(sealed('a'), 0, () => heartbeat(2))).toEqual(heartbeat(2));
  });
});
