import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseString } from './text.ts';

describe('normaliseString', () => {
  it.each([
    ['René', 'rene'],
    ['Carreño  Quiñones', 'carreno quinones'],
    ['  Ana\tMaria\n', 'ana maria'],
    ['STRASSE', 'strasse'],
    ['Straße', 'strasse'],
    ['İstanbul', 'istanbul'],
    ['ﬁne', 'fine'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['Søren Łuc', 'søren łuc'],
    ['Ｆｕｌｌ', 'full'],
    ['한국', '한국'.normalize('NFKD')],
    ['', ''],
    [' \u0301 ', ''],
  ])('%j is %j', (text, normalised) => expect(normaliseString(text)).toBe(normalised));

  it('changes nothing a second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = normaliseString(text);
        expect(normaliseString(once)).toBe(once);
      }),
    );
  });

  it('keeps a beginning a beginning', () => {
    const words = fc.array(fc.stringMatching(/^[A-Za-zÀ-ÿΑ-Ωα-ω]{1,8}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(words, fc.nat(), (all, at) => {
        const text = all.join(' ');
        const beginning = text.slice(0, (at % text.length) + 1);
        expect(normaliseString(text).startsWith(normaliseString(beginning))).toBe(true);
      }),
    );
  });
});
