/** Values to search for, drawn from what elements hold. */
import fc from 'fast-check';
import type { Element, Parameter } from './search-oracle-definitions.ts';
import { spanOf, strings, targetsOf } from './search-oracle-matching.ts';
import { amounts, type Amount } from './search-oracle-quantities.ts';
import { codes } from './search-oracle-tokens.ts';
import { escape } from './search-oracle.ts';

/** Escaped, with its prefix. Never empty: an empty value asks for nothing. */
export function values(
  parameter: Parameter,
  modifier: string,
  element: Element,
  base: string,
): fc.Arbitrary<string> {
  switch (parameter.type) {
    case 'token':
      return modifier === 'text'
        ? texts(wordsOf(element))
        : tokens(parameter.code === '_id' ? [] : codes(element), element);
    case 'string':
      return texts(strings(element));
    case 'uri':
      return spellings(String(element.value)).map(escape);
    case 'reference':
      return modifier === 'identifier'
        ? identifiers(element)
        : references(parameter, element, modifier, base);
    case 'date':
      return fc.tuple(PREFIX, dates(element)).map((parts) => parts.join(''));
    case 'number':
    case 'quantity':
      return fc.tuple(PREFIX, quantities(element)).map((parts) => parts.join(''));
  }
}

const PREFIX = fc.constantFrom('', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap');

function tokens(held: ReturnType<typeof codes>, element: Element): fc.Arbitrary<string> {
  const coded = held.length > 0 ? held : [{ system: undefined, code: String(element.value) }];
  if (element.type === 'boolean') return fc.constantFrom('true', 'false');
  const plain = !['Coding', 'CodeableConcept', 'Identifier'].includes(element.type);
  return fc.constantFrom(...coded).chain(({ system = '', code = 'none' }) => {
    const spelt = spellings(code).map(escape);
    if (element.type === 'code') {
      const systems = fc
        .constantFrom(...(element.codes?.keys() ?? []), 'http://example.org/other')
        .map(escape);
      return fc.oneof(
        spelt,
        spelt,
        spelt.map((each) => `|${each}`),
        fc.tuple(systems, spelt).map((parts) => parts.join('|')),
        systems.map((each) => `${each}|`),
      );
    }
    if (plain) return spelt;
    return fc.oneof(
      spelt,
      spelt.map((each) => `${escape(system)}|${each}`),
      spelt.map((each) => `|${each}`),
      fc.constant(`${escape(system || 'http://example.org')}|`),
      spelt.map((each) => `http://example.org|${each}`),
    );
  });
}

function identifiers({ value }: Element): fc.Arbitrary<string> {
  const { identifier = {} } = value as { identifier?: { system?: string; value?: string } };
  return tokens([{ system: identifier.system, code: identifier.value, anyCase: false }], {
    type: 'Identifier',
    value,
  });
}

/** Mostly as it is; else in capitals, cut short, longer, or with another last character. */
function spellings(text: string): fc.Arbitrary<string> {
  const odd = [
    text.toUpperCase(),
    text.toLowerCase(),
    text.slice(0, -1),
    `${text}x`,
    `${text.slice(0, -1)}~`,
  ];
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(text) },
    { weight: 1, arbitrary: fc.constantFrom(...odd.filter((each) => each.trim() !== ''), text) },
  );
}

function wordsOf({ value }: Element): string[] {
  const {
    text,
    display,
    type,
    coding = [],
  } = value as Record<string, string> & {
    coding?: { display?: string }[];
    type?: { text?: string };
  };
  const kind = (type as { text?: string } | undefined)?.text;
  return [text, display, kind, ...coding.map(({ display: each }) => each)].filter(
    (each) => typeof each === 'string',
  );
}

/** Beginnings and other parts of a text, in any case, with accents on or off and white space as it comes. */
function texts(held: readonly string[]): fc.Arbitrary<string> {
  const text = fc.constantFrom(...(held.length > 0 ? held : ['none']));
  return fc
    .tuple(text, fc.nat(12), fc.integer({ min: 1, max: 12 }), fc.nat(7))
    .map(([whole, from, length, manner]) => {
      const characters = [...whole];
      const start = manner < 5 ? 0 : from % characters.length;
      const part = manner % 3 === 0 ? whole : characters.slice(start, start + length).join('');
      const spelt = [
        part,
        part.toUpperCase(),
        part.toLowerCase(),
        part.normalize('NFD'),
        part.replaceAll('e', 'é'),
      ];
      const chosen = spelt[manner % spelt.length]!.replaceAll(' ', manner === 4 ? '  ' : ' ');
      // An accent by itself is no character to look for.
      return escape(/^[\p{M}\s]*$/u.test(chosen) ? 'a' : chosen);
    });
}

function references(
  parameter: Parameter,
  element: Element,
  modifier: string,
  base: string,
): fc.Arbitrary<string> {
  const held = targetsOf(element, parameter, base);
  return fc.constantFrom(...(held.length > 0 ? held : ['Patient/nobody'])).chain((target) => {
    const [type = '', id = ''] = target.split('/');
    const local = /^[A-Z]\w+\/[A-Za-z0-9.-]+(\/_history\/|$)/.test(target);
    if (modifier !== '') return fc.constant(local ? id : 'nobody');
    if (!local) return (target.includes(':') ? spellings(target) : fc.constant(target)).map(escape);
    return fc.constantFrom(
      id,
      `${type}/${id}`,
      target,
      `${base}/${type}/${id}`,
      `${type}/${id}-1`,
      `Group/${id}`,
    );
  });
}

/** Something near an end of what the element says, in some precision and zone. */
function dates(element: Element): fc.Arbitrary<string> {
  const span = spanOf(element) ?? { low: 0, high: 0 };
  const ends = [span.low, span.high].filter(Number.isFinite);
  return fc
    .record({
      end: fc.constantFrom(...(ends.length > 0 ? ends : [0])),
      shift: fc.constantFrom(0, 0, 0, 1, -1, 1_000, -60_000, 3_600_000, -86_400_000, 31 * 86_400_000),
      length: fc.constantFrom(4, 7, 10, 16, 19, 21, 23),
      zone: fc.constantFrom('Z', '+00:00', '+01:00', '-05:00', '+05:30', '+13:45'),
    })
    .map(({ end, shift, length, zone }) => {
      const [, sign, hours = 0, minutes = 0] = /([+-])(\d\d):(\d\d)/.exec(zone) ?? [];
      const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60_000 : 60_000);
      const local = new Date(end + shift + (length > 10 ? offset : 0)).toISOString();
      return local.slice(0, length) + (length > 10 ? zone : '');
    });
}

const ALIKE: Readonly<Record<string, readonly string[]>> = {
  kg: ['g', '[lb_av]', 'mg'],
  g: ['kg', 'mg'],
  mg: ['g', 'ug', 'kg'],
  cm: ['m', '[in_i]', 'mm'],
  'mm[Hg]': ['kPa', 'Pa'],
  'mg/dL': ['g/L', 'mg/L'],
  'g/dL': ['g/L', 'mg/dL'],
  'g/L': ['g/dL', 'mg/mL'],
  'mmol/L': ['umol/L', 'mol/L', 'mg/dL'],
  'kg/m2': ['g/cm2'],
  Cel: ['[degF]', 'K'],
  a: ['d', 'mo'],
  min: ['h', 's'],
  d: ['h', 'wk'],
  mL: ['L', 'dL'],
  fL: ['L', 'pL'],
};

function quantities(element: Element): fc.Arbitrary<string> {
  const ends = amounts(element).flatMap(({ low, high, ...units }) =>
    [low, high].flatMap((end) => (end ? [{ ...units, amount: Number(end.at.n) / Number(end.at.d) }] : [])),
  );
  return fc
    .constantFrom(...(ends.length > 0 ? ends : [{ amount: 1 }]))
    .chain((end) => near(end, typeof element.value === 'number'));
}

function near(
  { amount, system = '', code = '', unit = '' }: Omit<Amount, 'low' | 'high'> & { amount: number },
  isBare: boolean,
): fc.Arbitrary<string> {
  const number = fc.constantFrom(
    String(amount),
    String(amount),
    amount.toFixed(0),
    amount.toFixed(1),
    amount.toFixed(3),
    amount.toExponential(),
    String(amount + 0.5),
    String(amount - 0.5),
    (amount * 1.05).toFixed(2),
    (amount * 0.7).toFixed(1),
    String(-amount),
  );
  if (isBare) return number;
  const units = [
    '',
    ...(code && system ? [`|${system}|${code}`, `|${system}|${code}`] : []),
    ...[code, unit].filter(Boolean).map((each) => `||${escape(each)}`),
    ...(ALIKE[code] ?? ['mg']).map((each) => `|${system || 'http://unitsofmeasure.org'}|${each}`),
  ];
  return fc.tuple(number, fc.constantFrom(...units)).map((parts) => parts.join(''));
}
