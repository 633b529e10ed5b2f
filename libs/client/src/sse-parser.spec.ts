import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSseParser, type Block } from './sse-parser.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (...pieces: (string | Uint8Array)[]): Block[] => {
  const parser = createSseParser();
  return pieces.flatMap((it) => parser.push(typeof it === 'string' ? bytes(it) : it));
};

describe('a stream of events', () => {
  it.each<[string, string, readonly Partial<Block>[]]>([
    ['an event of several lines', 'data: a\ndata: b\n\n', [{ id: '', event: 'message', data: 'a\nb' }]],
    ['a name and an id', 'event: reset\nid: e-1\ndata: x\n\n', [{ id: 'e-1', event: 'reset', data: 'x' }]],
    ['at most one blank after the colon', 'data:a\n\ndata: b\n\ndata:  c\n\n', [{ data: 'a' }, { data: 'b' }, { data: ' c' }]],
    ['lines without a colon', 'data\n\ndata\ndata\n\n', [{ data: '' }, { data: '\n' }]],
    ['colons in values', 'data: {"a":"b:c"}\n\n', [{ data: '{"a":"b:c"}' }]],
    ['an id that stays, until another is said', 'id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n', [{ id: '1' }, { id: '1' }, { id: '' }]],
    ['an id by itself, without an event', ':\nid: e-7\n\n', [{ id: 'e-7', event: 'message' }]],
    ['nothing of comments and unknown fields', ': hello\n\nfoo: bar\n\n:data: x\n\n', []],
    ['nothing of a name without data', 'event: x\n\ndata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['nothing of an id with a NUL', 'id: 1\u00002\ndata: a\n\n', [{ id: '', data: 'a' }]],
    ['nothing of an event that did not end', 'data: a\n\ndata: b\n', [{ data: 'a' }]],
    ['nothing of a byte order mark at its beginning', '\ufeffdata: a\n\n', [{ data: 'a' }]],
    ['nothing at all', '', []],
  ])('gives %s', (_, text, blocks) => {
    const found = read(text);
    expect(found).toMatchObject(blocks);
    expect(found).toHaveLength(blocks.length);
  }); // prettier-ignore

  it('is the same with any ends of lines, in whatever pieces it comes', () => {
    const line = fc.oneof(
      fc.constantFrom('', '', 'data: é👩', 'data', 'id: e-1', 'id: e-2', 'event: x', ': c', 'retry: 5', 'data:{"a":1}'),
      fc.string({ maxLength: 6 }).map((it) => it.replaceAll(/[\r\n]/g, '')),
    ); // prettier-ignore
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.constantFrom('\n', '\r', '\r\n'),
        fc.array(fc.nat(400), { maxLength: 20 }),
        (lines, end, cuts) => {
          // One more at the end: what ends with CR could go on with LF.
          const whole = read(`${lines.join('\n')}\n: end\n`);
          const sent = bytes(`${lines.join(end)}${end}: end${end}`);
          const places = [
            0,
            ...cuts.map((it) => Math.min(it, sent.length)).sort((a, b) => a - b),
            sent.length,
          ];
          const pieces = places.slice(1).map((to, at) => sent.subarray(places[at], to));
          expect(read(...pieces)).toEqual(whole);
        },
      ),
    );
  });

  it('says how long to wait', () => {
    const parser = createSseParser();
    parser.push(bytes('retry: 250\n\n'));
    parser.push(bytes('retry: soon\nretry: -1\nretry: 1e3\nretry:\n\n'));
    expect(parser.retryMs).toBe(250);
  });

  it.each([
    ['a line without end', ['x'.repeat(1024 * 1024), 'x']],
    ['a line that is too long', [`data: ${'x'.repeat(1024 * 1024)}\n`]],
    ['an event without end', Array.from({ length: 9 }, () => `data: ${'x'.repeat(512 * 1024)}\n`)],
  ])('is not read on after %s', (_, pieces) => {
    expect(() => read(...pieces)).toThrow(RangeError);
  });

  it('may have lines and events that are nearly so long', () => {
    const data = 'x'.repeat(1024 * 1024 - 6);
    expect(read(`data: ${data}\n`, `data: ${data}\n`, `data: ${data}\n\n`)).toHaveLength(1);
  });
});
