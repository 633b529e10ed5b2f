import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkNarrative } from './narrative.ts';

const div = (inner: string) => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`;

describe('accepts', () => {
  test.each([
    ['text', div('Blood pressure')],
    ['formatting', div('<p class="a" style="color:red">x<br/><b>y</b></p><ul><li>z</li></ul>')],
    ['a table', div('<table border="1"><tr><td colspan="2" nowrap="nowrap">x</td></tr></table>')],
    [
      'a link and an image alone',
      div('<a href="https://example.org/?a=1&amp;b=2"><img src="data:image/png;base64,AA" alt="x"/></a>'),
    ],
    ['entities of XML', div('&lt;5 &amp; &#233; &#xE9; &quot;')],
    ['comments and character data', div('<!-- a > b --><![CDATA[ <not a tag> ]]>')],
    ['blanks around and inside tags', ` \n${div('<p >x</p >')}\n`],
    [
      'quotes of either kind, and > inside them',
      "<div xmlns='http://www.w3.org/1999/xhtml' title='a>b'>x</div>",
    ],
    ['a language', '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="cy" lang="cy">Claf</div>'],
  ])('%s', (_, xhtml) => {
    expect(checkNarrative(xhtml)).toBeUndefined();
  });
});

describe('refuses', () => {
  test.each([
    ['nothing', '', 'exactly one `div`'],
    ['no markup', 'Blood pressure', 'outside the `div`'],
    ['another root', '<p xmlns="http://www.w3.org/1999/xhtml">x</p>', 'exactly one `div`'],
    ['two roots', div('x') + div('y'), 'exactly one `div`'],
    ['text after the root', `${div('x')} y`, 'outside the `div`'],
    ['no namespace', '<div>x</div>', 'namespace'],
    ['the wrong namespace', '<div xmlns="http://www.w3.org/1999/html">x</div>', 'namespace'],
    ['no content', div(' \n <p></p>'), 'no content'],
    ['only a comment', div('<!-- x -->'), 'no content'],
    ['a script', div('<script>x</script>'), '`script` is not allowed'],
    ['a form', div('<form><input/></form>'), '`form` is not allowed'],
    ['a frame', div('<iframe src="x"/>'), '`iframe` is not allowed'],
    ['an object', div('<object data="x"/>'), '`object` is not allowed'],
    ['an event handler', div('<p onclick="x()">y</p>'), '`onclick` is not allowed'],
    ['an event handler on an image', div('<img src="x" onerror="y"/>'), '`onerror` is not allowed'],
    ['a link that runs code', div('<a href="javascript:x">y</a>'), 'script'],
    ['a link that runs code, disguised', div('<a href=" JaVaScRiPt:x">y</a>'), 'script'],
    ['a link that runs code, as an entity', div('<a href="java&#115;cript:x">y</a>'), 'script'],
    ['an attribute twice', div('<p class="a" class="b">y</p>'), 'twice'],
    ['a tag that is not closed', div('<p>x'), 'closes another'],
    ['a root that is not closed', '<div xmlns="http://www.w3.org/1999/xhtml">x', 'not closed'],
    ['crossed tags', div('<b><i>x</b></i>'), 'closes another'],
    ['a bare <', div('a < b'), '&lt;'],
    ['a bare &', div('a & b'), '&amp;'],
    ['an entity of HTML', div('a&nbsp;b'), 'entity'],
    ['an attribute without quotes', div('<td colspan=2>x</td>'), 'without quotes'],
    ['an attribute without a value', div('<td nowrap>x</td>'), 'without quotes'],
    ['a processing instruction', `<?xml version="1.0"?>${div('x')}`, 'well formed'],
    ['a document type', `<!DOCTYPE html>${div('x')}`, 'well formed'],
    ['a comment that is not closed', div('x <!-- y'), 'not closed'],
  ])('%s', (_, xhtml, message) => {
    expect(checkNarrative(xhtml)).toContain(message);
  });

  test('a very long tag, comment or run of signs, without running out of stack or time', () => {
    for (const part of [
      '<p ',
      '<!-- ',
      '&',
      '<',
      'a="" ',
      '<p '.padEnd(1e6, 'x'),
      `<p title="${'y'.repeat(1e6)}`,
    ]) {
      expect(
        checkNarrative(
          `<div xmlns="http://www.w3.org/1999/xhtml">${part.repeat(Math.ceil(1e6 / part.length))}`,
        ),
      ).toBeTypeOf('string');
    }
  });
});

test('never accepts an element or attribute that can run code, wherever it stands', () => {
  const piece = fc.constantFrom(
    '<p>',
    '</p>',
    '<b/>',
    '<script>',
    '</script>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    ' onload="x"',
    '"',
    "'",
    '>',
    '<',
    'a',
    '&amp;',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const xhtml = div(pieces.join(''));
      if (checkNarrative(xhtml) !== undefined) return;
      const visible = xhtml.replace(/<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>/g, '');
      expect(visible).not.toMatch(/<script|<[^>]*\son\w+=/);
    }),
    { numRuns: 2000 },
  );
});
