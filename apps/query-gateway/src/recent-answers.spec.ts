import { expect, it } from 'vitest';
import { RecentAnswers } from './recent-answers.ts';

function recent(bytesMax = 1_000_000) {
  const moves = new Map<string, number>();
  const answers = new RecentAnswers<string>((stream) => moves.get(stream) ?? 0, bytesMax);
  const move = (stream: string) => moves.set(stream, (moves.get(stream) ?? 0) + 1);
  return { answers, move };
}

it('gives what was kept until one of the streams that it is about moves', () => {
  const { answers, move } = recent();
  answers.keeper('a', ['Patient/1', 'Patient/2'])('about both', 10);
  answers.keeper('b', ['Patient/3'])('about another', 10);
  expect(answers.get('a')).toBe('about both');
  move('Patient/2');
  expect(answers.get('a')).toBeUndefined();
  expect(answers.get('b')).toBe('about another');
});

it('counts moves from before the answer was looked up', () => {
  const { answers, move } = recent();
  const keep = answers.keeper('a', ['Patient/1']);
  move('Patient/1');
  keep('looked up too early', 10);
  expect(answers.get('a')).toBeUndefined();
});

it('knows what was asked before', () => {
  const { answers } = recent();
  expect([answers.isRepeated('a'), answers.isRepeated('b'), answers.isRepeated('a')]).toEqual([
    false,
    false,
    true,
  ]);
});

it('keeps no large answer, and forgets the oldest beyond its share of memory', () => {
  const { answers } = recent(100_000);
  answers.keeper('large', [])('large', 2_000);
  expect(answers.get('large')).toBeUndefined();
  for (let i = 0; i < 1_000; i += 1) answers.keeper(`${i}`, [])('small', 500);
  const kept = Array.from({ length: 1_000 }, (_, i) => answers.get(`${i}`)).filter(Boolean);
  expect(kept).toHaveLength(100);
  expect(answers.get('999')).toBe('small');
});

it('counts an answer that takes the place of another once', () => {
  const { answers } = recent(100_000);
  for (let i = 0; i < 1_000; i += 1) answers.keeper('a', [])(`answer ${i}`, 500);
  for (let i = 0; i < 99; i += 1) answers.keeper(`${i}`, [])('small', 500);
  expect(answers.get('a')).toBe('answer 999');
});
