import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSearch, SEARCH_LIMITS } from './parse-search.ts';
import { RESULT_PARAMETERS } from './result-parameters.ts';
import { searchParametersOf } from './search-parameters.ts';

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

  it.each<[string, string, object]>([
    ['Patient', 'name=JOHN%20%20Sm%C3%AFth', { kind: 'string', match: 'prefix', values: ['john smith'] }],
    ['Patient', 'name:contains=Ann,Li%5C%2C', { kind: 'string', match: 'contains', values: ['ann', 'li,'] }],
    ['Patient', 'name:exact=%C3%89ve%20', { kind: 'string', match: 'exact', values: ['Éve '] }],
    [
      'RiskAssessment',
      'probability=gt0.8',
      { kind: 'number', values: [{ prefix: 'gt', value: 0.8, low: 0.75, high: 0.85 }] },
    ],
    [
      'Observation',
      'value-quantity=5.4',
      { kind: 'quantity', values: [{ prefix: 'eq', value: 5.4, low: 5.35, high: 5.45 }] },
    ],
    [
      'Observation',
      'value-quantity=lt5||mg',
      { kind: 'quantity', values: [{ prefix: 'lt', value: 5, unit: 'mg' }] },
    ],
    [
      'Observation',
      'value-quantity=5|urn:u|mg',
      { kind: 'quantity', values: [{ system: 'urn:u', unit: 'mg' }] },
    ],
    ['ValueSet', 'url=http://V/a%5C%7Cb', { kind: 'uri', values: ['http://V/a|b'] }],
    ['Observation', '_profile=http://p|1', { kind: 'uri', parameter: '_profile', values: ['http://p|1'] }],
    ['Observation', 'code:text=Heart%20R', { kind: 'token-text', values: ['heart r'] }],
    ['Observation', 'code:not=a,b', { kind: 'token', not: true, values: [{ code: 'a' }, { code: 'b' }] }],
    ['Observation', 'code:missing=true', { kind: 'missing', parameter: 'code', missing: true }],
    ['Observation', '_id:missing=false', { kind: 'missing', parameter: '_id', missing: false }],
    [
      'Observation',
      'code=urn:x|AB,AB',
      { values: [{ system: 'urn:x', code: 'ab' }, { code: 'AB' }, { code: 'ab' }] },
    ],
    [
      'Observation',
      'code=|AB',
      {
        values: [
          { system: null, code: 'AB' },
          { system: null, code: 'ab' },
        ],
      },
    ],
    ['Patient', 'gender=Male', { kind: 'token', values: [{ system: undefined, code: 'Male' }] }],
    [
      'Patient',
      'gender=http://hl7.org/fhir/administrative-gender|male',
      { values: [{ system: null, code: 'male' }] },
    ],
    ['Patient', 'gender=urn:x|male', { values: [{ system: 'urn:x', code: 'male' }] }],
    ['Patient', 'email=A@B.uk', { values: [{ code: 'A@B.uk' }, { code: 'a@b.uk' }] }],
    [
      'Observation',
      'subject:identifier=urn:s|A1',
      { kind: 'identifier', values: [{ system: 'urn:s', code: 'a1' }] },
    ],
    ['Observation', 'subject:Patient=1', { kind: 'reference', values: [{ target: 'Patient/1' }] }],
    ['Observation', 'subject:Patient=Patient/1', { kind: 'reference', values: [{ target: 'Patient/1' }] }],
    ['Observation', 'subject=Patient/1/_history/2', { values: [{ target: 'Patient/1/_history/2' }] }],
    ['Observation', 'subject=urn:uuid:1', { values: [{ target: 'urn:uuid:1' }] }],
    ['Observation', 'code=,a,,', { values: [{ code: 'a' }] }],
  ])('reads %s?%s', (type, text, expected) => expect(conditions(text, type)).toMatchObject([expected]));

  it('understands by a system alone the codes that an element of type code takes from it', () => {
    const [condition] = conditions('gender=http://hl7.org/fhir/administrative-gender|', 'Patient');
    const codes = condition?.kind === 'token' ? condition.values.map((it) => it.code) : [];
    expect(codes.toSorted()).toEqual(['female', 'male', 'other', 'unknown']);
  });

  it.each<[string, object]>([
    ['', { includes: [], total: undefined, elements: undefined, summary: undefined }],
    ['_total=accurate', { total: 'accurate' }],
    ['_summary=false', { summary: undefined, countOnly: false }],
    ['_summary=data', { summary: 'data' }],
    ['_elements=code,value[x]&_elements=code,status', { elements: ['code', 'value', 'status'] }],
    [
      '_sort=-date,_id',
      {
        query: {
          sort: [
            { parameter: 'date', descending: true },
            { parameter: '_id', descending: false },
          ],
        },
      },
    ],
    [
      '_include=*&_include=Observation:subject:Patient&_revinclude:iterate=Provenance:target',
      {
        includes: [
          { direction: 'forward', source: 'Observation', parameter: '*', iterate: false },
          {
            direction: 'forward',
            source: 'Observation',
            parameter: 'subject',
            target: 'Patient',
            iterate: false,
          },
          { direction: 'reverse', source: 'Provenance', parameter: 'target', iterate: true },
        ],
      },
    ],
    ['_include:iterate=*', { includes: [{ source: '*', parameter: '*', iterate: true }] }],
    ['_include:iterate=Patient:link', { includes: [{ source: 'Patient', iterate: true }] }],
  ])('reads how results are to come: %s', (text, expected) => {
    const parsed = parse(text);
    expect([parsed.unknown, parsed.problems]).toEqual([[], []]);
    expect(parsed).toMatchObject(expected);
    expect(parsed.used).toEqual([...new URLSearchParams(text)]);
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
    ['code:missing=perhaps', 'http.code:missing'],
    ['code:missing=true,false', 'http.code:missing'],
    ['value-quantity=5|mg', 'http.value-quantity'],
    ['value-quantity=5|urn:u|', 'http.value-quantity'],
    ['value-quantity=mg', 'http.value-quantity'],
    ['value-string=%20', 'http.value-string'],
    ['value-string:contains=%CC%81', 'http.value-string:contains'],
    [`value-string=${'a'.repeat(SEARCH_LIMITS.string + 1)}`, 'http.value-string'],
    [`code=${'a'.repeat(SEARCH_LIMITS.value + 1)}`, 'http.code'],
    ['subject:Patient=Group/1', 'http.subject:Patient'],
    ['subject:Patient=https://other.example/Patient/1', 'http.subject:Patient'],
    ['subject=Nonsense/1', 'http.subject'],
    [`focus=${'1,'.repeat(20)}1`, 'http.focus'],
    ['_summary=some', 'http._summary'],
    ['_summary=text&_include=*', 'http._summary'],
    ['_total=roughly', 'http._total'],
    ['_sort=_id,_id,_id,_id,_id,_id', 'http._sort'],
    ['_include=subject', 'http._include'],
    ['_include=Observation:subject:Nothing', 'http._include'],
    ['_include=Observation:subject:Organization', 'http._include'],
    ['_include=Observation:code', 'http._include'],
    ['_include=Patient:link', 'http._include'],
    ['_include=*:subject', 'http._include'],
    ['_include:iterate=*:subject', 'http._include:iterate'],
    ['_revinclude=*:subject', 'http._revinclude'],
    ['_revinclude=*', 'http._revinclude'],
    ['_revinclude=Observation:*', 'http._revinclude'],
    ['_revinclude=Patient:link', 'http._revinclude'],
    [`code=${'a,'.repeat(SEARCH_LIMITS.values)}a`, 'http.code'],
    [`code=${','.repeat(SEARCH_LIMITS.values)}`, 'http.code'],
    [`_elements=${'code,'.repeat(SEARCH_LIMITS.elements)}code`, 'http._elements'],
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

  it.each([
    ['Patient', 'active=yes', 'active must be true or false.'],
    ['Patient', 'active=urn:x|true', 'active must be true or false.'],
    ['Patient', 'phone=phone|0113', 'without a system'],
  ])('says of %s?%s what it must be', (type, text, message) => {
    expect(parse(text, type).problems).toMatchObject([
      { message: expect.stringContaining(message) as string },
    ]);
  });

  it.each([
    ['code:txt=a', 'Did you mean :text?'],
    ['code:in=a', 'Supported: :missing, :not, :text'],
    ['date:exact=2024', 'Supported: :missing, or none'],
    ['patient:Group=1', 'not supported on patient'],
    ['_id:not=1', 'not supported on _id'],
    ['_count:max=1', 'not supported on _count'],
    ['_include:recurse=*', 'Only :iterate is'],
    [
      '_sort=date,-dat',
      'Key 2 of _sort is no search parameter of Observation; - before one means descending. Did you mean date?',
    ],
    ['_elements=code,valu', 'Did you mean value?'],
    ['subject.name=a', 'chained parameters'],
    ['_has:Observation:patient:code=a', 'chained parameters'],
    ['_contents=a', 'not supported on Observation'],
    ['code-value-quantity=a', 'not supported on Observation'],
  ])('may ignore %s for a lenient client', (text, message) => {
    const { problems, unknown, used, query, includes } = parse(text);
    expect([problems, used, query, includes]).toEqual([[], [], { type: 'Observation', conditions: [] }, []]);
    expect(unknown).toMatchObject([
      { code: 'not-supported', message: expect.stringContaining(message) as string },
    ]);
  });

  it('bounds what is included', () => {
    const text = Array.from(
      { length: SEARCH_LIMITS.includes + 1 },
      () => '_include=Observation:subject',
    ).join('&');
    expect(parse(text)).toMatchObject({ problems: [{ expression: 'http._include' }] });
    expect(parse(text).includes).toHaveLength(SEARCH_LIMITS.includes);
  });

  it('reads or refuses any text without a fault', () => {
    const names = searchParametersOf('Observation').map((it) => it.code);
    const name = fc.oneof(fc.constantFrom(...names, ...RESULT_PARAMETERS), fc.string());
    const modifier = fc.constantFrom(
      '',
      ':missing',
      ':exact',
      ':not',
      ':text',
      ':identifier',
      ':Patient',
      ':iterate',
      ':',
    );
    const piece = fc.constantFrom(
      'gt',
      '2024',
      '-01',
      '5.4',
      '1e9',
      '|',
      ',',
      '\\\\',
      'a',
      '*',
      ':',
      '/',
      'Patient',
      'É',
      ' ',
    );
    const value = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((it) => it.join('')),
      fc.string({ unit: 'binary' }),
    );
    const pair = fc.tuple(name, modifier, value).map(([code, mark, text]) => [code + mark, text] as const);
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), (pairs) => {
        const { used, unknown, problems, query } = parseSearch('Observation', pairs, options);
        expect(query.conditions.length).toBeLessThanOrEqual(used.length);
        for (const { message } of [...unknown, ...problems]) expect(message).toMatch(/[.?]$/);
        // What was used means the same when it is asked again.
        expect(parseSearch('Observation', used, options).query).toEqual(query);
      }),
      { numRuns: 1000 },
    );
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
