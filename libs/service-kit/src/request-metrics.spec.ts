import fc from 'fast-check';
import { expect, it } from 'vitest';
import { metricsText } from './metrics.ts';
import { createRequestMetrics } from './request-metrics.ts';

const answer = fc.record({
  interaction: fc.constantFrom('read', 'search'),
  status: fc.integer({ min: 200, max: 599 }),
  seconds: fc.double({ min: 0, max: 60, noNaN: true }),
});

it('counts nothing before the first request', () => {
  expect([...createRequestMetrics().samples()].filter(({ value }) => value !== 0)).toEqual([]);
});

it('counts what asks to record as received, and what of it was done as accepted; what a view answered, as served', () => {
  const metrics = createRequestMetrics();
  const answers = [['create', 201], ['bundle', 200], ['create', 422], ['delete', 503], ['read', 200], ['search', 304], ['read', 404], ['metadata', 200], ['limited', 429]] as const; // prettier-ignore
  for (const [interaction, status] of answers) metrics.count(interaction, status, 0.01);
  const text = metricsText(metrics.samples());
  expect(text).toContain('\ncarelog_received_total 4\n');
  expect(text).toContain('\ncarelog_accepted_total 2\n');
  expect(text).toContain('\ncarelog_served_total 2\n');
});

it('counts each request once in its class of status, and in each bucket that it fits', () => {
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 50 }), (answers) => {
      const metrics = createRequestMetrics();
      for (const { interaction, status, seconds } of answers) metrics.count(interaction, status, seconds);
      const values = new Map(
        metricsText(metrics.samples())
          .split('\n')
          .map((line) => line.split(' ') as [string, string]),
      );
      for (const name of new Set(answers.map(({ interaction }) => interaction))) {
        const these = answers.filter(({ interaction }) => interaction === name);
        for (const statusClass of [2, 3, 4, 5]) {
          const count = these.filter(({ status }) => Math.floor(status / 100) === statusClass).length;
          const label = `{interaction="${name}",status="${statusClass}xx"}`;
          expect(Number(values.get(`carelog_requests_total${label}`) ?? 0)).toBe(count);
        }
        for (const bound of [0.001, 0.05, 1, 10]) {
          const under = these.filter(({ seconds }) => seconds <= bound).length;
          const label = `{interaction="${name}",le="${bound}"}`;
          expect(Number(values.get(`carelog_request_seconds_bucket${label}`))).toBe(under);
        }
        const label = `{interaction="${name}"}`;
        expect(Number(values.get(`carelog_request_seconds_count${label}`))).toBe(these.length);
        const sum = these.reduce((total, { seconds }) => total + seconds, 0);
        expect(Number(values.get(`carelog_request_seconds_sum${label}`))).toBeCloseTo(sum);
      }
    }),
  );
});
