/** Searches that mean harm: too much, too deep, too wide or too odd. */

export interface HostileSearch {
  readonly what: string;
  readonly type: string;
  readonly query: URLSearchParams;
  /** What R4 and the limits of docs/reference/search.md make of it; either where it may be too slow to answer. */
  /** Either: what is in the store decides, or how busy the server is. */
  readonly expected: 'answered' | 'refused' | 'either';
}

const MANY = 5_000;

export function hostileSearches(): HostileSearch[] {
  return [...tooMuch(), ...tooWide(), ...tooDeep(), ...tooOdd()];
}

function tooMuch(): HostileSearch[] {
  return [
    hostile('thousands of codes', 'refused', 'Observation', { code: numbered(MANY).join() }),
    hostile('as many codes as are allowed', 'answered', 'Observation', { code: numbered(500).join() }),
    hostile('as many codes as are allowed, negated', 'either', 'Observation', {
      'code:not': numbered(500).join(),
    }),
    hostile('thousands of ids', 'refused', 'Patient', { _id: numbered(MANY).join() }),
    hostile('as many dates as are allowed', 'either', 'Observation', {
      date: Array.from({ length: 500 }, (_, i) => `ne${1500 + i}`).join(),
    }),
    hostile('hundreds of words to find anywhere', 'either', 'Patient', {
      'name:contains': numbered(500).join(),
    }),
    hostile(
      'thousands of parameters',
      'refused',
      'Observation',
      numbered(MANY).map((code) => ['code', code]),
    ),
    hostile(
      'as many parameters as are allowed',
      'either',
      'Observation',
      Array.from({ length: 50 }, (_, i) => ['date', `ne${1900 + i}`]),
    ),
    hostile(
      'as many negations as are allowed',
      'either',
      'Observation',
      Array.from({ length: 50 }, (_, i) => ['code:not', `c${i}`]),
    ),
    hostile('hundreds of sort keys', 'refused', 'Observation', { _sort: numbered(300).join() }),
    hostile('a million entries a page', 'answered', 'Observation', { _count: '1000000' }),
    hostile('an endless number of entries a page', 'either', 'Observation', { _count: '9'.repeat(400) }),
    hostile('fewer than no entries', 'refused', 'Observation', { _count: '-1' }),
  ];
}

function tooWide(): HostileSearch[] {
  const all = { date: 'ge0001' };
  return [
    hostile('all of time', 'answered', 'Observation', [
      ['date', 'ge0001'],
      ['date', 'le9999'],
    ]),
    hostile('all of time, counted', 'either', 'Observation', { ...all, _total: 'accurate', _count: '1' }),
    hostile('all of time, sorted by what no index has', 'either', 'Observation', {
      ...all,
      _sort: '-value-quantity,code,-status,encounter',
    }),
    hostile('all but nothing', 'either', 'Observation', {
      'code:not': 'none',
      'category:not': 'none',
      'status:not': 'none',
      _total: 'accurate',
    }),
    hostile('words that nobody used', 'either', 'Observation', {
      'code:text': 'zzzz',
      'category:text': 'zzzz',
    }),
    hostile('a letter that everybody has', 'either', 'Patient', {
      'name:contains': 'a',
      'address:contains': 'e',
      _sort: 'name',
    }),
    hostile('all that is missing', 'either', 'Observation', {
      'focus:missing': 'true',
      'device:missing': 'true',
      _sort: '-_id',
    }),
    hostile('every quantity, in every unit', 'either', 'Observation', {
      'value-quantity': 'ne0,ge-1e99,le1e99',
      _sort: 'value-quantity',
    }),
  ];
}

function tooDeep(): HostileSearch[] {
  const deep: Pair[] = [
    ['_include:iterate', '*'],
    ['_revinclude:iterate', 'Observation:subject'],
    ['_revinclude:iterate', 'Encounter:subject'],
    ['_revinclude:iterate', 'Claim:encounter'],
  ];
  return [
    hostile('everything there is, from each side', 'either', 'Encounter', [...deep, ['_count', '1000']]),
    hostile('everything there is, from one person', 'either', 'Patient', [...deep, ['_count', '1']]),
    hostile(
      'thousands of includes',
      'refused',
      'Observation',
      Array.from({ length: MANY }, () => ['_include', '*']),
    ),
    hostile('includes of nothing', 'refused', 'Observation', { _include: ':'.repeat(1_000) }),
  ];
}

const BACKTRACKING = `${'a'.repeat(400)}!`;

function tooOdd(): HostileSearch[] {
  const strings = {
    'wildcards of SQL': '%_%_%[a-z]*?%',
    'quotes of SQL': `'; drop table resource; --"`,
    'what makes regular expressions slow': BACKTRACKING,
    'nothing but accents': '\u0301'.repeat(400),
    'a letter that becomes eighteen': '\ufdfa'.repeat(400),
    'no character': '\u0000a\u0000',
    'letters from right to left': '\u202e\u05d0\u0627'.repeat(100),
    'nothing but white space': ' \t\u00a0'.repeat(100),
    'signs beyond the first plane': '\u{1f600}'.repeat(200),
    backslashes: '\\\\'.repeat(200),
  };
  return [
    ...Object.entries(strings).flatMap(([what, text]) => [
      hostile(`a name of ${what}`, 'either', 'Patient', { name: text }),
      hostile(`a name with ${what} in it`, 'either', 'Patient', { 'name:contains': text }),
      hostile(`a code of ${what}`, 'either', 'Observation', { code: text }),
    ]),
    hostile('a name of a megabyte', 'refused', 'Patient', { name: 'a'.repeat(1_000_000) }),
    hostile('a million commas', 'refused', 'Observation', { code: ','.repeat(1_000_000) }),
    hostile('a million commas where elements belong', 'refused', 'Observation', {
      _elements: ','.repeat(1_000_000),
    }),
    hostile('a million commas where sort keys belong', 'refused', 'Observation', {
      _sort: ','.repeat(1_000_000),
    }),
    hostile(
      'a million fields',
      'refused',
      'Observation',
      Array.from({ length: 1_000_000 }, () => ['a', 'b']),
    ),
    hostile('a million pipes', 'refused', 'Observation', { code: '|'.repeat(1_000_000) }),
    hostile('a number beyond all numbers', 'refused', 'RiskAssessment', { probability: '1e999999999' }),
    hostile('a number of a thousand digits', 'refused', 'RiskAssessment', { probability: '9'.repeat(1_000) }),
    hostile('no number', 'refused', 'RiskAssessment', { probability: 'NaN' }),
    hostile('a unit in a thousand brackets', 'either', 'Observation', {
      'value-quantity': `1|http://unitsofmeasure.org|${'('.repeat(1_000)}m`,
    }),
    hostile('a unit of a thousand factors', 'either', 'Observation', {
      'value-quantity': `1|http://unitsofmeasure.org|${'kg.'.repeat(500)}kg`,
    }),
    hostile('a unit to an endless power', 'either', 'Observation', {
      'value-quantity': '1|http://unitsofmeasure.org|m999999999',
    }),
    hostile('a day that no month has', 'refused', 'Observation', { date: '2024-02-31' }),
    hostile('a year beyond all years', 'refused', 'Observation', { date: '+275760-09-13' }),
    hostile('a reference to everywhere', 'either', 'Observation', {
      subject: `${'../'.repeat(300)}etc/passwd`,
    }),
    hostile('a cursor of brackets', 'refused', 'Observation', {
      _cursor: Buffer.from('['.repeat(1_000)).toString('base64url'),
    }),
    hostile('a name of a prototype', 'refused', 'Observation', {
      __proto__x: '1',
      constructor: '1',
      toString: '1',
    }),
  ];
}

type Pair = readonly [string, string];

function hostile(
  what: string,
  expected: HostileSearch['expected'],
  type: string,
  asked: Readonly<Record<string, string>> | readonly (readonly string[])[],
): HostileSearch {
  const pairs = (Array.isArray(asked) ? asked : Object.entries(asked)) as [string, string][];
  return { what, expected, type, query: new URLSearchParams(pairs.map(([name, value]) => [name, value])) };
}

function numbered(many: number): string[] {
  return Array.from({ length: many }, (_, i) => `c${i}`);
}
