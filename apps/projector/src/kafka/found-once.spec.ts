import type { RecordedEvent } from '@carelog/event-store';
import type { OpenedContent } from '@carelog/projection';
import { describe, expect, it } from 'vitest';
import { evolvedOnce, openedOnce } from './found-once.ts';

const event = (position: number) => ({ position, partition: 'ann' }) as RecordedEvent;
const never = () => false;
const opened = (...bytes: number[]): OpenedContent => ({ kind: 'opened', bytes: new Uint8Array(bytes) });
const unreadable: OpenedContent = { kind: 'unreadable', reason: 'unknown-key' };

describe('what several views need of an event', () => {
  it('is opened once', () => {
    let times = 0;
    const open = openedOnce(() => opened((times += 1)), never);
    const one = event(1);
    expect(open(one)).toBe(open(one));
    expect(open(event(1))).toEqual(opened(2));
  });

  it('is opened again where it could not be: its key may have come', () => {
    const answers = [unreadable, opened(1)];
    const open = openedOnce(() => answers.shift()!, never);
    const one = event(1);
    expect([open(one), open(one)]).toEqual([unreadable, opened(1)]);
  });

  it('is asked for again where it was erased meanwhile', () => {
    const erased = new Set<string>();
    const open = openedOnce(
      ({ partition }) => (erased.has(partition) ? { kind: 'unreadable', reason: 'erased' } : opened(1)),
      (partition) => erased.has(partition),
    );
    const one = event(1);
    expect(open(one)).toEqual(opened(1));
    erased.add('ann');
    expect(open(one)).toEqual({ kind: 'unreadable', reason: 'erased' });
  });

  it('is worked out once for one content, also where that is nothing; and anew where it cannot be opened any more', () => {
    let times = 0;
    const rule = (_: RecordedEvent, { kind }: OpenedContent) =>
      (times += 1) === 1 ? undefined : `${kind} ${times}`;
    const { evolve } = evolvedOnce({ name: 'spec', version: 1, evolve: rule });
    const [one, content] = [event(1), opened(1)];
    expect([evolve(one, content), evolve(one, content)]).toEqual([undefined, undefined]);
    expect([evolve(one, unreadable), evolve(one, unreadable)]).toEqual(['unreadable 2', 'unreadable 3']);
  });

  it('is tried again where the rule threw', () => {
    let times = 0;
    const rule = (): number => {
      times += 1;
      if (times === 1) throw new Error('poison');
      return times;
    };
    const { evolve } = evolvedOnce({ name: 'spec', version: 1, evolve: rule });
    const [one, content] = [event(1), opened(1)];
    expect(() => evolve(one, content)).toThrow('poison');
    expect(evolve(one, content)).toBe(2);
  });
});
