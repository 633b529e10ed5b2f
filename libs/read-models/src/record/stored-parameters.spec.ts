import { resourceTypes, searchParametersOf } from '@carelog/fhir';
import { describe, expect, it } from 'vitest';
import { isStored, storedUnder } from './stored-parameters.ts';

describe('storedUnder', () => {
  it.each([
    ['Observation', 'code', ['code']],
    ['Observation', 'combo-code', ['code', 'component-code']],
    ['Observation', 'combo-value-quantity', ['component-value-quantity', 'value-quantity']],
    ['Observation', '_tag', ['_tag']],
    ['Observation', 'subject', ['subject']],
    ['Patient', 'phonetic', ['name']],
    ['Patient', 'telecom', ['telecom']],
    ['Encounter', 'unheard', ['unheard']],
  ])('%s %s: %j', (type, code, codes) => expect([...storedUnder(type, code)].toSorted()).toEqual(codes));

  it('leads to rows that are kept, of the same kind, for every parameter', () => {
    for (const type of resourceTypes()) {
      const kinds = new Map(searchParametersOf(type).map((it) => [it.code, it.type]));
      for (const [code, kind] of kinds) {
        const stored = storedUnder(type, code);
        expect(stored.length).toBeGreaterThan(0);
        expect(stored.every((it) => isStored(type, it) && kinds.get(it) === kind)).toBe(true);
      }
    }
  });
});
