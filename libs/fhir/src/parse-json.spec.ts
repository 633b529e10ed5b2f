import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultJsonLimits, parseJson, stringify } from './parse-json.ts';

describe('parseJson', () => {
  test.each([
    ['nothing at all', '', 'The body is empty'],
    ['only blanks', ' \n ', 'The body is empty'],
    ['a missing brace', '{"resourceType":"Patient"', 'line 1, column 26'],
    ['a bad token on the third line', '{\n "a": 1,\n "b": x\n}', 'line 3, column 7'],
    ['a trailing comma', '{"a":1,}', 'line 1, column 8'],
    ['a raw control character', '{"a":"\u0001"}', 'line 1, column 6'],
    ['two values in a row', '[1 2]', 'line 1, column 4'],
    ['a key without a value', '{"a"}', 'line 1, column 5'],
    ['a number with a leading zero', '[01]', 'line 1, column 3'],
    ['a second value', '{} {}', 'line 1, column 4'],
    ['NUL', '{"a":"x\\u0000"}', 'not text'],
    ['NUL in a name', '{"\\u0000":1}', 'not text'],
    ['half a surrogate pair', '{"a":["\\ud83d"]}', 'not text'],
  ])('refuses %s', (_, text, message) => {
    const result = parseJson(text);
    expect(result).toMatchObject({
      kind: 'malformed',
      problems: [{ category: 'incorrect', code: 'structure' }],
    });
    expect(problemsOf(text)[0]?.message).toContain(message);
  });

  test('says nothing of what was sent', () => {
    const secret = 'Mary-Jane-Secret';
    for (const text of [
      `{"a":"${secret}" x}`,
      `${secret}`,
      `{"a":${secret}}`,
      `{"${secret}":1,"${secret}":"\\ud800"}`,
    ]) {
      expect(
        problemsOf(text)
          .map((problem) => problem.message)
          .join(),
      ).not.toContain(secret);
    }
  });

  test.each([
    ['at the top', '{"resourceType":"Patient","id":"a","id":"b"}', ['Patient.id']],
    [
      'inside an array',
      '{"resourceType":"Patient","name":[{},{"family":"a","family":"b"}]}',
      ['Patient.name[1].family'],
    ],
    ['however the name is escaped', '{"resourceType":"Patient","id":"a","\\u0069d":"b"}', ['Patient.id']],
    [
      'twice over',
      '{"resourceType":"Patient","x":1,"x":{"y":1,"y":2},"x":3}',
      ['Patient.x', 'Patient.x.y', 'Patient.x'],
    ],
    ['under a name that is not plain', '{"resourceType":"Patient","<b>":1,"<b>":2}', ['Patient']],
    ['as __proto__', '{"resourceType":"Patient","__proto__":1,"__proto__":2}', ['Patient.__proto__']],
  ])('finds duplicate keys %s', (_, text, expressions) => {
    expect(problemsOf(text).map((problem) => problem.expression)).toEqual(expressions);
  });

  test('refuses what is nested too deep, and takes what is just deep enough', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(defaultJsonLimits.depthMax)).kind).toBe('parsed');
    expect(problemsOf(nested(defaultJsonLimits.depthMax + 1))[0]?.message).toContain('101 levels');
    expect(parseJson(nested(100_000)).kind).toBe('malformed');
  });

  test('refuses what is too long as too large', () => {
    expect(parseJson('"12345"', { ...defaultJsonLimits, lengthMax: 6 })).toMatchObject({
      problems: [{ category: 'too-large' }],
    });
  });

  test('drops a byte order mark', () => {
    expect(parseJson('\uFEFF{"a":1}')).toEqual({ kind: 'parsed', value: { a: 1 } });
  });

  test('keeps __proto__ an ordinary member', () => {
    const result = parseJson('{"__proto__":{"polluted":true},"n":1.0}');
    expect(result.kind === 'parsed' && Object.keys(result.value as object)).toEqual(['__proto__', 'n']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(result.kind === 'parsed' && stringify(result.value, result.exact)).toBe(
      '{"__proto__":{"polluted":true},"n":1.0}',
    );
  });
});

describe('numbers', () => {
  test.each([
    '1.10',
    '0.0',
    '1e3',
    '1E-2',
    '-0',
    '100000000000000000000',
    '0.1234567890123456789',
    '1e400',
    '12345678901234567',
  ])('%s is written back as it came, in objects and arrays', (literal) => {
    const text = `{"a":[${literal},{"b":${literal}}],"c":5}`;
    const result = parseJson(text);
    expect(result.kind === 'parsed' && stringify(result.value, result.exact)).toBe(text);
  });

  test('that JavaScript writes alike need no record', () => {
    expect(parseJson('{"a":[1,-2.5,0,999999999999999,1.7976931348623157e+308]}')).not.toHaveProperty('exact');
  });

  test('that were changed since are written as they are now', () => {
    const result = parseJson('{"a":1.10,"b":2.50}');
    if (result.kind !== 'parsed') throw new Error('The text is well formed.');
    (result.value as { a: number }).a = 3;
    expect(stringify(result.value, result.exact)).toBe('{"a":3,"b":2.50}');
  });

  const literal = fc.stringMatching(/^-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$/);

  test('of any form survive reading and writing', () => {
    fc.assert(
      fc.property(fc.array(literal, { maxLength: 5 }), literal, (items, last) => {
        const text = `{"list":[${items.join(',')}],"last":${last}}`;
        const result = parseJson(text);
        expect(result.kind === 'parsed' && stringify(result.value, result.exact)).toBe(text);
      }),
    );
  });
});

test('any JSON, however it is spaced, is read as JSON.parse reads it and written back alike', () => {
  fc.assert(
    fc.property(fc.jsonValue({ depthSize: 'medium' }), fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const result = parseJson(text);
      if (/\\ud[89a-f]|\\u0000/i.test(text)) return;
      expect(result).toMatchObject({ kind: 'parsed' });
      expect(result.kind === 'parsed' && stringify(result.value, result.exact)).toBe(
        JSON.stringify(JSON.parse(text)),
      );
    }),
  );
});

test('damaged JSON is pointed at no later than where the damage is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(), (value, seed) => {
      const text = JSON.stringify([value]);
      const at = seed % text.length;
      const damaged = `${text.slice(0, at)}\u0001${text.slice(at)}`;
      const message = problemsOf(damaged)[0]?.message ?? '';
      const column = Number(/line 1, column (\d+)/.exec(message)?.[1]);
      expect(column).toBeGreaterThan(0);
      expect(column).toBeLessThanOrEqual(at + 1);
    }),
  );
});

test('any text at all is answered, never thrown at', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (text) => void expect(parseJson(text).kind).toBeTypeOf('string'),
    ),
  );
});

function problemsOf(text: string) {
  const result = parseJson(text);
  return result.kind === 'malformed' ? result.problems : [];
}
