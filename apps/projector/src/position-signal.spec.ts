import { expect, it } from 'vitest';
import { PositionSignal } from './position-signal.ts';

it('tells another thread which streams moved before it tells the position', () => {
  const here = new PositionSignal();
  const there = new PositionSignal(here.memory);
  const moves = () => ['Patient/ada', 'Patient/ben'].map((stream) => there.moves(stream));
  const [ada, ben] = moves();
  here.publish(1, new Set(['Patient/ada']));
  expect(there.position()).toBe(1);
  expect(moves()[0]).not.toBe(ada);
  expect(moves()[1]).toBe(ben);
});

it('moves every stream where all were touched', () => {
  const signal = new PositionSignal();
  const streams = Array.from({ length: 1_000 }, (_, i) => `Observation/${i}`);
  const before = streams.map((stream) => signal.moves(stream));
  signal.publish(1, 'all');
  streams.forEach((stream, i) => expect(signal.moves(stream)).not.toBe(before[i]));
});

it('spreads streams so that few move with another', () => {
  const signal = new PositionSignal();
  const streams = Array.from({ length: 10_000 }, (_, i) => `Patient/0198c5d2-${i.toString(16).padStart(4, '0')}-7000-8000-000000000000`); // prettier-ignore
  const before = streams.map((stream) => signal.moves(stream));
  signal.publish(1, new Set(streams.slice(0, 100)));
  const moved = streams.filter((stream, i) => signal.moves(stream) !== before[i]);
  expect(moved.length).toBeGreaterThanOrEqual(100);
  expect(moved.length).toBeLessThan(400);
});
