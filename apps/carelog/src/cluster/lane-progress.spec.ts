import { describe, expect, it } from 'vitest';
import { progressed, reached } from './lane-progress.ts';

const relayAt = (position: number, ...positions: number[]) => ({
  epoch: 'e',
  eventId: undefined,
  position,
  positions,
});
const relay = relayAt(100, 90, 97, 0);
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
    expect(reached(progressed([], relay, has, 'e'))).toBe(position);
  });

  it('what it had reached, also when more was sent to a lane that had been quiet for long', () => {
    const before = progressed([], relayAt(1000, 5, 997), lanes(5, 997), 'e');
    expect(reached(before)).toBe(1000);
    const sent = progressed(before, relayAt(1010, 1009, 997), lanes(5, 997), 'e');
    expect(reached(sent)).toBe(1000);
    const other = progressed(sent, relayAt(1020, 1009, 1015), lanes(1009, 997), 'e');
    expect(reached(other)).toBe(1010);
  });

  it('no more than it has, when a lane is built again', () => {
    const before = progressed([], relay, lanes(90, 97), 'e');
    expect(reached(progressed(before, relay, lanes(90, 30), 'e'))).toBe(30);
    const begun = progressed(before, relay, lanes(90), 'e');
    expect(reached(progressed(begun, relay, lanes(90, 96), 'e'))).toBe(96);
  });

  it('nothing of a log that was restored until relay and lanes know its epoch', () => {
    const before = progressed([], relay, lanes(90, 97), 'e');
    const has = new Map(
      [...lanes(90, 97)].map(([lane, at]) => [lane, { ...at, epoch: lane === 0 ? 'new' : 'e' }]),
    );
    expect(reached(progressed(before, relay, lanes(90, 97), 'new'))).toBe(0);
    expect(reached(progressed(before, { ...relay, epoch: 'new' }, has, 'new'))).toBe(0);
    expect(reached(progressed(before, undefined, has, 'e'))).toBe(0);
  });
});
