import { describe, expect, it } from 'vitest';
import { parseSearch, SEARCH_LIMITS } from './parse-search.ts';

const options = { base: 'https://care.example/fhir/R4', now: 0 };
const parse = (text: string, type = 'Observation') => parseSearch(type, new URLSearchParams(text), options);
const conditions = (text: string, type?: string) => {
  const parsed = parse(text, type);
  expect([parsed.problems, parsed.unknown]).toEqual([[], []]);
  return parsed.query.conditions;
};

describe('parseSearch', () => {
  it.each([
    ['code=a', [{ system: undefined, code: 'a' }]],
    ['code=s|a', [{ system: 's', code: 'a' }]],
    ['code=s|', [{ system: 's', code: undefined }]],
    ['code=|a', [{ system: null, code: 'a' }]],
    [
      'code=a,s|b',
      [
        { system: undefined, code: 'a' },
        { system: 's', code: 'b' },
      ],
    ],
    ['code=a\\,b', [{ system: undefined, code: 'a,b' }]],
    ['code=s\\|t|a\\$b\\\\c', [{ system: 's|t', code: 'a$b\\c' }]],
  ])('reads tokens: %s', (text, values) => {
    expect(conditions(text)).toEqual([{ kind: 'token', parameter: 'code', values }]);
  });

  it.each([
    ['patient=1', ['Patient/1']],
    ['patient=Patient/1', ['Patient/1']],
    ['patient=https://care.example/fhir/R4/Patient/1', ['Patient/1']],
    ['patient=https://other.example/Patient/1', ['https://other.example/Patient/1']],
    ['patient=1,Patient/2', ['Patient/1', 'Patient/2']],
  ])('reads references: %s', (text, targets) => {
    const values = targets.map((target) => ({ target }));
    expect(conditions(text)).toEqual([{ kind: 'reference', parameter: 'patient', values }]);
  });

  it('takes a bare id for every type that the parameter may point at', () => {
    const [condition] = conditions('subject=1');
    const targets = condition?.kind === 'reference' ? condition.values.map((it) => it.target) : [];
    expect(targets.toSorted()).toEqual(['Device/1', 'Group/1', 'Location/1', 'Patient/1']);
  });

  it('joins repeated parameters by AND and values by OR', () => {
    expect(conditions('date=ge2024&date=lt2025,2026&_id=a,b&_lastUpdated=gt2020')).toMatchObject([
      { kind: 'date', values: [{ prefix: 'ge' }] },
      { kind: 'date', values: [{ prefix: 'lt' }, { prefix: 'eq' }] },
      { kind: 'id', values: ['a', 'b'] },
      { kind: 'last-updated', values: [{ prefix: 'gt' }] },
    ]);
  });

  it.each([
    ['', undefined, false],
    ['_count=20', 20, false],
    ['_count=5000', SEARCH_LIMITS.count, false],
    ['_count=0', 0, true],
    ['_summary=count', undefined, true],
    ['_summary=data', undefined, false],
    ['_summary=false', undefined, false],
  ])('shapes the answer: %j', (text, count, countOnly) => {
    expect(parse(text)).toMatchObject({ count, countOnly, unknown: [], problems: [] });
  });

  it('ignores a parameter without a value', () => expect(conditions('code=&patient=1')).toHaveLength(1));

  it.each([
    ['code=a|b|c', 'http.code'],
    ['code=|', 'http.code'],
    ['patient=a b', 'http.patient'],
    ['date=yesterday', 'http.date'],
    ['date=ge', 'http.date'],
    ['_lastUpdated=2024-02-30', 'http._lastUpdated'],
    ['_count=-1', 'http._count'],
    ['_count=many', 'http._count'],
    [`code=${'a,'.repeat(SEARCH_LIMITS.values)}a`, 'http.code'],
  ])('refuses %s', (text, expression) => {
    const { problems, unknown } = parse(text);
    expect(unknown).toEqual([]);
    expect(problems).toMatchObject([{ expression }]);
  });

  it('reports everything at once and never repeats a value', () => {
    const { problems, unknown } = parse('date=secret&_count=secret&cod=secret&code:txt=secret');
    expect(problems).toHaveLength(2);
    expect(unknown).toHaveLength(2);
    expect(JSON.stringify([problems, unknown])).not.toContain('secret');
  });

  it('names an unknown parameter and what was probably meant', () => {
    const [problem] = parse('pateint=1').unknown;
    expect(problem?.message).toContain('pateint');
    expect(problem?.message).toContain('Did you mean patient?');
    expect(problem).toMatchObject({
      category: 'incorrect',
      code: 'not-supported',
      expression: 'http.pateint',
    });
  });

  it('shows in `used` only what it understood', () => {
    expect(parse('code=a&nothing=1&_count=3').used).toEqual([
      ['code', 'a'],
      ['_count', '3'],
    ]);
  });

  it('bounds the number of parameters', () => {
    const many = Array.from({ length: SEARCH_LIMITS.parameters + 5 }, () => 'code=a').join('&');
    const { problems, query } = parse(many);
    expect(problems).toHaveLength(1);
    expect(query.conditions).toHaveLength(SEARCH_LIMITS.parameters);
  });
});
