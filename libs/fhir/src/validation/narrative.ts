/**
 * The XHTML of a narrative: well formed, only formatting elements and attributes, nothing that runs, and some content.
 * https://hl7.org/fhir/R4/narrative.html#xhtml (invariants txt-1 and txt-2)
 */

/** Says what is wrong and how to put it right; undefined when the narrative is acceptable. Names tags, never content. */
export function checkNarrative(xhtml: string): string | undefined {
  const open: string[] = [];
  let hasContent = false;
  let seenRoot = false;
  let at = 0;
  while (at < xhtml.length) {
    const start = xhtml.indexOf('<', at);
    const between = xhtml.slice(at, start === -1 ? xhtml.length : start);
    if (/\S/.test(between)) {
      if (open.length === 0) return 'Text stands outside the `div`. Put all content inside one `div`.';
      const entity = BAD_ENTITY.exec(between);
      if (entity !== null) {
        return 'It has a bare `&` or an entity that XML does not know. Write `&amp;`, or the character itself.';
      }
      hasContent = true;
    }
    if (start === -1) break;
    const aside = ASIDES.find(([begin]) => xhtml.startsWith(begin, start));
    if (aside !== undefined) {
      const end = xhtml.indexOf(aside[1], start + aside[0].length);
      if (end === -1) return `The XHTML is not well formed: \`${aside[0]}\` is not closed.`;
      hasContent ||= aside === CHARACTER_DATA && /\S/.test(xhtml.slice(start + aside[0].length, end));
      at = end + aside[1].length;
      continue;
    }
    TAG_NAME.lastIndex = start;
    const [, closing, name] = TAG_NAME.exec(xhtml) ?? [];
    if (name === undefined) {
      return 'The XHTML is not well formed: a `<` does not begin a tag. Write `&lt;` for the character.';
    }
    const attributes = readAttributes(xhtml, TAG_NAME.lastIndex);
    TAG_END.lastIndex = attributes.end;
    const end = TAG_END.exec(xhtml);
    if (end === null)
      return `The XHTML is not well formed: \`${name}\` has an attribute without quotes, or no \`>\`.`;
    at = TAG_END.lastIndex;
    const selfClosing = end[1] === '/';
    if (closing === '/') {
      if (open.pop() !== name) return `The XHTML is not well formed: \`</${name}>\` closes another element.`;
      continue;
    }
    if (open.length === 0) {
      if (seenRoot || name !== 'div')
        return 'A narrative is exactly one `div` element. Put all content inside it.';
      if (attributes.values.get('xmlns') !== 'http://www.w3.org/1999/xhtml') {
        return 'The `div` lacks its namespace. Begin with `<div xmlns="http://www.w3.org/1999/xhtml">`.';
      }
      seenRoot = true;
    }
    if (!ELEMENTS.has(name)) {
      return `The element \`${name}\` is not allowed in a narrative. Use basic formatting elements, such as p, ul, table.`;
    }
    if (attributes.isRepeated) return `The XHTML is not well formed: \`${name}\` has an attribute twice.`;
    const wrong = checkAttributes(name, attributes.values);
    if (wrong !== undefined) return wrong;
    hasContent ||= name === 'img';
    if (!selfClosing) open.push(name);
  }
  if (open.length > 0) return `The XHTML is not well formed: \`<${open.at(-1)}>\` is not closed.`;
  if (!seenRoot)
    return 'A narrative is exactly one `div` element with its namespace. Put all content inside it.';
  return hasContent ? undefined : 'The narrative has no content. Leave `text` out, or say something in it.';
}

const CHARACTER_DATA = ['<![CDATA[', ']]>'] as const;
const ASIDES = [['<!--', '-->'], CHARACTER_DATA] as const;
const TAG_NAME = /<(\/?)([A-Za-z][\w:.-]*)/y;
const TAG_END = /\s*(\/?)>/y;
const ATTRIBUTE = /\s+([A-Za-z_:][\w:.-]*)\s*=\s*("[^"<]*"|'[^'<]*')/y;
const BAD_ENTITY = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)/;
const RUNS_CODE = /^[\s\u0000-\u001f]*(?:javascript|vbscript|data:text)/i;

const ELEMENTS = new Set(
  `p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address bdo kbd
  sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area`.split(
    /\s+/,
  ),
);

const EVERYWHERE = new Set(
  `title style class id lang xml:lang dir accesskey tabindex xmlns span width align valign char charoff abbr axis headers
  scope rowspan colspan`.split(/\s+/),
);

const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'name', 'charset', 'type', 'hreflang', 'rel', 'rev', 'shape', 'coords'],
  img: ['src', 'alt', 'longdesc', 'height', 'usemap', 'ismap', 'border'],
  blockquote: ['cite'],
  q: ['cite'],
  map: ['name'],
  area: ['shape', 'coords', 'href', 'nohref', 'alt'],
  table: ['summary', 'border', 'frame', 'rules', 'cellspacing', 'cellpadding'],
  pre: ['xml:space'],
  td: ['nowrap'],
  ol: ['type', 'start'],
  li: ['value', 'type'],
};

interface Attributes {
  readonly values: ReadonlyMap<string, string>;
  /** The index after the last of them. */
  readonly end: number;
  readonly isRepeated: boolean;
}

function readAttributes(xhtml: string, start: number): Attributes {
  const values = new Map<string, string>();
  let end = start;
  let isRepeated = false;
  ATTRIBUTE.lastIndex = start;
  for (let match = ATTRIBUTE.exec(xhtml); match !== null; match = ATTRIBUTE.exec(xhtml)) {
    end = ATTRIBUTE.lastIndex;
    const [, name = '', quoted = ''] = match;
    isRepeated ||= values.has(name);
    values.set(name, quoted.slice(1, -1));
  }
  return { values, end, isRepeated };
}

function checkAttributes(element: string, attributes: ReadonlyMap<string, string>): string | undefined {
  for (const [name, value] of attributes) {
    if (!EVERYWHERE.has(name) && !ATTRIBUTES[element]?.includes(name)) {
      return `The attribute \`${name}\` is not allowed on \`${element}\` in a narrative. Remove it.`;
    }
    if (RUNS_CODE.test(decoded(value)))
      return `The attribute \`${name}\` of \`${element}\` holds a script. Remove it.`;
    if (BAD_ENTITY.test(value)) {
      return `The attribute \`${name}\` of \`${element}\` has a bare \`&\`. Write \`&amp;\`.`;
    }
  }
  return undefined;
}

function decoded(value: string): string {
  return value.replaceAll(/&#(x?)([0-9A-Fa-f]{1,7});/g, (_, hex, digits: string) => {
    const point = parseInt(digits, hex === 'x' ? 16 : 10);
    return point <= 0x10ffff ? String.fromCodePoint(point) : '';
  });
}
