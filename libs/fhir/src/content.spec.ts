import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeContent, type IdentifiedResource, toServed } from './content.ts';
import { parseJson } from './parse-json.ts';

const version = { versionId: '7', lastUpdated: '2024-05-31T09:30:00.000Z' };

describe('encodeContent', () => {
  test.each([
    [
      'moves type and id to the front',
      { status: 'final', id: 'a', resourceType: 'Observation' },
      '{"resourceType":"Observation","id":"a","status":"final"}',
    ],
    [
      'keeps the order of the rest',
      { resourceType: 'Patient', id: 'a', b: 1, a: 2 },
      '{"resourceType":"Patient","id":"a","b":1,"a":2}',
    ],
    [
      'leaves out a meta that only the server writes',
      { resourceType: 'Patient', id: 'a', meta: { versionId: '1', lastUpdated: 'x' } },
      '{"resourceType":"Patient","id":"a"}',
    ],
    [
      'keeps the rest of meta, third',
      { resourceType: 'Patient', id: 'a', b: 1, meta: { versionId: '1', tag: [] } },
      '{"resourceType":"Patient","id":"a","meta":{"tag":[]},"b":1}',
    ],
  ])('%s', (_, resource, text) => {
    expect(encodeContent(resource as IdentifiedResource)).toBe(text);
  });

  test('keeps exact numbers, at the top and below', () => {
    const result = parseJson(
      '{"factorOverride":0.80,"resourceType":"ChargeItem","quantity":{"value":1.0},"id":"a"}',
    );
    if (result.kind !== 'parsed') throw new Error('The text is well formed.');
    expect(encodeContent(result.value as IdentifiedResource, result.exact)).toBe(
      '{"resourceType":"ChargeItem","id":"a","factorOverride":0.80,"quantity":{"value":1.0}}',
    );
  });

  test.each([
    { resourceType: 'Patient', id: 'a"b' },
    { resourceType: 'Pa"tient', id: 'a' },
    { resourceType: 'Patient', id: '' },
  ])('throws on a type or id that was not validated: %j', (resource) => {
    expect(() => encodeContent(resource)).toThrow('valid type and id');
  });
});

test('what is served is the content with the server’s meta, whatever the resource holds', () => {
  const meta = fc.dictionary(
    fc.constantFrom('versionId', 'lastUpdated', 'tag', 'profile', 'source'),
    fc.string(),
  );
  const id = fc.stringMatching(/^[A-Za-z0-9\-.]{1,64}$/);
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      id,
      fc.option(meta, { nil: undefined }),
      (members, id, meta) => {
        const resource = { ...members, ...(meta && { meta }), id, resourceType: 'Basic' };
        if (!meta) delete (resource as { meta?: unknown }).meta;
        const content = encodeContent(resource);
        const { versionId: _, lastUpdated: __, ...clientMeta } = meta ?? {};
        expect(content.startsWith(`{"resourceType":"Basic","id":"${id}"`)).toBe(true);
        expect(JSON.parse(toServed(content, version))).toEqual(
          JSON.parse(JSON.stringify({ ...resource, meta: { ...clientMeta, ...version } })),
        );
      },
    ),
  );
});
