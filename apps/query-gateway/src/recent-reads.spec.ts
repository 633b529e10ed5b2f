import { expect, it } from 'vitest';
import { createRecentReads } from './recent-reads.ts';

function found(body: string) {
  const shown = { versions: '1', patients: [] };
  const version = {
    kind: 'found',
    body,
    versionId: 1,
    lastUpdated: '2026-01-01T00:00:00.000Z',
    shown,
  } as const;
  return { version, answer: { status: 200, body } };
}

it('gives what was set while the view stands still', () => {
  const reads = createRecentReads();
  expect(reads.get('Patient/1', 7)).toBeUndefined();
  reads.set('Patient/1', 7, found('one'));
  reads.set('Patient/2', 7, found('two'));
  expect(reads.get('Patient/1', 7)?.answer.body).toBe('one');
  expect(reads.get('Patient/2', 7)?.answer.body).toBe('two');
});

it('forgets everything with the first answer after a move, and gives nothing of before or after', () => {
  const reads = createRecentReads();
  reads.set('Patient/1', 7, found('one'));
  expect(reads.get('Patient/1', 8)).toBeUndefined();
  reads.set('Patient/2', 8, found('two'));
  expect(reads.get('Patient/1', 7)).toBeUndefined();
  expect(reads.get('Patient/1', 8)).toBeUndefined();
});

it('keeps no large resource, and not more than its share of small ones', () => {
  const reads = createRecentReads();
  reads.set('Binary/large', 7, found('x'.repeat(100_000)));
  expect(reads.get('Binary/large', 7)).toBeUndefined();
  for (let i = 0; i < 20_000; i += 1) reads.set(`Patient/${i}`, 7, found('one'));
  const kept = Array.from({ length: 20_000 }, (_, i) => reads.get(`Patient/${i}`, 7)).filter(Boolean);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(5_000);
});
