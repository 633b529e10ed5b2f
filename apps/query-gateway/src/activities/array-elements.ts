/** Takes a JSON array apart without reading what is in it, so that one element that is refused leaves the others be. */

/** The texts of the elements, at most one more than `most`; undefined where the text is no JSON array. */
export function elementsOf(text: string, most: number): readonly string[] | undefined {
  if (!isArray(text)) return undefined;
  const elements: string[] = [];
  let depth = 0;
  let start = text.indexOf('[') + 1;
  for (let at = start - 1; at < text.length && elements.length <= most; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfString(text, at);
    else if (char === OPEN_BRACE || char === OPEN_BRACKET) depth += 1;
    else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth -= 1;
    const isEnd = depth === 0 && char === CLOSE_BRACKET;
    if (!isEnd && !(depth === 1 && char === COMMA)) continue;
    const element = text.slice(start, at);
    // An array of nothing has no comma, and nothing but blanks.
    if (!isEnd || elements.length > 0 || element.trim() !== '') elements.push(element);
    start = at + 1;
  }
  return elements;
}

function isArray(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text));
  } catch {
    return false;
  }
}

/** Of a string that begins here: the index of the quote that ends it. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at += 1;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const BYTE_ORDER_MARK = 0xfeff;
