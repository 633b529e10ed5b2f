/** What a general practitioner opens first. Codes are SNOMED CT. */
import { describe, expect, it } from 'vitest';
import { about, linesOf, pageAfter, person, snomed } from './care-setting-scene.ts';
import { generalPractice } from './general-practice.ts';

const NOW = '2026-06-01T09:00:00Z';

describe('general practice', () => {
  it('given nobody said anything of allergies, then the page does not say that there are none', async () => {
    const page = await pageAfter(generalPractice, [person()], NOW);
    expect(linesOf(page, 'Allergies and adverse reactions')).toEqual(['(unavailable)']);
  });

  it('given an older version of a problem that arrives late, then the newer one stands', async () => {
    const problem = (status: string) =>
      about('Condition', 'c', { clinicalStatus: { coding: [{ code: status }] }, code: snomed('195967001', 'Asthma') }); // prettier-ignore
    const page = await pageAfter(
      generalPractice,
      [
        person(),
        { resource: problem('active'), issued: '2026-01-01T00:00:00Z' },
        { resource: problem('resolved'), issued: '2026-03-01T00:00:00Z' },
      ],
      NOW,
    );
    expect(page.flatMap((it) => it.items).map(({ sources: [{ fact }] }) => fact.status)).toContain(
      'resolved',
    );
  });
});
