/** Elements that say what search finds hard: see odd-resources.ts. */
import fc from 'fast-check';

export const UCUM = 'http://unitsofmeasure.org';

/** Mostly there. */
export const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 });
export const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[] | undefined> =>
  maybe(fc.array(arbitrary, { minLength: 1, maxLength: 3 }));

const WORDS = [
  'Zoë',
  'zoe',
  'ZOË',
  'Søren',
  'Straße',
  'STRASSE',
  'İpek',
  'ﬁnn',
  'O’Brien',
  "O'Brien",
  'de la  Cruz',
  'Ångström',
  '李',
  'van\tder Berg',
  'e\u0301mile',
  'Émile',
  '100%',
  'a_b',
  'x*y',
];
export const word = fc.constantFrom(...WORDS);
export const text = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(' '));

const CODES = ['A', 'a', 'Aa', 'a,b', 'a|b', 'a$b', 'a\\b', 'a b', '1', '0001'];
const SYSTEMS = [
  'http://example.org/odd',
  'http://example.org/odd|1',
  'urn:oid:1.2.3',
  'http://snomed.info/sct',
  'http://terminology.hl7.org/CodeSystem/v3-ActCode',
  'http://terminology.hl7.org/CodeSystem/v2-0203',
];
const system = maybe(fc.constantFrom(...SYSTEMS));
const code = fc.constantFrom(...CODES.filter((each) => !/ {2}|^ | $/.test(each)));
export const coding = fc
  .record({ system, code: maybe(code), display: maybe(text) })
  .filter((each) => each.code !== undefined || each.display !== undefined);
export const concept = fc
  .record({ coding: some(coding), text: maybe(text) })
  .filter((each) => (each.coding ?? each.text) !== undefined);
export const identifier = fc.record({ system, value: code, type: maybe(fc.record({ text })) });

export const dateTime = fc
  .record({
    at: fc.integer({ min: Date.UTC(1901, 0), max: Date.UTC(2029, 0) }),
    form: fc.constantFrom('year', 'month', 'day', 'second', 'millisecond', 'tenth'),
    zone: fc.constantFrom('Z', '+01:00', '-11:00', '+14:00', '+05:45'),
  })
  .map(({ at, form, zone }) => {
    const iso = new Date(at).toISOString();
    const length = { year: 4, month: 7, day: 10, second: 19, millisecond: 23, tenth: 21 }[form];
    return iso.slice(0, length) + (length > 10 ? zone : '');
  });
export const day = fc.constantFrom('2024-02-29', '2024-02', '2024', '1900-01-01', '1999-12-31');
export const period = fc.constantFrom(
  { start: '2024-01-31' },
  { end: '2024-01-31T23:59:59Z' },
  { start: '2024-01', end: '2024-03' },
  { start: '2023-12-31T23:30:00-01:00', end: '2024-01-01T00:30:00Z' },
  { start: '2020', end: '2024' },
);
export const timing = fc.constantFrom(
  { event: ['2024-03-01', '2024-01-01T10:00:00Z'] },
  { repeat: { boundsPeriod: { start: '2024-02' }, frequency: 1, period: 1, periodUnit: 'd' } },
  { repeat: { frequency: 1, period: 1, periodUnit: 'd' } },
);

const amount = fc.oneof(
  fc.integer({ min: -5, max: 300 }),
  fc.constantFrom(0, 0.1, 0.30000000000000004, 5.4, 98.6, 37, 99.5, 100.5, 1e-7, 12345678.9),
);
const unit = fc.constantFrom(
  ...[
    'mg',
    'g',
    'kg',
    '[lb_av]',
    'Cel',
    '[degF]',
    'K',
    'mmol/L',
    'umol/L',
    'mm[Hg]',
    'kPa',
    '/min',
    '{beats}/min',
    '%',
    'mL',
    'dL',
    'cm',
    '[in_i]',
    'h',
    'min',
    'a',
    'nonsense',
  ].map((each) => ({ system: UCUM, code: each, unit: each })),
  { system: 'http://example.org/units', code: 'mg', unit: 'Milligram' },
  { unit: 'mg' },
  {},
);
export const quantity = fc
  .record({
    value: amount,
    unit,
    comparator: fc.constantFrom(undefined, undefined, undefined, '<', '<=', '>=', '>'),
  })
  .map(({ unit: of, ...rest }) => ({ ...rest, ...of }));

/** Of one unit, of two, or with a unit at one end alone; open, empty and of no width too. */
export const range = fc
  .record({ low: maybe(amount), width: maybe(fc.constantFrom(0, 0.5, 1, 10)), lowUnit: unit, highUnit: unit })
  .chain(({ low, width, lowUnit, highUnit }) => {
    const high = width === undefined ? undefined : (low ?? 5) + width;
    const limits = (lower: object, upper: object) => ({
      low: low === undefined ? maybeEmpty(lower) : { value: low, ...lower },
      high: high === undefined ? undefined : { value: high, ...upper },
    });
    return fc.constantFrom(
      limits(lowUnit, lowUnit),
      limits(lowUnit, lowUnit),
      limits(lowUnit, lowUnit),
      limits(lowUnit, { ...lowUnit, unit: 'otherwise' }),
      limits(lowUnit, {}),
      limits({}, highUnit),
      limits(lowUnit, highUnit),
    );
  });
const maybeEmpty = (limit: object) => (Object.keys(limit).length === 0 ? undefined : limit);
