import { StoreFault } from '@carelog/event-store';
import { describe, expect, it } from 'vitest';
import { refusingWhileAway } from './out-of-reach.ts';

const engine = (fault: Error) =>
  refusingWhileAway(() => ({ ask: () => Promise.reject<number>(fault), size: () => 7 }), 'The record');

describe('an engine that is away', () => {
  it.each([
    new StoreFault('io', 'The log cannot be reached.'),
    new Error('Connection terminated unexpectedly'),
    new Error('connect ECONNREFUSED 127.0.0.1:5432'),
    new Error('the database system is starting up'),
    new Error('canceling statement due to statement timeout'),
  ])('is something to try again: $message', async (fault) => {
    await expect(engine(fault).ask()).rejects.toMatchObject({ category: 'unavailable', code: 'transient' });
  });

  it.each([new TypeError('undefined is not a function'), new StoreFault('damaged', 'The log is damaged.')])(
    'is not to blame for %s',
    async (fault) => {
      await expect(engine(fault).ask()).rejects.toBe(fault);
    },
  );

  it('answers as itself while it is there, also when another takes its place', async () => {
    let current = { ask: async () => 1 };
    const asked = refusingWhileAway(() => current, 'The record');
    expect(await asked.ask()).toBe(1);
    current = { ask: async () => 2 };
    expect(await asked.ask()).toBe(2);
    expect(engine(new Error('x')).size()).toBe(7);
  });
});
