import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '@carelog/fhir';
import { canonicalContent } from './content.ts';

const canonicalOf = (text: string): string => {
  const parsed = parseJson(text);
  if (parsed.kind === 'malformed') throw new Error('The test sent malformed JSON.');
  return canonicalContent(parsed.value as Record<string, unknown>, parsed.exact);
};

describe('canonical content', () => {
  it('is the same whatever the order of members, the id, and what servers add to meta', () => {
    expect(canonicalOf('{"b":1,"a":{"d":[1,2],"c":"x"},"id":"1","meta":{"versionId":"1"}}')).toBe(
      canonicalOf('{"a":{"c":"x","d":[1,2]},"meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"b":1}'),
    );
  });
  it.each([
    ['a value', '{"a":1}', '{"a":2}'],
    ['the order of a list', '{"a":[1,2]}', '{"a":[2,1]}'],
    ['a type', '{"a":"1"}', '{"a":1}'],
    ['the precision of a number', '{"a":1.0}', '{"a":1.00}'],
    ['the precision of a number in a list', '{"a":[1.0]}', '{"a":[1.00]}'],
    ['a profile', '{"meta":{"profile":["a"]}}', '{}'],
    ['a null beside a value', '{"a":[null,"x"]}', '{"a":["x",null]}'],
  ])('differs by %s', (_, one, other) => {
    expect(canonicalOf(one)).not.toBe(canonicalOf(other));
  });
  it('is itself JSON of the same value', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => !['id', 'meta', '__proto__'].includes(key)),
          fc.jsonValue(),
        ),
        (value) => {
          const text = JSON.stringify(value);
          expect(JSON.parse(canonicalContent(JSON.parse(text) as Record<string, unknown>))).toEqual(
            JSON.parse(text),
          );
        },
      ),
    );
  });
});
