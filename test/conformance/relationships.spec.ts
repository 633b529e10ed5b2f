import { describe, expect, it } from 'vitest';
import {
  basisNow,
  decisionsIn,
  defaultPolicy,
  labels,
  labelsOf,
  maskOf,
  partOf,
  relationshipsIn,
} from '@carelog/access';
import { generatePopulation } from '@carelog/synthetic';

type Json = Readonly<Record<string, unknown>>;
const policy = defaultPolicy();
const NOW = Date.parse('2026-11-01');

/** Every resource of the demo's people as it stands in the end. */
function demoRecord(): ReadonlyMap<string, Json> {
  const record = new Map<string, Json>();
  for (const { entry } of [...generatePopulation({ seed: 1, people: 120 })].flat()) {
    for (const { fullUrl, resource } of entry) {
      record.set(resource.id === undefined ? fullUrl : `${resource.resourceType}/${resource.id}`, resource);
    }
  }
  return record;
}

describe('the demo’s people', () => {
  const record = demoRecord();
  const codesOf = (party: string): readonly string[] =>
    party.startsWith('ods:') ? [party] : partOf(record.get(party) ?? {}).flatMap(codesOf);
  const related = new Map<string, Set<string>>();
  for (const resource of record.values()) {
    for (const relationship of relationshipsIn(resource)) {
      if (basisNow(relationship, NOW, policy) === undefined) continue;
      for (const code of codesOf(relationship.party)) {
        related.set(code, (related.get(code) ?? new Set()).add(relationship.patient));
      }
    }
  }
  const of = (code: string): ReadonlySet<string> => related.get(`ods:${code}`) ?? new Set();

  it('are patients of the practice, at least a hundred, and of others, which shares none with it', () => {
    expect(of('Y90001').size).toBeGreaterThanOrEqual(100);
    const elsewhere = of('Y90002').union(of('Y90003'));
    expect(elsewhere.size).toBeGreaterThanOrEqual(5);
    expect(elsewhere.intersection(of('Y90001')).size).toBe(0);
    const people = [...record.keys()].filter((key) => key.startsWith('Patient/'));
    expect(new Set(people)).toEqual(of('Y90001').union(elsewhere));
  });

  it.each(['RZZ', 'RZY', 'RZX', 'RZW', '9ZZ', 'FZZ01'])(
    'include some in the care of %s, and most who are not',
    (code) => {
      expect(of(code).size).toBeGreaterThanOrEqual(1);
      expect(of(code).size).toBeLessThan(60);
    },
  );

  it('have parts of their records that not everybody may see, and decided about sharing', () => {
    const masks = [...record.values()].map((resource) => labelsOf(resource, policy));
    const used = labels.filter((label) => masks.some((mask) => (mask & maskOf([label])) !== 0));
    expect(used).toEqual(expect.arrayContaining(['restricted', 'abuse']));
    const decisions = [...record.values()].flatMap((resource) => decisionsIn(resource, policy));
    expect(decisions.some(({ kind }) => kind === 'sharing')).toBe(true);
  });
});
