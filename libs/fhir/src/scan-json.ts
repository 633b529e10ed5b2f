/** One pass over the characters of valid JSON for what `JSON.parse` does not tell: depth, keys, inexact numbers. */

export interface JsonScan {
  readonly depth: number;
  /** How many members the text's objects have, repeats included. */
  readonly keys: number;
  /** Whether some number would be written differently by JavaScript. */
  readonly inexact: boolean;
  /** Whether some string has a `\u` escape, and so may hold characters that text cannot. */
  readonly escapes: boolean;
}

/** Scans text that `JSON.parse` has accepted; anything else gives nonsense. About a nanosecond a character. */
export function scanJson(json: string): JsonScan {
  let depth = 0;
  let deepest = 0;
  let keys = 0;
  let inexact = false;
  let escapes = false;
  let i = 0;
  while (i < json.length) {
    const char = json.charCodeAt(i);
    if (char === QUOTE) {
      const end = endOfString(json, i);
      if (!escapes && end < 0) escapes = true;
      i = Math.abs(end);
    } else if (char === COLON) {
      keys++;
      i++;
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > deepest) deepest = depth;
      i++;
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      depth--;
      i++;
    } else if (char === MINUS || (char >= ZERO && char <= NINE)) {
      const start = i++;
      let plain = char !== MINUS;
      for (; i < json.length; i++) {
        const next = json.charCodeAt(i);
        if (next >= ZERO && next <= NINE) continue;
        if (next !== DOT && next !== PLUS && next !== MINUS && (next | 0x20) !== LOWER_E) break;
        plain = false;
      }
      if (!inexact && (!plain || i - start > SAFE_DIGITS)) {
        const literal = json.slice(start, i);
        inexact = String(Number(literal)) !== literal;
      }
    } else {
      i++;
    }
  }
  return { depth: deepest, keys, inexact, escapes };
}

/**
 * FHIRPaths of the members that occur twice in one object of valid JSON, in the order of the text, at most 100.
 * Names that are not plain are left out of the path.
 */
export function findDuplicateKeys(json: string): string[] {
  const found: string[] = [];
  const open: { keys?: Set<string>; path: string; index: number }[] = [];
  let path = /"resourceType"\s*:\s*"([A-Za-z]{1,64})"/.exec(json)?.[1] ?? '';
  let i = 0;
  while (i < json.length && found.length < 100) {
    const char = json[i];
    const top = open.at(-1);
    if (char === '{' || char === '[') {
      open.push({ ...(char === '{' && { keys: new Set() }), path, index: 0 });
      if (char === '[') path = `${path}[0]`;
      i++;
    } else if (char === '}' || char === ']') {
      path = open.pop()?.path ?? '';
      i++;
    } else if (char === ',' && top !== undefined) {
      top.index++;
      path = top.keys === undefined ? `${top.path}[${top.index}]` : top.path;
      i++;
    } else if (char === '"') {
      const end = Math.abs(endOfString(json, i));
      const keys = top?.keys;
      if (top !== undefined && keys !== undefined && /^\s*:/.test(json.slice(end, end + 100))) {
        const key = JSON.parse(json.slice(i, end)) as string;
        path = /^\w{1,64}$/.test(key) ? `${top.path}${top.path === '' ? '' : '.'}${key}` : top.path;
        if (keys.has(key)) found.push(path);
        keys.add(key);
      }
      i = end;
    } else {
      i++;
    }
  }
  return found;
}

/** Where text stops being JSON: the index of the first token that does not fit, or of the end when something is missing. */
export function findSyntaxError(json: string): number {
  const open: string[] = [];
  let expected = VALUE;
  let at = 0;
  for (;;) {
    WHITE_SPACE.lastIndex = at;
    WHITE_SPACE.test(json);
    at = WHITE_SPACE.lastIndex;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(json)?.[0];
    if (token === undefined) return at;
    const kind = token.startsWith('"') ? 'string' : '{}[],:'.includes(token) ? token : 'scalar';
    if (!expected.includes(kind)) return at;
    at = TOKEN.lastIndex;
    if (kind === '{' || kind === '[') {
      open.push(kind);
      expected = kind === '{' ? FIRST_KEY : FIRST_ITEM;
    } else if (kind === ':') {
      expected = VALUE;
    } else if (kind === ',') {
      expected = open.at(-1) === '{' ? KEY : VALUE;
    } else if (kind === 'string' && (expected === FIRST_KEY || expected === KEY)) {
      expected = AFTER_KEY;
    } else {
      if (kind === '}' || kind === ']') open.pop();
      expected = open.length === 0 ? NOTHING : open.at(-1) === '{' ? AFTER_MEMBER : AFTER_ITEM;
    }
  }
}

// What may come next, as kinds of token.
const VALUE: readonly string[] = ['string', 'scalar', '{', '['];
const KEY: readonly string[] = ['string'];
const FIRST_KEY: readonly string[] = ['string', '}'];
const FIRST_ITEM: readonly string[] = [...VALUE, ']'];
const AFTER_KEY: readonly string[] = [':'];
const AFTER_MEMBER: readonly string[] = [',', '}'];
const AFTER_ITEM: readonly string[] = [',', ']'];
const NOTHING: readonly string[] = [];
const WHITE_SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/y;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
// Every integer of so many digits survives being a JavaScript number.
const SAFE_DIGITS = 15;

/** The index after the string that starts at `start`; negative when the string has a `\u` escape. */
function endOfString(json: string, start: number): number {
  let unicode = false;
  for (let i = start + 1; ; i++) {
    const char = json.charCodeAt(i);
    if (char === QUOTE) return unicode ? -(i + 1) : i + 1;
    if (char === BACKSLASH && json.charCodeAt(++i) === LOWER_U) unicode = true;
  }
}
