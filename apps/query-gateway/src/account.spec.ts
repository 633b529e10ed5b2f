import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answeredOf, askedOf } from './account.ts';
import { Refusal, type FhirRequest } from './gateway.ts';

const asked = (url: string) => {
  const { pathname, searchParams } = new URL(url, 'http://h');
  const path = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  return askedOf({ path, query: searchParams }, (value) => `<${value.length}>`);
};

describe('what was asked', () => {
  it.each([
    ['a read', '/Patient/abc', 'Patient/abc'],
    ['an operation', '/Patient/abc/$everything?_count=5', 'Patient/abc/$everything?_count=5'],
    ['a search by POST', '/Observation/_search?code=x', 'Observation?code=x'],
    [
      'parameters in another order',
      '/Observation?status=final&code=a|b',
      'Observation?code=a|b&status=final',
    ],
    ['references and dates', '/Observation?patient=Patient/p1,p2&date=ge2020-01-01', 'Observation?date=ge2020-01-01&patient=Patient/p1,p2'], // prettier-ignore
    ['a compartment', '/Patient/abc/Observation?code=x', 'Patient/abc/Observation?code=x'],
    ['a place in pages', '/Observation?_cursor=secret', 'Observation?_cursor='],
  ])('keeps %s', (_, url, expected) => expect(asked(url)).toBe(expected));

  it.each([
    ['a name', '/Patient?family=Beckham', 'Patient?family=~%3C7%3E'],
    ['a date of birth', '/Patient?birthdate=1975-05-02', 'Patient?birthdate=~%3C10%3E'],
    ['an identifier', '/Patient?identifier=s|9434765919', 'Patient?identifier=~%3C12%3E'],
    ['what a chain ends with', '/Observation?patient.name=Beckham', 'Observation?patient.name=~%3C7%3E'],
    [
      'an identifier in a reference',
      '/Observation?patient:identifier=s|1',
      'Observation?patient%3Aidentifier=~%3C3%3E',
    ],
    ['an NHS number as a code', '/Observation?code=9434765919', 'Observation?code=~%3C10%3E'],
    ['an NHS number as a reference', '/Observation?patient=943-476-5919', 'Observation?patient=~%3C12%3E'],
    ['an NHS number in the place of an id', '/Patient/943.476.5919', 'Patient/~<12>'],
    ['a name in the place of an id', '/Patient/Victoria Beckham', 'Patient/~<16>'],
    ['a name in the place of a parameter', '/Patient?Beckham=1', 'Patient?~<7>=~%3C1%3E'],
    ['free text', '/Observation?code:text=Beckham', 'Observation?code%3Atext=~%3C7%3E'],
  ])('gives a digest for %s', (_, url, expected) => expect(asked(url).replaceAll(':', '%3A')).toBe(expected));

  it('is one field of a line, whatever was asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' })),
        fc.array(fc.tuple(fc.string(), fc.string({ unit: 'binary' }))),
        (path, pairs) => {
          const query = new URLSearchParams(pairs.map(([name, value]) => [name, value]));
          expect(askedOf({ path, query }, () => 'd')).not.toMatch(/[\t\n\r]/);
        },
      ),
    );
  });
});

describe('what was answered', () => {
  const request = {
    path: ['Patient', 'p'],
    query: new URLSearchParams(),
    correlation: 'c',
  } as unknown as FhirRequest;
  const brokenGlass = { patientsOf: () => ['opened'] } as never;
  const gateway = { projected: { position: () => 7 } as never, digest: () => '', brokenGlass };
  const of = (result: Parameters<typeof answeredOf>[2]) =>
    answeredOf(gateway, request, result, { interaction: 'read', status: 200 });
  const shown = { versions: '3,4', patients: ['p'] };

  it.each([
    ['permitted', { status: 200, basis: 'direct-care', shown } as const],
    ['redacted', { status: 200, basis: 'direct-care', shown: { ...shown, isConcealed: true } } as const],
    ['undecided', { status: 200 }],
    ['refused', new Refusal([], {}, { reason: 'no-relationship', patients: ['p'] })],
    ['undecided', new Refusal([{ category: 'incorrect', code: 'value', message: '' }])],
  ])('is %s', (decision, result) =>
    expect(of(result)).toMatchObject({ decision, position: 7, correlation: 'c' }),
  );

  it('rests on the broken glass where it shows somebody whose glass was broken', () => {
    const basisOf = (patients: string[]) =>
      of({ status: 200, basis: 'direct-care', shown: { ...shown, patients } }).basis;
    expect([basisOf(['p']), basisOf(['p', 'opened']), basisOf([])]).toEqual([
      'direct-care',
      'broken-glass',
      'direct-care',
    ]);
  });

  it('says what was shown, and whose', () => {
    expect(of({ status: 200, basis: 'direct-care', shown })).toMatchObject({ shown: '3,4', patients: ['p'] });
    expect(of(new Refusal([], {}, { reason: 'x', patients: ['p'] }))).toMatchObject({
      shown: '',
      patients: ['p'],
      basis: 'x',
    });
  });
});
