/** The separators of parameter values, and the backslash before one that is part of the value. https://hl7.org/fhir/R4/search.html#escaping */

/** The parts between the separators that no backslash escapes, the first `most` of them; they keep their escapes. */
export function splitUnescaped(text: string, separator: string, most?: number): string[] {
  if (!text.includes('\\')) return text.split(separator, most);
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === separator) {
      parts.push(text.slice(start, i));
      if (parts.length === most) return parts;
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** A part as it was meant. */
export const unescape = (text: string) => text.replace(/\\([\\,$|])/g, '$1');
