/** What is kept of facts that were read is never taken for what is stored since. */
import { describe, expect, it } from 'vitest';
import { ParsedFacts } from './parsed-facts.ts';

const row = (version: number, text: string, patient = 'Patient/p') => ({
  stream: 'Condition/c',
  patient,
  version,
  told: JSON.stringify({ fact: { kind: 'problem', text }, source: { event: 'e', position: version } }),
});
const textOf = (facts: ParsedFacts, it: ReturnType<typeof row>) => facts.of(it).fact.text;

describe('a fact that was read before', () => {
  it('is not parsed again, whichever person it is read for', () => {
    const facts = new ParsedFacts();
    const [first, again] = [facts.of(row(1, 'Asthma')), facts.of(row(1, 'Asthma', 'Patient/q'))];
    expect(again.fact).toBe(first.fact);
    expect(again).toEqual({ ...first, patient: 'Patient/q' });
  });

  it.each([
    ['a newer version is', row(1, 'Asthma'), row(2, 'Asthma, mild')],
    ['an older version is, which a withdrawal brought back', row(2, 'Asthma'), row(1, 'Wheeze')],
    ['the same version is in another life of the log', row(1, 'Asthma'), row(1, 'Gout')],
  ])('is parsed again where %s stored', (_, before, now) => {
    const facts = new ParsedFacts();
    expect(textOf(facts, before)).toBe(JSON.parse(before.told).fact.text);
    expect(textOf(facts, now)).toBe(JSON.parse(now.told).fact.text);
    expect(textOf(facts, before)).toBe(JSON.parse(before.told).fact.text);
  });

  it('is kept no longer than there is room, and not where it is long', () => {
    const facts = new ParsedFacts(1);
    const kept = facts.of(row(1, 'Asthma')).fact;
    for (const stream of ['Condition/d', 'Condition/e']) facts.of({ ...row(1, 'Gout'), stream });
    expect(facts.of(row(1, 'Asthma')).fact).not.toBe(kept);
    const long = row(1, 'x'.repeat(10_000));
    expect(facts.of(long).fact).not.toBe(facts.of(long).fact);
  });
});
