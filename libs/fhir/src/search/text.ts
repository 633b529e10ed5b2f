/** Strings as FHIR search compares them. https://hl7.org/fhir/R4/search.html#string */

/**
 * Without case and accents (Unicode NFKD, marks removed), each run of white space one blank, none at either end. Two strings
 * that differ in nothing else are the same to a search. Letters that no decomposition takes apart (`ø`, `ł`) stay as they are.
 */
export function normaliseString(text: string): string {
  const plain = ASCII.test(text) ? text : text.normalize('NFKD').replace(MARKS, '').replace(SHARP_S, 'ss');
  return plain.toLowerCase().replace(WHITE_SPACE, ' ').trim();
}

const ASCII = /^[\x20-\x7e]*$/;
const MARKS = /\p{M}+/gu;
// Case folding makes `ß` and `ẞ` "ss"; lower case alone does not.
const SHARP_S = /[ßẞ]/g;
const WHITE_SPACE = /\s+/g;
