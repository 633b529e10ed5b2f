import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitUnescaped, unescape } from './escapes.ts';

describe('escapes', () => {
  it.each([
    ['a,b', ['a', 'b']],
    ['a\\,b', ['a,b']],
    ['a\\\\,b', ['a\\', 'b']],
    ['a\\|b\\$c', ['a|b$c']],
    [',', ['', '']],
    ['', ['']],
    ['a\\', ['a\\']],
    ['a\\n', ['a\\n']],
  ])('%j holds %j', (text, values) => {
    expect(splitUnescaped(text, ',').map(unescape)).toEqual(values);
  });

  it.each([
    ['a,b,c,d', ['a', 'b']],
    ['a\\,b,c,d', ['a\\,b', 'c']],
    ['a\\,b', ['a\\,b']],
    [`\\,${','.repeat(1_000_000)}`, ['\\,', '']],
  ])('are looked for no further than wanted: %.9j', (text, parts) => {
    expect(splitUnescaped(text, ',', 2)).toEqual(parts);
  });

  it('gives back whatever values were escaped and joined', () => {
    const escape = (text: string) => text.replace(/[\\,|$]/g, '\\$&');
    const value = fc.string({ unit: fc.constantFrom('a', '\\', ',', '|', '$', 'é') });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.constantFrom(',', '|'), (values, separator) => {
        const joined = values.map(escape).join(separator);
        expect(splitUnescaped(joined, separator).map(unescape)).toEqual(values);
      }),
    );
  });
});
