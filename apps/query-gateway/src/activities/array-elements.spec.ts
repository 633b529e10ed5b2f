import fc from 'fast-check';
import { expect, it } from 'vitest';
import { elementsOf } from './array-elements.ts';

it('gives every element of every array', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (values, space) => {
      const elements = elementsOf(JSON.stringify(values, undefined, space), 1_000);
      expect(elements!.map((it) => JSON.parse(it) as unknown)).toEqual(JSON.parse(JSON.stringify(values)));
    }),
  );
});

it.each(['', '{}', '7', '[1', '[1,]', '{"a":[1]}'])('gives nothing for %s', (text) => {
  expect(elementsOf(text, 10)).toBeUndefined();
});

it('stops after one too many', () => {
  expect(elementsOf(`[${'1,'.repeat(10_000)}1]`, 3)).toEqual(['1', '1', '1', '1']);
});
