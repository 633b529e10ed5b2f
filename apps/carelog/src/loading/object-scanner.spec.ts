import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotAnObject, ObjectScanner, membersOf } from './object-scanner.ts';
import type { Piece } from './object-scanner.ts';

describe('an object scanner', () => {
  const objects = fc.record({
    resourceType: fc.constant('Bundle'),
    before: fc.jsonValue(),
    entry: fc.array(fc.jsonValue(), { maxLength: 5 }),
    'a "quoted\\" name': fc.jsonValue(),
  });

  it('finds every member and element as it was written, however the bytes are cut', () => {
    fc.assert(
      fc.property(objects, fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, 2), (object, size, indent) => {
        const pieces = scan(JSON.stringify(object, null, indent), size);
        const members = Object.fromEntries(
          pieces.flatMap((piece) => (piece.kind === 'member' ? [[piece.name, JSON.parse(piece.text)]] : [])),
        );
        const elements = pieces.flatMap((piece) =>
          piece.kind === 'element' ? [JSON.parse(piece.text)] : [],
        );
        expect({ ...members, entry: elements }).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });

  it('keeps numbers and spaces as they are', () => {
    expect(membersOf('{"resource": {"value" : 1.10, "text": "a\\u0020b"} }').get('resource')).toBe(
      '{"value" : 1.10, "text": "a\\u0020b"}',
    );
  });

  it('numbers elements from 0 and gives an entry that is no array as a member', () => {
    expect(scan('{"entry":[{"a":1},[2],"3"]}', 100).map((piece) => 'index' in piece && [piece.index, piece.text])).toEqual([[0, '{"a":1}'], [1, '[2]'], [2, '"3"']]); // prettier-ignore
    expect(scan('{"entry":{"a":[1]}}', 100)).toEqual([{ kind: 'member', name: 'entry', text: '{"a":[1]}' }]);
  });

  it.each([
    ['an array', '[{"resourceType":"Patient"}]', 'array'],
    ['something else first', 'hello {"a":1}', 'not JSON'],
    ['half an object', '{"a":{"b":1}', 'ends in the middle'],
    ['an unfinished string', '{"a":"b}', 'ends in the middle'],
    ['nothing', '  ', 'holds none'],
    ['two objects', '{"a":1}\n{"b":2}', 'more than one'],
    ['something behind', '{"a":1} x', 'goes on'],
    ['a name that is no string', '{a:1}', 'not JSON'],
  ])('says what is wrong with %s', (_, text, message) => {
    expect(() => scan(text, 3)).toThrow(NotAnObject);
    expect(() => scan(text, 3)).toThrow(message);
  });

  it('passes over a byte order mark', () => {
    expect(scan('\uFEFF{"a":1}', 1)).toEqual([{ kind: 'member', name: 'a', text: '1' }]);
  });
});

function scan(text: string, size: number): Piece[] {
  const scanner = new ObjectScanner('entry');
  const bytes = Buffer.from(text);
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(...scanner.push(bytes.subarray(at, at + size)));
  scanner.end();
  return pieces;
}
