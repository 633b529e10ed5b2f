import { describe, expect, it } from 'vitest';
import { reached } from './view-progress.ts';

const relay = { epoch: 'e', eventId: undefined, position: 100, positions: [90, 97, 0] };
const lanes = (...positions: (number | undefined)[]) =>
  new Map(positions.flatMap((position, lane) => (position === undefined ? [] : [[lane, { position, epoch: 'e' }] as const]))); // prettier-ignore

describe('a view has reached', () => {
  it.each([
    ['what the relay sent, when it has the last of each lane', lanes(90, 97), 100],
    ['no more than the relay says, though its lanes are further', lanes(90, 101, 99), 100],
    ['only as far as its lane that is furthest behind', lanes(80, 70), 70],
    ['not further by lanes that have all they were sent', lanes(90, 40), 40],
    ['nothing while a lane has nothing of what was sent to it', lanes(90), 0],
  ])('%s', (_, has, position) => {
    expect(reached(relay, has, 'e')).toBe(position);
  });

  it('nothing of a log that was restored until relay and lanes know its epoch', () => {
    const has = new Map(
      [...lanes(90, 97)].map(([lane, at]) => [lane, { ...at, epoch: lane === 0 ? 'new' : 'e' }]),
    );
    expect(reached(relay, lanes(90, 97), 'new')).toBe(0);
    expect(reached({ ...relay, epoch: 'new' }, has, 'new')).toBe(0);
    expect(reached(undefined, has, 'e')).toBe(0);
  });
});
