/** Strings as FHIR search compares them. https://hl7.org/fhir/R4/search.html#string */

/**
 * Without case and accents (Unicode NFKD, marks removed), each run of white space one blank, none at either end. Two strings
 * that differ in nothing else are the same to a search. Letters that no decomposition takes apart (`ø`, `ł`) stay as they are.
 */
export function normaliseString(text: string): string {
  return ASCII.test(text)
    ? tidy(text)
    : tidy(text.normalize('NFKD').replace(MARKS, '')).replace(FOLDED, fold);
}

const tidy = (text: string) => text.toLowerCase().replace(WHITE_SPACE, ' ').trim();

const ASCII = /^[\x20-\x7e]*$/;
const MARKS = /\p{M}+/gu;
// All that is not a single blank.
const WHITE_SPACE = /\s{2,}|[^\S ]/g;
// Where case folding goes further than lower case: sharp s, and the sigma that ends a Greek word.
const FOLDED = /[ßς]/g;
const fold = (letter: string) => (letter === 'ß' ? 'ss' : 'σ');
