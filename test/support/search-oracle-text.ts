/** How values of a search are written, and when texts count as the same. https://hl7.org/fhir/R4/search.html#escaping */

/** At separators that no backslash stands before; the parts stay escaped. */
export function split(text: string, separator: ',' | '|'): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/\\.|[^\\]|\\$/gsu))
    if (piece === separator) parts.push('');
    else parts[parts.length - 1] += piece;
  return parts;
}

export function unescape(text: string): string {
  return text.replace(/\\([\\,|$])/g, '$1');
}

/** Without case, accents and needless white space. */
export function normal(text: string): string {
  const bare = text.normalize('NFKD').replace(/\p{M}/gu, '');
  return bare.toLowerCase().replaceAll('ß', 'ss').replace(/\s+/g, ' ').trim();
}

/** `eq` where nothing else is written. */
export function prefixed(value: string): [prefix: string, rest: string] {
  const [, prefix = 'eq', rest = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s.exec(value) ?? [];
  return [prefix, rest];
}
